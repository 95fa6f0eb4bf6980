//! Budgets: a smaller version of a card, decided beforehand like the card itself.

use super::{axes, decision};
use crate::card::check::fields::{check_keys, complain, positive, seeds};
use crate::card::grid::rows;
use crate::card::value::{flatten, label, same};
use crate::card::wire::WireBudget;
use crate::card::{Card, Role, Settings};
use crate::criterion::Criterion;
use experiments_config::Complaint;
use std::collections::BTreeMap;
use toml::Value;
use words::did_you_mean;

/// Checks all budgets, and gives the card at the one asked for; without one the whole card.
/// `None` when there is no such budget, or the card has complaints of its own.
pub(super) fn apply(
    card: Card,
    budgets: BTreeMap<String, WireBudget>,
    asked: Option<&str>,
    complaints: &mut Vec<Complaint>,
) -> Option<Card> {
    if !complaints.is_empty() {
        return None;
    }
    let names: Vec<String> = budgets.keys().cloned().collect();
    let mut cards = BTreeMap::new();
    for (name, budget) in budgets {
        let before = complaints.len();
        let small = smaller(&card, &name, &budget, complaints);
        if complaints.len() == before {
            decision::check_seeds(&small, &format!("budget.{name}.seeds"), complaints);
        }
        cards.insert(name, small);
    }
    match asked {
        None => Some(card),
        // The word for the whole table, unless the card gives it another meaning.
        Some("full") if !cards.contains_key("full") => Some(card),
        Some(name) => cards.remove(name).or_else(|| {
            let hint = did_you_mean(name, &names);
            let message = match names.as_slice() {
                [] => format!("the card has no budgets, so not `{name}`"),
                names => format!("the card has no budget `{name}`, only {}", names.join(", ")),
            };
            complain(complaints, "budget", message, hint);
            None
        }),
    }
}

fn smaller(card: &Card, name: &str, budget: &WireBudget, complaints: &mut Vec<Complaint>) -> Card {
    let before = complaints.len();
    let section = format!("budget.{name}");
    let mut small = Card {
        budget: Some(name.to_owned()),
        budget_minutes: positive(budget.minutes, &format!("{section}.minutes"), complaints),
        ..card.clone()
    };
    if let Some(value) = &budget.seeds {
        let key = format!("{section}.seeds");
        small.seeds = seeds(Some(value), Some(&card.seeds), &key, complaints);
        for rule in &mut small.arm_rules {
            if let Some(list) = &mut rule.seeds {
                list.retain(|seed| small.seeds.contains(seed));
            }
        }
    }
    let fixed = flatten(&budget.fixed);
    check_keys(&format!("{section}.fixed"), &fixed, complaints);
    for key in fixed
        .keys()
        .filter(|key| card.axis_values().contains_key(*key))
    {
        let place = format!("{section}.fixed.\"{key}\"");
        complain(complaints, &place, "is an axis of the card", None);
    }
    let section = format!("{section}.axes");
    for (key, values) in axes::read(&section, &budget.axes, &Settings::new(), complaints) {
        let place = format!("{section}.\"{key}\"");
        if check_values(&key, &values, &card.axis_values(), &place, complaints) {
            restrict(&mut small, &key, &values);
        }
    }
    small.fixed.extend(fixed);
    if complaints.len() == before {
        if small.arms().is_empty() {
            complain(complaints, &section, "leaves no arm", None);
        }
        leave_out_untested(&mut small);
    }
    small
}

/// Whether all values are on one of the whole card's axes.
fn check_values(
    key: &str,
    values: &[Value],
    axes: &BTreeMap<String, Vec<Value>>,
    place: &str,
    complaints: &mut Vec<Complaint>,
) -> bool {
    let before = complaints.len();
    let Some(known) = axes.get(key) else {
        let hint = did_you_mean(key, axes.keys());
        complain(complaints, place, "is no axis of this card", hint);
        return false;
    };
    for value in values {
        if !known.iter().any(|other| same(other, value)) {
            let known: Vec<String> = known.iter().map(label).collect();
            let hint = did_you_mean(&label(value), &known);
            let message = format!(
                "`{}` is not on the axis, which has {}; a budget is a part of the card",
                label(value),
                known.join(", ")
            );
            complain(complaints, place, message, hint);
        }
    }
    complaints.len() == before
}

/// Keeps some values of an axis, and of an axis that moves with others the steps that have them.
fn restrict(card: &mut Card, key: &str, values: &[Value]) {
    let wanted = |value: &Value| values.iter().any(|other| same(other, value));
    if let Some(axis) = card.axes.get_mut(key) {
        axis.retain(wanted);
    }
    for zip in &mut card.zips {
        if zip.contains_key(key) {
            let mut kept: BTreeMap<String, Vec<Value>> = BTreeMap::new();
            for row in rows(zip).into_iter().filter(|row| wanted(&row[key])) {
                for (key, value) in row {
                    kept.entry(key).or_default().push(value);
                }
            }
            *zip = kept;
        }
    }
}

/// Criteria whose arms, with at least one seed, are not in the smaller grid are not tested; the
/// verdict says so. Along an axis it takes two arms.
fn leave_out_untested(card: &mut Card) {
    let has_arms = |criterion: &Criterion| {
        let needed = if criterion.arms().along().is_some() {
            2
        } else {
            1
        };
        let selectors = criterion.arms().selectors();
        selectors.iter().all(|at| {
            let arms = card.arms_at(at);
            arms.iter().filter(|arm| !arm.seeds.is_empty()).count() >= needed
        })
    };
    let (kept, left): (Vec<_>, Vec<_>) = card.criteria.iter().cloned().partition(has_arms);
    card.criteria = kept;
    let confirmatory = left.iter().filter(|c| c.role == Role::Confirmatory);
    card.undecided = confirmatory.map(|c| c.name.clone()).collect();
    card.untested = left.into_iter().map(|criterion| criterion.name).collect();
}
