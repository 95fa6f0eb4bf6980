//! The sign-flip permutation test of differences paired by seed.

use super::paired::{Paired, paired};
use super::runs::{Detail, Runs};
use super::{Effect, Finding, Open};
use crate::card::{Direction, Pair};
use crate::stats::{Interval, moments, sign_flip_interval, sign_flip_least};
use crate::verdict::text::{number, p_words, percent};

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
            runs.metric_label(),
            runs.without_value(finding)
        );
        finding.need_pairs(0, 1);
        finding.decide(false);
        return;
    }
    let sign = if direction.is_up() { 1.0 } else { -1.0 };
    // With a margin, what must differ from 0 is the part beyond it.
    let beyond = found.numbers(|value| sign * value - margin, sign);
    let p = runs.sign_flip(&beyond);
    finding.p_value = Some(p);
    finding.as_stated = beyond.iter().sum::<f64>() > 0.0;
    let p_possible = possible(&found, direction);
    // What points against the claim speaks against it whatever was possible; what only lies below
    // the margin does not.
    let stated: f64 = found.numbers(|value| sign * value, sign).iter().sum();
    if finding.missing == 0 && stated >= 0.0 && p_possible.is_some_and(|p| p > finding.alpha) {
        finding.leave_open(Open::ControlFailed);
    }
    finding.decide(finding.as_stated && p <= finding.alpha);
    if runs.detail == Detail::Decision {
        return;
    }
    let effect = mean_effect(runs, &found, finding.alpha, sign * margin);
    let against = match margin {
        0.0 => String::new(),
        margin => format!(" against a margin of {}", number(sign * margin)),
    };
    finding.sentence = format!(
        "{}: mean difference {what} {}; sign-flip permutation{against} {}{}{}",
        runs.metric_label(),
        mean_words(&found, effect.as_ref()),
        p_words(p, finding.alpha),
        finding.opposite(stated),
        runs.without_value(finding)
    );
    finding.effects.extend(effect);
}

/// The mean difference over the seeds with finite values, and the interval that inverting the test
/// gives; `None` where no seed has any. `null` is the difference that the test is against.
fn mean_effect(runs: &Runs<'_>, found: &Paired, alpha: f64, null: f64) -> Option<Effect> {
    let values = found.finite();
    let (mean, _) = moments(&values)?;
    // Where runs failed, an interval over the others would be one over survivors.
    let whole = found.is_finite();
    let from_null: Vec<f64> = values.iter().map(|value| value - null).collect();
    let interval = sign_flip_interval(&from_null, alpha).filter(|_| whole);
    Some(Effect {
        what: format!("mean difference of {}, {}", runs.metric_label(), found.what),
        value: mean,
        interval: interval.map(|ends| Interval {
            low: ends.low + null,
            high: ends.high + null,
        }),
        level: 1.0 - alpha,
        method: match (whole, interval) {
            (false, _) => {
                "over the seeds with finite values only; the test counts the others as well"
            }
            (true, Some(_)) => "all means that the sign-flip test does not reject",
            (true, None) => "no interval: the test cannot reach this level",
        }
        .to_owned(),
    })
}

/// The smallest p value that any result of the treatment could have had beside a control some of
/// whose runs failed: their seeds can at best give no difference, which a margin only makes worse.
/// `None` where none stands in the way.
fn possible(found: &Paired, direction: Direction) -> Option<f64> {
    let blocked = if direction.is_up() {
        found.blocked_up
    } else {
        found.blocked_down
    };
    let free = found.differences.len() - blocked;
    (blocked > 0).then(|| sign_flip_least(free))
}

/// The mean, what it is a mean of, and how sure it is.
fn mean_words(found: &Paired, effect: Option<&Effect>) -> String {
    let (n, all) = (found.finite().len(), found.differences.len());
    let Some(effect) = effect else {
        return format!("has no value in any of {all} seeds");
    };
    let (mean, level) = (number(effect.value), percent(effect.level));
    match effect.interval {
        _ if n < all => format!("is {mean} over the {n} of {all} seeds with finite values"),
        Some(ends) => format!(
            "is {mean} ({level} % interval over {n} seeds {} to {})",
            number(ends.low),
            number(ends.high)
        ),
        None if n == 1 => format!("is {mean} (1 seed, without a {level} % interval)"),
        None => format!("is {mean} ({n} seeds, too few to bound it at {level} %)"),
    }
}
