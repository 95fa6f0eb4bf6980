//! What one criterion found.

use super::failed::Failed;
use super::open::Open;
use super::runs::{Runs, Value};
use super::status::VerdictStatus;
use crate::Event;
use crate::card::Role;
use crate::reader::RunState;
use crate::stats::{Interval, PairCounts, Proportion};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Confidence level of intervals that decide nothing.
pub const LEVEL: f64 = 0.95;

/// Counts of the event in one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// Label of the arm.
    pub arm: String,
    /// Runs with the event, of those that have an outcome.
    pub proportion: Proportion,
    /// Clopper–Pearson interval of the share.
    pub interval: Interval,
    /// Planned runs that have no outcome.
    pub missing: u64,
}

/// A number that says how large something is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// What it is.
    pub what: Quantity,
    /// The estimate.
    pub value: f64,
    /// Its interval.
    pub interval: Option<Interval>,
    /// Confidence level of the interval.
    pub level: f64,
    /// How the interval was made.
    pub method: String,
}

/// What an effect measures. Files hold its words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Quantity {
    /// Share of runs with the event, treatment − control; people read it in percentage points.
    ShareDifference,
    /// Mean of the metric, treatment − control, beside a test of shares: the metric, and over which runs.
    MeanDifference(String),
    /// Any other, in words, with its unit.
    Other(String),
}

const SHARE_DIFFERENCE: &str = "difference of shares, treatment − control";
const MEAN_DIFFERENCE: &str = "difference of mean ";

impl From<String> for Quantity {
    fn from(words: String) -> Self {
        match words.strip_prefix(MEAN_DIFFERENCE) {
            _ if words == SHARE_DIFFERENCE => Self::ShareDifference,
            Some(of) => Self::MeanDifference(of.to_owned()),
            None => Self::Other(words),
        }
    }
}

impl From<Quantity> for String {
    fn from(quantity: Quantity) -> Self {
        quantity.to_string()
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShareDifference => f.write_str(SHARE_DIFFERENCE),
            Self::MeanDifference(of) => write!(f, "{MEAN_DIFFERENCE}{of}"),
            Self::Other(words) => f.write_str(words),
        }
    }
}

/// The test of the same counts that does not decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// The word used in cards.
    pub test: String,
    /// Its p value over the runs with an outcome.
    pub p_value: f64,
}

/// What one criterion found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Name of the criterion.
    pub name: String,
    /// What it shows when it holds.
    pub claim: Option<String>,
    /// The test.
    pub test: String,
    /// Whether the verdict depends on it.
    pub role: Role,
    /// Whether it holds.
    pub status: VerdictStatus,
    /// What was found, without status and full stop.
    pub sentence: String,
    /// p value over the runs with an outcome; absent where an interval or a bound decides.
    pub p_value: Option<f64>,
    /// The same after Holm's correction over the card's confirmatory criteria: for who takes this
    /// one by itself. The verdict, that all hold, goes by [`Finding::p_value`].
    pub p_adjusted: Option<f64>,
    /// Largest p value that counts.
    pub alpha: f64,
    /// Whether the effect goes the way the card says.
    pub as_stated: bool,
    /// Effects, the most important first.
    pub effects: Vec<Effect>,
    /// Counts of the event: treatment and control; empty where none is counted.
    pub counts: Vec<Count>,
    /// Labels of the arms looked at.
    pub arms: Vec<String>,
    /// Runs of these arms without an outcome.
    pub missing: u64,
    /// Runs of these arms with an outcome and without a finite value of the metric, where one is
    /// compared; of a count those of which it is not known whether they spiked. Absent in files of earlier versions, which left such runs out.
    #[serde(default)]
    pub without_value: u64,
    /// What such runs do to the criterion; `None` where no metric is compared, and of a count where there are none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failed: Option<Failed>,
    /// Why it is open whatever its runs without an outcome would show.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub open: Option<Open>,
    /// Of two tests of counts the one that does not decide.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub beside: Option<Beside>,
    /// Counts of the event in pairs of one seed; absent where none is counted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pairs: Option<PairCounts>,
}

impl Finding {
    /// Takes in the finished runs without a finite value of the metric that is compared.
    pub(crate) fn note_failed(&mut self, runs: &Runs<'_>) {
        let without = |value| !matches!(value, Value::Finite(_));
        let counts = self.arms.iter().map(|arm| runs.count(arm, without));
        self.without_value = counts.sum::<usize>() as u64;
        self.failed = Some(runs.worst.map_or(Failed::Open, |_| Failed::Worst));
        if runs.open(&self.arms) > 0 {
            self.open = Some(Open::NoValue);
        }
    }

    /// Whether all has been seen that the criterion needs.
    pub(crate) fn is_complete(&self) -> bool {
        self.missing == 0 && self.open.is_none()
    }

    /// The p value, or of a criterion that an interval decides the largest that it can have; 1
    /// while not all has been seen, which can only make the others harder to reach.
    pub(crate) fn evidence(&self) -> f64 {
        let unknown = self.without_value > 0 && self.failed == Some(Failed::Open);
        match (self.p_value, self.status) {
            _ if unknown || !self.is_complete() => 1.0,
            (Some(p), _) => p,
            (None, VerdictStatus::Reproduced) => self.alpha,
            (
                None,
                VerdictStatus::NotReproduced
                | VerdictStatus::Inconclusive
                | VerdictStatus::Exploration,
            ) => 1.0,
        }
    }

    /// Whether a small p value speaks against the claim, or for less than it says.
    pub(super) fn is_opposite(&self) -> bool {
        !self.as_stated && self.p_value.is_some_and(|p| p <= self.alpha)
    }

    /// Why a small p value does not make the criterion hold, in words; `stated` is the sum of the
    /// differences in the direction of the claim.
    pub(super) fn opposite(&self, stated: f64) -> &'static str {
        if !self.is_opposite() {
            ""
        } else if stated > 0.0 {
            ", but it lies below the margin"
        } else {
            ", but not in the direction of the claim"
        }
    }

    /// Decides; open while runs are missing, or for a reason of its own.
    pub(super) fn decide(&mut self, holds: bool) {
        self.status = match (self.is_complete(), holds) {
            (false, _) => VerdictStatus::Inconclusive,
            (true, true) => VerdictStatus::Reproduced,
            (true, false) => VerdictStatus::NotReproduced,
        };
    }

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

    /// What the finished runs of these arms without a finite value count as, in words; empty where
    /// all have one.
    pub(super) fn without_words(&self, runs: &Runs<'_>) -> String {
        let without = self.without_value;
        let noun = if without == 1 { "run" } else { "runs" };
        let counted = without as usize - runs.open(&self.arms);
        match (without, counted, runs.worst) {
            (0, ..) => String::new(),
            (_, 1.., Some(worst)) if counted == without as usize => {
                let (count, metric) =
                    (if counted == 1 { "counts" } else { "count" }, worst.words());
                format!("; {without} {noun} without a finite value {count} as the {metric}")
            }
            _ => format!("; {without} finished {noun} without a finite value"),
        }
    }
}
