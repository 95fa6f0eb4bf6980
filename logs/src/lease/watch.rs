//! Telling a living heartbeat from a dead one without comparing two machines' clocks.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::{Holder, WATCH};
use crate::error::LogError;

/// Whether the holder of a lease still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// It does.
    Lives,
    /// It does not.
    Gone,
    /// Not known yet.
    Unknown,
}

/// A lease file at one moment. Two that differ have a heartbeat between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Absent where the file is damaged.
    pub(crate) holder: Option<Holder>,
    pub(crate) bytes: Vec<u8>,
    beat: SystemTime,
}

impl Seen {
    /// Reads the lease file; absent if there is none. The file is opened anew, since a network file
    /// system asks its server for the time stamp only then.
    pub(crate) fn look(path: &Path) -> Result<Option<Self>, LogError> {
        let read = || -> io::Result<(Vec<u8>, SystemTime)> {
            let mut file = File::open(path)?;
            let beat = file.metadata()?.modified()?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok((bytes, beat))
        };
        match read() {
            Ok((bytes, beat)) => Ok(Some(Self {
                holder: serde_json::from_slice(&bytes).ok(),
                bytes,
                beat,
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LogError::io("read", path, error)),
        }
    }

    /// Whether the time stamp lies near the present by this machine's clock: a guess, for readers
    /// that have not watched yet.
    pub(crate) fn looks_fresh(&self, within: Duration) -> bool {
        let now = SystemTime::now();
        let apart = now.duration_since(self.beat);
        apart.unwrap_or_else(|ahead| ahead.duration()) < within
    }
}

/// What has been seen of a lease over a stretch of time.
#[derive(Debug)]
pub(crate) struct Watch {
    patience: Duration,
    /// The last change, when it was noticed, and whether there was one before it.
    last: Option<(Seen, Instant, bool)>,
}

impl Watch {
    /// Nothing seen yet. A heartbeat that does not change for `patience` is dead.
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            patience,
            last: None,
        }
    }

    /// Whether the holder lives, from what the kernel knows or else from what was seen so far.
    pub(crate) fn judge(&mut self, now: &Seen) -> Life {
        match now.holder.as_ref().map_or(Life::Unknown, Holder::life) {
            Life::Unknown => self.watch(now),
            known => known,
        }
    }

    fn watch(&mut self, now: &Seen) -> Life {
        match &self.last {
            Some((seen, since, beating)) if seen == now => match (since.elapsed(), beating) {
                (still, _) if still >= self.patience => Life::Gone,
                (_, true) => Life::Lives,
                (_, false) => Life::Unknown,
            },
            before => {
                let beating = before.is_some();
                self.last = Some((now.clone(), Instant::now(), beating));
                if beating { Life::Lives } else { Life::Unknown }
            }
        }
    }
}

/// Who holds a lease, as far as somebody can tell who only looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// Nobody: there is no lease, or its holder is no more.
    Nobody,
    /// Not known before [`WATCH`] is over.
    Perhaps {
        /// Who wrote the lease.
        holder: Holder,
        /// Whether its last heartbeat is of now by this machine's clock: a guess.
        fresh: bool,
    },
    /// A process that lives.
    Lives(Holder),
}

/// Looks at a lease file again and again, and takes nothing.
#[derive(Debug)]
pub struct Onlooker {
    path: PathBuf,
    watch: Watch,
}

impl Onlooker {
    /// Somebody who has not looked yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            watch: Watch::new(WATCH),
        }
    }

    /// The lease file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is known now. A lease that cannot be read, or is damaged, is nobody's.
    pub fn look(&mut self) -> Sight {
        let Ok(Some(seen)) = Seen::look(&self.path) else {
            return Sight::Nobody;
        };
        let life = self.watch.judge(&seen);
        let fresh = seen.looks_fresh(WATCH);
        match (life, seen.holder) {
            (Life::Gone, _) | (_, None) => Sight::Nobody,
            (Life::Lives, Some(holder)) => Sight::Lives(holder),
            (Life::Unknown, Some(holder)) => Sight::Perhaps { holder, fresh },
        }
    }
}
