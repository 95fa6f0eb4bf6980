//! What one criterion found.

mod counted;
mod dose;
mod exact;
mod measured;
mod open;
mod paired;
mod permutation;
mod runs;

pub use open::Open;

use super::VerdictStatus;
use crate::card::{Arm, Card, Criterion, Failed, Role, Test, matches};
use crate::reader::RunState;
use crate::stats::{Interval, PairCounts, Proportion, holm};
use counted::By;
pub(super) use runs::Detail;
use runs::{Runs, Value};
use serde::{Deserialize, Serialize};

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
    /// What it is, with its unit.
    pub what: String,
    /// The estimate.
    pub value: f64,
    /// Its interval.
    pub interval: Option<Interval>,
    /// Confidence level of the interval.
    pub level: f64,
    /// How the interval was made.
    pub method: String,
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
    fn new(criterion: &Criterion, arms: &[&Arm], states: &[RunState]) -> Self {
        let labels: Vec<String> = arms.iter().map(|arm| arm.label.clone()).collect();
        let missing = states
            .iter()
            .filter(|run| labels.contains(&run.arm) && run.outcome().is_none());
        Self {
            name: criterion.name.clone(),
            claim: criterion.claim.clone(),
            test: criterion.test.name().to_owned(),
            role: criterion.role,
            status: VerdictStatus::Inconclusive,
            sentence: String::new(),
            p_value: None,
            p_adjusted: None,
            alpha: criterion.alpha,
            as_stated: false,
            effects: Vec::new(),
            counts: Vec::new(),
            missing: missing.count() as u64,
            arms: labels,
            without_value: 0,
            failed: None,
            open: None,
            beside: None,
            pairs: None,
        }
    }

    /// Takes in the finished runs without a finite value of the metric that is compared.
    fn note_failed(&mut self, runs: &Runs<'_>) {
        let without = |value| !matches!(value, Value::Finite(_));
        let counts = self.arms.iter().map(|arm| runs.count(arm, without));
        self.without_value = counts.sum::<usize>() as u64;
        self.failed = Some(runs.worst.map_or(Failed::Open, |_| Failed::Worst));
        if runs.open(&self.arms) > 0 {
            self.open = Some(Open::NoValue);
        }
    }

    /// Whether all has been seen that the criterion needs.
    fn is_complete(&self) -> bool {
        self.missing == 0 && self.open.is_none()
    }

    /// Whether chance is part of it: an exact prediction has no error rate to correct.
    fn has_chance(&self) -> bool {
        self.test != "exact"
    }

    /// The p value, or of a criterion that an interval decides the largest that it can have; 1
    /// while not all has been seen, which can only make the others harder to reach.
    fn evidence(&self) -> f64 {
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
    fn is_opposite(&self) -> bool {
        !self.as_stated && self.p_value.is_some_and(|p| p <= self.alpha)
    }

    /// Why a small p value does not make the criterion hold, in words; `stated` is the sum of the
    /// differences in the direction of the claim.
    fn opposite(&self, stated: f64) -> &'static str {
        if !self.is_opposite() {
            ""
        } else if stated > 0.0 {
            ", but it lies below the margin"
        } else {
            ", but not in the direction of the claim"
        }
    }

    /// Decides; open while runs are missing, or for a reason of its own.
    fn decide(&mut self, holds: bool) {
        self.status = match (self.is_complete(), holds) {
            (false, _) => VerdictStatus::Inconclusive,
            (true, true) => VerdictStatus::Reproduced,
            (true, false) => VerdictStatus::NotReproduced,
        };
    }
}

/// Applies a criterion. `arms` are all of the card's. `None` when those of the criterion are not
/// among them, which a checked card rules out.
pub(super) fn of(
    card: &Card,
    arms: &[Arm],
    criterion: &Criterion,
    states: &[RunState],
    detail: Detail,
) -> Option<Finding> {
    let mut looked_at: Vec<&Arm> = Vec::new();
    for at in criterion.test.selectors() {
        let before = looked_at.len();
        let mut any = false;
        for arm in arms.iter().filter(|arm| matches(&arm.settings, at)) {
            any = true;
            if looked_at[..before]
                .iter()
                .all(|known| known.label != arm.label)
            {
                looked_at.push(arm);
            }
        }
        if !any {
            return None;
        }
    }
    let mut finding = Finding::new(criterion, &looked_at, states);
    let runs = Runs::new(card, arms, criterion, states, detail)?;
    match &criterion.test {
        Test::Permutation { .. }
        | Test::Tost { .. }
        | Test::Slope { .. }
        | Test::Jonckheere { .. } => finding.note_failed(&runs),
        // A count has no metric, and outside a bound is also what has no number.
        Test::Fisher { .. } | Test::Mcnemar { .. } | Test::Ld50 { .. } | Test::Exact { .. } => {}
    }
    match &criterion.test {
        Test::Fisher {
            arms,
            event,
            direction,
        } => counted::compare(&runs, arms, event, *direction, By::Fisher, &mut finding),
        Test::Mcnemar {
            arms,
            event,
            direction,
        } => counted::compare(&runs, arms, event, *direction, By::Mcnemar, &mut finding),
        Test::Ld50 {
            along,
            arms,
            event,
            direction,
        } => dose::ld50(&runs, along, arms, event, *direction, &mut finding),
        Test::Permutation {
            arms,
            minus,
            direction,
            margin,
        } => permutation::permutation(
            &runs,
            arms,
            minus.as_ref(),
            *direction,
            *margin,
            &mut finding,
        ),
        Test::Tost { arms, margin } => measured::tost(&runs, arms, *margin, &mut finding),
        Test::Slope { along, at, bound } => {
            measured::slope(&runs, along, at, *bound, &mut finding);
        }
        Test::Jonckheere {
            along,
            at,
            direction,
        } => measured::jonckheere(&runs, along, at, *direction, &mut finding),
        Test::Exact { at, bound } => exact::exact(&runs, at, *bound, &mut finding),
    }
    Some(finding)
}

/// p values for who takes one criterion by itself: Holm's correction over the card's confirmatory
/// criteria. Of an interval all that counts is known: whether it left its null out at α. The verdict
/// claims that all hold and needs no correction, so no status changes (docs/decisions/0014).
pub(super) fn correct(findings: &mut [Finding]) {
    for finding in findings.iter_mut() {
        finding.p_adjusted = finding.p_value;
    }
    let counted = findings
        .iter_mut()
        .filter(|finding| finding.role == Role::Confirmatory && finding.has_chance());
    let mut family: Vec<&mut Finding> = counted.collect();
    if family.len() < 2 {
        return;
    }
    let p_values: Vec<f64> = family.iter().map(|finding| finding.evidence()).collect();
    for (finding, adjusted) in family.iter_mut().zip(holm(&p_values)) {
        finding.p_adjusted = finding.p_value.map(|_| adjusted);
    }
}
