//! The sign test: an example of a test that is added. It is in no program, only in the tests.

use crate::criterion::paired::{contrast, paired};
use crate::criterion::test::{
    Against, Arms, Compared, Detail, Direction, Expect, Fields, Finding, HIGHER, Needed, Pair,
    Runs, SeedUse, Seeds, SimulatedRuns, Size, StatisticalTest, TooFew, word, wrong_way,
};
use crate::stats::mcnemar_exact;
use crate::wording::{p_value, p_words};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Sign test, two-sided, on differences of the metric paired by seed; those that are 0 count on neither side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sign {
    #[serde(flatten)]
    arms: Pair,
    direction: Direction,
}

/// Of pairs that all differ the same way. The sign test is McNemar's on the signs.
fn least(pairs: usize) -> f64 {
    mcnemar_exact(pairs as u64, 0)
}

impl StatisticalTest for Sign {
    fn method() -> &'static str {
        "sign test, two-sided, on differences paired by seed"
    }

    fn keys() -> &'static [&'static str] {
        &[
            "treatment",
            "control",
            "direction",
            "pool",
            "failed",
            "worst",
        ]
    }

    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            arms: fields.pair(),
            direction: fields.direction(HIGHER),
        }
    }

    fn arms(&self) -> Arms<'_> {
        Arms::Pair(&self.arms, None)
    }

    fn compares(&self) -> Compared<'_> {
        Compared::Ranks
    }

    fn seed_use(&self) -> SeedUse {
        SeedUse::Paired
    }

    fn too_few(&self, seeds: &Seeds, alpha: f64) -> Option<TooFew> {
        TooFew::pairs(seeds.pairs, alpha, least)
    }

    fn needed(&self, expect: &Expect) -> Vec<Needed> {
        Needed::difference(expect.difference, expect.sd)
    }

    fn against(&self, expect: &Expect) -> Option<Against> {
        let message = wrong_way(self.direction, expect.difference?, 0.0, "0")?;
        Some(Against::difference(message, "turn the sign round"))
    }

    fn expected(&self, expect: &Expect) -> String {
        format!("a mean difference of {}", word(expect.difference))
    }

    fn limits(&self, size: Size) -> String {
        format!("smallest p {}", p_value(least(size.seeds)))
    }

    fn draw(&self, runs: &mut SimulatedRuns<'_>, generator: &mut ChaCha8Rng) {
        contrast(runs, &self.arms, None, generator);
    }

    fn find(&self, runs: &Runs<'_>, finding: &mut Finding) {
        let found = paired(runs, &self.arms, None);
        let numbers = found.numbers(|value| value, 1.0);
        let count = |sign: f64| numbers.iter().filter(|n| **n * sign > 0.0).count() as u64;
        let (up, down) = (count(1.0), count(-1.0));
        let p = mcnemar_exact(up, down);
        finding.p_value = Some(p);
        finding.as_stated = self.direction.is_more(up, down);
        finding.need_pairs(numbers.len(), 1);
        finding.decide(finding.as_stated && p <= finding.alpha);
        if runs.detail == Detail::Full {
            let p = p_words(p, finding.alpha);
            finding.sentence = format!("{} is higher in {up} seeds: {p}", found.what);
        }
    }
}
