//! Is the run alive?

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::LogError;
use crate::lease::{Life, Seen, WATCH, Watch};
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

/// Follows the lease of a run.
#[derive(Debug)]
pub(super) struct LeaseReader {
    path: PathBuf,
    watch: Watch,
}

impl LeaseReader {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            path: dir.join(LEASE_FILE),
            watch: Watch::new(WATCH),
        }
    }

    /// What the lease says now. Where only the heartbeat can tell, the first look is a guess by the
    /// clock, and those after it go by whether it moves.
    pub(super) fn look(&mut self) -> Result<LeaseState, LogError> {
        let Some(seen) = Seen::look(&self.path)? else {
            return Ok(LeaseState::Absent);
        };
        Ok(match self.watch.judge(&seen) {
            Life::Lives => LeaseState::Live,
            Life::Unknown if seen.looks_fresh(WATCH) => LeaseState::Live,
            Life::Unknown | Life::Gone => LeaseState::Dead,
        })
    }
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
