//! One writer per directory, as a small file that names the process writing there.
//!
//! A lease outlives a killed process, so whether it still counts is *judged*. Where this kernel knows
//! the holder (same boot, same PID namespace) it is asked for the process and its start time: a
//! process number is soon used again. Elsewhere the heartbeat is *watched*: the holder touches the
//! file every [`BEAT`], and one that is not seen to do so for [`WATCH`] is gone. Clocks are never
//! compared, since those of two machines differ; only the watcher's own measures the time.
//! `docs/decisions/0015-checkpoint-checksums.md` has the reasons.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::clock::now;
use crate::disk::{write_atomic, write_json_atomic};
use crate::error::LogError;

mod heartbeat;
mod process;
mod signal;
mod watch;

use heartbeat::Heartbeat;
pub use process::hostname;
pub use signal::Sent;
pub(crate) use watch::{Life, Seen, Watch};
pub use watch::{Onlooker, Sight};

/// Time between two heartbeats.
pub const BEAT: Duration = Duration::from_secs(2);

/// Time without a heartbeat after which a holder that the kernel cannot be asked about counts as gone.
/// Ten beats: a file system that stalls for some seconds costs nobody a lease.
pub const WATCH: Duration = Duration::from_secs(20);

/// Time between two looks at a heartbeat that is watched.
const LOOK: Duration = Duration::from_millis(100);

/// Time between two tries to lock the directory, which is locked for milliseconds.
const RETRY: Duration = Duration::from_millis(1);

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process number.
    pub pid: u32,
    /// Machine name.
    pub host: String,
    /// Identity of the machine's boot, where the system tells.
    pub boot: Option<String>,
    /// Identity of the namespace that `pid` is a number of, where the system tells.
    #[serde(default)]
    pub pid_namespace: Option<u64>,
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
            pid_namespace: process::pid_namespace(),
            start_ticks: process::start_ticks(pid),
            since: now(),
        }
    }

    /// What the kernel says of the holder; [`Life::Unknown`] where it is another kernel's process, or
    /// one of another PID namespace, whose numbers mean nothing here.
    fn life(&self) -> Life {
        let same_kernel = match (&self.boot, process::boot_id()) {
            (Some(theirs), Some(ours)) => *theirs == ours,
            (None, None) => self.host == hostname(),
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !same_kernel || self.pid_namespace != process::pid_namespace() {
            return Life::Unknown;
        }
        let ours = process::start_ticks(self.pid);
        let reused = self.start_ticks.zip(ours).is_some_and(|(a, b)| a != b);
        if !reused && process::is_running(self.pid) {
            Life::Lives
        } else {
            Life::Gone
        }
    }
}

/// The right to write in a directory. A thread of its own keeps the heartbeat going, so that a long
/// evaluation or checkpoint costs nobody the lease. Dropping it gives it back.
#[derive(Debug)]
pub struct Lease {
    path: PathBuf,
    me: Holder,
    heartbeat: Heartbeat,
    /// The file of a holder that is no more, until [`Lease::settle`].
    former: Option<Vec<u8>>,
    /// Open as long as we write there, which tells others that it is this process that does.
    _directory: File,
}

impl Lease {
    /// Takes the lease file at `path`, also from a process that is no more, whose file is put back on
    /// dropping unless the lease was [settled](Lease::settle). The directory must exist. Fails with [`LogError::Held`] while another live process, or this one, holds it. Where only
    /// the heartbeat can tell, this takes up to [`WATCH`].
    pub fn take(path: &Path) -> Result<Self, LogError> {
        Self::take_watching(path, WATCH)
    }

    fn take_watching(path: &Path, patience: Duration) -> Result<Self, LogError> {
        let mut watch = Watch::new(patience);
        loop {
            let lock = lock_directory(path, patience)?;
            let seen = Seen::look(path)?;
            let mut life = seen.as_ref().map_or(Life::Gone, |seen| watch.judge(seen));
            // Killed processes hold no locks: whoever has it is suspended in the middle of a write.
            if lock.is_none() && life == Life::Unknown {
                life = Life::Lives;
            }
            let former = seen.as_ref().map(|seen| seen.bytes.clone());
            match (life, seen.and_then(|seen| seen.holder)) {
                (Life::Gone, _) => return Self::write(path, former),
                (Life::Lives, Some(holder)) => return Err(held(path, holder)),
                // Somebody repairs a damaged lease: at the next look it has a name.
                (Life::Lives | Life::Unknown, _) => {}
            }
            drop(lock);
            sleep(LOOK);
        }
    }

    fn write(path: &Path, former: Option<Vec<u8>>) -> Result<Self, LogError> {
        let me = Holder::me();
        // Before anybody can read who we are.
        let directory = open_directory(path)?;
        write_json_atomic(path, &me)?;
        let heartbeat = Heartbeat::start(path, &me)?;
        Ok(Self {
            path: path.to_owned(),
            me,
            heartbeat,
            former,
            _directory: directory,
        })
    }

    /// From now on the holder writes: what a former one left is not put back.
    pub(crate) fn settle(&mut self) {
        self.former = None;
    }

    /// Who holds the lease file at `path`, unless the kernel knows that this process is gone. A holder
    /// of another machine or PID namespace may be gone all the same: see [`Lease::take`].
    pub fn holder(path: &Path) -> Result<Option<Holder>, LogError> {
        let holder = Seen::look(path)?.and_then(|seen| seen.holder);
        Ok(holder.filter(|holder| holder.life() != Life::Gone))
    }

    /// The holder that [`Lease::take`] would have to watch, if there is one.
    pub fn doubtful(path: &Path) -> Result<Option<Holder>, LogError> {
        let holder = Seen::look(path)?.and_then(|seen| seen.holder);
        Ok(holder.filter(|holder| holder.life() == Life::Unknown))
    }

    /// Makes sure that the lease is still ours: another machine may have taken it over while this one
    /// was suspended. Once it is lost it stays lost.
    pub fn confirm(&self) -> Result<(), LogError> {
        self.heartbeat.confirm(&self.path, &self.me, false)
    }

    /// Whether the lease is known to be lost; costs nothing.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.heartbeat.is_lost()
    }

    /// Does `act` if the lease is ours, and lets nobody of this machine take it meanwhile.
    pub fn while_held<T, E: From<LogError>>(
        &self,
        act: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.confirm()?;
        let _lock = lock_directory(&self.path, WATCH)?;
        self.heartbeat.confirm(&self.path, &self.me, true)?;
        act()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.heartbeat.stop();
        let seen = Seen::look(&self.path).ok().flatten();
        if seen.and_then(|seen| seen.holder).as_ref() == Some(&self.me) {
            // A lease that stays behind is judged by the next who comes.
            let _ = match self.former.take() {
                Some(bytes) => write_atomic(&self.path, &bytes).is_ok(),
                None => fs::remove_file(&self.path).is_ok(),
            };
        }
    }
}

/// Two processes may find the same dead lease at once; the lock makes look-and-take one act. It is
/// best effort: some network file systems have no locks for directories, and somebody may sleep
/// while he holds it. Absent where another has it all the time.
fn lock_directory(lease: &Path, patience: Duration) -> Result<Option<File>, LogError> {
    let lock = open_directory(lease)?;
    let since = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(Some(lock)),
            Err(TryLockError::WouldBlock) if since.elapsed() >= patience => return Ok(None),
            Err(TryLockError::WouldBlock) => sleep(RETRY),
        }
    }
}

fn open_directory(lease: &Path) -> Result<File, LogError> {
    let dir = lease.parent().unwrap_or(Path::new("."));
    File::open(dir).map_err(|error| LogError::io("open", dir, error))
}

/// Makes the heartbeat visible: the time stamp changes, whatever the clock says.
fn touch(path: &Path) -> Result<(), LogError> {
    let touch = |file: File| file.set_modified(SystemTime::now());
    let opened = File::options().append(true).open(path);
    opened
        .and_then(touch)
        .map_err(|error| LogError::io("touch", path, error))
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
