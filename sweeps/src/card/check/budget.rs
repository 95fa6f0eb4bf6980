//! Budgets: a smaller version of a card, decided beforehand like the card itself.

use super::{axes, check_keys, positive};
use crate::card::arms::rows;
use crate::card::check::fields::{complain, seeds};
use crate::card::value::{closest, flatten, label, same};
use crate::card::wire::WireBudget;
use crate::card::{Card, Criterion, Settings};
use experiments_config::Complaint;
use std::collections::BTreeMap;
use toml::Value;

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
        cards.insert(name.clone(), smaller(&card, &name, &budget, complaints));
    }
    match asked {
        None => Some(card),
        // The word for the whole table, unless the card gives it another meaning.
        Some("full") if !cards.contains_key("full") => Some(card),
        Some(name) => cards.remove(name).or_else(|| {
            let near = closest(name, names.iter().map(String::as_str));
            let message = match names.as_slice() {
                [] => format!("the card has no budgets, so not `{name}`"),
                names => format!("the card has no budget `{name}`, only {}", names.join(", ")),
            };
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            complain(complaints, "budget", message, hint);
            None
        }),
    }
}

fn smaller(card: &Card, name: &str, budget: &WireBudget, complaints: &mut Vec<Complaint>) -> Card {
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
        restrict(&mut small, &key, &values, &section, complaints);
    }
    small.fixed.extend(fixed);
    if complaints.is_empty() {
        if small.arms().is_empty() {
            complain(complaints, &section, "leaves no arm", None);
        }
        leave_out_untested(&mut small);
    }
    small
}

/// Keeps some values of an axis; all of them must be the card's.
fn restrict(
    card: &mut Card,
    key: &str,
    values: &[Value],
    section: &str,
    complaints: &mut Vec<Complaint>,
) {
    let place = format!("{section}.\"{key}\"");
    let all = card.axis_values();
    let Some(known) = all.get(key) else {
        let near = closest(key, all.keys().map(String::as_str));
        let hint = near.map(|near| format!("did you mean `{near}`?"));
        complain(complaints, &place, "is no axis of this card", hint);
        return;
    };
    for value in values {
        if !known.iter().any(|other| same(other, value)) {
            let known: Vec<String> = known.iter().map(label).collect();
            let message = format!(
                "`{}` is not on the axis, which has {}; a budget is a part of the card",
                label(value),
                known.join(", ")
            );
            complain(complaints, &place, message, None);
        }
    }
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

/// Criteria whose arms are not in the smaller grid are not tested; the verdict says so.
fn leave_out_untested(card: &mut Card) {
    let axes = card.axis_values();
    let has_arms = |criterion: &Criterion| {
        let selectors = criterion.test.selectors();
        let along = criterion.test.along();
        selectors.iter().all(|at| !card.arms_at(at).is_empty())
            && along.is_none_or(|key| axes.get(key).map_or(0, Vec::len) > 1)
    };
    let (kept, left): (Vec<_>, Vec<_>) = card.criteria.iter().cloned().partition(has_arms);
    card.criteria = kept;
    card.untested = left.into_iter().map(|criterion| criterion.name).collect();
}
