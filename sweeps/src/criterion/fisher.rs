//! Fisher's exact test: runs of two arms are independent, and are counted.

use super::counted::{Counted, CountedTest, Counts, Decision};
use super::settled::{Settled, decide};
use super::test::{Beside, Count, Direction, MOST_SEEDS, SeedUse, Seeds, TooFew};
use crate::stats::{Proportion, fisher_exact, mcnemar_exact};
use serde::{Deserialize, Serialize};

/// Fisher's exact test, two-sided, on counts of the event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fisher(pub Counted);

impl CountedTest for Fisher {
    const METHOD: &str = "Fisher's exact test, two-sided, on the counts of runs with the event";
    const SEED_USE: SeedUse = SeedUse::Independent;

    fn new(told: Counted) -> Self {
        Self(told)
    }

    fn counted(&self) -> &Counted {
        &self.0
    }

    fn too_few(seeds: &Seeds, alpha: f64) -> Option<TooFew> {
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

    fn decide(counts: &Counts, direction: Direction, alpha: f64) -> Decision {
        let [a, b] = counts.proportions();
        Decision {
            settled: settled(counts, direction, alpha),
            p: fisher_exact(a, b),
            as_stated: direction.is_more(a.share(), b.share()),
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
        }
    }
}

/// What the counts decide, whatever the runs without an outcome would show.
fn settled(counts: &Counts, direction: Direction, alpha: f64) -> Settled {
    let filled = |count: &Count, more: u64| {
        let Proportion { events, n } = count.proportion;
        Proportion::new(events + more, n + count.missing)
    };
    let way = |a: Proportion, b: Proportion| {
        let holds =
            |a: Proportion| direction.is_more(a.share(), b.share()) && fisher_exact(a, b) <= alpha;
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

/// The smallest p value: all against none.
fn smallest(n: u64, m: u64) -> f64 {
    fisher_exact(Proportion::new(n, n), Proportion::new(0, m))
}
