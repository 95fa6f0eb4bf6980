//! Processes that train runs of the sweep and are no children of the executor: those that outlived an
//! executor that was killed, and those that somebody started by hand. Leases name them.

use super::process::GRACE;
use logs::Lease;
use logs::lease::{Holder, Sent};
use logs::run::LEASE_FILE;
use serde::Serialize;
use std::fmt;
use std::path::Path;
use std::time::Instant;

/// Where a request to end stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Contact {
    /// No process trains the run.
    Gone,
    /// One does and has been asked; it ends once its state is saved.
    Asked,
    /// One does that cannot be asked.
    OutOfReach(Unreached),
}

/// A process that a run's lease names and that cannot be asked to end, as `process 7 on host`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unreached {
    /// Another machine's, another container's, another user's.
    Elsewhere(String),
    /// One that has nothing of the run open.
    Stranger(String),
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elsewhere(process) => write!(
                f,
                "{process} trains it and cannot be asked from here: end it there"
            ),
            Self::Stranger(process) => write!(
                f,
                "its `lease.json` names {process}, which has nothing of the run open and was not asked: the lease was copied or made up; remove it if nobody trains the run"
            ),
        }
    }
}

/// Whether a process of this machine holds the run in a directory, though its summary may be written: it
/// has said its last word and still has to leave.
pub(crate) fn is_held(directory: &Path) -> bool {
    let lease = directory.join(LEASE_FILE);
    matches!(Lease::holder(&lease), Ok(Some(_))) && matches!(Lease::doubtful(&lease), Ok(None))
}

/// The processes that have been asked to end. Each is asked once, and killed when it does not end in
/// time.
#[derive(Debug, Default)]
pub(crate) struct Asked(Vec<(Holder, Instant)>);

impl Asked {
    /// Asks whoever trains in a run directory to save its state and end. To be called until it is gone.
    pub(crate) fn stop(&mut self, directory: &Path) -> Contact {
        let lease = directory.join(LEASE_FILE);
        let Some(holder) = Lease::holder(&lease).ok().flatten() else {
            return Contact::Gone;
        };
        let before = self.0.iter().find(|(other, _)| is_same(other, &holder));
        let sent = match before {
            None => holder.ask_to_end(directory),
            Some((_, when)) if when.elapsed() > GRACE => holder.kill(directory),
            Some(_) => Sent::Delivered,
        };
        match sent {
            Sent::Gone => Contact::Gone,
            Sent::OutOfReach => Contact::OutOfReach(Unreached::Elsewhere(name(&holder))),
            Sent::Stranger => Contact::OutOfReach(Unreached::Stranger(name(&holder))),
            Sent::Delivered => {
                if before.is_none() {
                    self.0.push((holder, Instant::now()));
                }
                Contact::Asked
            }
        }
    }
}

/// Whether two leases are of one process: a process that trains a pack has several.
fn is_same(one: &Holder, other: &Holder) -> bool {
    (one.pid, one.start_ticks, &one.host) == (other.pid, other.start_ticks, &other.host)
}

/// A holder in words.
pub(crate) fn name(holder: &Holder) -> String {
    format!("process {} on {}", holder.pid, holder.host)
}
