//! Criteria, and what they measure: what decides the verdict.

mod arms;
mod bound;
mod expect;
mod failed;
mod measured;
mod seeds;

pub(super) use arms::{check, section};
pub(super) use measured::{metric, outcome_rules};
pub(super) use seeds::check_seeds;

use crate::Event;
use crate::card::check::check_name;
use crate::card::check::fields::{Choice, complain};
use crate::card::criterion::Pair;
use crate::card::value::{closest, flatten};
use crate::card::wire::{TESTS, WireCriterion, test_keys};
use crate::card::{Bound, Criterion, Direction, Failed, Kind, Role, Settings, Test, Worst};
use experiments_config::Complaint;

/// The criteria of a card, with names of their own; none of an exploration.
pub(super) fn criteria(
    wires: Vec<WireCriterion>,
    kind: Kind,
    complaints: &mut Vec<Complaint>,
) -> Vec<Criterion> {
    match (kind, wires.is_empty()) {
        (Kind::Exploration, false) => {
            let message = "decides nothing in an exploration, which gives no verdict";
            let hint = "leave it out, or make `kind` `symptom` or `mechanism`".to_owned();
            complain(complaints, "criterion", message, Some(hint));
        }
        (Kind::Symptom | Kind::Mechanism, true) => {
            let message = "is missing; a card says before it runs how it will be decided";
            let hint = "to look around without a verdict, give `kind = \"exploration\"`".to_owned();
            complain(complaints, "criterion", message, Some(hint));
        }
        (Kind::Exploration, true) | (Kind::Symptom | Kind::Mechanism, false) => {}
    }
    let only = wires.len() == 1;
    let mut criteria: Vec<Criterion> = Vec::new();
    for (index, wire) in wires.into_iter().enumerate() {
        let section = if only {
            "criterion".to_owned()
        } else {
            format!("criterion[{index}]")
        };
        let fallback = if only {
            "claim".to_owned()
        } else {
            format!("criterion-{}", index + 1)
        };
        let criterion = criterion(wire, &section, fallback, complaints);
        let place = format!("{section}.name");
        if criterion.name.is_empty() {
            complain(complaints, &place, "is empty", None);
        }
        check_name(&criterion.name, &place, complaints);
        if criteria.iter().any(|other| other.name == criterion.name) {
            let message = format!("is `{}`, like that of an earlier criterion", criterion.name);
            complain(complaints, &place, message, None);
        }
        criteria.push(criterion);
    }
    if !criteria.is_empty() && criteria.iter().all(|c| c.role == Role::Descriptive) {
        let message = "is descriptive throughout, so nothing would decide";
        let hint = "leave out one `role`, or make it `confirmatory`".to_owned();
        complain(complaints, "criterion", message, Some(hint));
    }
    criteria
}

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
    let control_metric = wire.control_metric.take();
    if control_metric.is_some() {
        within_runs(&mut wire, section, complaints);
    }
    Criterion {
        name: wire.name.take().unwrap_or(fallback),
        claim: wire.claim.take(),
        role: Role::choose(wire.role.take(), &format!("{section}.role"), complaints),
        metric: wire
            .metric
            .take()
            .map(|wire| metric(Some(wire), &format!("{section}.metric"), complaints)),
        control_metric: control_metric
            .map(|wire| metric(Some(wire), &format!("{section}.control_metric"), complaints)),
        failed: wire
            .failed
            .take()
            .map(|word| Failed::choose(Some(word), &format!("{section}.failed"), complaints)),
        worst: wire
            .worst
            .take()
            .map(|word| Worst::choose(Some(word), &format!("{section}.worst"), complaints)),
        alpha,
        expect: wire.expect.take(),
        test: test(wire, section, complaints),
    }
}

/// Two metrics of the same runs are compared, so the control is the treatment.
fn within_runs(wire: &mut WireCriterion, section: &str, complaints: &mut Vec<Complaint>) {
    for (key, given) in [
        ("control", wire.control.is_some()),
        ("minus", wire.minus.is_some()),
    ] {
        if given {
            let message =
                "has no place beside `control_metric`, which compares two metrics of the same runs";
            complain(complaints, &format!("{section}.{key}"), message, None);
        }
    }
    wire.control.clone_from(&wire.treatment);
}

/// The test with what it needs. What is missing is named; keys of other tests were refused when
/// the card was read.
fn test(wire: WireCriterion, section: &str, complaints: &mut Vec<Complaint>) -> Test {
    let word = wire.test.clone().unwrap_or_else(|| "fisher".to_owned());
    // What an unknown one would need cannot be said.
    if TESTS.contains(&word.as_str()) {
        check_complete(&wire, &word, section, complaints);
    }
    let arms = Pair {
        treatment: flatten(&wire.treatment.clone().unwrap_or_default()),
        control: flatten(&wire.control.clone().unwrap_or_default()),
        pool: wire.pool.clone().unwrap_or_default(),
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
                pool: wire.pool.clone().unwrap_or_default(),
            }),
            margin: margin(wire.margin.unwrap_or(0.0), true, section, complaints),
            direction: direction(wire.direction, section, &HIGHER, complaints),
        },
        "tost" => Test::Tost {
            arms,
            // The protocol's margin, nats.
            margin: margin(wire.margin.unwrap_or(0.02), false, section, complaints),
        },
        "slope" => Test::Slope {
            along,
            at,
            bound: bound::of(&wire, section, complaints),
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
            bound: bound::of(&wire, section, complaints),
        },
        "mcnemar" => Test::Mcnemar {
            arms,
            event: event(),
            direction: direction(wire.direction, section, &MORE, complaints),
        },
        "fisher" => Test::Fisher {
            arms,
            event: event(),
            direction: direction(wire.direction, section, &MORE, complaints),
        },
        _ => {
            let hint = closest(&word, TESTS).map(|near| format!("did you mean `{near}`?"));
            let message = format!("is `{word}`; expected one of {}", TESTS.join(", "));
            complain(complaints, &format!("{section}.test"), message, hint);
            // Never used: a card with a complaint is none.
            Test::Exact {
                at: Settings::new(),
                bound: Bound::Equals(0.0),
            }
        }
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
        "along" => wire.along.as_ref().is_some_and(|key| !key.is_empty()),
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
        Some(word) => {
            // A word of another test says which way is meant.
            let other = [MORE, HIGHER, TREND]
                .into_iter()
                .flatten()
                .find(|(known, _)| *known == word);
            let near = match other {
                Some((_, meant)) => words
                    .iter()
                    .find(|(_, d)| d.is_up() == meant.is_up())
                    .map(|(w, _)| *w),
                None => closest(&word, words.iter().map(|(word, _)| *word)),
            };
            (
                format!("is `{word}`; {expected}"),
                near.map(|near| format!("did you mean `{near}`?")),
            )
        }
    };
    complain(complaints, &format!("{section}.direction"), message, hint);
    words[0].1
}

/// A margin; `zero_too` where none is allowed.
fn margin(value: f64, zero_too: bool, section: &str, complaints: &mut Vec<Complaint>) -> f64 {
    if !value.is_finite() || value < 0.0 || (value == 0.0 && !zero_too) {
        let least = if zero_too {
            "that is not negative"
        } else {
            "above 0"
        };
        let message = format!("is {value}, must be a finite number {least}");
        complain(complaints, &format!("{section}.margin"), message, None);
    }
    value
}

fn event(words: Option<Vec<String>>, key: &str, complaints: &mut Vec<Complaint>) -> Vec<Event> {
    let Some(words) = words else {
        return Event::FAILURES.to_vec();
    };
    if words.is_empty() {
        let message = "is empty; name at least one outcome, or `spiked`";
        complain(complaints, key, message, None);
    }
    let mut event = Vec::new();
    for word in words {
        match Event::from_name(&word) {
            Some(known) if event.contains(&known) => {
                let message = format!("has `{word}` twice");
                complain(complaints, key, message, None);
            }
            Some(known) => event.push(known),
            None => {
                let names: Vec<&str> = Event::all().map(Event::name).collect();
                complain(
                    complaints,
                    key,
                    format!("has `{word}`; events are {}", names.join(", ")),
                    closest(&word, names).map(|near| format!("did you mean `{near}`?")),
                );
            }
        }
    }
    event
}
