//! Fisher's exact test: runs of two arms are independent, and are counted.

use super::counted::{Counted, Counts, Decision, KEYS};
use super::settled::{Settled, decide};
use super::test::{
    Against, Arms, Beside, Compared, Count, Expect, Fields, Finding, MOST_SEEDS, Needed, Runs,
    SeedUse, Seeds, SimulatedRuns, Size, StatisticalTest, TooFew,
};
use crate::stats::{Proportion, fisher_exact, mcnemar_exact};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Fisher's exact test, two-sided, on counts of the event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fisher(pub Counted);

impl StatisticalTest for Fisher {
    fn method() -> &'static str {
        "Fisher's exact test, two-sided, on the counts of runs with the event"
    }

    fn keys() -> &'static [&'static str] {
        KEYS
    }

    fn read(fields: &mut Fields<'_>) -> Self {
        Self(Counted::read(fields))
    }

    fn arms(&self) -> Arms<'_> {
        Arms::Pair(&self.0.arms, None)
    }

    fn compares(&self) -> Compared<'_> {
        self.0.compares()
    }

    fn seed_use(&self) -> SeedUse {
        SeedUse::Independent
    }

    fn too_few(&self, seeds: &Seeds, alpha: f64) -> Option<TooFew> {
        let [n, m] = seeds.sides[..] else { return None };
        let p = smallest(n as u64, m as u64);
        let enough = || (1..=MOST_SEEDS as u64).find(|k| smallest(*k, *k) <= alpha);
        (p > alpha).then(|| TooFew {
            message: format!(
                "{n} runs against {m} cannot reach p ≤ {alpha}: all against none gives p = {p:.3}"
            ),
            hint: enough().map(|k| format!("{k} seeds in each arm can")),
        })
    }

    fn needed(&self, expect: &Expect) -> Vec<Needed> {
        Counted::needed(expect)
    }

    fn against(&self, expect: &Expect) -> Option<Against> {
        self.0.against(expect)
    }

    fn expected(&self, expect: &Expect) -> String {
        Counted::expected(expect)
    }

    fn limits(&self, size: Size) -> String {
        Counted::limits(size)
    }

    fn draw(&self, runs: &mut SimulatedRuns<'_>, generator: &mut ChaCha8Rng) {
        self.0.draw(runs, generator);
    }

    fn find(&self, runs: &Runs<'_>, finding: &mut Finding) {
        let counts = self.0.count(runs);
        let [a, b] = counts.proportions();
        let decision = Decision {
            settled: self.settled(&counts, finding.alpha),
            p: fisher_exact(a, b),
            as_stated: self.0.direction.is_more(a.share(), b.share()),
            least_pairs: 0,
            beside: Beside {
                test: "mcnemar".to_owned(),
                p_value: mcnemar_exact(counts.table.treatment_only, counts.table.control_only),
            },
            words: |p, pairs, beside| {
                format!(
                    "two-sided Fisher {p} (beside it McNemar's exact test, {pairs}: p = {beside})"
                )
            },
        };
        self.0.note(runs, counts, decision, finding);
    }
}

impl Fisher {
    /// What the counts decide, whatever the runs without an outcome would show.
    fn settled(&self, counts: &Counts, alpha: f64) -> Settled {
        let direction = self.0.direction;
        let filled = |count: &Count, more: u64| {
            let Proportion { events, n } = count.proportion;
            Proportion::new(events + more, n + count.missing)
        };
        let way = |a: Proportion, b: Proportion| {
            let holds = |a: Proportion| {
                direction.is_more(a.share(), b.share()) && fisher_exact(a, b) <= alpha
            };
            let best = Proportion::new(if direction.is_up() { a.n } else { 0 }, a.n);
            let opposite = direction.is_more(b.share(), a.share());
            decide(holds(a), opposite, holds(best), b, direction)
        };
        let [treatment, control] = &counts.arms;
        // The two ends first: they nearly always differ, which spares the rest.
        let ends = [(treatment.missing, 0), (0, control.missing)];
        let all = (0..=treatment.missing).flat_map(|a| (0..=control.missing).map(move |b| (a, b)));
        let ways = ends.into_iter().chain(all);
        Settled::of_all(ways.map(|(a, b)| way(filled(treatment, a), filled(control, b))))
    }
}

/// The smallest p value: all against none.
fn smallest(n: u64, m: u64) -> f64 {
    fisher_exact(Proportion::new(n, n), Proportion::new(0, m))
}
