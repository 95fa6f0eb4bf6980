//! What the criteria of a card find in its runs.

use crate::card::{Arm, Card, Role, matches};
use crate::criterion::{Criterion, Detail, Failed, Finding, Metric, Runs, VerdictStatus};
use crate::reader::RunState;
use crate::stats::holm;

/// Applies a criterion. `arms` are all of the card's. `None` when those of the criterion are not
/// among them, which a checked card rules out.
pub(super) fn of(
    card: &Card,
    arms: &[Arm],
    criterion: &Criterion,
    states: &[RunState],
    detail: Detail,
) -> Option<Finding> {
    let mut finding = undecided(criterion, &looked_at(arms, criterion)?, states);
    let runs = runs(card, arms, criterion, states, detail)?;
    if criterion.test().compares().needs_values() {
        finding.note_failed(&runs);
    }
    criterion.test().find(&runs, &mut finding);
    Some(finding)
}

/// The arms of a criterion, in the order in which it names them.
fn looked_at<'a>(arms: &'a [Arm], criterion: &Criterion) -> Option<Vec<&'a Arm>> {
    let mut looked_at: Vec<&Arm> = Vec::new();
    for at in criterion.arms().selectors() {
        let mut found = arms.iter().filter(|arm| matches(&arm.settings, at));
        let before = looked_at.clone();
        let is_new = |arm: &&Arm| before.iter().all(|known| known.label != arm.label);
        let first = found.next()?;
        looked_at.extend(std::iter::once(first).chain(found).filter(is_new));
    }
    Some(looked_at)
}

/// The runs as `criterion` compares them; `None` when its metric is none of the card's.
fn runs<'a>(
    card: &'a Card,
    arms: &'a [Arm],
    criterion: &'a Criterion,
    states: &'a [RunState],
    detail: Detail,
) -> Option<Runs<'a>> {
    let metric = card.metric_of(criterion);
    let place = |metric: &Metric| card.metrics().iter().position(|known| *known == metric);
    let control = match &criterion.control_metric {
        Some(metric) => Some((metric, place(metric)?)),
        None => None,
    };
    Some(Runs {
        arms,
        states,
        detail,
        metric,
        place: place(metric)?,
        control,
        worst: criterion.rank_of_failed(metric),
        unknown_shows: criterion.failed == Some(Failed::Worst),
    })
}

/// The finding of a criterion before its test has decided.
fn undecided(criterion: &Criterion, arms: &[&Arm], states: &[RunState]) -> Finding {
    let labels: Vec<String> = arms.iter().map(|arm| arm.label.clone()).collect();
    let missing = states
        .iter()
        .filter(|run| labels.contains(&run.arm) && run.outcome().is_none());
    Finding {
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

/// p values for who takes one criterion by itself: Holm's correction over the card's confirmatory
/// criteria. Of an interval all that counts is known: whether it left its null out at α. The verdict
/// claims that all hold and needs no correction, so no status changes (docs/decisions/0014).
pub(super) fn correct(findings: &mut [Finding], criteria: &[Criterion]) {
    for finding in findings.iter_mut() {
        finding.p_adjusted = finding.p_value;
    }
    let counted = findings.iter_mut().zip(criteria);
    let counted = counted.filter(|(finding, criterion)| {
        finding.role == Role::Confirmatory && criterion.has_chance()
    });
    let mut family: Vec<&mut Finding> = counted.map(|(finding, _)| finding).collect();
    if family.len() < 2 {
        return;
    }
    let p_values: Vec<f64> = family.iter().map(|finding| finding.evidence()).collect();
    for (finding, adjusted) in family.iter_mut().zip(holm(&p_values)) {
        finding.p_adjusted = finding.p_value.map(|_| adjusted);
    }
}
