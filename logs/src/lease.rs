//! One writer per directory, as a small file that names the process writing there.
//!
//! A lease outlives a killed process, so whether it still counts is *judged*: on the same machine
//! by asking the kernel for the process, its start time and the boot it belongs to (a process
//! number is soon used again); from another machine by the age of the last heartbeat.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::disk::write_json_atomic;
use crate::error::LogError;

mod process;
mod signal;
pub use process::hostname;
pub use signal::Sent;

/// Age of a heartbeat after which a holder on another machine counts as dead. Long, since a
/// heartbeat comes with a step, and a step with evaluation and checkpoint may take minutes.
pub const STALE_AFTER: Duration = Duration::from_mins(5);

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process number.
    pub pid: u32,
    /// Machine name.
    pub host: String,
    /// Identity of the machine's boot, where the system tells.
    pub boot: Option<String>,
    /// Start of the process in clock ticks after that boot, where the system tells.
    pub start_ticks: Option<u64>,
    /// When the lease was taken, RFC 3339.
    pub since: String,
}

impl Holder {
    fn me() -> Self {
        let pid = std::process::id();
        Self {
            pid,
            host: hostname(),
            boot: process::boot_id(),
            start_ticks: process::start_ticks(pid),
            since: crate::run::now(),
        }
    }

    /// Whether the holder still runs, given the time since its last heartbeat.
    fn alive(&self, age: Duration) -> bool {
        if self.host != hostname() {
            return age < STALE_AFTER;
        }
        let differ = |a: Option<u64>, b: Option<u64>| a.zip(b).is_some_and(|(a, b)| a != b);
        let rebooted = self.boot.is_some() && self.boot != process::boot_id();
        let reused = differ(self.start_ticks, process::start_ticks(self.pid));
        !rebooted && !reused && process::is_running(self.pid)
    }
}

/// The right to write in a directory. Dropping it gives it back.
#[derive(Debug)]
pub struct Lease {
    path: PathBuf,
    me: Holder,
}

impl Lease {
    /// Takes the lease file at `path`, also from a process that is no more. The directory must exist.
    /// Fails with [`LogError::Held`] while another live process, or this one, holds it.
    pub fn take(path: &Path) -> Result<Self, LogError> {
        let dir = path.parent().unwrap_or(Path::new("."));
        // Two processes may find the same dead lease at once; the lock makes look-and-take one act.
        // It is best effort: some network file systems have no locks for directories.
        let lock = File::open(dir).map_err(|error| LogError::io("open", dir, error))?;
        let _ = lock.lock();
        if let Some(holder) = Self::holder(path)? {
            return Err(held(path, holder));
        }
        let me = Holder::me();
        write_json_atomic(path, &me)?;
        Ok(Self {
            path: path.to_owned(),
            me,
        })
    }

    /// The live process that holds the lease file at `path`, if any.
    pub fn holder(path: &Path) -> Result<Option<Holder>, LogError> {
        let read = || -> io::Result<(Vec<u8>, SystemTime)> {
            Ok((fs::read(path)?, fs::metadata(path)?.modified()?))
        };
        let (bytes, beat) = match read() {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LogError::io("read", path, error)),
        };
        // A heartbeat from a clock ahead of ours is fresh.
        let age = SystemTime::now().duration_since(beat).unwrap_or_default();
        // Leases are written atomically, so an unreadable one is the remains of a crashed machine.
        let holder: Option<Holder> = serde_json::from_slice(&bytes).ok();
        Ok(holder.filter(|holder| holder.alive(age)))
    }

    /// Tells other machines that the holder lives, and fails when one of them has taken the lease
    /// over meanwhile (this machine was suspended, say).
    pub fn heartbeat(&self) -> Result<(), LogError> {
        match Self::holder(&self.path)? {
            Some(holder) if holder == self.me => {
                let touch = |file: File| file.set_modified(SystemTime::now());
                let opened = File::options().append(true).open(&self.path);
                opened
                    .and_then(touch)
                    .map_err(|error| LogError::io("touch", &self.path, error))
            }
            Some(other) => Err(held(&self.path, other)),
            None => write_json_atomic(&self.path, &self.me),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if matches!(Self::holder(&self.path), Ok(Some(holder)) if holder == self.me) {
            // A lease that stays behind is judged dead by the next reader anyway.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn held(path: &Path, holder: Holder) -> LogError {
    LogError::Held {
        path: path.to_owned(),
        pid: holder.pid,
        host: holder.host,
        since: holder.since,
    }
}

#[cfg(test)]
mod tests;
