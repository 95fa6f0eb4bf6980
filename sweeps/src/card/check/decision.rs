//! Metric, outcome rules and criterion: what decides the verdict.

use crate::card::arms::matches;
use crate::card::check::check_selector;
use crate::card::check::fields::{Choice, complain};
use crate::card::value::{closest, flatten};
use crate::card::wire::{WireCriterion, WireMetric, WireOutcome};
use crate::card::{Arm, Card, Criterion, Direction, Metric, Role, Settings, Test};
use crate::stats::{Proportion, fisher_exact};
use crate::{Outcome, OutcomeRules};
use experiments_config::Complaint;

pub(crate) fn metric(wire: Option<WireMetric>, complaints: &mut Vec<Complaint>) -> Metric {
    let name = wire
        .and_then(|metric| metric.name)
        .unwrap_or_else(|| "held_out_loss".to_owned());
    let scalars = || {
        logs::SIGNALS
            .iter()
            .filter(|signal| !signal.per_layer)
            .map(|signal| signal.name)
    };
    if !scalars().any(|known| known == name) {
        let near = closest(&name, scalars());
        complain(
            complaints,
            "metric.name",
            format!("is `{name}`, which is no recorded scalar"),
            near.map(|near| format!("did you mean `{near}`?")),
        );
    }
    Metric { name }
}

pub(crate) fn outcome_rules(wire: &WireOutcome, complaints: &mut Vec<Complaint>) -> OutcomeRules {
    let default = OutcomeRules::default();
    let mut float = |value: Option<f64>, default: f64, key: &str| {
        let value = value.unwrap_or(default);
        if !value.is_finite() || value < 0.0 {
            let message = format!("is {value}, must be a finite number that is not negative");
            complain(complaints, &format!("outcome.{key}"), message, None);
        }
        value
    };
    let stuck_margin = float(wire.stuck_margin, default.stuck_margin, "stuck_margin");
    let diverged_nats = float(wire.diverged_nats, default.diverged_nats, "diverged_nats");
    let diverged_mads = float(wire.diverged_mads, default.diverged_mads, "diverged_mads");
    let mut count = |value: Option<i64>, default: usize, least: usize, key: &str| match value {
        None => default,
        Some(value) => usize::try_from(value)
            .ok()
            .filter(|value| *value >= least)
            .unwrap_or_else(|| {
                let message = format!("is {value}, must be at least {least}");
                complain(complaints, &format!("outcome.{key}"), message, None);
                default
            }),
    };
    OutcomeRules {
        stuck_margin,
        diverged_nats,
        diverged_mads,
        // Fewer than 20 steps are too noisy to tell a stuck run (protocol, section D).
        window: count(wire.window, default.window, 20, "window"),
        mad_window: count(wire.mad_window, default.mad_window, 20, "mad_window"),
        recovery_steps: count(
            wire.recovery_steps,
            default.recovery_steps as usize,
            1,
            "recovery_steps",
        ) as u64,
    }
}

/// `None` only when the section is missing altogether, which is a complaint as well.
pub(crate) fn criterion(
    wire: Option<WireCriterion>,
    complaints: &mut Vec<Complaint>,
) -> Option<Criterion> {
    let Some(wire) = wire else {
        let message = "is missing; a card says before it runs how it will be decided";
        complain(complaints, "criterion", message, None);
        return None;
    };
    let alpha = wire.alpha.unwrap_or(0.05);
    if !(alpha > 0.0 && alpha < 1.0) {
        let message = format!("is {alpha}, must lie between 0 and 1, for example 0.05");
        complain(complaints, "criterion.alpha", message, None);
    }
    Some(Criterion {
        test: Test::choose(wire.test, "criterion.test", complaints),
        treatment: flatten(&wire.treatment),
        control: flatten(&wire.control),
        event: event(wire.event, complaints),
        direction: Direction::choose(wire.direction, "criterion.direction", complaints),
        alpha,
    })
}

fn event(words: Option<Vec<String>>, complaints: &mut Vec<Complaint>) -> Vec<Outcome> {
    let Some(words) = words else {
        return vec![Outcome::Stuck, Outcome::Diverged, Outcome::Nonfinite];
    };
    if words.is_empty() {
        let message = "is empty; name at least one outcome";
        complain(complaints, "criterion.event", message, None);
    }
    let mut event = Vec::new();
    for word in words {
        match Outcome::from_name(&word) {
            Some(outcome) if event.contains(&outcome) => {
                let message = format!("has `{word}` twice");
                complain(complaints, "criterion.event", message, None);
            }
            Some(outcome) => event.push(outcome),
            None => {
                let names = Outcome::ALL.map(Outcome::name);
                complain(
                    complaints,
                    "criterion.event",
                    format!("has `{word}`; outcomes are {}", names.join(", ")),
                    closest(&word, names).map(|near| format!("did you mean `{near}`?")),
                );
            }
        }
    }
    event
}

/// A criterion in place of a missing one, so that the rest of the card can be checked.
pub(super) fn stand_in() -> Criterion {
    Criterion {
        test: Test::Fisher,
        treatment: Settings::new(),
        control: Settings::new(),
        event: Vec::new(),
        direction: Direction::TreatmentMore,
        alpha: 0.05,
    }
}

/// Checks that treatment and control are one arm each, and that their seeds can decide at all.
pub(super) fn check_arms(card: &Card, complaints: &mut Vec<Complaint>) {
    let before = complaints.len();
    let criterion = &card.criterion;
    let treatment = one_arm(card, "treatment", &criterion.treatment, complaints);
    let control = one_arm(card, "control", &criterion.control, complaints);
    let (Some(treatment), Some(control)) = (treatment, control) else {
        return;
    };
    if treatment.settings == control.settings {
        let message = "is the same arm as `criterion.treatment`";
        complain(complaints, "criterion.control", message, None);
    }
    if complaints.len() > before {
        return;
    }
    let (n, m) = (treatment.seeds.len() as u64, control.seeds.len() as u64);
    let smallest = fisher_exact(Proportion::new(n, n), Proportion::new(0, m));
    if smallest > criterion.alpha {
        let enough = (1..=10_000).find(|k| {
            fisher_exact(Proportion::new(*k, *k), Proportion::new(0, *k)) <= criterion.alpha
        });
        complain(
            complaints,
            "seeds",
            format!(
                "{n} runs against {m} cannot reach p ≤ {}: all against none gives p = {smallest:.3}",
                criterion.alpha
            ),
            enough.map(|k| format!("{k} seeds in each arm can")),
        );
    }
}

fn one_arm(
    card: &Card,
    which: &str,
    wanted: &Settings,
    complaints: &mut Vec<Complaint>,
) -> Option<Arm> {
    let section = format!("criterion.{which}");
    let before = complaints.len();
    check_selector(&section, wanted, &card.axes, complaints);
    if complaints.len() > before {
        return None;
    }
    let mut found: Vec<Arm> = card
        .arms()
        .into_iter()
        .filter(|arm| matches(&arm.settings, wanted))
        .collect();
    if found.len() > 1 {
        // Pooling arms would let another axis decide the comparison.
        let free: Vec<String> = card
            .axes
            .keys()
            .filter(|key| !wanted.contains_key(*key))
            .map(|key| format!("`{key}`"))
            .collect();
        let message = format!("matches {} arms, must match one", found.len());
        let hint = format!("also give {}", free.join(", "));
        complain(complaints, &section, message, Some(hint));
        return None;
    }
    let arm = found.pop()?;
    if arm.role == Role::Descriptive {
        let message = format!("arm `{}` is descriptive and cannot be tested", arm.label);
        complain(complaints, &section, message, None);
    }
    Some(arm)
}
