//! Is the run alive?

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::LogError;
use crate::lease::{Holder, Lease};
use crate::run::{LEASE_FILE, Status, Summary};

/// The state of a run, from its lease and its summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Liveness {
    /// No attempt has begun.
    Pending,
    /// A live process writes it.
    Running,
    /// The last attempt ended without a summary: killed, or the machine went down.
    Interrupted,
    /// All done.
    Finished,
    /// Stopped on request; can continue.
    Stopped,
    /// Failed, and said so.
    Failed,
}

/// What the lease file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaseState {
    Absent,
    Live,
    Dead,
}

pub(super) fn holder(dir: &Path) -> Result<LeaseState, LogError> {
    let path = dir.join(LEASE_FILE);
    let holder: Option<Holder> = Lease::holder(&path)?;
    Ok(match holder {
        Some(_) => LeaseState::Live,
        None if path.exists() => LeaseState::Dead,
        None => LeaseState::Absent,
    })
}

impl Liveness {
    /// A summary speaks for its own attempt and those before; a newer attempt is judged by its lease.
    pub(super) fn judge(lease: LeaseState, summary: Option<&Summary>, newest: u32) -> Self {
        match summary {
            Some(summary) if summary.attempt >= newest => match summary.status {
                Status::Finished => Self::Finished,
                Status::Stopped => Self::Stopped,
                Status::Failed => Self::Failed,
            },
            _ if lease == LeaseState::Live => Self::Running,
            _ if lease == LeaseState::Dead || newest > 0 => Self::Interrupted,
            _ => Self::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_attempt_decides() {
        let stopped = Summary::new(Status::Stopped, 50, 1, 1.0);
        let judge = Liveness::judge;
        assert_eq!(judge(LeaseState::Absent, None, 0), Liveness::Pending);
        assert_eq!(judge(LeaseState::Live, None, 0), Liveness::Running);
        assert_eq!(judge(LeaseState::Dead, None, 1), Liveness::Interrupted);
        assert_eq!(judge(LeaseState::Absent, None, 1), Liveness::Interrupted);
        assert_eq!(
            judge(LeaseState::Absent, Some(&stopped), 1),
            Liveness::Stopped
        );
        assert_eq!(
            judge(LeaseState::Live, Some(&stopped), 2),
            Liveness::Running
        );
        assert_eq!(
            judge(LeaseState::Dead, Some(&stopped), 2),
            Liveness::Interrupted
        );
    }
}
