//! That the arms a criterion speaks of exist, and are as its test needs them.

mod along;
mod pooled;

use super::{expect, failed};
use crate::card::check::check_selector;
use crate::card::check::fields::complain;
use crate::card::{Arm, Card, Criterion, Pair, Role, Settings, Test};
use experiments_config::Complaint;

/// Checks every criterion against the arms of the whole card.
pub(in crate::card::check) fn check(card: &Card, complaints: &mut Vec<Complaint>) {
    for (index, criterion) in card.criteria.iter().enumerate() {
        let section = section(card, index);
        let before = complaints.len();
        let pool = criterion.test.pool();
        if !pooled::check_keys(card, pool, &section, complaints) {
            continue;
        }
        let within_runs = criterion.control_metric.is_some();
        if criterion.control_metric.as_ref() == Some(card.metric_of(criterion)) {
            let message = "is the metric that it is compared with: every difference would be 0";
            let key = format!("{section}.control_metric");
            complain(complaints, &key, message, None);
        }
        let mut pair = |arms: &Pair, section: &str| {
            if within_runs {
                check_side(card, arms, section, complaints);
            } else {
                check_pair(card, arms, section, complaints);
            }
        };
        match &criterion.test {
            Test::Fisher { arms, .. } | Test::Mcnemar { arms, .. } | Test::Tost { arms, .. } => {
                pair(arms, &section);
            }
            Test::Permutation { arms, minus, .. } => {
                pair(arms, &section);
                if let Some(minus) = minus {
                    pair(minus, &format!("{section}.minus"));
                }
            }
            Test::Ld50 { arms, along, .. } => {
                if along::is_axis(card, along, &section, complaints) {
                    for (which, at) in [("treatment", &arms.treatment), ("control", &arms.control)]
                    {
                        let place = format!("{section}.{which}");
                        along::check(card, along, at, &place, true, complaints);
                    }
                }
            }
            Test::Slope { at, along, .. } | Test::Jonckheere { at, along, .. } => {
                if along::is_axis(card, along, &section, complaints) {
                    let logarithmic = matches!(criterion.test, Test::Slope { .. });
                    along::check(
                        card,
                        along,
                        at,
                        &format!("{section}.at"),
                        logarithmic,
                        complaints,
                    );
                }
            }
            Test::Exact { at, .. } => {
                some_arms(card, &format!("{section}.at"), at, complaints);
            }
        }
        // An arm that is named wrongly has its complaint.
        if complaints.len() == before {
            check_roles(card, criterion, &section, complaints);
        }
        expect::check(criterion, &section, complaints);
        failed::check(criterion, card.metric_of(criterion), &section, complaints);
    }
}

/// What is only shown cannot decide.
fn check_roles(card: &Card, criterion: &Criterion, section: &str, complaints: &mut Vec<Complaint>) {
    let selectors = criterion.test.selectors();
    let arms = selectors.iter().flat_map(|at| card.arms_at(at));
    let shown = arms.into_iter().find(|arm| arm.role == Role::Descriptive);
    if let Some(arm) = shown.filter(|_| criterion.role == Role::Confirmatory) {
        let message = format!("arm `{}` is descriptive and cannot be tested", arm.label);
        complain(complaints, section, message, None);
    }
}

pub(in crate::card::check) fn section(card: &Card, index: usize) -> String {
    match card.criteria.len() {
        1 => "criterion".to_owned(),
        _ => format!("criterion[{index}]"),
    }
}

/// Checks the arm, or the pooled arms, two metrics of which are compared.
fn check_side(card: &Card, arms: &Pair, section: &str, complaints: &mut Vec<Complaint>) {
    let place = format!("{section}.treatment");
    if arms.pool.is_empty() {
        one_arm(card, &place, &arms.treatment, complaints);
    } else {
        pooled::side(card, &arms.treatment, &arms.pool, &place, complaints);
    }
}

fn check_pair(card: &Card, arms: &Pair, section: &str, complaints: &mut Vec<Complaint>) {
    if !arms.pool.is_empty() {
        pooled::check_pair(card, arms, section, complaints);
        return;
    }
    let place = format!("{section}.treatment");
    let treatment = one_arm(card, &place, &arms.treatment, complaints);
    let control = one_arm(
        card,
        &format!("{section}.control"),
        &arms.control,
        complaints,
    );
    if let (Some(treatment), Some(control)) = (treatment, control)
        && treatment.settings == control.settings
    {
        let message = format!("is the same arm as `{place}`");
        complain(complaints, &format!("{section}.control"), message, None);
    }
}

fn one_arm(
    card: &Card,
    section: &str,
    wanted: &Settings,
    complaints: &mut Vec<Complaint>,
) -> Option<Arm> {
    let mut found = some_arms(card, section, wanted, complaints)?;
    if found.len() > 1 {
        // Pooling arms would let another axis decide the comparison.
        let free: Vec<String> = card
            .axis_values()
            .keys()
            .filter(|key| !wanted.contains_key(*key))
            .map(|key| format!("`{key}`"))
            .collect();
        let message = format!("matches {} arms, must match one", found.len());
        let hint = match free.as_slice() {
            [] => "give one value of each axis".to_owned(),
            free => format!("also give {}, or `pool` over it", free.join(", ")),
        };
        complain(complaints, section, message, Some(hint));
        return None;
    }
    found.pop()
}

fn some_arms(
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
