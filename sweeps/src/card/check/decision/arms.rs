//! That the arms a criterion speaks of exist, and that their runs could decide it.

use crate::card::check::check_selector;
use crate::card::check::fields::complain;
use crate::card::value::closest;
use crate::card::{Arm, Card, Criterion, Pair, Role, Settings, Test};
use crate::stats::{Proportion, fisher_exact};
use experiments_config::Complaint;

/// Checks every criterion against the arms of the whole card.
pub(in crate::card::check) fn check(card: &Card, complaints: &mut Vec<Complaint>) {
    for (index, criterion) in card.criteria.iter().enumerate() {
        let section = section(card, index);
        let before = complaints.len();
        let mut pair = |arms: &Pair, section: &str| check_pair(card, arms, section, complaints);
        match &criterion.test {
            Test::Fisher { arms, .. } | Test::Tost { arms, .. } => pair(arms, &section),
            Test::Permutation { arms, minus, .. } => {
                pair(arms, &section);
                if let Some(minus) = minus {
                    pair(minus, &format!("{section}.minus"));
                }
            }
            Test::Ld50 { arms, along, .. } => {
                for (which, at) in [("treatment", &arms.treatment), ("control", &arms.control)] {
                    let section = format!("{section}.{which}");
                    check_along(card, along, at, &section, complaints);
                }
            }
            Test::Slope { at, along, .. } | Test::Jonckheere { at, along, .. } => {
                check_along(card, along, at, &format!("{section}.at"), complaints);
            }
            Test::Exact { at, .. } => {
                check_some(card, at, &format!("{section}.at"), complaints);
            }
        }
        // An arm that is named wrongly has its complaint.
        if complaints.len() == before {
            check_roles(card, criterion, &section, complaints);
        }
        check_expectation(criterion, &section, complaints);
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

fn section(card: &Card, index: usize) -> String {
    match card.criteria.len() {
        1 => "criterion".to_owned(),
        _ => format!("criterion[{index}]"),
    }
}

fn check_pair(card: &Card, arms: &Pair, section: &str, complaints: &mut Vec<Complaint>) {
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
        let hint = format!("also give {}", free.join(", "));
        complain(complaints, section, message, Some(hint));
        return None;
    }
    found.pop()
}

/// Arms that differ in the value of `along` only, at least two.
fn check_along(
    card: &Card,
    along: &str,
    at: &Settings,
    section: &str,
    complaints: &mut Vec<Complaint>,
) {
    let axes = card.axis_values();
    let Some(values) = axes.get(along) else {
        if !along.is_empty() {
            let near = closest(along, axes.keys().map(String::as_str));
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            let message = format!("`{along}` is no axis of this card");
            let place = section
                .rsplit_once('.')
                .map_or(section, |(before, _)| before);
            complain(complaints, &format!("{place}.along"), message, hint);
        }
        return;
    };
    if values
        .iter()
        .any(|value| crate::card::number(value).is_none())
    {
        let message = format!("`{along}` has values that are no numbers");
        complain(complaints, section, message, None);
        return;
    }
    let arms = match at.is_empty() {
        true => Some(card.arms()),
        false => some_arms(card, section, at, complaints),
    };
    let Some(arms) = arms else { return };
    for (index, arm) in arms.iter().enumerate() {
        let value = arm.settings.get(along);
        let twin = arms[..index]
            .iter()
            .find(|other| other.settings.get(along) == value);
        if let Some(twin) = twin {
            let message = format!(
                "arms `{}` and `{}` have the same `{along}`; name more axis values, so that only `{along}` differs",
                twin.label, arm.label
            );
            complain(complaints, section, message, None);
            return;
        }
    }
    if arms.len() < 2 {
        let message = format!("matches one arm, but a trend along `{along}` needs two");
        complain(complaints, section, message, None);
    }
}

fn check_some(card: &Card, at: &Settings, section: &str, complaints: &mut Vec<Complaint>) {
    some_arms(card, section, at, complaints);
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

/// What power is computed from must be what the test asks for.
fn check_expectation(criterion: &Criterion, section: &str, complaints: &mut Vec<Complaint>) {
    let Some(expect) = &criterion.expect else {
        return;
    };
    let needed: &[(&str, Option<f64>)] = match criterion.test {
        Test::Fisher { .. } => &[("treatment", expect.treatment), ("control", expect.control)],
        Test::Permutation { .. } | Test::Slope { .. } | Test::Jonckheere { .. } => {
            &[("difference", expect.difference), ("sd", expect.sd)]
        }
        Test::Tost { .. } => &[("sd", expect.sd)],
        Test::Ld50 { .. } => &[("ratio", expect.ratio), ("steepness", expect.steepness)],
        Test::Exact { .. } => &[],
    };
    for (key, value) in needed {
        let place = format!("{section}.expect.{key}");
        match value {
            None => {
                let test = criterion.test.name();
                let message = format!("is missing; the power of `{test}` depends on it");
                complain(complaints, &place, message, None);
            }
            Some(value) if !value.is_finite() => {
                complain(complaints, &place, "must be finite", None);
            }
            Some(_) => {}
        }
    }
}

/// Refuses a card whose runs could not decide, whatever they show.
pub(in crate::card::check) fn check_seeds(card: &Card, complaints: &mut Vec<Complaint>) {
    if card.is_smoke() {
        return;
    }
    for (index, criterion) in card.criteria.iter().enumerate() {
        let runs =
            |settings: &Settings| card.arms_at(settings).first().map_or(0, |a| a.seeds.len());
        match &criterion.test {
            Test::Fisher { arms, .. } => {
                let (n, m) = (runs(&arms.treatment) as u64, runs(&arms.control) as u64);
                check_fisher(n, m, criterion.alpha, complaints);
            }
            Test::Permutation { arms, .. } => {
                let n = runs(&arms.treatment).min(runs(&arms.control));
                // All signs alike, and all of them turned: 2 of 2ⁿ.
                let smallest = 2f64.powi(1 - n as i32);
                if smallest > criterion.alpha {
                    let enough = 1.0 - criterion.alpha.log2();
                    complain(
                        complaints,
                        "seeds",
                        format!(
                            "{n} pairs cannot reach p ≤ {} in `{}`: the smallest p is {smallest:.3}",
                            criterion.alpha,
                            section(card, index)
                        ),
                        Some(format!("{} seeds can", enough.ceil())),
                    );
                }
            }
            _ => {}
        }
    }
}

fn check_fisher(n: u64, m: u64, alpha: f64, complaints: &mut Vec<Complaint>) {
    let smallest = fisher_exact(Proportion::new(n, n), Proportion::new(0, m));
    if smallest <= alpha {
        return;
    }
    let enough = (1..=10_000)
        .find(|k| fisher_exact(Proportion::new(*k, *k), Proportion::new(0, *k)) <= alpha);
    complain(
        complaints,
        "seeds",
        format!(
            "{n} runs against {m} cannot reach p ≤ {alpha}: all against none gives p = {smallest:.3}"
        ),
        enough.map(|k| format!("{k} seeds in each arm can")),
    );
}
