//! What counts decide, whatever the runs without an outcome would show.
//!
//! These are filled in in every possible way. Deciding early only when all ways agree is no peeking:
//! the decision is the one the whole sweep would give.

use super::direction::Direction;
use super::open::Open;
use super::status::VerdictStatus;
use crate::stats::Proportion;

/// What the counts of whole arms decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    Holds,
    DoesNot,
    /// The control left no room for the claim.
    Untested(Open),
    /// Runs without an outcome could still turn it.
    Unsettled,
}

impl Settled {
    pub(super) fn status(self) -> VerdictStatus {
        match self {
            Self::Holds => VerdictStatus::Reproduced,
            Self::DoesNot => VerdictStatus::NotReproduced,
            Self::Untested(_) | Self::Unsettled => VerdictStatus::Inconclusive,
        }
    }

    pub(super) fn open(self) -> Option<Open> {
        match self {
            Self::Untested(why) => Some(why),
            Self::Holds | Self::DoesNot | Self::Unsettled => None,
        }
    }

    /// What all agree on.
    pub(super) fn of_all(mut ways: impl Iterator<Item = Self>) -> Self {
        let Some(first) = ways.next() else {
            return Self::Unsettled;
        };
        if ways.all(|other| other == first) {
            first
        } else {
            Self::Unsettled
        }
    }
}

/// A claim that does not hold was tested only if some result of the treatment could have made it
/// hold beside this control. A difference that points the other way speaks against it all the same.
pub(super) fn decide(
    holds: bool,
    opposite: bool,
    possible: bool,
    control: Proportion,
    direction: Direction,
) -> Settled {
    let (why, in_the_way) = if direction.is_up() {
        (Open::ControlFailed, control.events > 0)
    } else {
        (Open::ControlDidNotFail, control.events < control.n)
    };
    if holds {
        Settled::Holds
    } else if opposite || possible || !in_the_way {
        Settled::DoesNot
    } else {
        Settled::Untested(why)
    }
}
