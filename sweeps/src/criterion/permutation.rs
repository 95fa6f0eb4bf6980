//! The sign-flip permutation test of differences paired by seed.

use super::paired::{Paired, contrast, paired};
use super::test::{
    Against, Arms, Compared, Detail, Direction, Effect, Expect, Fields, Finding, HIGHER, Needed,
    Open, Pair, Runs, SeedUse, Seeds, SimulatedRuns, Size, StatisticalTest, TooFew, WANTED, normal,
    smallest_found, word, wrong_way,
};
use crate::stats::{Interval, moments, sign_flip_interval, sign_flip_least, sign_flip_power};
use crate::wording::{number, p_value, p_words, percent};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Sign-flip permutation test, two-sided, on differences of the metric paired by seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Permutation {
    /// The arms.
    #[serde(flatten)]
    pub arms: Pair,
    /// Two more arms whose difference is taken off: an interaction.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub minus: Option<Pair>,
    /// The way the difference must go.
    pub direction: Direction,
    /// The difference must be larger than this, in the metric's unit.
    pub margin: f64,
}

impl StatisticalTest for Permutation {
    fn method() -> &'static str {
        "sign-flip permutation test, two-sided, on differences paired by seed"
    }

    fn keys() -> &'static [&'static str] {
        &[
            "treatment",
            "control",
            "direction",
            "margin",
            "control_metric",
            "minus",
            "pool",
            "failed",
            "worst",
        ]
    }

    fn read(fields: &mut Fields<'_>) -> Self {
        let arms = fields.pair();
        Self {
            minus: fields.minus(&arms.pool),
            arms,
            margin: fields.margin(0.0, true),
            direction: fields.direction(HIGHER),
        }
    }

    fn arms(&self) -> Arms<'_> {
        Arms::Pair(&self.arms, self.minus.as_ref())
    }

    fn compares(&self) -> Compared<'_> {
        Compared::Ranks
    }

    fn seed_use(&self) -> SeedUse {
        SeedUse::Paired
    }

    fn too_few(&self, seeds: &Seeds, alpha: f64) -> Option<TooFew> {
        TooFew::pairs(seeds.pairs, alpha, sign_flip_least)
    }

    fn needed(&self, expect: &Expect) -> Vec<Needed> {
        Needed::difference(expect.difference, expect.sd)
    }

    fn against(&self, expect: &Expect) -> Option<Against> {
        let (difference, margin) = (expect.difference.unwrap_or(0.0), self.margin);
        if let Some(message) = wrong_way(self.direction, difference, 0.0, "0") {
            let hint = "it is treatment − control; turn `direction` or the sign round";
            return Some(Against::difference(message, hint));
        }
        (difference.abs() <= margin).then(|| {
            let message =
                format!("is {difference}, within the `margin` of {margin} it must exceed");
            Against::difference(message, "expect more, or lower `margin`")
        })
    }

    fn expected(&self, expect: &Expect) -> String {
        let (difference, sd) = (word(expect.difference), word(expect.sd));
        format!("a mean difference of {difference} with a standard deviation of {sd}")
    }

    fn limits(&self, size: Size) -> String {
        let least = sign_flip_least(size.seeds);
        let found = smallest_found(
            |effect| sign_flip_power(effect, 1.0, size.seeds, size.alpha) >= WANTED,
            "standard deviations",
        );
        format!("smallest p {}; {found}", p_value(least))
    }

    fn draw(&self, runs: &mut SimulatedRuns<'_>, generator: &mut ChaCha8Rng) {
        match runs.within {
            Some(place) => differ(runs, place, generator),
            None => contrast(runs, &self.arms, self.minus.as_ref(), generator),
        }
    }

    fn find(&self, runs: &Runs<'_>, finding: &mut Finding) {
        let found = paired(runs, &self.arms, self.minus.as_ref());
        let (direction, margin) = (self.direction, self.margin);
        let what = &found.what;
        if found.differences.is_empty() {
            finding.p_value = Some(1.0);
            finding.sentence = format!(
                "{}: no pair of runs for the mean difference {what}{}",
                runs.metric_label(),
                finding.without_words(runs)
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
            finding.without_words(runs)
        );
        finding.effects.extend(effect);
    }
}

/// Draws differences of two metrics of the same runs, of which the other one is 0.
fn differ(runs: &mut SimulatedRuns<'_>, place: usize, generator: &mut ChaCha8Rng) {
    let (mean, sd) = runs.mean_and_sd();
    for state in &mut runs.states {
        state.metrics.fill(Some(0.0));
        if let Some(value) = state.metrics.get_mut(place) {
            *value = Some(mean + sd * normal(generator));
        }
    }
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
        what: format!("mean difference of {}, {}", runs.metric_label(), found.what).into(),
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
