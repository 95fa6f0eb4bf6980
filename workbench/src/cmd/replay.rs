//! `workbench replay`: a step again under changes, and the cause that they name.

use super::fork::{Way, checked, trained_config};
use crate::cli::{Execution, Replay as Arguments};
use crate::console::{self, say};
use crate::failure::{Failure, exit};
use crate::signals::Stop;
use experiments::{Child, Degrees, TrainError, ranks_of_step};
use experiments_config::{Config, Format};
use experiments_text::Cache;
use logs::spike::{Spike, owner, spikes};
use logs::{Event, EventKind, FolderLock, LogError, Record, RollBack, RunReader};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use sweeps::SweepError;
use sweeps::replay::{
    Change, End, Place, REPLAY_FILE, Replay, Row, TWINS, TWINS_DIR, Table, Told, Twin, chosen,
};
use workbench_report::replay_svg;

/// Steps before the step in which an attempt's start is looked across.
const ATTEMPT: u64 = 32;
/// What people read of a replay, beside [`REPLAY_FILE`].
const FIGURE_FILE: &str = "replay.svg";
const PAGE_FILE: &str = "replay.md";

pub(crate) fn run(arguments: &Arguments, cache: &Cache) -> Result<ExitCode, Failure> {
    let stop = Stop::listen()?;
    match take(arguments, cache, &stop)? {
        Some(replay) if arguments.json => console::print_json(&replay)?,
        Some(replay) => console::print(&replay.text())?,
        None => return Ok(ExitCode::from(exit::STOPPED)),
    }
    say(&format!("written: {}", out(arguments).display()));
    Ok(ExitCode::SUCCESS)
}

/// Takes the step again and writes what came of it; none where somebody asked to stop.
pub(super) fn take(
    arguments: &Arguments,
    cache: &Cache,
    stop: &Stop,
) -> Result<Option<Replay>, Failure> {
    let config = trained_config(&arguments.run)?;
    let reader = RunReader::open(&arguments.run)?;
    let at = arguments.at;
    check_recorded(&arguments.run, at, &reader)?;
    let from = first_step(arguments, &reader);
    let study = Study {
        arguments,
        config: &config,
        unanswered: unanswered_to(&arguments.run, reader.events(), from, at)?,
        records: reader.records(),
        from,
        at,
        out: out(arguments),
    };
    let twins =
        chosen(&arguments.twins).map_err(|error| Failure::usage(format!("--twins: {error}")))?;
    let _alone = study.claim()?;
    super::threads(config.runtime.threads);
    let done = study.take(&twins, &reader, cache, stop);
    if !matches!(done, Ok(Some(_))) {
        // The run is as it was, and so is the place: the same command begins anew.
        study.clear();
    }
    if matches!(done, Ok(None)) {
        say("stopped: the same command begins anew");
    }
    done
}

/// The step must have been recorded.
pub(super) fn check_recorded(run: &Path, at: u64, reader: &RunReader) -> Result<(), Failure> {
    let (records, run) = (reader.records(), run.display());
    let [Some(first), Some(last)] = [records.first(), records.last()].map(|r| r.map(|r| r.step))
    else {
        return Err(Failure::usage(format!("`{run}` has recorded no step yet")));
    };
    if (first..=last).contains(&at) {
        return Ok(());
    }
    let spikes = spikes(records, "loss");
    let spikes: Vec<_> = spikes.iter().map(|spike| spike.first.to_string()).collect();
    let hint = match spikes.as_slice() {
        [] => "its loss has no spike".to_owned(),
        _ => format!("its loss spikes at step {}", spikes.join(", ")),
    };
    Err(Failure::usage(format!(
        "`{run}` has no step {at}; it has recorded the steps {first} to {last}, and {hint}"
    )))
}

/// The first step that the twins take: some before the step, and not behind an attempt's start that lies shortly before
/// it, so that what was restored there is seen.
fn first_step(arguments: &Arguments, reader: &RunReader) -> u64 {
    let at = arguments.at;
    let begins = reader
        .events()
        .iter()
        .filter(|event| event.kind == EventKind::Resume);
    let close = begins
        .map(|event| event.step)
        .filter(|step| *step < at && step + ATTEMPT >= at);
    let lead = at.saturating_sub(arguments.lead);
    let first = close.chain([lead]).min().unwrap_or(lead).max(1);
    // What lies before a branch led to other steps.
    let mut branches = reader.events().iter().filter_map(RollBack::of);
    let branch = branches.rfind(|back| back.to < at);
    branch.map_or(first, |back| first.max(back.to + 1))
}

/// The step up to which the records from `from` on are those of a run without policies: the first one that was answered.
fn unanswered_to(run: &Path, events: &[Event], from: u64, at: u64) -> Result<u64, Failure> {
    let backs: Vec<RollBack> = events.iter().filter_map(RollBack::of).collect();
    let stays = |event: &&Event| !backs.iter().any(|b| b.abandons(event.attempt, event.step));
    let acts = events
        .iter()
        .filter(|event| event.data.contains_key("action"));
    let acts = acts.filter(stays);
    let mut first = u64::MAX;
    for act in acts {
        let until = act.data.get("until").and_then(serde_json::Value::as_u64);
        let is_before = act.step < from;
        if is_before && until.is_some_and(|until| until >= from) || !is_before && act.step < at {
            return Err(Failure::usage(format!(
                "`{}` had answered an alarm at step {} (\"{}\"), and twins, which answer none, would not come to its step {at}: replay step {} or one before it",
                run.display(),
                act.step,
                act.message,
                act.step
            )));
        }
        if !is_before {
            first = first.min(act.step);
        }
    }
    Ok(first)
}

/// In the run's directory, unless said otherwise.
pub(super) fn out(arguments: &Arguments) -> PathBuf {
    let own = || {
        let name = format!("step-{:08}", arguments.at);
        arguments.run.join(logs::run::REPLAYS_DIR).join(name)
    };
    arguments.out.clone().unwrap_or_else(own)
}

struct Study<'a> {
    arguments: &'a Arguments,
    config: &'a Config,
    /// The last step that a run without them has like this one.
    unanswered: u64,
    records: &'a [Record],
    from: u64,
    at: u64,
    out: PathBuf,
}

impl Study<'_> {
    /// The place for this command alone: a new one, an empty one, or one where a replay was killed, of which nothing is kept.
    fn claim(&self) -> Result<FolderLock, Failure> {
        logs::output::check(&self.out)?;
        let lock = FolderLock::take(&self.out)?;
        let out = self.out.display();
        if self.out.join(REPLAY_FILE).is_file() {
            return Err(Failure::usage(format!(
                "`{out}` holds a replay already: read `{out}/{PAGE_FILE}`, or name another directory with --out"
            )));
        }
        let twins = self.out.join(TWINS_DIR);
        let known: Vec<&str> = TWINS.iter().map(|twin| twin.name).collect();
        let own = [TWINS_DIR, FIGURE_FILE, PAGE_FILE];
        for (folder, names) in [(&self.out, &own[..]), (&twins, &known[..])] {
            let found = logs::folder::stranger(folder, names).map_err(|error| {
                Failure::io(format!("cannot read `{}`", folder.display()), &error)
            })?;
            if let Some(found) = found {
                return Err(Failure::usage(format!(
                    "`{}` holds `{found}`, which is no part of a replay; name a new or an empty directory with --out",
                    folder.display()
                )));
            }
        }
        self.clear_files();
        Ok(lock)
    }

    fn folder(&self, twin: &Twin) -> PathBuf {
        self.out.join(TWINS_DIR).join(twin.name)
    }

    /// Takes away what an unfinished replay has made.
    fn clear_files(&self) {
        let _ = fs::remove_dir_all(self.out.join(TWINS_DIR));
        for file in [FIGURE_FILE, PAGE_FILE] {
            let _ = fs::remove_file(self.out.join(file));
        }
    }

    /// The same, with the place.
    fn clear(&self) {
        self.clear_files();
        // Only where it is empty.
        let _ = fs::remove_dir(&self.out);
        let _ = fs::remove_dir(self.arguments.run.join(logs::run::REPLAYS_DIR));
    }

    /// From the state before the first step to the files; none where somebody asked to stop.
    fn take(
        &self,
        twins: &[&'static Twin],
        reader: &RunReader,
        cache: &Cache,
        stop: &Stop,
    ) -> Result<Option<Replay>, Failure> {
        let (mut ends, children) = self.children(twins);
        let way = Way {
            run: &self.arguments.run,
            config: self.config,
            step: self.from,
            reach: self.arguments.reach,
        };
        let forked = way.fork(cache, stop.flag(), &children)?;
        if !forked.done || !self.train(twins, &mut ends, cache, stop)? {
            return Ok(None);
        }
        let records = self.read(twins, &ends)?;
        let control = if let Some((step, _)) = forked.deviation {
            sweeps::replay::deviation(step, reader.events())
        } else {
            let known = self.records.partition_point(|r| r.step <= self.unanswered);
            sweeps::replay::control(&self.records[..known], &records[0], reader.events())
        };
        let table = self.table(twins, ends, &records);
        let says = table.attribution(
            self.records,
            control,
            self.config.precision.format == Format::Fp32,
        );
        let last = self.at + self.arguments.steps - 1;
        let run = self.arguments.run.display().to_string();
        let replay = Replay::new(run, (forked.from, last), control, table, says);
        self.write(&replay)?;
        Ok(Some(replay))
    }

    /// The forks to make, and how those twins end that have none.
    fn children(&self, twins: &[&'static Twin]) -> (Vec<Option<End>>, Vec<Child>) {
        let place = self.place();
        let child = |twin: &Twin| {
            let change = twin.change(&place)?;
            // Two changes that are sound by themselves may exclude each other.
            self.child(twin, &change)
                .map_err(|failure| failure.text().to_owned())
        };
        let made: Vec<_> = twins.iter().map(|twin| child(twin)).collect();
        let end = |made: &Result<Child, String>| {
            let reason = made.as_ref().err()?.clone();
            Some(End::NotApplicable { reason })
        };
        let ends = made.iter().map(end).collect();
        (ends, made.into_iter().flatten().collect())
    }

    /// The records of every twin; of those that did not run none.
    fn read(
        &self,
        twins: &[&'static Twin],
        ends: &[Option<End>],
    ) -> Result<Vec<Vec<Record>>, Failure> {
        let read = |(twin, end): (&&'static Twin, &Option<End>)| match end {
            Some(_) => Ok(Vec::new()),
            None => Ok(RunReader::open(&self.folder(twin))?.records().to_vec()),
        };
        twins.iter().zip(ends).map(read).collect()
    }

    fn table(
        &self,
        twins: &[&'static Twin],
        ends: Vec<Option<End>>,
        records: &[Vec<Record>],
    ) -> Table {
        let told = |own: &[Record]| End::Finished(Told::of(self.records, own, self.at));
        let row = |((twin, end), own): ((&&'static Twin, Option<End>), &Vec<Record>)| Row {
            twin: twin.name.to_owned(),
            what: twin.what.to_owned(),
            cause: twin.cause,
            end: end.unwrap_or_else(|| told(own)),
        };
        Table {
            from: self.from,
            at: self.at,
            rows: twins.iter().zip(ends).zip(records).map(row).collect(),
        }
    }

    fn place(&self) -> Place<'_> {
        let before: Vec<Record> = self
            .records
            .iter()
            .filter(|r| r.step < self.at)
            .cloned()
            .collect();
        let spike = spikes(self.records, "loss").into_iter();
        let spike: Option<Spike> = spike
            .into_iter()
            .find(|spike| spike.first.abs_diff(self.at) <= 8);
        let owner = spike.and_then(|spike| owner(&before, &spike));
        let record = Record::at(self.records, self.from);
        Place {
            config: self.config,
            from: self.from,
            at: self.at,
            steps: self.arguments.steps,
            loss_scale: record.and_then(|record| record.scalar("loss_scale")),
            owner: owner.map(|owner| match owner.layer {
                Some(layer) => format!("layers.{layer}."),
                None => "embedding".to_owned(),
            }),
        }
    }

    fn child(&self, twin: &Twin, change: &Change) -> Result<Child, Failure> {
        Ok(Child {
            directory: self.folder(twin),
            config: checked(&change.config, twin.name)?,
            change: change.state,
            words: format!("twin `{}`, {}", twin.name, twin.what),
        })
    }

    /// Trains the twins that there are, by as many ranks as took the step. False where somebody asked to stop.
    fn train(
        &self,
        twins: &[&'static Twin],
        ends: &mut [Option<End>],
        cache: &Cache,
        stop: &Stop,
    ) -> Result<bool, Failure> {
        let there = ends.iter().filter(|end| end.is_none()).count();
        let degrees = ranks_of_step(&self.arguments.run, self.config, self.at)?;
        // What ranks refuse is trained by one process, where it differs by rounding alone.
        let (alone, by_ranks): (Vec<usize>, Vec<usize>) = (0..twins.len())
            .filter(|place| ends[*place].is_none())
            .partition(|place| degrees.is_none() || self.withholds(twins[*place]));
        let mut done = 0;
        for (places, degrees) in [(by_ranks, degrees), (alone, None)] {
            let names: Vec<&str> = places.iter().map(|place| twins[*place].name).collect();
            let trained = self.train_by(degrees, &names, cache, stop, &mut |index, end| {
                done += 1;
                let how = if end.is_ok() { "done" } else { "failed" };
                say(&format!("{done}/{there} twins: {} {how}", names[index]));
                ends[places[index]] = end.err().map(|reason| End::Failed { reason });
            })?;
            if !trained {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a twin leaves out part of a gradient.
    fn withholds(&self, twin: &Twin) -> bool {
        let change = twin.change(&self.place());
        change.is_ok_and(|change| !change.config.withhold.is_empty())
    }

    /// Trains twins, each by these ranks or by one process.
    fn train_by(
        &self,
        degrees: Option<Degrees>,
        names: &[&str],
        cache: &Cache,
        stop: &Stop,
        ended: &mut dyn FnMut(usize, Result<(), String>),
    ) -> Result<bool, Failure> {
        let execution = Execution {
            workers: self.arguments.workers,
            threads: self.arguments.threads * degrees.map_or(1, Degrees::ranks),
            pack: 1,
        };
        let mut executor = super::sweep::executor(&execution, cache, &[])?;
        let flags = degrees.map(|degrees| degrees.to_string());
        let flags = flags.iter().flat_map(|flags| flags.split(' '));
        executor.arguments.extend(flags.map(str::to_owned));
        let twins = self.out.join(TWINS_DIR);
        let folders: Vec<PathBuf> = names.iter().map(|name| twins.join(name)).collect();
        let trained = executor.train_folders(&folders, stop.flag(), ended);
        trained.map_err(|error| match error {
            // What the twin says goes on to its own directory, of which nothing is left.
            SweepError::Machine { run, problem } => {
                let problem = problem.split(';').next().unwrap_or_default();
                Failure::machine(format!(
                    "`{run}` could not go on, and nothing of the replay is left: {problem}; once that is mended, the same command begins anew"
                ))
            }
            other => other.into(),
        })
    }

    fn write(&self, replay: &Replay) -> Result<(), Failure> {
        let svg = replay_svg(&self.out, replay)?;
        let whole = |error: LogError| TrainError::from(error.as_a_whole(&self.out));
        let write = |name: &str, text: &str| {
            let written = logs::write_atomic(&self.out.join(name), text.as_bytes());
            written.map_err(whole)
        };
        write(FIGURE_FILE, &svg)?;
        write(PAGE_FILE, &replay.markdown())?;
        let written = logs::write_json_atomic(&self.out.join(REPLAY_FILE), replay);
        Ok(written.map_err(whole)?)
    }
}
