//! One executor at a time.
//!
//! Whether there is one is the kernel's word: it keeps a lock on `control/executor.lock` for as long as
//! the executor lives, whoever looks from whichever container, and gives it back when the process is
//! killed. What the file holds is for people, and nothing is concluded from it.

use crate::{Sweep, SweepError};
use serde::Serialize;
use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// An executor at work, as it wrote itself down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExecutorProcess {
    /// Its process number on its machine or in its container; absent where the lock file was damaged.
    pub pid: Option<u32>,
    /// Its machine.
    pub host: Option<String>,
}

impl ExecutorProcess {
    /// The content of a lock file: process number and machine.
    fn parse(text: &str) -> Self {
        let mut words = text.split_whitespace();
        let pid = words.next().and_then(|word| word.parse().ok());
        Self {
            host: words.next().filter(|_| pid.is_some()).map(str::to_owned),
            pid,
        }
    }

    /// Nothing where it cannot be read: there is a process all the same.
    fn read(file: &File) -> Self {
        // More than this is none of ours.
        const MOST: u64 = 1024;
        let mut bytes = Vec::new();
        let _ = file.take(MOST).read_to_end(&mut bytes);
        Self::parse(&String::from_utf8_lossy(&bytes))
    }
}

impl fmt::Display for ExecutorProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pid, &self.host) {
            (Some(pid), Some(host)) => write!(f, "process {pid} on {host}"),
            (Some(pid), None) => write!(f, "process {pid}"),
            (None, _) => write!(f, "a process that cannot be told"),
        }
    }
}

/// A reader holds the lock for a moment to see whether it is free; an executor waits that long.
const PATIENCE: Duration = Duration::from_millis(500);

impl Sweep {
    /// The executor at work, if there is one. Where the file system has no locks, none is seen.
    #[must_use]
    pub fn executor(&self) -> Option<ExecutorProcess> {
        let path = self.lock_path();
        // A pipe would hold up whoever opens it.
        let file = path.is_file().then(|| File::open(&path).ok()).flatten()?;
        if let Err(TryLockError::WouldBlock) = file.try_lock_shared() {
            return Some(ExecutorProcess::read(&file));
        }
        let _ = file.unlock();
        None
    }

    /// Makes this process the sweep's only executor until the guard is dropped.
    pub(crate) fn lock(&self) -> Result<ExecutorLock, SweepError> {
        let (path, mut file) = self.open_lock()?;
        let io = |source| SweepError::Write {
            path: path.clone(),
            source,
        };
        if !try_lock(|| file.try_lock()).map_err(io)? {
            return Err(self.busy(&file));
        }
        // Where the file system has no locks, those who share the sweep are still seen.
        if !self.sharing().is_empty() {
            return Err(self.busy(&file));
        }
        file.set_len(0).map_err(io)?;
        file.rewind().map_err(io)?;
        let (pid, host) = (std::process::id(), logs::lease::hostname());
        writeln!(file, "{pid} {host}").map_err(io)?;
        Ok(ExecutorLock { file })
    }

    /// Keeps out whoever wants the sweep to himself, until the guard is dropped.
    pub(super) fn lock_shared(&self) -> Result<ExecutorLock, SweepError> {
        let (path, file) = self.open_lock()?;
        let locked = try_lock(|| file.try_lock_shared());
        if locked.map_err(|source| SweepError::Write { path, source })? {
            Ok(ExecutorLock { file })
        } else {
            Err(self.busy(&file))
        }
    }

    fn open_lock(&self) -> Result<(PathBuf, File), SweepError> {
        let path = self.lock_path();
        super::make_folder(&self.dir().join("control"))?;
        let opened = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path);
        match opened {
            Ok(file) => Ok((path, file)),
            Err(source) => Err(SweepError::Write { path, source }),
        }
    }

    fn busy(&self, lock: &File) -> SweepError {
        let executor = ExecutorProcess::read(lock);
        // Those who share the sweep stand elsewhere.
        let shared = || self.sharing().into_iter().next();
        SweepError::Busy {
            path: self.dir().to_owned(),
            executor: match executor.pid {
                Some(_) => executor,
                None => shared().unwrap_or(executor),
            },
        }
    }

    fn lock_path(&self) -> PathBuf {
        self.dir().join("control").join("executor.lock")
    }
}

/// False when another executor has the lock. A file system without locks cannot tell two executors
/// apart; the lease of every run still keeps it from being trained twice.
fn try_lock(lock: impl Fn() -> Result<(), TryLockError>) -> std::io::Result<bool> {
    let until = Instant::now() + PATIENCE;
    loop {
        match lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                sleep(Duration::from_millis(10));
            }
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
                return Ok(true);
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

#[derive(Debug)]
pub(crate) struct ExecutorLock {
    file: File,
}

impl Drop for ExecutorLock {
    fn drop(&mut self) {
        // The unlocking is explicit because a process that another thread has just forked shares the
        // open file until it executes its program, and closing would leave the lock to it.
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sweep;

    #[test]
    fn one_executor_at_a_time() {
        let (_directory, sweep) = sweep();
        assert_eq!(sweep.executor(), None);
        let lock = sweep.lock().unwrap();
        let me = std::process::id();
        assert_eq!(sweep.executor().unwrap().pid, Some(me));
        let error = sweep.lock().unwrap_err().to_string();
        assert!(error.contains(&format!("(process {me} on ")), "{error}");
        drop(lock);
        assert_eq!(sweep.executor(), None);
        drop(sweep.lock().unwrap());
    }

    /// A lock file left by a killed executor, whose number another process has now; damaged ones;
    /// ones of another machine.
    #[test]
    fn what_the_lock_file_says_makes_no_executor() {
        let (_directory, sweep) = sweep();
        let me = std::process::id();
        for text in [
            format!("{me}\n"),
            format!("{me} {}\n", logs::lease::hostname()),
            "1\n".to_owned(),
            "1 elsewhere\n".to_owned(),
            "\0\u{ff}garbage".repeat(1000),
            String::new(),
        ] {
            std::fs::write(sweep.lock_path(), &text).unwrap();
            assert_eq!(sweep.executor(), None, "{text:?}");
            drop(sweep.lock().unwrap());
        }
    }

    #[test]
    fn an_executor_whose_lock_file_was_overwritten_is_still_there() {
        let (_directory, sweep) = sweep();
        let lock = sweep.lock().unwrap();
        std::fs::write(sweep.lock_path(), "garbage").unwrap();
        let seen = sweep.executor().unwrap();
        assert_eq!(seen.to_string(), "a process that cannot be told");
        assert!(matches!(sweep.lock(), Err(SweepError::Busy { .. })));
        drop(lock);
    }

    #[test]
    fn readers_do_not_keep_an_executor_from_starting() {
        let (_directory, sweep) = sweep();
        drop(sweep.lock().unwrap());
        let reader = File::open(sweep.lock_path()).unwrap();
        reader.lock_shared().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                sleep(Duration::from_millis(50));
                reader.unlock().unwrap();
            });
            drop(sweep.lock().unwrap());
        });
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_holds_nobody_up() {
        let (_directory, sweep) = sweep();
        std::fs::create_dir(sweep.lock_path()).unwrap();
        assert_eq!(sweep.executor(), None);
        let error = sweep.lock().unwrap_err().to_string();
        assert!(error.contains("executor.lock"), "{error}");
    }
}
