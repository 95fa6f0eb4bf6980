//! Why a criterion is open though runs have finished: it was not tested.

use super::Finding;
use super::runs::Runs;
use crate::card::Failed;
use crate::reader::RunState;
use crate::{Event, VerdictStatus};
use serde::{Deserialize, Serialize};

/// Why a criterion is open whatever its runs without an outcome would show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Open {
    /// The control shows the event so often that no result of the treatment could be more than
    /// that by the test.
    ControlFailed,
    /// The control shows the event so rarely that no result of the treatment could be less.
    ControlDidNotFail,
    /// Finished runs lost their losses before a first spike, or have too few, so that nobody knows whether they
    /// would have spiked, and the criterion does not say what they count as.
    SpikesLost,
    /// No two runs, or of a mean too few, share a seed, by which the test pairs them.
    TooFewPairs,
    /// Of a trend: no run has a value, so there is no order.
    EveryRunFailed,
    /// Finished runs have no finite value, and the criterion does not rank them.
    NoValue,
    /// Of an exponent: a value is zero or below.
    NoLogarithm,
    /// Of two doses: runs of the one arm fail less often, but where half of them fail is not known to
    /// be in the order of the claim, because an arm has no such dose or the two may lie either way.
    NoOrder,
    /// The value at which half of the runs fail lies outside those swept.
    OutsideRange,
}

impl Open {
    /// For people, after `inconclusive:`.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::ControlFailed => "the control failed as well",
            Self::ControlDidNotFail => {
                "the control did not fail either, so the treatment could not fail less"
            }
            Self::SpikesLost => {
                "finished runs lost their losses before a first spike, or have too few of them"
            }
            Self::TooFewPairs => "too few of its runs share a seed",
            Self::EveryRunFailed => "every run failed",
            Self::NoValue => "finished runs have no finite value",
            Self::NoLogarithm => "a value that is not above 0 has no exponent",
            Self::NoOrder => {
                "the values at which half of the runs fail are not in the order of the claim for certain"
            }
            Self::OutsideRange => "half of the runs fail outside the values swept",
        }
    }
}

impl Finding {
    /// Leaves the criterion open; the reason found first stays.
    pub(super) fn leave_open(&mut self, why: Open) {
        self.open.get_or_insert(why);
        self.status = VerdictStatus::Inconclusive;
    }

    /// Leaves a test of pairs open that has fewer than `least`, unless runs that are missing could still be some.
    pub(super) fn need_pairs(&mut self, pairs: usize, least: usize) {
        if pairs < least && self.missing == 0 {
            self.leave_open(Open::TooFewPairs);
        }
    }

    /// Takes in the finished runs of which it is not known whether they show the event; how many of them leave
    /// it open.
    pub(super) fn note_unknown(&mut self, runs: &Runs<'_>, event: &[Event]) -> u64 {
        if !event.contains(&Event::Spiked) {
            return 0;
        }
        let of_arms = self.arms.iter().flat_map(|arm| runs.of_arm(arm));
        let finished: Vec<&RunState> = of_arms.filter(|run| run.outcome().is_some()).collect();
        let unknown = finished.iter().filter(|run| run.shows(event).is_none());
        let open = finished
            .iter()
            .filter(|run| runs.shows(run, event).is_none());
        let open = open.count() as u64;
        self.without_value = unknown.count() as u64;
        if self.without_value > 0 {
            self.failed = Some(if open > 0 {
                Failed::Open
            } else {
                Failed::Worst
            });
        }
        if open > 0 && self.status == VerdictStatus::Inconclusive {
            self.open.get_or_insert(Open::SpikesLost);
        }
        open
    }

    /// What such runs count as, in words; empty where there are none.
    pub(super) fn unknown_words(&self) -> String {
        let runs = match self.without_value {
            0 => return String::new(),
            1 => "1 run that lost its losses before a spike, or has too few,".to_owned(),
            n => format!("{n} runs that lost their losses before a spike, or have too few,"),
        };
        match (self.failed, self.without_value) {
            (Some(Failed::Worst), 1) => format!("; {runs} counts as spiked"),
            (Some(Failed::Worst), _) => format!("; {runs} count as spiked"),
            (Some(Failed::Open) | None, 1) => format!("; {runs} is in neither number"),
            (Some(Failed::Open) | None, _) => format!("; {runs} are in neither number"),
        }
    }
}
