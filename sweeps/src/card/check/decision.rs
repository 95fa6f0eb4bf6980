//! Metric, outcome rules and criteria: what decides the verdict.

mod arms;

pub(super) use arms::{check, check_seeds};

use crate::card::check::fields::{Choice, complain};
use crate::card::criterion::{Metric, Pair, Reduce};
use crate::card::value::{closest, flatten};
use crate::card::wire::{BOUNDS, WireCriterion, WireMetric, WireOutcome, test_keys};
use crate::card::{Bound, Criterion, Direction, Role, Test};
use crate::{Outcome, OutcomeRules};
use experiments_config::Complaint;

pub(super) fn metric(
    wire: Option<WireMetric>,
    section: &str,
    complaints: &mut Vec<Complaint>,
) -> Metric {
    let wire = wire.unwrap_or_default();
    let name = wire.name.unwrap_or_else(|| "held_out_loss".to_owned());
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
            &format!("{section}.name"),
            format!("is `{name}`, which is no recorded scalar"),
            near.map(|near| format!("did you mean `{near}`?")),
        );
    }
    let mut step = |value: Option<i64>, key: &str| {
        let step = value.map(|value| u64::try_from(value).unwrap_or(0));
        if step == Some(0) {
            let place = format!("{section}.{key}");
            complain(complaints, &place, "must be at least 1", None);
        }
        step
    };
    let (from_step, to_step) = (
        step(wire.from_step, "from_step"),
        step(wire.to_step, "to_step"),
    );
    if let (Some(from), Some(to)) = (from_step, to_step)
        && from > to
    {
        let place = format!("{section}.to_step");
        let message = format!("is {to}, before `from_step` = {from}");
        complain(complaints, &place, message, None);
    }
    Metric {
        name,
        reduce: Reduce::choose(wire.reduce, &format!("{section}.reduce"), complaints),
        from_step,
        to_step,
    }
}

pub(super) fn outcome_rules(wire: &WireOutcome, complaints: &mut Vec<Complaint>) -> OutcomeRules {
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

/// The criteria of a card, with names of their own.
pub(super) fn criteria(
    wires: Vec<WireCriterion>,
    complaints: &mut Vec<Complaint>,
) -> Vec<Criterion> {
    if wires.is_empty() {
        let message = "is missing; a card says before it runs how it will be decided";
        complain(complaints, "criterion", message, None);
    }
    let only = wires.len() == 1;
    let mut criteria: Vec<Criterion> = Vec::new();
    for (index, wire) in wires.into_iter().enumerate() {
        let section = match only {
            true => "criterion".to_owned(),
            false => format!("criterion[{index}]"),
        };
        let fallback = match only {
            true => "claim".to_owned(),
            false => format!("criterion-{}", index + 1),
        };
        let criterion = criterion(wire, &section, fallback, complaints);
        if criteria.iter().any(|other| other.name == criterion.name) {
            let message = format!("is `{}`, like that of an earlier criterion", criterion.name);
            complain(complaints, &format!("{section}.name"), message, None);
        }
        criteria.push(criterion);
    }
    if !criteria.is_empty() && criteria.iter().all(|c| c.role == Role::Descriptive) {
        let message = "has no confirmatory part, so nothing would decide";
        complain(complaints, "criterion", message, None);
    }
    criteria
}

const TESTS: [&str; 7] = [
    "fisher",
    "permutation",
    "tost",
    "slope",
    "jonckheere",
    "ld50",
    "exact",
];

fn criterion(
    mut wire: WireCriterion,
    section: &str,
    fallback: String,
    complaints: &mut Vec<Complaint>,
) -> Criterion {
    let alpha = wire.alpha.unwrap_or(0.05);
    if !(alpha > 0.0 && alpha < 1.0) {
        let message = format!("is {alpha}, must lie between 0 and 1, for example 0.05");
        complain(complaints, &format!("{section}.alpha"), message, None);
    }
    Criterion {
        name: wire.name.take().unwrap_or(fallback),
        claim: wire.claim.take(),
        role: Role::choose(wire.role.take(), &format!("{section}.role"), complaints),
        metric: wire
            .metric
            .take()
            .map(|wire| metric(Some(wire), &format!("{section}.metric"), complaints)),
        alpha,
        expect: wire.expect.take(),
        test: test(wire, section, complaints),
    }
}

/// The test with what it needs. What is missing is named; keys of other tests were refused when
/// the card was read.
fn test(wire: WireCriterion, section: &str, complaints: &mut Vec<Complaint>) -> Test {
    let word = wire.test.clone().unwrap_or_else(|| "fisher".to_owned());
    if !TESTS.contains(&word.as_str()) {
        let hint = closest(&word, TESTS).map(|near| format!("did you mean `{near}`?"));
        let message = format!("is `{word}`; expected one of {}", TESTS.join(", "));
        complain(complaints, &format!("{section}.test"), message, hint);
    }
    check_complete(&wire, &word, section, complaints);
    let arms = Pair {
        treatment: flatten(&wire.treatment.clone().unwrap_or_default()),
        control: flatten(&wire.control.clone().unwrap_or_default()),
    };
    let at = flatten(&wire.at.clone().unwrap_or_default());
    let along = wire.along.clone().unwrap_or_default();
    let event_key = format!("{section}.event");
    let mut event = || event(wire.event.clone(), &event_key, complaints);
    match word.as_str() {
        "permutation" => Test::Permutation {
            arms,
            minus: wire.minus.as_ref().map(|pair| Pair {
                treatment: flatten(&pair.treatment),
                control: flatten(&pair.control),
            }),
            margin: margin(wire.margin, 0.0, section, complaints),
            direction: direction(wire.direction, section, &HIGHER, complaints),
        },
        "tost" => Test::Tost {
            arms,
            // The protocol's margin, nats.
            margin: margin(wire.margin, 0.02, section, complaints),
        },
        "slope" => Test::Slope {
            along,
            at,
            bound: bound(&wire, section, complaints),
        },
        "jonckheere" => Test::Jonckheere {
            along,
            at,
            direction: direction(wire.direction, section, &TREND, complaints),
        },
        "ld50" => Test::Ld50 {
            along,
            arms,
            event: event(),
            direction: direction(wire.direction, section, &HIGHER, complaints),
        },
        "exact" => Test::Exact {
            at,
            bound: bound(&wire, section, complaints),
        },
        _ => Test::Fisher {
            arms,
            event: event(),
            direction: direction(wire.direction, section, &MORE, complaints),
        },
    }
}

fn check_complete(
    wire: &WireCriterion,
    test: &str,
    section: &str,
    complaints: &mut Vec<Complaint>,
) {
    let given = |key: &str| match key {
        "treatment" => wire.treatment.is_some(),
        "control" => wire.control.is_some(),
        "at" => wire.at.is_some(),
        "along" => wire.along.is_some(),
        // These say more than that they are missing.
        _ => true,
    };
    for key in test_keys(test).iter().filter(|key| !key.ends_with('?')) {
        if !given(key) {
            let message = format!("is missing; the test `{test}` needs it");
            complain(complaints, &format!("{section}.{key}"), message, None);
        }
    }
}

type Words = [(&'static str, Direction); 2];

const MORE: Words = [
    ("treatment_more", Direction::TreatmentMore),
    ("treatment_less", Direction::TreatmentLess),
];
const HIGHER: Words = [
    ("treatment_higher", Direction::TreatmentHigher),
    ("treatment_lower", Direction::TreatmentLower),
];
const TREND: Words = [
    ("increasing", Direction::Increasing),
    ("decreasing", Direction::Decreasing),
];

fn direction(
    word: Option<String>,
    section: &str,
    words: &Words,
    complaints: &mut Vec<Complaint>,
) -> Direction {
    let found = words
        .iter()
        .find(|(known, _)| Some(*known) == word.as_deref());
    if let Some((_, direction)) = found {
        return *direction;
    }
    let expected = format!("expected `{}` or `{}`", words[0].0, words[1].0);
    let (message, hint) = match word {
        None => (format!("is missing; {expected}"), None),
        Some(word) => (
            format!("is `{word}`; {expected}"),
            closest(&word, words.iter().map(|(word, _)| *word))
                .map(|near| format!("did you mean `{near}`?")),
        ),
    };
    complain(complaints, &format!("{section}.direction"), message, hint);
    words[0].1
}

fn margin(value: Option<f64>, default: f64, section: &str, complaints: &mut Vec<Complaint>) -> f64 {
    let value = value.unwrap_or(default);
    if !value.is_finite() || value < 0.0 {
        let message = format!("is {value}, must be a finite number that is not negative");
        complain(complaints, &format!("{section}.margin"), message, None);
    }
    value
}

fn bound(wire: &WireCriterion, section: &str, complaints: &mut Vec<Complaint>) -> Bound {
    let given = [
        wire.equals.map(Bound::Equals),
        wire.at_most.map(Bound::AtMost),
        wire.at_least.map(Bound::AtLeast),
        wire.above.map(Bound::Above),
        wire.below.map(Bound::Below),
        wire.inside.map(Bound::Inside),
        wire.contains.map(Bound::Contains),
    ];
    let given: Vec<Bound> = given.into_iter().flatten().collect();
    match given.as_slice() {
        [bound] => *bound,
        others => {
            let message = format!(
                "has {} bounds; give one of {}",
                others.len(),
                BOUNDS.join(", ")
            );
            complain(complaints, section, message, None);
            Bound::Equals(0.0)
        }
    }
}

fn event(words: Option<Vec<String>>, key: &str, complaints: &mut Vec<Complaint>) -> Vec<Outcome> {
    let Some(words) = words else {
        return Outcome::FAILURES.to_vec();
    };
    if words.is_empty() {
        let message = "is empty; name at least one outcome";
        complain(complaints, key, message, None);
    }
    let mut event = Vec::new();
    for word in words {
        match Outcome::from_name(&word) {
            Some(outcome) if event.contains(&outcome) => {
                let message = format!("has `{word}` twice");
                complain(complaints, key, message, None);
            }
            Some(outcome) => event.push(outcome),
            None => {
                let names = Outcome::ALL.map(Outcome::name);
                complain(
                    complaints,
                    key,
                    format!("has `{word}`; outcomes are {}", names.join(", ")),
                    closest(&word, names).map(|near| format!("did you mean `{near}`?")),
                );
            }
        }
    }
    event
}
