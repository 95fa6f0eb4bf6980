//! Executors that share a sweep: each has a lease of its own in `control/executors`.

use super::lock::ExecutorLock;
use crate::{ExecutorProcess, Sweep, SweepError};
use logs::Lease;
use logs::lease::{Holder, Onlooker, Sight, hostname};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

/// Time between two looks at executors that are waited for.
const LOOK: Duration = Duration::from_millis(200);

/// The place of an executor among several, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    _lease: Lease,
    _lock: ExecutorLock,
}

impl From<Holder> for ExecutorProcess {
    fn from(holder: Holder) -> Self {
        Self {
            pid: Some(holder.pid),
            host: Some(holder.host),
        }
    }
}

/// Follows the executors of a sweep, for somebody who waits for them.
#[derive(Debug)]
pub(crate) struct ExecutorWatch<'a> {
    sweep: &'a Sweep,
    seats: Vec<Onlooker>,
}

impl<'a> ExecutorWatch<'a> {
    pub(crate) fn new(sweep: &'a Sweep) -> Self {
        Self {
            sweep,
            seats: Vec::new(),
        }
    }

    /// The executors at work, and those of which nothing is known yet. The seats of executors that are no more are
    /// removed.
    pub(crate) fn at_work(&mut self) -> (Vec<ExecutorProcess>, Vec<ExecutorProcess>) {
        let mut living: Vec<_> = self.sweep.executor().into_iter().collect();
        let mut unknown = Vec::new();
        for path in self.sweep.seats() {
            if !self.seats.iter().any(|seat| seat.path() == path) {
                self.seats.push(Onlooker::new(&path));
            }
        }
        for seat in &mut self.seats {
            match seat.look() {
                Sight::Lives(holder) => living.push(holder.into()),
                Sight::Perhaps { holder, .. } => unknown.push(holder.into()),
                // Where it cannot be removed it is looked at again.
                Sight::Nobody => drop(std::fs::remove_file(seat.path())),
            }
        }
        (living, unknown)
    }
}

impl Sweep {
    /// The executors at work: the one that has the sweep to itself, or those that share it. Whether one of another
    /// machine still lives is a guess by its last heartbeat and this machine's clock.
    #[must_use]
    pub fn executors(&self) -> Vec<ExecutorProcess> {
        let alone = self.executor().into_iter();
        alone.chain(self.sharing()).collect()
    }

    /// Those of [`Sweep::executors`] that share the sweep.
    pub(super) fn sharing(&self) -> Vec<ExecutorProcess> {
        let shared =
            self.seats()
                .into_iter()
                .filter_map(|path| match Onlooker::new(&path).look() {
                    Sight::Lives(holder)
                    | Sight::Perhaps {
                        holder,
                        fresh: true,
                    } => Some(holder.into()),
                    Sight::Perhaps { fresh: false, .. } | Sight::Nobody => None,
                });
        shared.collect()
    }

    /// Makes this process one of the sweep's executors. The first of them forgets what those before were asked for.
    pub(crate) fn join(&self) -> Result<Seat, SweepError> {
        let lock = self.lock_shared()?;
        let folder = self.seats_folder();
        super::make_folder(&folder)?;
        if self.is_asked_anything() && self.is_deserted() {
            self.forget_requests()?;
        }
        // Containers have the same names and process numbers.
        let now = jiff::Timestamp::now().as_nanosecond();
        let name = format!("{}-{}-{now}.json", hostname(), std::process::id());
        Ok(Seat {
            _lease: Lease::take(&folder.join(name))?,
            _lock: lock,
        })
    }

    /// Whether no executor is at work. Where only a heartbeat can tell, this takes as long as one is watched.
    fn is_deserted(&self) -> bool {
        let mut watch = ExecutorWatch::new(self);
        loop {
            match watch.at_work() {
                (living, _) if !living.is_empty() => return false,
                (_, unknown) if unknown.is_empty() => return true,
                _ => sleep(LOOK),
            }
        }
    }

    /// The files of executors that share the sweep.
    fn seats(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.seats_folder()).into_iter().flatten();
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut paths: Vec<_> = paths
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .collect();
        paths.sort();
        paths
    }

    fn seats_folder(&self) -> PathBuf {
        self.dir().join("control").join("executors")
    }
}
