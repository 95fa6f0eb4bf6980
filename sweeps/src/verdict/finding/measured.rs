//! Tests of means and trends of a metric.

use super::paired::paired;
use super::runs::{Detail, Runs};
use super::{Effect, Finding, Open};
use crate::Outcome;
use crate::card::{Bound, Direction, Pair, Settings, named};
use crate::stats::{SlopePoint, jonckheere as trend, log_log_slope};
use crate::stats::{mean_interval, tost as equivalence};
use crate::verdict::LEVEL;
use crate::verdict::text::{number, p_words, percent};
use std::collections::BTreeMap;

pub(super) fn tost(runs: &Runs<'_>, arms: &Pair, margin: f64, finding: &mut Finding) {
    let found = paired(runs, arms, None);
    let (what, values) = (&found.what, found.finite());
    finding.as_stated = true;
    // One difference has no spread.
    finding.need_pairs(found.differences.len(), 2);
    if both_failed(runs, arms) {
        finding.leave_open(Open::ControlFailed);
    }
    let Some(found) = equivalence(&values, margin, finding.alpha) else {
        finding.p_value = Some(1.0);
        finding.sentence = format!(
            "{}: too few pairs for the mean difference {what}{}",
            runs.metric_label(),
            runs.without_value(finding)
        );
        finding.decide(false);
        return;
    };
    finding.p_value = Some(found.p);
    finding.decide(found.p <= finding.alpha);
    if runs.detail == Detail::Decision {
        return;
    }
    let (ends, level) = (found.interval, 1.0 - 2.0 * finding.alpha);
    finding.sentence = format!(
        "{}: mean difference {what} is {} ({} % t interval over {} seeds {} to {}), margin ±{}; two one-sided t tests {}{}",
        runs.metric_label(),
        number(found.mean),
        percent(level),
        values.len(),
        number(ends.low),
        number(ends.high),
        number(margin),
        p_words(found.p, finding.alpha),
        runs.without_value(finding)
    );
    finding.effects.push(Effect {
        what: format!("mean difference of {}, {what}", runs.metric_label()),
        value: found.mean,
        interval: Some(ends),
        level,
        method: "paired t interval".to_owned(),
    });
}

/// Whether the loss of two arms is compared of which no run trained: failures are alike whatever
/// else the arms do.
fn both_failed(runs: &Runs<'_>, arms: &Pair) -> bool {
    let failed = |at: &Settings| {
        let side = runs.side(at, &arms.pool);
        let mut outcomes = runs.of_side(&side).map(|(_, run)| run.outcome());
        outcomes.all(|outcome| outcome.is_some_and(|o| Outcome::FAILURES.contains(&o)))
    };
    runs.compares_loss() && failed(&arms.treatment) && failed(&arms.control)
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
    let what = format!("exponent of {} in {along}", runs.metric_label());
    let fitted = log_log_slope(&points, level);
    let Some((found, ends)) = fitted.and_then(|found| Some((found, found.interval?))) else {
        let why = match points.iter().find(|point| point.y <= 0.0) {
            Some(point) => format!(": {} has no logarithm", number(point.y)),
            None => ": it takes two seeds with two arms each".to_owned(),
        };
        if points.iter().any(|point| point.y <= 0.0) {
            finding.leave_open(Open::NoLogarithm);
        } else {
            finding.need_pairs(slope_seeds(&points), 2);
        }
        finding.sentence = format!(
            "the {what} cannot be fitted{why}{}",
            runs.without_value(finding)
        );
        finding.decide(false);
        return;
    };
    finding.as_stated = bound.holds_for(ends.low, ends.high);
    finding.decide(finding.as_stated);
    if runs.detail == Detail::Decision {
        return;
    }
    finding.sentence = format!(
        "{what} {}: {} ({} % interval over {} seeds {} to {}); expected {bound}{}",
        place(at),
        number(found.slope),
        percent(level),
        found.seeds,
        number(ends.low),
        number(ends.high),
        runs.without_value(finding)
    );
    finding.effects.push(Effect {
        what,
        value: found.slope,
        interval: Some(ends),
        level,
        method: "least squares on logarithms within each seed, t interval over seeds".to_owned(),
    });
}

/// Seeds with two arms, within which alone there is a slope.
fn slope_seeds(points: &[SlopePoint]) -> usize {
    let mut arms: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for point in points {
        arms.entry(point.seed).or_default().push(point.x);
    }
    arms.values().filter(|arms| arms.len() > 1).count()
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
        .map(|(_, arm)| runs.ranked(&arm.label))
        .collect();
    let found = trend(&groups);
    let (p, other) = if direction.is_up() {
        (found.p_increasing, found.p_decreasing)
    } else {
        (found.p_decreasing, found.p_increasing)
    };
    finding.p_value = Some(p);
    finding.as_stated = p < other;
    let ranked = || groups.iter().flatten();
    let all_failed = ranked().next().is_some() && ranked().all(|value| value.is_infinite());
    if finding.missing == 0 && all_failed {
        finding.leave_open(Open::EveryRunFailed);
    }
    finding.decide(finding.as_stated && p <= finding.alpha);
    if runs.detail == Detail::Decision {
        return;
    }
    let means: Vec<String> = arms
        .iter()
        .map(|(x, arm)| group_words(runs, &arm.label, *x))
        .collect();
    let way = if direction.is_up() {
        "rising"
    } else {
        "falling"
    };
    finding.sentence = format!(
        "mean {} {}: {}; Jonckheere's test for a {way} trend in {along}, one-sided {}{}",
        runs.metric_label(),
        place(at),
        means.join(", "),
        p_words(p, finding.alpha),
        runs.without_value(finding)
    );
    finding.effects.push(Effect {
        what: format!(
            "standardised Jonckheere statistic of {} in {along}",
            runs.metric_label()
        ),
        value: found.z,
        interval: None,
        level: LEVEL,
        method: "Jonckheere–Terpstra, variance corrected for ties; p over all arrangements"
            .to_owned(),
    });
}

/// `3.58 at 0.001`, and how many runs the mean is without.
fn group_words(runs: &Runs<'_>, arm: &str, x: f64) -> String {
    let values: Vec<f64> = runs.values(arm).into_iter().map(|(_, y)| y).collect();
    let finished = runs.count(arm, |_| true);
    let failed = match finished - values.len() {
        0 => String::new(),
        failed => format!(" ({failed} of {finished} without)"),
    };
    match mean_interval(&values, LEVEL) {
        Some(estimate) => format!("{} at {}{failed}", number(estimate.mean), number(x)),
        None => format!("no value at {}{failed}", number(x)),
    }
}
