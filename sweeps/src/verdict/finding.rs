//! What one criterion found.

mod counted;
mod exact;
mod measured;

use super::VerdictStatus;
use crate::Outcome;
use crate::card::{Arm, Card, Criterion, Role, Settings, Test, number};
use crate::reader::RunState;
use crate::stats::{Interval, Proportion, holm};
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
    /// The same after Holm's correction over the card's confirmatory criteria.
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
}

impl Finding {
    fn new(criterion: &Criterion, arms: &[Arm], states: &[RunState]) -> Self {
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
        }
    }

    /// Decides by something that is no p value; open while runs are missing.
    fn decide(&mut self, holds: bool) {
        self.status = match (self.missing, holds) {
            (1.., _) => VerdictStatus::Inconclusive,
            (0, true) => VerdictStatus::Reproduced,
            (0, false) => VerdictStatus::NotReproduced,
        };
    }
}

/// Applies a criterion. `None` when its arms do not exist, which a checked card rules out.
pub(super) fn of(card: &Card, criterion: &Criterion, states: &[RunState]) -> Option<Finding> {
    let mut arms: Vec<Arm> = Vec::new();
    for at in criterion.test.selectors() {
        let found = card.arms_at(at);
        if found.is_empty() {
            return None;
        }
        for arm in found {
            if arms.iter().all(|known| known.label != arm.label) {
                arms.push(arm);
            }
        }
    }
    let mut finding = Finding::new(criterion, &arms, states);
    let index = card
        .metrics()
        .iter()
        .position(|metric| *metric == card.metric_of(criterion))?;
    let runs = Runs {
        card,
        states,
        metric: index,
        metric_label: card.metric_of(criterion).label(),
    };
    match &criterion.test {
        Test::Fisher {
            arms,
            event,
            direction,
        } => counted::fisher(&runs, arms, event, *direction, &mut finding),
        Test::Ld50 {
            along,
            arms,
            event,
            direction,
        } => counted::ld50(&runs, along, arms, event, *direction, &mut finding),
        Test::Permutation {
            arms,
            minus,
            direction,
            margin,
        } => measured::permutation(
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

/// Holm's correction over the confirmatory criteria that have a p value, and the statuses that
/// follow. A criterion with missing runs takes part with p = 1, which can only make the others
/// harder to reach; a single one keeps what it decided itself.
pub(super) fn correct(findings: &mut [Finding]) {
    let family: Vec<usize> = (0..findings.len())
        .filter(|i| findings[*i].role == Role::Confirmatory && findings[*i].p_value.is_some())
        .collect();
    let complete = |finding: &Finding| finding.missing == 0;
    let all_complete = family.iter().all(|i| complete(&findings[*i]));
    let p_values: Vec<f64> = family
        .iter()
        .map(|i| {
            if complete(&findings[*i]) {
                findings[*i].p_value.unwrap_or(1.0)
            } else {
                1.0
            }
        })
        .collect();
    for finding in findings.iter_mut() {
        finding.p_adjusted = finding.p_value;
    }
    if family.len() == 1 && findings[family[0]].missing > 0 {
        return;
    }
    for (i, adjusted) in family.iter().zip(holm(&p_values)) {
        findings[*i].p_adjusted = Some(adjusted);
    }
    for finding in findings.iter_mut() {
        let Some(p) = finding.p_adjusted else {
            continue;
        };
        let holds = p <= finding.alpha && finding.as_stated;
        // While others are open, a p value that is too large now may still pass.
        let open = finding.role == Role::Confirmatory && !all_complete && finding.as_stated;
        finding.status = match (finding.missing, holds) {
            (1.., _) => VerdictStatus::Inconclusive,
            (0, true) => VerdictStatus::Reproduced,
            (0, false) if open && finding.p_value <= Some(finding.alpha) => {
                VerdictStatus::Inconclusive
            }
            (0, false) => VerdictStatus::NotReproduced,
        };
    }
}

/// The runs of a sweep as a test sees them.
struct Runs<'a> {
    card: &'a Card,
    states: &'a [RunState],
    /// Place of the metric in [`Card::metrics`].
    metric: usize,
    metric_label: String,
}

impl Runs<'_> {
    fn arm(&self, at: &Settings) -> Option<Arm> {
        self.card.arms_at(at).into_iter().next()
    }

    fn of_arm<'b>(&'b self, label: &'b str) -> impl Iterator<Item = &'b RunState> {
        self.states.iter().filter(move |run| run.arm == label)
    }

    fn value(&self, run: &RunState) -> Option<f64> {
        run.metrics.get(self.metric).copied().flatten()
    }

    /// Finite values of an arm by seed.
    fn values(&self, label: &str) -> Vec<(u64, f64)> {
        self.of_arm(label)
            .filter_map(|run| Some((run.seed, self.value(run)?)))
            .filter(|(_, value)| value.is_finite())
            .collect()
    }

    /// Arms that match, with their value of an axis, in ascending order.
    fn along(&self, key: &str, at: &Settings) -> Vec<(f64, Arm)> {
        let arms = self.card.arms_at(at).into_iter();
        let mut arms: Vec<(f64, Arm)> = arms
            .filter_map(|arm| Some((number(arm.settings.get(key)?)?, arm)))
            .collect();
        arms.sort_by(|a, b| a.0.total_cmp(&b.0));
        arms
    }

    /// How many finished runs of these arms have no finite value, in words; empty for none.
    fn left_out(&self, arms: &[String]) -> String {
        let runs = self.states.iter().filter(|run| arms.contains(&run.arm));
        let left = runs
            .filter(|run| run.outcome().is_some())
            .filter(|run| self.value(run).is_none_or(|value| !value.is_finite()))
            .count();
        match left {
            0 => String::new(),
            1 => "; 1 run without a finite value left out".to_owned(),
            left => format!("; {left} runs without a finite value left out"),
        }
    }
}

fn is_event(run: &RunState, event: &[Outcome]) -> Option<bool> {
    run.outcome().map(|outcome| event.contains(&outcome))
}
