//! A run that goes back to an earlier state and on from there: a branch.
//!
//! The steps behind that state are taken again, otherwise, and recorded by an attempt of their own. What the attempts before
//! it recorded of them stays in their files and belongs to the run no more.

use serde::{Deserialize, Serialize};

use super::{Event, EventKind};

/// A roll-back, as its event tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollBack {
    /// The attempt that the branch begins with.
    pub attempt: u32,
    /// The branch, counted from 1: 0 is what the run began with.
    pub branch: u64,
    /// The last step of what is abandoned.
    pub from: u64,
    /// The finished steps of the state from which the branch goes on.
    pub to: u64,
}

/// Keys of its event's details.
const BRANCH: &str = "branch";
const FROM: &str = "rolled_back_from";

impl RollBack {
    /// What an event tells of, if of a roll-back.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        let detail = |key| event.data.get(key)?.as_u64();
        (event.kind == EventKind::Intervention).then_some(())?;
        Some(Self {
            attempt: event.attempt,
            branch: detail(BRANCH)?,
            from: detail(FROM)?,
            to: event.step,
        })
    }

    /// Adds to an intervention after `to` finished steps that with it branch number `branch` begins, and what it abandons.
    #[must_use]
    pub fn told_by(event: Event, branch: u64, from: u64) -> Event {
        event.with(BRANCH, branch).with(FROM, from)
    }

    /// Whether a record of this attempt and step is abandoned by it.
    #[must_use]
    pub fn abandons(&self, attempt: u32, step: u64) -> bool {
        attempt < self.attempt && step > self.to
    }
}
