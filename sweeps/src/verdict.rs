//! The verdict: what every criterion found, what follows from all of them, and what they cannot
//! show.

mod finding;
mod given;
mod text;

pub use given::of_listed_runs;

use crate::card::{Arm, Card, Role, Settings};
use crate::criterion::{Criterion, Detail, Finding, LEVEL, VerdictStatus};
use crate::reader::{RunState, State};
use crate::stats::{Estimate, Proportion, mean_interval};
use crate::sweep::CardText;
use crate::{Event, Outcome, Sweep, SweepError, SweepReader};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One row of the table of arms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmResult {
    /// Label.
    pub arm: String,
    /// Value of every axis.
    pub settings: Settings,
    /// Whether it counts.
    pub role: Role,
    /// Planned runs.
    pub planned: usize,
    /// Number of runs by outcome.
    pub outcomes: BTreeMap<Outcome, usize>,
    /// Runs with the event that the card counts, of those of which that is known.
    #[serde(default)]
    pub events: Proportion,
    /// Runs whose loss spiked, of those of which that is known.
    #[serde(default)]
    pub spiked: Proportion,
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
    /// The budget it was run at; absent for the whole table.
    pub budget: Option<String>,
    /// Whether the claim holds.
    pub status: VerdictStatus,
    /// All of it in a sentence or two.
    pub sentence: String,
    /// What every criterion found, in the order of the card.
    pub findings: Vec<Finding>,
    /// Names of criteria whose arms the budget leaves out.
    pub untested: Vec<String>,
    /// Label of the card's metric.
    pub metric: String,
    /// All arms, descriptive ones included.
    pub arms: Vec<ArmResult>,
    /// What these numbers cannot show.
    pub notes: Vec<String>,
    /// Ids of runs that failed, which is no outcome.
    pub failed_runs: Vec<String>,
    /// Ids of runs of confirmatory arms that have no outcome.
    pub missing_runs: Vec<String>,
    /// Languages without text.
    pub missing_languages: Vec<String>,
    /// Whether metric, rules or criteria were edited after registration.
    pub criterion_changed: bool,
}

impl Sweep {
    /// The verdict as the runs stand; works on a sweep in any state.
    pub fn verdict(&self) -> Result<Verdict, SweepError> {
        SweepReader::new(self.clone()).verdict()
    }

    /// The verdict on runs as a [`SweepReader`] saw them, which may go on reading meanwhile.
    pub fn verdict_on(&self, states: &[RunState]) -> Result<Verdict, SweepError> {
        judge(self, states)
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

/// What every criterion finds by itself.
pub(crate) fn findings(
    sweep: &Sweep,
    arms: &[Arm],
    states: &[RunState],
) -> Result<Vec<Finding>, SweepError> {
    let card = &sweep.plan().card;
    // `sweep.json` can be edited by hand, so these are errors and no panics.
    let damaged = |message: &str| SweepError::Damaged {
        path: sweep.dir().join(logs::output::SWEEP_FILE),
        message: message.to_owned(),
    };
    if card.criteria.is_empty() && card.untested.is_empty() && !card.is_exploration() {
        return Err(damaged("the card has no criterion"));
    }
    let findings = card.criteria.iter().map(|criterion| {
        finding::of(card, arms, criterion, states, Detail::Full)
            .ok_or_else(|| damaged("a criterion names no arm of the card"))
    });
    findings.collect()
}

/// Decides from the states of all runs.
fn judge(sweep: &Sweep, states: &[RunState]) -> Result<Verdict, SweepError> {
    let card = &sweep.plan().card;
    let arms = card.arms();
    let mut findings = findings(sweep, &arms, states)?;
    finding::correct(&mut findings, &card.criteria);
    let confirmatory: Vec<&String> = arms
        .iter()
        .filter(|arm| arm.role == Role::Confirmatory)
        .map(|arm| &arm.label)
        .collect();
    let counted: Vec<VerdictStatus> = findings
        .iter()
        .filter(|finding| finding.role == Role::Confirmatory)
        .map(|finding| finding.status)
        .collect();
    let mut verdict = Verdict {
        version: 2,
        card: card.name.clone(),
        budget: card.budget.clone(),
        status: overall(card, &counted),
        sentence: String::new(),
        findings,
        untested: card.untested.clone(),
        metric: card.metric.label(),
        arms: arms
            .iter()
            .map(|arm| arm_result(states, arm, &card.event()))
            .collect(),
        notes: Vec::new(),
        failed_runs: ids(states, |run| run.state == State::Failed),
        missing_runs: ids(states, |run| {
            run.outcome().is_none() && confirmatory.contains(&&run.arm)
        }),
        missing_languages: missing_languages(sweep, states),
        criterion_changed: sweep.card_text() == CardText::OtherCriterion,
    };
    verdict.sentence = text::sentence(&verdict, card);
    verdict.notes = text::notes(&verdict, sweep);
    verdict.notes.extend(text::not_judged(states));
    Ok(verdict)
}

/// Whether one criterion holds, as the verdict on these runs would say; `arms` are all of the card's.
pub(crate) fn decide(
    card: &Card,
    arms: &[Arm],
    criterion: &Criterion,
    states: &[RunState],
) -> VerdictStatus {
    let finding = finding::of(card, arms, criterion, states, Detail::Decision);
    finding.map_or(VerdictStatus::Inconclusive, |finding| finding.status)
}

/// What follows from the confirmatory criteria that the budget tests: not reproduced when one does
/// not hold, reproduced when all of the card's hold, so never where the budget leaves one out. Each
/// is decided at its own α without a correction: that all hold is false as soon as one of them is,
/// and then this one is found with a chance of at most α (an intersection–union test: Berger,
/// Technometrics 24:295, 1982).
pub(crate) fn overall(card: &Card, counted: &[VerdictStatus]) -> VerdictStatus {
    if card.is_exploration() {
        VerdictStatus::Exploration
    } else if card.is_smoke() || counted.is_empty() {
        VerdictStatus::Inconclusive
    } else if counted.contains(&VerdictStatus::NotReproduced) {
        VerdictStatus::NotReproduced
    } else if counted.contains(&VerdictStatus::Inconclusive) || !card.undecided.is_empty() {
        VerdictStatus::Inconclusive
    } else {
        VerdictStatus::Reproduced
    }
}

fn arm_result(states: &[RunState], arm: &Arm, event: &[Event]) -> ArmResult {
    let of_arm = || states.iter().filter(|run| run.arm == arm.label);
    let mut outcomes = BTreeMap::new();
    for outcome in of_arm().filter_map(RunState::outcome) {
        *outcomes.entry(outcome).or_insert(0) += 1;
    }
    let finite = of_arm()
        .filter_map(|run| run.metric)
        .filter(|value| value.is_finite());
    let counted = |event: &[Event]| {
        let known: Vec<bool> = of_arm().filter_map(|run| run.shows(event)).collect();
        let shown = known.iter().filter(|shows| **shows).count();
        Proportion::new(shown as u64, known.len() as u64)
    };
    ArmResult {
        arm: arm.label.clone(),
        settings: arm.settings.clone(),
        role: arm.role,
        planned: of_arm().count(),
        outcomes,
        events: counted(event),
        spiked: counted(&[Event::Spiked]),
        metric: mean_interval(&finite.collect::<Vec<_>>(), LEVEL),
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
