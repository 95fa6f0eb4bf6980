//! Tests along an axis: arms that differ in it and in nothing else.

use crate::card::check::fields::complain;
use crate::card::check::selectors::some_arms;
use crate::card::value::{label, number};
use crate::card::{Arm, Card, Settings};
use experiments_config::Complaint;
use words::did_you_mean;

/// Whether `along` is an axis of numbers.
pub(super) fn is_axis(
    card: &Card,
    along: &str,
    section: &str,
    complaints: &mut Vec<Complaint>,
) -> bool {
    let place = format!("{section}.along");
    let axes = card.axis_values();
    let Some(values) = axes.get(along) else {
        let hint = did_you_mean(along, axes.keys());
        let message = format!("`{along}` is no axis of this card");
        complain(complaints, &place, message, hint);
        return false;
    };
    let word = values.iter().find(|value| number(value).is_none());
    if let Some(word) = word {
        let message = format!("`{along}` has `{}`, which is no number", label(word));
        let numbers = |values: &[toml::Value]| values.iter().all(|value| number(value).is_some());
        let others = axes.iter().filter(|(_, values)| numbers(values));
        let others: Vec<String> = others.map(|(key, _)| format!("`{key}`")).collect();
        let hint = match others.as_slice() {
            [] => None,
            others => Some(format!("axes of numbers are {}", others.join(", "))),
        };
        complain(complaints, &place, message, hint);
        return false;
    }
    true
}

/// At least two arms, which differ in `along` and in what moves with it. Where the test takes
/// logarithms, values must be above 0.
pub(super) fn check(
    card: &Card,
    along: &str,
    at: &Settings,
    section: &str,
    logarithmic: bool,
    complaints: &mut Vec<Complaint>,
) {
    let arms = if at.is_empty() {
        Some(card.arms())
    } else {
        some_arms(card, section, at, complaints)
    };
    let Some(arms) = arms else { return };
    if let Some(message) = problem(card, along, &arms, logarithmic) {
        complain(complaints, section, message, None);
    }
}

fn problem(card: &Card, along: &str, arms: &[Arm], logarithmic: bool) -> Option<String> {
    let zip = card.zips.iter().find(|zip| zip.contains_key(along));
    let moves = |key: &str| key == along || zip.is_some_and(|zip| zip.contains_key(key));
    for (index, arm) in arms.iter().enumerate() {
        let differs = |other: &Arm| {
            let both = arm.settings.iter().zip(&other.settings);
            let fixed = both.filter(|((key, _), _)| !moves(key));
            fixed
                .filter(|((_, a), (_, b))| a != b)
                .map(|((key, _), _)| key.clone())
                .next()
        };
        let first = &arms[0];
        if let Some(key) = differs(first) {
            return Some(format!(
                "arms `{}` and `{}` differ in `{key}`; name a value of it, so that only `{along}` differs",
                first.label, arm.label
            ));
        }
        let value = arm.settings.get(along);
        let twin = arms[..index]
            .iter()
            .find(|other| other.settings.get(along) == value);
        if let Some(twin) = twin {
            return Some(format!(
                "arms `{}` and `{}` have the same `{along}`; name more axis values, so that only `{along}` differs",
                twin.label, arm.label
            ));
        }
        let positive = value.and_then(number).is_some_and(|value| value > 0.0);
        if logarithmic && !positive {
            return Some(format!(
                "arm `{}` has a `{along}` that is not above 0 and has no logarithm",
                arm.label
            ));
        }
    }
    (arms.len() < 2).then(|| format!("matches one arm, but a trend along `{along}` needs two"))
}
