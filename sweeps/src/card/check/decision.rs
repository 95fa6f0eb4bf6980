//! Criteria, and what they measure: what decides the verdict.

mod arms;
mod expect;
mod failed;
mod measured;
mod seeds;

pub(super) use arms::check;
pub(super) use measured::{metric, outcome_rules};
pub(super) use seeds::check_seeds;

use crate::card::check::fields::{check_name, choose, complain, section};
use crate::card::{Kind, Role};
use crate::criterion::{Criterion, DEFAULT_TEST, Fields, TestKind, WireCriterion, test_names};
use experiments_config::Complaint;
use words::did_you_mean;

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
    let (mut names, mut roles, mut criteria) = (Vec::new(), Vec::new(), Vec::new());
    for (index, mut wire) in wires.into_iter().enumerate() {
        let section = section(only, index);
        let name = wire.name.take().unwrap_or_else(|| {
            if only {
                "claim".to_owned()
            } else {
                format!("criterion-{}", index + 1)
            }
        });
        let (word, place) = (wire.role.take(), format!("{section}.role"));
        let role = choose(word, Some(Role::Confirmatory), &place, complaints);
        criteria.extend(criterion(wire, name.clone(), role, &section, complaints));
        check_own_name(&name, &names, &format!("{section}.name"), complaints);
        names.push(name);
        roles.push(role);
    }
    if !roles.is_empty() && roles.iter().all(|role| *role == Role::Descriptive) {
        let message = "is descriptive throughout, so nothing would decide";
        let hint = "leave out one `role`, or make it `confirmatory`".to_owned();
        complain(complaints, "criterion", message, Some(hint));
    }
    criteria
}

/// A name that no other criterion has.
fn check_own_name(name: &str, others: &[String], place: &str, complaints: &mut Vec<Complaint>) {
    if name.is_empty() {
        complain(complaints, place, "is empty", None);
    }
    check_name(name, place, complaints);
    if others.iter().any(|other| other == name) {
        let message = format!("is `{name}`, like that of an earlier criterion");
        complain(complaints, place, message, None);
    }
}

/// One criterion; `None` where its test is not known.
fn criterion(
    mut wire: WireCriterion,
    name: String,
    role: Role,
    section: &str,
    complaints: &mut Vec<Complaint>,
) -> Option<Criterion> {
    let place = |key: &str| format!("{section}.{key}");
    let alpha = wire.alpha.unwrap_or(0.05);
    if !(alpha > 0.0 && alpha < 1.0) {
        let message = format!("is {alpha}, must lie between 0 and 1, for example 0.05");
        complain(complaints, &place("alpha"), message, None);
    }
    let control_metric = wire.control_metric.take();
    if control_metric.is_some() {
        within_runs(&mut wire, section, complaints);
    }
    let own_metric = wire.metric.take();
    let own_metric = own_metric.map(|wire| metric(Some(wire), &place("metric"), complaints));
    let control_metric =
        control_metric.map(|wire| metric(Some(wire), &place("control_metric"), complaints));
    let failed = wire.failed.take();
    let failed = failed.map(|word| choose(Some(word), None, &place("failed"), complaints));
    let worst = wire.worst.take();
    let worst = worst.map(|word| choose(Some(word), None, &place("worst"), complaints));
    let (claim, expect) = (wire.claim.take(), wire.expect.take());
    let word = wire.test.take();
    let kind = kind(word.as_deref(), &place("test"), complaints)?;
    let mut fields = Fields::new(wire, kind.name, section, complaints);
    Some(Criterion {
        name,
        claim,
        role,
        test: (kind.read)(&mut fields),
        metric: own_metric,
        control_metric,
        failed,
        worst,
        alpha,
        expect,
    })
}

/// The test of that name, or of none.
fn kind(
    word: Option<&str>,
    place: &str,
    complaints: &mut Vec<Complaint>,
) -> Option<&'static TestKind> {
    let word = word.unwrap_or(DEFAULT_TEST);
    let kind = TestKind::of(word);
    if kind.is_none() {
        let names: Vec<&str> = test_names().collect();
        let message = format!("is `{word}`; expected one of {}", names.join(", "));
        let hint = did_you_mean(word, names);
        complain(complaints, place, message, hint);
    }
    kind
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
