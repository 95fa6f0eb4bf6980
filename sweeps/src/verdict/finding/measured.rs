//! Tests that compare a metric.

use super::{Effect, Finding, Runs};
use crate::card::{Bound, Direction, Pair, Settings, named};
use crate::stats::{SlopePoint, bca_mean, jonckheere as trend, log_log_slope, sign_flip};
use crate::stats::{mean_interval, tost as equivalence};
use crate::verdict::LEVEL;
use crate::verdict::text::{number, p_words};

/// Differences treatment − control of the seeds that both arms have.
fn differences(runs: &Runs<'_>, arms: &Pair) -> (String, Vec<(u64, f64)>) {
    let label = |at| runs.arm(at).map(|arm| arm.label).unwrap_or_default();
    let (treatment, control) = (label(&arms.treatment), label(&arms.control));
    let controls = runs.values(&control);
    let paired = runs
        .values(&treatment)
        .into_iter()
        .filter_map(|(seed, value)| {
            let (_, other) = controls.iter().find(|(other, _)| *other == seed)?;
            Some((seed, value - other))
        });
    (format!("`{treatment}` − `{control}`"), paired.collect())
}

pub(super) fn permutation(
    runs: &Runs<'_>,
    arms: &Pair,
    minus: Option<&Pair>,
    direction: Direction,
    margin: f64,
    finding: &mut Finding,
) {
    let (mut what, mut paired) = differences(runs, arms);
    if let Some(minus) = minus {
        let (other, others) = differences(runs, minus);
        what = format!("({what}) − ({other})");
        paired = paired
            .into_iter()
            .filter_map(|(seed, value)| {
                let (_, other) = others.iter().find(|(s, _)| *s == seed)?;
                Some((seed, value - other))
            })
            .collect();
    }
    let values: Vec<f64> = paired.into_iter().map(|(_, value)| value).collect();
    if values.is_empty() {
        finding.p_value = Some(1.0);
        finding.sentence = format!(
            "{}: no pair of runs for the mean difference {what}{}",
            runs.metric_label,
            runs.left_out(&finding.arms)
        );
        finding.decide(false);
        return;
    }
    let sign = if direction.is_up() { 1.0 } else { -1.0 };
    // With a margin, what must differ from 0 is the part beyond it.
    let beyond: Vec<f64> = values.iter().map(|value| sign * value - margin).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let p = sign_flip(&beyond);
    finding.p_value = Some(p);
    finding.as_stated = sign * mean > margin;
    let interval = bca_mean(&values, LEVEL);
    let ends = interval.map_or(String::new(), |ends| {
        format!(
            " (95 % BCa interval over {} seeds {} to {})",
            values.len(),
            number(ends.low),
            number(ends.high)
        )
    });
    let beyond = match margin {
        0.0 => String::new(),
        margin => format!(" against a margin of {}", number(sign * margin)),
    };
    finding.sentence = format!(
        "{}: mean difference {what} is {}{ends}; sign-flip permutation{beyond} {}{}{}",
        runs.metric_label,
        number(mean),
        p_words(p, finding.alpha),
        opposite(finding, margin),
        runs.left_out(&finding.arms)
    );
    finding.effects.push(Effect {
        what: format!("mean difference of {}, {what}", runs.metric_label),
        value: mean,
        interval,
        level: LEVEL,
        method: "BCa bootstrap over seeds".to_owned(),
    });
    finding.decide(finding.as_stated && p <= finding.alpha);
}

/// What a small p value means that does not speak for the claim.
/// Why a small p value does not make the criterion hold; `stated` is the mean in its direction.
fn opposite(finding: &Finding, stated: f64) -> &'static str {
    let small = finding.p_value.is_some_and(|p| p <= finding.alpha);
    match (small, finding.as_stated) {
        (true, false) if stated > 0.0 => ", but it lies below the margin",
        (true, false) => ", but not in the direction of the claim",
        _ => "",
    }
}

pub(super) fn tost(runs: &Runs<'_>, arms: &Pair, margin: f64, finding: &mut Finding) {
    let (what, paired) = differences(runs, arms);
    let values: Vec<f64> = paired.into_iter().map(|(_, value)| value).collect();
    finding.as_stated = true;
    let Some(found) = equivalence(&values, margin) else {
        finding.p_value = Some(1.0);
        finding.sentence = format!(
            "{}: too few pairs for the mean difference {what}{}",
            runs.metric_label,
            runs.left_out(&finding.arms)
        );
        finding.decide(false);
        return;
    };
    finding.p_value = Some(found.p);
    let ends = found.interval90;
    finding.sentence = format!(
        "{}: mean difference {what} is {} (90 % t interval over {} seeds {} to {}), margin ±{}; two one-sided t tests {}{}",
        runs.metric_label,
        number(found.mean),
        values.len(),
        number(ends.low),
        number(ends.high),
        number(margin),
        p_words(found.p, finding.alpha),
        runs.left_out(&finding.arms)
    );
    finding.effects.push(Effect {
        what: format!("mean difference of {}, {what}", runs.metric_label),
        value: found.mean,
        interval: Some(ends),
        level: 0.9,
        method: "paired t interval".to_owned(),
    });
    finding.decide(found.p <= finding.alpha);
}

pub(super) fn slope(
    runs: &Runs<'_>,
    along: &str,
    at: &Settings,
    bound: Bound,
    finding: &mut Finding,
) {
    let points: Vec<SlopePoint> = runs
        .along(along, at)
        .iter()
        .flat_map(|(x, arm)| {
            let values = runs.values(&arm.label).into_iter();
            values.map(|(seed, y)| SlopePoint { seed, x: *x, y })
        })
        .collect();
    let level = 1.0 - finding.alpha;
    let what = format!("exponent of {} in {along}", runs.metric_label);
    let fitted = log_log_slope(&points, level);
    let Some((found, ends)) = fitted.and_then(|found| Some((found, found.interval?))) else {
        let why = match points.iter().find(|point| point.y <= 0.0) {
            Some(point) => format!(": {} has no logarithm", number(point.y)),
            None => ": it takes two seeds with two arms each".to_owned(),
        };
        finding.sentence = format!(
            "the {what} cannot be fitted{why}{}",
            runs.left_out(&finding.arms)
        );
        finding.decide(false);
        return;
    };
    finding.as_stated = bound.holds_for(ends.low, ends.high);
    finding.sentence = format!(
        "{what} {}: {} ({:.0} % interval over {} seeds {} to {}); expected {bound}{}",
        place(at),
        number(found.slope),
        100.0 * level,
        found.seeds,
        number(ends.low),
        number(ends.high),
        runs.left_out(&finding.arms)
    );
    finding.effects.push(Effect {
        what,
        value: found.slope,
        interval: Some(ends),
        level,
        method: "least squares on logarithms within each seed, t interval over seeds".to_owned(),
    });
    finding.decide(finding.as_stated);
}

/// `at post, layers=24, lr=0.001/0.01`.
pub(super) fn place(at: &Settings) -> String {
    let values: Vec<String> = at.iter().map(|(key, value)| named(key, value)).collect();
    if values.is_empty() {
        "over all arms".to_owned()
    } else {
        format!("at {}", values.join(", "))
    }
}

pub(super) fn jonckheere(
    runs: &Runs<'_>,
    along: &str,
    at: &Settings,
    direction: Direction,
    finding: &mut Finding,
) {
    let arms = runs.along(along, at);
    let groups: Vec<Vec<f64>> = arms
        .iter()
        .map(|(_, arm)| {
            let values = runs.values(&arm.label).into_iter();
            values.map(|(_, value)| value).collect()
        })
        .collect();
    let found = trend(&groups);
    let (p, other) = if direction.is_up() {
        (found.p_increasing, found.p_decreasing)
    } else {
        (found.p_decreasing, found.p_increasing)
    };
    finding.p_value = Some(p);
    finding.as_stated = p < other;
    let means: Vec<String> = arms
        .iter()
        .zip(&groups)
        .map(|((x, _), group)| {
            let mean = mean_interval(group, LEVEL).map_or(f64::NAN, |estimate| estimate.mean);
            format!("{} at {}", number(mean), number(*x))
        })
        .collect();
    let way = if direction.is_up() {
        "rising"
    } else {
        "falling"
    };
    finding.sentence = format!(
        "mean {} {}: {}; Jonckheere's test for a {way} trend in {along}, one-sided {}{}",
        runs.metric_label,
        place(at),
        means.join(", "),
        p_words(p, finding.alpha),
        runs.left_out(&finding.arms)
    );
    finding.effects.push(Effect {
        what: format!(
            "standardised Jonckheere statistic of {} in {along}",
            runs.metric_label
        ),
        value: found.z,
        interval: None,
        level: LEVEL,
        method: "Jonckheere–Terpstra, variance corrected for ties".to_owned(),
    });
    finding.decide(finding.as_stated && p <= finding.alpha);
}
