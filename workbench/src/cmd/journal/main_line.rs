//! The main line: one run that is killed where the original lost a node, and continued.

use crate::console::say;
use crate::failure::Failure;
use crate::progress::Steps;
use crate::signals::Stop;
use experiments_config::Override;
use experiments_text::Cache;
use logs::{Liveness, Record, RunReader};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use sweeps::journal::{Entry, Journal, Sides};

/// Steps behind the one that the original went back to at which the run is killed.
const BEHIND: u64 = 10;
/// Time between two looks at the run.
const SLICE: Duration = Duration::from_millis(20);

/// The step from which on the run is killed for an interruption.
pub(super) fn kill_at(journal: &Journal, entry: &Entry) -> u64 {
    (journal.scaled(entry.step) + BEHIND).min(journal.scaled(journal.steps) - 1)
}

pub(super) struct MainLine<'a> {
    pub(super) directory: PathBuf,
    configuration: PathBuf,
    set: &'a [Override],
    cache: &'a Cache,
}

/// How a process of the run ended.
enum End {
    Finished,
    Killed,
    Stopped,
}

impl<'a> MainLine<'a> {
    pub(super) fn new(
        directory: PathBuf,
        configuration: PathBuf,
        set: &'a [Override],
        cache: &'a Cache,
    ) -> Self {
        Self {
            directory,
            configuration,
            set,
            cache,
        }
    }

    /// Trains to the end, with the interruptions of the journal that are still to come. False where somebody asked to stop.
    pub(super) fn train(&self, journal: &Journal, stop: &Stop) -> Result<bool, Failure> {
        let interruptions = journal
            .entries
            .iter()
            .filter(|entry| entry.is_interruption());
        let mut kills: Vec<u64> = interruptions.map(|entry| kill_at(journal, entry)).collect();
        loop {
            if !idle(&self.directory, stop)? {
                return Ok(false);
            }
            let reached = self.reached()?;
            kills.retain(|step| *step > reached);
            match self.attempt(kills.first().copied(), journal, stop)? {
                End::Finished => return Ok(true),
                End::Stopped => return Ok(false),
                End::Killed => say("killed, as a node failed there; the run continues"),
            }
        }
    }

    /// What the run's process says.
    fn log(&self) -> PathBuf {
        self.directory.with_extension("log")
    }

    fn reached(&self) -> Result<u64, Failure> {
        let reader = RunReader::open_scalars(&self.directory)?;
        Ok(reader.records().last().map_or(0, |record| record.step))
    }

    /// One process of the run, killed at the first look that finds it at step `kill` or behind.
    fn attempt(&self, kill: Option<u64>, journal: &Journal, stop: &Stop) -> Result<End, Failure> {
        let mut process = self.start()?;
        let mut reader = RunReader::open_scalars(&self.directory)?;
        let mut steps = Steps::new(journal.scaled(journal.steps));
        let waited = |error| Failure::io("cannot wait for the run", &error);
        let status = loop {
            if let Some(status) = process.try_wait().map_err(waited)? {
                break status;
            }
            let _ = reader.poll();
            let at = reader.latest().map_or(0, |record| record.step);
            steps.at(at, "main line");
            if stop.is_set() {
                steps.end();
                return end(process).map(|()| End::Stopped);
            }
            if kill.is_some_and(|step| at >= step) {
                process
                    .kill()
                    .and_then(|()| process.wait())
                    .map_err(waited)?;
                steps.end();
                return Ok(End::Killed);
            }
            std::thread::sleep(SLICE);
        };
        steps.end();
        if status.success() {
            return Ok(End::Finished);
        }
        let said = std::fs::read_to_string(self.log()).unwrap_or_default();
        let last = sweeps::last_error(&said).unwrap_or_else(|| "it said nothing".to_owned());
        let path = self.directory.display();
        Err(Failure::of_process(
            format!("`{path}` did not finish ({status}): {last}"),
            status.code(),
        ))
    }

    fn start(&self) -> Result<Child, Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::io("cannot find this program's own file", &error))?;
        let mut command = Command::new(program);
        command.arg("--cache").arg(self.cache.root()).arg("train");
        if self.directory.join(logs::run::CONFIG_FILE).is_file() {
            command.arg(&self.directory);
        } else {
            command
                .arg(&self.configuration)
                .arg("--out")
                .arg(&self.directory);
            for set in self.set {
                command
                    .arg("--set")
                    .arg(format!("{}={}", set.key, set.value));
            }
        }
        command.args(["--executor", &std::process::id().to_string()]);
        let log = std::fs::File::create(self.log());
        let log = log.map_err(|error| Failure::io("cannot write what the run says", &error))?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        command
            .spawn()
            .map_err(|error| Failure::io("cannot start the run", &error))
    }

    /// The records of each attempt.
    pub(super) fn attempts(&self) -> Result<Vec<BTreeMap<u64, Record>>, Failure> {
        let numbers = logs::run::attempts(&self.directory)?;
        let read = |number| {
            let file = self.directory.join(logs::run::metrics_file(number));
            let text =
                std::fs::read_to_string(&file).map_err(|error| Failure::reading(&file, &error))?;
            // What a kill left of the last line is none.
            let records = text
                .lines()
                .filter_map(|line| Record::parse_line(line).ok());
            Ok(records.map(|record| (record.step, record)).collect())
        };
        numbers.into_iter().map(read).collect()
    }
}

/// Waits while another process trains a run: one that a killed command has left saves its state and ends by itself. False where somebody
/// asked to stop.
pub(super) fn idle(directory: &Path, stop: &Stop) -> Result<bool, Failure> {
    let mut reader = RunReader::open_scalars(directory)?;
    while reader.liveness() == Liveness::Running {
        if stop.is_set() {
            return Ok(false);
        }
        std::thread::sleep(SLICE);
        reader.poll()?;
    }
    Ok(true)
}

/// Asks a process to save its state and waits for it.
fn end(mut process: Child) -> Result<(), Failure> {
    let asked = rustix::process::kill_process(
        rustix::process::Pid::from_child(&process),
        rustix::process::Signal::TERM,
    );
    let ended = asked
        .map_err(std::io::Error::from)
        .and_then(|()| process.wait());
    ended
        .map(|_| ())
        .map_err(|error| Failure::io("cannot end the run", &error))
}

/// The interruption behind step `kill`: what the next attempt took again, and what of it has other bits.
pub(super) fn again(attempts: &[BTreeMap<u64, Record>], kill: u64) -> Sides {
    let last = |attempt: &BTreeMap<u64, Record>| attempt.keys().next_back().copied().unwrap_or(0);
    let pairs = attempts.windows(2).map(|two| (&two[0], &two[1]));
    let pair = pairs.into_iter().find(|(before, _)| last(before) >= kill);
    let Some((before, after)) = pair else {
        return Sides::Again {
            killed: attempts.last().map_or(0, last),
            steps: 0,
            differing: 0,
        };
    };
    let both = after
        .iter()
        .filter_map(|(step, record)| Some((before.get(step)?, record)));
    let differs: Vec<bool> = both
        .map(|(old, new)| !old.differing(new).is_empty())
        .collect();
    Sides::Again {
        killed: last(before),
        steps: differs.len() as u64,
        differing: differs.iter().filter(|differs| **differs).count() as u64,
    }
}
