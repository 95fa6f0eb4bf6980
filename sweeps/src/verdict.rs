//! The verdict: counts, test, intervals, and what they cannot show.

mod text;

use crate::card::{Arm, Direction, Role};
use crate::reader::{RunState, State};
use crate::stats::{
    Estimate, Interval, Proportion, fisher_exact, mean_difference, mean_interval, risk_difference,
};
use crate::{Outcome, Sweep, SweepError, SweepReader};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Confidence level of all intervals.
pub const LEVEL: f64 = 0.95;

/// Whether the claim holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictStatus {
    /// p ≤ α in the stated direction, whatever runs without an outcome would show.
    Reproduced,
    /// p > α or the other direction, whatever runs without an outcome would show.
    NotReproduced,
    /// Runs without an outcome could still turn it either way.
    Inconclusive,
}

/// One arm of the comparison.
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

/// One row of the table of arms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmResult {
    /// Label.
    pub arm: String,
    /// Whether it counts.
    pub role: Role,
    /// Planned runs.
    pub planned: usize,
    /// Number of runs by outcome.
    pub outcomes: BTreeMap<Outcome, usize>,
    /// Mean, standard deviation and t interval of the metric over runs with a finite value.
    pub metric: Option<Estimate>,
}

/// What a sweep says about its card's claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Format version of `verdict.json`.
    pub version: u32,
    /// Name of the card.
    pub card: String,
    /// Whether the claim holds.
    pub status: VerdictStatus,
    /// All of it in a sentence or two.
    pub sentence: String,
    /// Two-sided p value over the runs with an outcome.
    pub p_value: f64,
    /// Largest p value that counts, from the card.
    pub alpha: f64,
    /// Counts of the event under treatment.
    pub treatment: Count,
    /// Counts of the event under control.
    pub control: Count,
    /// Share under treatment minus share under control; says nothing while one of the arms has no
    /// run with an outcome.
    pub risk_difference: f64,
    /// Newcombe–Wilson interval of [`Verdict::risk_difference`].
    pub risk_difference_interval: Interval,
    /// Name of the metric.
    pub metric: String,
    /// Treatment mean minus control mean, with Welch's interval; finite values only.
    pub metric_difference: Option<Estimate>,
    /// All arms, descriptive ones included.
    pub arms: Vec<ArmResult>,
    /// What these numbers cannot show.
    pub notes: Vec<String>,
    /// Ids of runs that failed, which is no outcome.
    pub failed_runs: Vec<String>,
    /// Ids of confirmatory runs of the two arms that have no outcome.
    pub missing_runs: Vec<String>,
    /// Languages without text.
    pub missing_languages: Vec<String>,
    /// Whether metric, rules or criterion were edited after registration.
    pub criterion_changed: bool,
}

impl Sweep {
    /// The verdict as the runs stand; works on a sweep in any state.
    pub fn verdict(&self) -> Result<Verdict, SweepError> {
        SweepReader::new(self.clone()).verdict()
    }

    /// Writes `verdict.json`.
    pub fn write_verdict(&self, verdict: &Verdict) -> Result<(), SweepError> {
        Ok(logs::write_json_atomic(
            &self.dir().join("verdict.json"),
            verdict,
        )?)
    }
}

impl SweepReader {
    /// The verdict as of the last poll.
    pub fn verdict(&self) -> Result<Verdict, SweepError> {
        judge(self.sweep(), self.states())
    }
}

/// Decides from the states of all runs.
fn judge(sweep: &Sweep, states: &[RunState]) -> Result<Verdict, SweepError> {
    let card = &sweep.plan().card;
    // `sweep.json` can be edited by hand, so this is an error and no panic.
    let (treatment_arm, control_arm) = card.compared().ok_or_else(|| SweepError::Damaged {
        path: sweep.dir().join("sweep.json"),
        message: "the criterion names no arm of the card".to_owned(),
    })?;
    let treatment = count(states, &treatment_arm, &card.criterion.event);
    let control = count(states, &control_arm, &card.criterion.event);
    let (a, b) = (treatment.proportion, control.proportion);
    let mut verdict = Verdict {
        version: 1,
        card: card.name.clone(),
        status: decide(
            &treatment,
            &control,
            card.criterion.direction,
            card.criterion.alpha,
        ),
        sentence: String::new(),
        p_value: fisher_exact(a, b),
        alpha: card.criterion.alpha,
        risk_difference: a.share() - b.share(),
        risk_difference_interval: risk_difference(a, b, LEVEL),
        metric: card.metric.name.clone(),
        metric_difference: mean_difference(
            &metric_values(states, &treatment.arm),
            &metric_values(states, &control.arm),
            LEVEL,
        ),
        arms: card
            .arms()
            .iter()
            .map(|arm| arm_result(states, arm))
            .collect(),
        notes: Vec::new(),
        failed_runs: ids(states, |run| run.state == State::Failed),
        missing_runs: ids(states, |run| {
            run.outcome().is_none() && [&treatment.arm, &control.arm].contains(&&run.arm)
        }),
        missing_languages: missing_languages(sweep, states),
        criterion_changed: sweep.criterion_changed(),
        treatment,
        control,
    };
    verdict.sentence = text::sentence(&verdict, card);
    verdict.notes = text::notes(&verdict, sweep);
    Ok(verdict)
}

fn count(states: &[RunState], arm: &Arm, event: &[Outcome]) -> Count {
    let of_arm = || states.iter().filter(|run| run.arm == arm.label);
    let outcomes: Vec<Outcome> = of_arm().filter_map(RunState::outcome).collect();
    let events = outcomes
        .iter()
        .filter(|found| event.contains(found))
        .count();
    let proportion = Proportion::new(events as u64, outcomes.len() as u64);
    Count {
        arm: arm.label.clone(),
        interval: proportion.clopper_pearson(LEVEL),
        missing: (of_arm().count() - outcomes.len()) as u64,
        proportion,
    }
}

/// Fills in the runs without an outcome in every possible way. Deciding early only when all ways
/// agree is no peeking: the decision is the one the whole sweep would give.
fn decide(treatment: &Count, control: &Count, direction: Direction, alpha: f64) -> VerdictStatus {
    let completions = |count: &Count| {
        let Proportion { events, n } = count.proportion;
        let whole = n + count.missing;
        (0..=count.missing).map(move |more| Proportion::new(events + more, whole))
    };
    let mut reproduced = completions(treatment).flat_map(|a| {
        completions(control).map(move |b| {
            let as_stated = match direction {
                Direction::TreatmentMore => a.share() > b.share(),
                Direction::TreatmentLess => a.share() < b.share(),
            };
            as_stated && fisher_exact(a, b) <= alpha
        })
    });
    let first = reproduced.next().unwrap_or(false);
    match (first, reproduced.all(|other| other == first)) {
        (_, false) => VerdictStatus::Inconclusive,
        (true, true) => VerdictStatus::Reproduced,
        (false, true) => VerdictStatus::NotReproduced,
    }
}

fn metric_values(states: &[RunState], arm: &str) -> Vec<f64> {
    states
        .iter()
        .filter(|run| run.arm == arm)
        .filter_map(|run| run.metric)
        .filter(|value| value.is_finite())
        .collect()
}

fn arm_result(states: &[RunState], arm: &Arm) -> ArmResult {
    let mut outcomes = BTreeMap::new();
    for outcome in states
        .iter()
        .filter(|run| run.arm == arm.label)
        .filter_map(RunState::outcome)
    {
        *outcomes.entry(outcome).or_insert(0) += 1;
    }
    ArmResult {
        arm: arm.label.clone(),
        role: arm.role,
        planned: arm.seeds.len(),
        outcomes,
        metric: mean_interval(&metric_values(states, &arm.label), LEVEL),
    }
}

fn ids(states: &[RunState], wanted: impl Fn(&RunState) -> bool) -> Vec<String> {
    states
        .iter()
        .filter(|run| wanted(run))
        .map(|run| run.id.clone())
        .collect()
}

fn missing_languages(sweep: &Sweep, states: &[RunState]) -> Vec<String> {
    let mut languages: Vec<String> = sweep.plan().missing_languages.clone();
    languages.extend(states.iter().flat_map(|run| run.missing_languages.clone()));
    languages.sort_unstable();
    languages.dedup();
    languages
}

#[cfg(test)]
mod tests;
