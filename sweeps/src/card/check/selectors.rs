//! Axis values that name arms, wherever a card does.

use crate::card::check::fields::{are_too_many, choose, complain, seeds};
use crate::card::value::{flatten, label, same};
use crate::card::wire::{WireArm, WireExclude, WireFigure};
use crate::card::{Arm, ArmRule, Card, FigureChoice, Settings};
use experiments_config::Complaint;
use std::collections::BTreeMap;
use toml::Value;
use words::did_you_mean;

/// Checks axis values named elsewhere in the card (`where`, `treatment`, `control`).
pub(super) fn check_selector(
    section: &str,
    selector: &Settings,
    axes: &BTreeMap<String, Vec<Value>>,
    complaints: &mut Vec<Complaint>,
) {
    if selector.is_empty() {
        let message = "is empty; name the axis values of the arms meant";
        complain(complaints, section, message, None);
    }
    for (key, value) in selector {
        let place = format!("{section}.\"{key}\"");
        let Some(values) = axes.get(key) else {
            let hint = did_you_mean(key, axes.keys());
            complain(complaints, &place, "is no axis of this card", hint);
            continue;
        };
        let wanted = match value {
            Value::Array(any) => any.as_slice(),
            value => std::slice::from_ref(value),
        };
        if wanted.is_empty() {
            complain(complaints, &place, "is an empty list", None);
        }
        if are_too_many(wanted, &place, complaints) {
            continue;
        }
        for value in wanted {
            check_on_axis(value, values, &place, complaints);
        }
    }
}

fn check_on_axis(value: &Value, values: &[Value], place: &str, complaints: &mut Vec<Complaint>) {
    // An axis without values has its complaint.
    if values.is_empty() || values.iter().any(|known| same(known, value)) {
        return;
    }
    let known: Vec<String> = values.iter().map(label).collect();
    let hint = did_you_mean(&label(value), &known);
    let message = format!(
        "`{}` is not on the axis, which has {}",
        label(value),
        known.join(", ")
    );
    complain(complaints, place, message, hint);
}

/// The arms at these axis values, of which there must be one.
pub(super) fn some_arms(
    card: &Card,
    section: &str,
    wanted: &Settings,
    complaints: &mut Vec<Complaint>,
) -> Option<Vec<Arm>> {
    let before = complaints.len();
    check_selector(section, wanted, &card.axis_values(), complaints);
    if complaints.len() > before {
        return None;
    }
    let found = card.arms_at(wanted);
    if found.is_empty() {
        complain(complaints, section, "matches no arm of the card", None);
        return None;
    }
    Some(found)
}

pub(super) fn figure(
    wire: WireFigure,
    axes: &BTreeMap<String, Vec<Value>>,
    complaints: &mut Vec<Complaint>,
) -> FigureChoice {
    let at = flatten(&wire.at);
    if !at.is_empty() {
        check_selector("figure.at", &at, axes, complaints);
    }
    if let Some(along) = wire
        .along
        .as_ref()
        .filter(|along| !axes.contains_key(*along))
    {
        let hint = did_you_mean(along, axes.keys());
        let message = format!("`{along}` is no axis of this card");
        complain(complaints, "figure.along", message, hint);
    }
    FigureChoice {
        at,
        along: wire.along,
    }
}

pub(super) fn excluded(
    list: Vec<WireExclude>,
    axes: &BTreeMap<String, Vec<Value>>,
    complaints: &mut Vec<Complaint>,
) -> Vec<Settings> {
    let mut places = Vec::new();
    for (index, exclude) in list.into_iter().enumerate() {
        let place = flatten(&exclude.place);
        check_selector(&format!("exclude[{index}].where"), &place, axes, complaints);
        places.push(place);
    }
    places
}

pub(super) fn arm_rules(
    arms: Vec<WireArm>,
    axes: &BTreeMap<String, Vec<Value>>,
    card_seeds: &[u64],
    complaints: &mut Vec<Complaint>,
) -> Vec<ArmRule> {
    let mut rules = Vec::new();
    for (index, arm) in arms.into_iter().enumerate() {
        let section = format!("arm[{index}]");
        let place = flatten(&arm.place);
        check_selector(&format!("{section}.where"), &place, axes, complaints);
        let key = format!("{section}.seeds");
        rules.push(ArmRule {
            place,
            seeds: arm
                .seeds
                .map(|value| seeds(Some(&value), Some(card_seeds), &key, complaints)),
            role: arm
                .role
                .map(|role| choose(Some(role), None, &format!("{section}.role"), complaints)),
        });
    }
    rules
}

/// What names arms must name at least one.
pub(super) fn check_matched(card: &Card, complaints: &mut Vec<Complaint>) {
    let mut arms = card.arm_rules.iter().enumerate();
    if let Some((index, _)) = arms.find(|(_, rule)| card.arms_at(&rule.place).is_empty()) {
        let place = format!("arm[{index}].where");
        complain(complaints, &place, "matches no arm of the card", None);
    }
    let figure = card.figure.as_ref();
    if figure.is_some_and(|figure| card.arms_at(&figure.at).is_empty()) {
        complain(complaints, "figure.at", "matches no arm of the card", None);
    }
}
