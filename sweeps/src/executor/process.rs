//! One trainer process.

use crate::{LocalExecutor, SweepError};
use logs::Summary;
use logs::run::CONSOLE_FILE;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Exit code of a trainer that was asked to stop and has saved its state.
pub(super) const STOPPED: i32 = 3;

/// A trainer that does not end this long after SIGTERM is killed; it loses the steps since its
/// last checkpoint.
const GRACE: Duration = Duration::from_mins(2);

/// A run in the charge of a process.
#[derive(Debug)]
pub(super) struct Charge {
    /// Position of the run in the plan.
    pub(super) index: usize,
    /// The attempt that had the last word in its directory before the process began.
    attempt_before: Option<u32>,
}

impl Charge {
    /// Whether the run has come to an end of its own, as its directory says, since the process began.
    pub(super) fn has_ended(&self, directory: &Path) -> bool {
        last_attempt(directory) != self.attempt_before
    }
}

fn last_attempt(directory: &Path) -> Option<u32> {
    let summary = Summary::load(directory).ok().flatten();
    summary.map(|summary| summary.attempt)
}

#[derive(Debug)]
pub(super) struct Process {
    pub(super) runs: Vec<Charge>,
    child: Child,
    asked_to_stop: Option<Instant>,
}

impl Process {
    /// Starts the trainer of `runs`, positions in the plan with their directories, at least one. Its
    /// output is appended to the console log of the first; those of the others say where it is.
    pub(super) fn start(
        executor: &LocalExecutor,
        runs: &[(usize, PathBuf)],
    ) -> Result<Self, SweepError> {
        let (_, first) = &runs[0];
        let (stdout, stderr) = console(first, |file| file.try_clone().map(|copy| (copy, file)))?;
        for (_, other) in &runs[1..] {
            let line = format!("packed with {}, which has the output", first.display());
            console(other, |mut file| writeln!(file, "{line}"))?;
        }
        let charge = |(index, directory): &(usize, PathBuf)| Charge {
            index: *index,
            attempt_before: last_attempt(directory),
        };
        let mut command = Command::new(&executor.program);
        command
            .args(&executor.arguments)
            .args(runs.iter().map(|(_, directory)| directory))
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr);
        if executor.threads > 0 {
            command.env("RAYON_NUM_THREADS", executor.threads.to_string());
        }
        let child = command.spawn().map_err(|source| SweepError::Spawn {
            program: executor.program.clone(),
            source,
        })?;
        Ok(Self {
            runs: runs.iter().map(charge).collect(),
            child,
            asked_to_stop: None,
        })
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> std::io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Asks it to save its state and end; kills it when it was asked long ago.
    pub(super) fn stop(&mut self) {
        match self.asked_to_stop {
            None => {
                self.asked_to_stop = Some(Instant::now());
                let process = rustix::process::Pid::from_child(&self.child);
                // It can only fail when the process has ended already.
                let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
            }
            Some(when) if when.elapsed() > GRACE => {
                let _ = self.child.kill();
            }
            Some(_) => {}
        }
    }

    /// Blocks until it has ended.
    pub(super) fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait()
    }
}

/// Does something with a run's console log, open for appending.
fn console<T>(
    directory: &Path,
    f: impl FnOnce(File) -> std::io::Result<T>,
) -> Result<T, SweepError> {
    let path = directory.join(CONSOLE_FILE);
    let file = File::options().create(true).append(true).open(&path);
    file.and_then(f)
        .map_err(|source| SweepError::Write { path, source })
}

/// The end of a console log: the last line that says something, for an error message.
pub(super) fn last_words(directory: &Path) -> Option<String> {
    const LOOK_AT: u64 = 4096;
    let path: PathBuf = directory.join(CONSOLE_FILE);
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOOK_AT)))
        .ok()?;
    let mut bytes = Vec::new();
    file.take(LOOK_AT).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().rev().map(str::trim).find(|l| !l.is_empty())?;
    Some(line.chars().take(300).collect())
}
