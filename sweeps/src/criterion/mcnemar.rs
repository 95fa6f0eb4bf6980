//! McNemar's exact test: runs of two arms that share a seed are pairs, of which those are counted that
//! disagree.

use super::counted::{Counted, CountedTest, Counts, Decision, Seen};
use super::settled::{Settled, decide};
use super::test::{Beside, Direction, SeedUse, Seeds, TooFew};
use crate::stats::{PairCounts, Proportion, fisher_exact, mcnemar_exact};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// McNemar's exact test, two-sided, on the seeds of which one arm's run shows the event and the
/// other's does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mcnemar(pub Counted);

impl CountedTest for Mcnemar {
    const METHOD: &str = "McNemar's exact test, two-sided, on pairs of runs that share a seed";
    const SEED_USE: SeedUse = SeedUse::Paired;

    fn new(told: Counted) -> Self {
        Self(told)
    }

    fn counted(&self) -> &Counted {
        &self.0
    }

    fn too_few(seeds: &Seeds, alpha: f64) -> Option<TooFew> {
        // Only the treatment shows the event, in every pair.
        TooFew::pairs(seeds.pairs, alpha, |n| mcnemar_exact(n as u64, 0))
    }

    fn decide(counts: &Counts, direction: Direction, alpha: f64) -> Decision {
        let [a, b] = counts.proportions();
        let (more, fewer) = (counts.table.treatment_only, counts.table.control_only);
        Decision {
            settled: settled(&counts.seen, direction, alpha),
            p: mcnemar_exact(more, fewer),
            as_stated: direction.is_more(more, fewer),
            least_pairs: 1,
            beside: Beside {
                test: "fisher".to_owned(),
                p_value: fisher_exact(a, b),
            },
            words: |p, pairs, beside| {
                format!(
                    "McNemar's exact test, {pairs}, {p} (beside it two-sided Fisher: p = {beside})"
                )
            },
        }
    }
}

/// More runs without an outcome than this are not filled in for McNemar's test: the tables grow with
/// their third power, and the test waits instead.
const MOST_MISSING: usize = 64;

/// What the pairs decide, whatever the runs without an outcome would show.
fn settled(seen: &[Seen], direction: Direction, alpha: f64) -> Settled {
    let missing = seen.iter().flatten().filter(|known| known.is_none());
    if missing.count() > MOST_MISSING {
        return Settled::Unsettled;
    }
    let n = seen.len() as u64;
    let ways = tables(seen).into_iter().map(|[both, b, c]| {
        let events = both + c;
        let holds = |b: u64, c: u64| direction.is_more(b, c) && mcnemar_exact(b, c) <= alpha;
        // The treatment fails, or is spared, in every pair.
        let possible = if direction.is_up() {
            holds(n - events, 0)
        } else {
            holds(0, events)
        };
        let control = Proportion::new(events, n);
        decide(
            holds(b, c),
            direction.is_more(c, b),
            possible,
            control,
            direction,
        )
    });
    Settled::of_all(ways)
}

/// Every table that the pairs can become, as pairs in which both, only the treatment and only the
/// control show the event.
fn tables(seen: &[Seen]) -> BTreeSet<[u64; 3]> {
    let either = |known: Option<bool>| match known {
        Some(known) => vec![known],
        None => vec![true, false],
    };
    let mut tables = BTreeSet::from([[0; 3]]);
    for [treatment, control] in seen {
        let mut next = BTreeSet::new();
        for [both, b, c] in &tables {
            for t in either(*treatment) {
                for k in either(*control) {
                    let mut counts = PairCounts::default();
                    counts.add(t, k);
                    next.insert([
                        both + counts.both,
                        b + counts.treatment_only,
                        c + counts.control_only,
                    ]);
                }
            }
        }
        tables = next;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_pairs_are_filled_in_in_every_way() {
        let known = [[Some(true), Some(false)]; 6];
        let up = Direction::TreatmentMore;
        assert_eq!(settled(&known, up, 0.05), Settled::Holds);
        let one_missing = [&known[..], &[[Some(true), None]]].concat();
        // The seventh pair can only agree or speak for the claim.
        assert_eq!(settled(&one_missing, up, 0.05), Settled::Holds);
        let other_missing = [&known[..], &[[None, Some(true)]]].concat();
        assert_eq!(settled(&other_missing, up, 0.05), Settled::Unsettled);
        let less = Direction::TreatmentLess;
        assert_eq!(settled(&other_missing, less, 0.05), Settled::DoesNot);
        assert_eq!(
            tables(&[[None, None]; 3]).len(),
            20,
            "four kinds in three pairs"
        );
    }
}
