//! One trainer process.

use crate::{LocalExecutor, SweepError};
use logs::run::CONSOLE_FILE;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Exit code of a trainer that was asked to stop and has saved its state.
pub(super) const STOPPED: i32 = 3;

/// A trainer that does not end this long after SIGTERM is killed; it loses the steps since its
/// last checkpoint.
const GRACE: Duration = Duration::from_mins(2);

#[derive(Debug)]
pub(super) struct Process {
    /// Position of the run in the plan.
    pub(super) index: usize,
    child: Child,
    asked_to_stop: Option<Instant>,
}

impl Process {
    /// Starts the trainer in `directory`, its output appended to the console log.
    pub(super) fn start(
        executor: &LocalExecutor,
        index: usize,
        directory: &Path,
    ) -> Result<Self, SweepError> {
        let console = directory.join(CONSOLE_FILE);
        let open = || -> std::io::Result<(File, File)> {
            let file = File::options().create(true).append(true).open(&console)?;
            Ok((file.try_clone()?, file))
        };
        let (stdout, stderr) = open().map_err(|source| SweepError::Write {
            path: console.clone(),
            source,
        })?;
        let mut command = Command::new(&executor.program);
        command
            .args(&executor.arguments)
            .arg(directory)
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
            index,
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
