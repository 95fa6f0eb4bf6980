//! Two one-sided t tests: that two arms do not differ.

use super::paired::{contrast, paired};
use super::test::{
    Against, Arms, Compared, Detail, Effect, Expect, Fields, Finding, Needed, Open, Pair, Runs,
    SeedUse, Seeds, SimulatedRuns, Size, StatisticalTest, TooFew, word,
};
use crate::Outcome;
use crate::card::Settings;
use crate::stats::tost as equivalence;
use crate::wording::{number, p_words, percent};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Two one-sided t tests: the arms differ by less than a margin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tost {
    /// The arms.
    #[serde(flatten)]
    pub arms: Pair,
    /// Largest difference that counts as none, in the metric's unit.
    pub margin: f64,
}

impl StatisticalTest for Tost {
    fn method() -> &'static str {
        "two one-sided t tests on differences paired by seed (Schuirmann 1987)"
    }

    fn keys() -> &'static [&'static str] {
        &["treatment", "control", "margin", "pool", "failed"]
    }

    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            arms: fields.pair(),
            // The protocol's margin, nats.
            margin: fields.margin(0.02, false),
        }
    }

    fn arms(&self) -> Arms<'_> {
        Arms::Pair(&self.arms, None)
    }

    fn compares(&self) -> Compared<'_> {
        Compared::Means
    }

    fn claimed(&self) -> Option<(f64, f64)> {
        Some((-self.margin, self.margin))
    }

    fn seed_use(&self) -> SeedUse {
        SeedUse::Paired
    }

    fn too_few(&self, seeds: &Seeds, _alpha: f64) -> Option<TooFew> {
        TooFew::for_interval(seeds.pairs, "tost")
    }

    fn needed(&self, expect: &Expect) -> Vec<Needed> {
        // Without a difference none is expected.
        Needed::difference(expect.difference.or(Some(0.0)), expect.sd)
    }

    fn against(&self, expect: &Expect) -> Option<Against> {
        let (difference, margin) = (expect.difference.unwrap_or(0.0), self.margin);
        (difference.abs() >= margin).then(|| {
            let message = format!("is {difference}, not within the `margin` of {margin}");
            Against::difference(message, "expect less, or raise `margin`")
        })
    }

    fn expected(&self, expect: &Expect) -> String {
        let (difference, sd) = (expect.difference.unwrap_or(0.0), word(expect.sd));
        format!("a mean difference of {difference} with a standard deviation of {sd}")
    }

    fn limits(&self, _size: Size) -> String {
        let margin = self.margin;
        format!("says that a difference is below {margin}, never that there is none")
    }

    fn draw(&self, runs: &mut SimulatedRuns<'_>, generator: &mut ChaCha8Rng) {
        contrast(runs, &self.arms, None, generator);
    }

    fn find(&self, runs: &Runs<'_>, finding: &mut Finding) {
        let found = paired(runs, &self.arms, None);
        let (what, values) = (&found.what, found.finite());
        finding.as_stated = true;
        // One difference has no spread.
        finding.need_pairs(found.differences.len(), 2);
        if both_failed(runs, &self.arms) {
            finding.leave_open(Open::ControlFailed);
        }
        let Some(found) = equivalence(&values, self.margin, finding.alpha) else {
            finding.p_value = Some(1.0);
            finding.sentence = format!(
                "{}: too few pairs for the mean difference {what}{}",
                runs.metric_label(),
                finding.without_words(runs)
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
            number(self.margin),
            p_words(found.p, finding.alpha),
            finding.without_words(runs)
        );
        finding.effects.push(Effect {
            what: format!("mean difference of {}, {what}", runs.metric_label()).into(),
            value: found.mean,
            interval: Some(ends),
            level,
            method: "paired t interval".to_owned(),
        });
    }
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
