//! One trainer process.

use crate::{LocalExecutor, SweepError};
use logs::Summary;
use logs::run::CONSOLE_FILE;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A process that does not end this long after it was asked to is killed; it loses the steps since its
/// last checkpoint.
pub(super) const GRACE: Duration = Duration::from_mins(2);

/// Letters of a message that are shown.
const LONGEST: usize = 400;

/// How a trainer process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// All went well.
    Done,
    /// It was asked to stop, or an alarm stopped it, and it has saved its state.
    Stopped,
    /// The machine ran out of something; nothing is wrong with the run.
    Machine,
    /// Another process has the run, or took it over: nothing is wrong with it.
    Taken,
    /// By a signal.
    Killed(i32),
    /// With another exit code.
    Failed(i32),
}

impl End {
    /// The trainer refused its input, before it did anything.
    pub(super) const REFUSED: Self = Self::Failed(2);
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(0), _) => Self::Done,
            (Some(3 | 5), _) => Self::Stopped,
            (Some(4), _) => Self::Machine,
            (Some(6), _) => Self::Taken,
            // A trainer that ends at once because of a signal says so as shells do.
            (Some(code @ 129..=192), _) => Self::Killed(code - 128),
            (Some(code), _) => Self::Failed(code),
            (None, signal) => Self::Killed(signal.unwrap_or(0)),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("ended without finishing its steps"),
            Self::Stopped => f.write_str("stopped"),
            Self::Machine => f.write_str("the machine ran out of something it needs"),
            Self::Taken => f.write_str("another process trains it"),
            Self::Killed(9) => {
                f.write_str("killed (signal 9; the system does so where memory runs out)")
            }
            Self::Killed(signal) => write!(f, "killed (signal {signal})"),
            &Self::REFUSED => f.write_str("refused its input (exit code 2)"),
            Self::Failed(code) => write!(f, "ended with exit code {code}"),
        }
    }
}

/// A run in the charge of a process.
#[derive(Debug)]
pub(super) struct Charge {
    /// Position of the run in the plan.
    pub(super) index: usize,
    /// The attempt that had the last word in its directory before the process began.
    attempt_before: Option<u32>,
    /// Bytes its console log had before.
    console_before: u64,
}

impl Charge {
    fn new(index: usize, directory: &Path) -> Self {
        let console = std::fs::metadata(directory.join(CONSOLE_FILE));
        Self {
            index,
            attempt_before: last_attempt(directory),
            console_before: console.map_or(0, |file| file.len()),
        }
    }

    /// Whether the run has come to an end of its own, as its directory says, since the process began.
    pub(super) fn has_ended(&self, directory: &Path) -> bool {
        last_attempt(directory) != self.attempt_before
    }

    /// The last error in the console log, or else the last line that says something, if it was written
    /// since the process began.
    pub(super) fn last_words(&self, directory: &Path) -> Option<String> {
        const LOOK_AT: u64 = 4096;
        let mut file = File::open(directory.join(CONSOLE_FILE)).ok()?;
        let length = file.metadata().ok()?.len();
        let start = length.saturating_sub(LOOK_AT).max(self.console_before);
        file.seek(SeekFrom::Start(start)).ok()?;
        let mut bytes = Vec::new();
        file.take(LOOK_AT).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        last_error(&text).map(|words| words.chars().take(LONGEST).collect())
    }
}

/// The last error in a text with the lines that explain it, in one line; the last line where there is none.
#[must_use]
pub fn last_error(text: &str) -> Option<String> {
    const MARK: &str = "error: ";
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<&str> = lines.collect();
    match lines.iter().rposition(|line| line.starts_with(MARK)) {
        Some(at) => Some(lines[at..].join(" ").split_off(MARK.len())),
        None => lines.last().map(|line| (*line).to_owned()),
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
    ///
    /// It gets a process group of its own: Ctrl-C in a terminal goes to a whole group, and it is for the
    /// executor to say what becomes of its runs.
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
        let charge = |(index, directory): &(usize, PathBuf)| Charge::new(*index, directory);
        let charges = runs.iter().map(charge).collect();
        let mut command = Command::new(&executor.program);
        command
            .args(&executor.arguments)
            .args(runs.iter().map(|(_, directory)| directory))
            .process_group(0)
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
            runs: charges,
            child,
            asked_to_stop: None,
        })
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> std::io::Result<Option<End>> {
        Ok(self.child.try_wait()?.map(End::from))
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
}

/// A run's console log, open for appending.
pub(super) fn open_console(directory: &Path) -> Result<File, SweepError> {
    console(directory, Ok)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_is_told_with_its_cause() {
        let text = "1/40 loss 3\nerror: old\n2/40 loss 3\nerror: cannot write `a`\n  because: it is full\n\n";
        let words = last_error(text).unwrap();
        assert_eq!(words, "cannot write `a` because: it is full");
        assert_eq!(last_error("one\n two \n\n").unwrap(), "two");
        assert_eq!(last_error("\n"), None);
    }

    #[test]
    fn exit_codes_are_told_apart() {
        let end = |raw: i32| End::from(ExitStatus::from_raw(raw));
        assert_eq!(end(0), End::Done);
        assert_eq!(end(3 << 8), End::Stopped);
        assert_eq!(end(5 << 8), End::Stopped);
        assert_eq!(end(4 << 8), End::Machine);
        assert_eq!(end(6 << 8), End::Taken);
        assert_eq!(end(101 << 8), End::Failed(101));
        assert_eq!(end(130 << 8), End::Killed(2));
        assert_eq!(end(9), End::Killed(9));
    }
}
