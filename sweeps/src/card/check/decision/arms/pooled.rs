//! That pooled arms differ between the sides of a comparison as the card says, and in nothing else.

use crate::card::check::fields::complain;
use crate::card::check::selectors::some_arms;
use crate::card::{Arm, Card, Settings, same};
use crate::criterion::Pair;
use experiments_config::Complaint;
use words::did_you_mean;

/// Checks that every pooled key is an axis, named once.
pub(super) fn check_keys(
    card: &Card,
    pool: &[String],
    section: &str,
    complaints: &mut Vec<Complaint>,
) -> bool {
    let axes = card.axis_values();
    let place = format!("{section}.pool");
    let before = complaints.len();
    for (index, key) in pool.iter().enumerate() {
        if !axes.contains_key(key) {
            let hint = did_you_mean(key, axes.keys());
            let message = format!("has `{key}`, which is no axis of this card");
            complain(complaints, &place, message, hint);
        } else if pool[..index].contains(key) {
            complain(complaints, &place, format!("has `{key}` twice"), None);
        }
    }
    complaints.len() == before
}

/// Checks the two sides of a comparison that pools over its axes.
pub(super) fn check_pair(card: &Card, arms: &Pair, section: &str, complaints: &mut Vec<Complaint>) {
    let place = |which: &str| format!("{section}.{which}");
    let mut side =
        |which: &str, at: &Settings| side(card, at, &arms.pool, &place(which), complaints);
    let (treatment, control) = (
        side("treatment", &arms.treatment),
        side("control", &arms.control),
    );
    let (Some(treatment), Some(control)) = (treatment, control) else {
        return;
    };
    let shared = |arms: &[Arm], of: bool, pool: &[String]| -> Vec<Settings> {
        let parts = arms.iter().map(|arm| part(&arm.settings, pool, of));
        parts.collect()
    };
    if shared(&treatment[..1], false, &arms.pool) == shared(&control[..1], false, &arms.pool) {
        let message = format!("is the same as `{}`", place("treatment"));
        complain(complaints, &place("control"), message, None);
        return;
    }
    let alike = shared(&treatment, true, &arms.pool) == shared(&control, true, &arms.pool)
        && treatment
            .iter()
            .zip(&control)
            .all(|(a, b)| a.seeds == b.seeds);
    if !alike {
        let message = format!(
            "has other values of {}, or other seeds of them, than `{}`: what is pooled would make a difference of its own",
            quoted(&arms.pool),
            place("treatment")
        );
        complain(complaints, &place("control"), message, None);
    }
}

/// The arms of a side, which differ in the pooled axes only.
pub(super) fn side(
    card: &Card,
    at: &Settings,
    pool: &[String],
    place: &str,
    complaints: &mut Vec<Complaint>,
) -> Option<Vec<Arm>> {
    let found = some_arms(card, place, at, complaints)?;
    is_uniform(&found, pool, place, complaints).then_some(found)
}

/// Whether the arms of a side differ in the pooled axes only.
fn is_uniform(arms: &[Arm], pool: &[String], place: &str, complaints: &mut Vec<Complaint>) -> bool {
    let Some((first, others)) = arms.split_first() else {
        return false;
    };
    let differ = |key: &&String| {
        let value = &first.settings[*key];
        let mut values = others.iter().filter_map(|arm| arm.settings.get(*key));
        values.any(|other| !same(other, value))
    };
    let keys = first.settings.keys().filter(|key| !pool.contains(key));
    let free: Vec<String> = keys.filter(differ).cloned().collect();
    if free.is_empty() {
        return true;
    }
    let message = format!(
        "matches {} arms that differ in {} as well",
        arms.len(),
        quoted(&free)
    );
    let hint = format!("also give {}, or pool over it", quoted(&free));
    complain(complaints, place, message, Some(hint));
    false
}

/// The settings that are pooled, or those that are not.
fn part(settings: &Settings, pool: &[String], pooled: bool) -> Settings {
    let mut part = settings.clone();
    part.retain(|key, _| pool.contains(key) == pooled);
    part
}

fn quoted(keys: &[String]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    keys.join(", ")
}
