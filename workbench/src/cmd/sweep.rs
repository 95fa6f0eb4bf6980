//! `workbench sweep`: plan, run and steer.

mod cost;
mod fleet;
mod learning;
mod lines;
mod rerun;
mod stop;

use crate::cli::{CardChoice, Execution, Sweep as Command};
use crate::console::{self, say};
use crate::failure::{Failure, exit};
use crate::signals::Stop;
use experiments_config::Override;
use experiments_text::tasks::{self, TaskMixture};
use experiments_text::{Cache, Corpus, content_hash};
use fleet::Fleet;
pub(crate) use lines::Lines;
use rerun::Rerun;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use sweeps::{
    Card, Executor, LocalExecutor, Origin, Plan, Request, Sweep, SweepReader, Tally, Verdict,
    Weights,
};

pub(crate) fn run(command: Command, cache: &Cache) -> Result<ExitCode, Failure> {
    match command {
        Command::Plan {
            choice,
            no_probe,
            json,
        } => plan(&choice, no_probe, json, cache)?,
        Command::Run {
            choice,
            out,
            execution,
            place,
            retry_failed,
        } => {
            let fleet = Fleet::new(&place, &execution, retry_failed)?;
            return run_card(&choice, out, fleet, cache);
        }
        Command::Job {
            dir,
            submission,
            index,
            execution,
            retry_failed,
        } => return fleet::job(&dir, (submission, index), &execution, retry_failed, cache),
        Command::Rerun {
            dir,
            share,
            seed,
            out,
            execution,
            json,
        } => {
            let rerun = Rerun {
                dir: &dir,
                share,
                seed,
                out: out.unwrap_or_else(|| dir.join(format!("rerun-{seed}"))),
            };
            return rerun.run(&execution, cache, json);
        }
        Command::Status { dir, json } => status(&dir, json)?,
        Command::Stop { dir, run: None } => return stop::all(&dir),
        Command::Stop {
            dir,
            run: Some(run),
        } => return stop::one(&dir, &run, Request::Stop),
        Command::Skip {
            dir,
            run,
            undo: false,
        } => return stop::one(&dir, &run, Request::Skip),
        Command::Skip {
            dir,
            run,
            undo: true,
        } => take_back_skip(&dir, &run)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn run_card(
    choice: &CardChoice,
    out: Option<PathBuf>,
    fleet: Fleet,
    cache: &Cache,
) -> Result<ExitCode, Failure> {
    let (card, text) = load(choice)?;
    let out = out.unwrap_or_else(|| default_directory(&card));
    fleet.check(cache)?;
    let sweep = create(&card, &text, &out, &choice.set, cache, !choice.offline)?;
    let executor = fleet.executor(sweep.plan(), cache)?;
    let stop = Stop::listen()?;
    let lines = &mut Lines::default();
    let (tally, verdict) = execute(&sweep, executor.as_ref(), stop.flag(), lines)?;
    console::print(&super::verdict::text(&verdict))?;
    say(&lines::last(&SweepReader::open(sweep.dir())?));
    Ok(exit_code(tally))
}

fn status(dir: &Path, json: bool) -> Result<(), Failure> {
    let status = SweepReader::open(dir)?.status();
    if json {
        console::print_json(&status)
    } else {
        console::print(&status.to_string())
    }
}

fn take_back_skip(dir: &Path, run: &str) -> Result<(), Failure> {
    let sweep = Sweep::open(dir)?;
    let id = sweep.find(run)?.id.clone();
    Ok(sweep.withdraw(&id, Request::Skip)?)
}

fn load(choice: &CardChoice) -> Result<(Card, String), Failure> {
    Ok(Card::load_with_text(
        &choice.card,
        choice.budget.as_deref(),
    )?)
}

fn default_directory(card: &Card) -> PathBuf {
    let name = match &card.budget {
        None => card.name.clone(),
        Some(budget) => format!("{}-{budget}", card.name),
    };
    Path::new("sweeps-out").join(name)
}

fn plan(choice: &CardChoice, no_probe: bool, json: bool, cache: &Cache) -> Result<(), Failure> {
    let (card, _) = load(choice)?;
    let plan = if no_probe {
        Plan::expand(&card, &choice.set)?
    } else {
        prepare(&card, &choice.set, cache, !choice.offline)?
    };
    let mut overview = plan.overview();
    if !no_probe {
        overview.core_seconds = Some(cost::core_seconds(&plan, cache)?);
        overview.too_slow = learning::too_slow(&plan, cache)?;
    }
    if json {
        console::print_json(&overview)
    } else {
        console::print(&overview.to_string())
    }
}

/// Gets the text, plans, and makes the sweep directory or opens it again.
pub(crate) fn create(
    card: &Card,
    text: &str,
    out: &Path,
    set: &[Override],
    cache: &Cache,
    fetch: bool,
) -> Result<Sweep, Failure> {
    let plan = prepare(card, set, cache, fetch)?;
    say(plan.overview().to_string().trim_end());
    Ok(Sweep::create_or_open(
        out,
        &plan,
        text,
        &logs::run::command_line(),
    )?)
}

/// Gets the text and plans. The sources that are really there become overrides of every run, so a
/// run never depends on what is cached later.
fn prepare(card: &Card, set: &[Override], cache: &Cache, fetch: bool) -> Result<Plan, Failure> {
    // One arm's configuration stands for all: an axis takes words and numbers, and a source is
    // neither.
    let probe = Plan::expand(card, set)?;
    let Some(first) = probe.runs.first() else {
        return Err(Failure::usage(format!(
            "the card `{}` has no runs",
            card.name
        )));
    };
    let config = probe.config(first)?;
    let resolved = super::resolve(&config.data, cache, fetch)?;
    let mut given = Given::new(set);
    if resolved.data != config.data {
        let origin = if resolved.notes.is_empty() {
            Origin::Pinned
        } else {
            Origin::Substitute
        };
        given.replace("data.sources", &resolved.data.sources, origin);
    }
    let tasks = tasks::resolve(&config.tasks)?;
    if tasks != config.tasks {
        given.replace("tasks.sources", &tasks.sources, Origin::Pinned);
    }
    let key = "model.init.weights";
    let mut weights = Weights::new();
    if card.axis_values().contains_key(key) {
        weights = axis_weights(&probe)?;
    } else if config.model.init.weights.is_some() {
        let mut init = config.model.init.clone();
        super::pin_weights(&mut init)?;
        given.replace(key, &init.weights, Origin::Pinned);
        let key = "model.init.weights_blake3";
        given.replace(key, &init.weights_blake3, Origin::Pinned);
    }
    let mut plan = Plan::expand_with(card, &given.overrides, weights)?;
    plan.origins = given.origins;
    plan.missing_languages = resolved.missing_languages;
    tokenise(&plan, cache)?;
    Ok(plan)
}

/// What the files hold that arms begin with.
fn axis_weights(plan: &Plan) -> Result<Weights, Failure> {
    let mut found = Weights::new();
    for run in &plan.runs {
        if let Some(path) = plan.config(run)?.model.init.weights
            && !found.contains_key(&path)
        {
            super::existing_file("model.init.weights", &path)?;
            let hash = content_hash(&path)?;
            found.insert(path, hash);
        }
    }
    Ok(found)
}

/// Tokenises once, before many runs ask for it at the same time.
fn tokenise(plan: &Plan, cache: &Cache) -> Result<(), Failure> {
    let mut done = Vec::new();
    for run in &plan.runs {
        let config = plan.config(run)?;
        let text = (config.data.clone(), config.tokenizer.clone());
        if done.contains(&text) {
            continue;
        }
        let progress = &mut |line: &str| say(line);
        let corpus = Corpus::prepare(&config, cache, progress)?;
        TaskMixture::prepare(&config.tasks, corpus.tokenizer(), cache, progress)?;
        done.push(text);
    }
    Ok(())
}

/// What every run is given beside the card.
struct Given {
    overrides: Vec<Override>,
    /// Of these, the keys that come from this program and not from the user.
    origins: BTreeMap<String, Origin>,
}

impl Given {
    fn new(set: &[Override]) -> Self {
        Self {
            overrides: set.to_vec(),
            origins: BTreeMap::new(),
        }
    }

    /// Sets a key in every run, whatever was asked for before. A path that the user gave stays the
    /// user's when only its spelling changes.
    fn replace(&mut self, key: &str, value: &impl Serialize, origin: Origin) {
        // Texts and numbers, which TOML always holds.
        let Ok(value) = toml::Value::try_from(value) else {
            return;
        };
        let asked = self.overrides.iter().any(|set| set.key == key);
        if !(asked && origin == Origin::Pinned) {
            self.origins.insert(key.to_owned(), origin);
        }
        self.overrides.retain(|o| o.key != key);
        self.overrides.push(Override {
            key: key.to_owned(),
            value,
        });
    }
}

/// Runs of this program, as many processes at a time as asked for or as there are cores.
pub(crate) fn executor(
    execution: &Execution,
    cache: &Cache,
    missing_languages: &[String],
) -> Result<LocalExecutor, Failure> {
    let program = std::env::current_exe()
        .map_err(|e| Failure::io("cannot find this program's own file", &e))?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut executor = LocalExecutor::new(program);
    executor.arguments = vec!["--cache".into(), display(cache.root()), "train".into()];
    for language in missing_languages {
        executor
            .arguments
            .extend(["--missing-language".into(), language.clone()]);
    }
    let own = std::process::id().to_string();
    executor.arguments.extend(["--executor".into(), own]);
    executor.pack = execution.pack.into();
    // One pack is meant to fill the device.
    let default = if executor.pack > 1 {
        1
    } else {
        cores / execution.threads.max(1)
    };
    executor.workers = execution.workers.map_or(default, usize::from).max(1);
    executor.threads = execution.threads;
    Ok(executor)
}

fn display(path: &Path) -> String {
    std::path::absolute(path)
        .unwrap_or_else(|_| PathBuf::from(path))
        .display()
        .to_string()
}

/// Runs what is left and writes the verdict as far as it goes.
pub(crate) fn execute(
    sweep: &Sweep,
    executor: &dyn Executor,
    stop: &AtomicBool,
    lines: &mut Lines,
) -> Result<(Tally, Verdict), Failure> {
    let tally = executor.run(sweep, stop, &mut |news| lines.show(&news));
    lines.end();
    let tally = tally?;
    let verdict = sweep.verdict()?;
    super::verdict::save(sweep, &verdict);
    Ok((tally, verdict))
}

pub(crate) fn exit_code(tally: Tally) -> ExitCode {
    match tally {
        t if t.failed + t.out_of_reach > 0 => ExitCode::from(exit::FAILED),
        t if t.is_complete() => ExitCode::SUCCESS,
        _ => ExitCode::from(exit::STOPPED),
    }
}
