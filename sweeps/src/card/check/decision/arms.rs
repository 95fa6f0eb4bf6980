//! That the arms a criterion speaks of exist, and are as its test needs them.

mod along;
mod pooled;

use super::{expect, failed};
use crate::card::check::fields::{complain, section};
use crate::card::check::selectors::some_arms;
use crate::card::{Arm, Card, Role, Settings};
use crate::criterion::{Arms, Criterion, Pair};
use experiments_config::Complaint;

/// Checks every criterion against the arms of the whole card.
pub(in crate::card::check) fn check(card: &Card, complaints: &mut Vec<Complaint>) {
    for (index, criterion) in card.criteria.iter().enumerate() {
        let section = section(card.criteria.len() == 1, index);
        let before = complaints.len();
        if !pooled::check_keys(card, criterion.arms().pool(), &section, complaints) {
            continue;
        }
        if criterion.control_metric.as_ref() == Some(card.metric_of(criterion)) {
            let message = "is the metric that it is compared with: every difference would be 0";
            let key = format!("{section}.control_metric");
            complain(complaints, &key, message, None);
        }
        check_arms(card, criterion, &section, complaints);
        // An arm that is named wrongly has its complaint.
        if complaints.len() == before {
            check_roles(card, criterion, &section, complaints);
        }
        expect::check(criterion, &section, complaints);
        failed::check(criterion, card.metric_of(criterion), &section, complaints);
    }
}

/// That the arms exist, and differ as the test needs it.
fn check_arms(card: &Card, criterion: &Criterion, section: &str, complaints: &mut Vec<Complaint>) {
    let check_pair = match criterion.control_metric {
        Some(_) => check_side,
        None => check_pair,
    };
    match criterion.arms() {
        Arms::Pair(arms, minus) => {
            check_pair(card, arms, section, complaints);
            if let Some(minus) = minus {
                check_pair(card, minus, &format!("{section}.minus"), complaints);
            }
        }
        Arms::PairAlong { arms, along } => {
            if along::is_axis(card, along, section, complaints) {
                for (which, at) in [("treatment", &arms.treatment), ("control", &arms.control)] {
                    let place = format!("{section}.{which}");
                    along::check(card, along, at, &place, true, complaints);
                }
            }
        }
        Arms::Along {
            along,
            at,
            logarithmic,
        } => {
            if along::is_axis(card, along, section, complaints) {
                let place = format!("{section}.at");
                along::check(card, along, at, &place, logarithmic, complaints);
            }
        }
        Arms::Each(at) => {
            some_arms(card, &format!("{section}.at"), at, complaints);
        }
    }
}

/// What is only shown cannot decide.
fn check_roles(card: &Card, criterion: &Criterion, section: &str, complaints: &mut Vec<Complaint>) {
    let selectors = criterion.arms().selectors();
    let arms = selectors.iter().flat_map(|at| card.arms_at(at));
    let shown = arms.into_iter().find(|arm| arm.role == Role::Descriptive);
    if let Some(arm) = shown.filter(|_| criterion.role == Role::Confirmatory) {
        let message = format!("arm `{}` is descriptive and cannot be tested", arm.label);
        complain(complaints, section, message, None);
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
