//! The sign-flip permutation test of differences paired by seed.

use super::paired::{Paired, paired};
use super::runs::Runs;
use super::{Effect, Finding, Open};
use crate::card::{Direction, Pair};
use crate::stats::{Interval, bca_mean, sign_flip};
use crate::verdict::LEVEL;
use crate::verdict::text::{number, p_words};

pub(super) fn permutation(
    runs: &Runs<'_>,
    arms: &Pair,
    minus: Option<&Pair>,
    direction: Direction,
    margin: f64,
    finding: &mut Finding,
) {
    let found = paired(runs, arms, minus);
    let what = &found.what;
    if found.differences.is_empty() {
        finding.p_value = Some(1.0);
        finding.sentence = format!(
            "{}: no pair of runs for the mean difference {what}{}",
            runs.metric_label,
            runs.without_value(finding)
        );
        finding.decide(false);
        return;
    }
    let sign = if direction.is_up() { 1.0 } else { -1.0 };
    // With a margin, what must differ from 0 is the part beyond it.
    let beyond = found.numbers(|value| sign * value - margin, sign);
    let p = sign_flip(&beyond);
    let sum: f64 = beyond.iter().sum();
    finding.p_value = Some(p);
    finding.as_stated = sum > 0.0;
    let values = found.finite();
    // Where runs failed, an interval over the others would be one over survivors.
    let interval = bca_mean(&values, LEVEL).filter(|_| found.is_finite());
    let against = match margin {
        0.0 => String::new(),
        margin => format!(" against a margin of {}", number(sign * margin)),
    };
    finding.sentence = format!(
        "{}: mean difference {what} {}; sign-flip permutation{against} {}{}{}",
        runs.metric_label,
        mean_words(&found, interval),
        p_words(p, finding.alpha),
        opposite(finding, sum + margin * beyond.len() as f64),
        runs.without_value(finding)
    );
    finding.effects.extend(effect(runs, &found, interval));
    let p_possible = possible(&found, direction);
    // What points against the claim speaks against it whatever was possible.
    if finding.missing == 0 && sum >= 0.0 && p_possible.is_some_and(|p| p > finding.alpha) {
        finding.leave_open(Open::ControlFailed);
    }
    finding.decide(finding.as_stated && p <= finding.alpha);
}

/// The smallest p value that any result of the treatment could have had beside a control some of
/// whose runs failed: their seeds can at best give no difference. `None` where none stands in the way.
fn possible(found: &Paired, direction: Direction) -> Option<f64> {
    let blocked = if direction.is_up() {
        found.blocked_up
    } else {
        found.blocked_down
    };
    let free = found.differences.len() - blocked;
    (blocked > 0).then(|| sign_flip(&vec![1.0; free]))
}

/// The mean difference over the seeds with values; `None` where there is none.
fn effect(runs: &Runs<'_>, found: &Paired, interval: Option<Interval>) -> Option<Effect> {
    let method = if found.is_finite() {
        "BCa bootstrap over seeds"
    } else {
        "over the seeds with finite values only; the test counts the others as well"
    };
    Some(Effect {
        what: format!("mean difference of {}, {}", runs.metric_label, found.what),
        value: mean(&found.finite())?,
        interval,
        level: LEVEL,
        method: method.to_owned(),
    })
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The mean, what it is a mean of, and how sure it is.
fn mean_words(found: &Paired, interval: Option<Interval>) -> String {
    let values = found.finite();
    let (n, all) = (values.len(), found.differences.len());
    let Some(mean) = mean(&values).map(number) else {
        return format!("has no value in any of {all} seeds");
    };
    match interval {
        _ if n < all => format!("is {mean} over the {n} of {all} seeds with finite values"),
        Some(ends) => format!(
            "is {mean} (95 % BCa interval over {n} seeds {} to {})",
            number(ends.low),
            number(ends.high)
        ),
        None => format!("is {mean}"),
    }
}

/// Why a small p value does not make the criterion hold; `stated` is the sum of the differences in
/// the direction of the claim.
fn opposite(finding: &Finding, stated: f64) -> &'static str {
    let small = finding.p_value.is_some_and(|p| p <= finding.alpha);
    match (small, finding.as_stated) {
        (true, false) if stated > 0.0 => ", but it lies below the margin",
        (true, false) => ", but not in the direction of the claim",
        _ => "",
    }
}
