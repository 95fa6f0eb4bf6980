//! What counts decide, whatever the runs without an outcome would show.
//!
//! These are filled in in every possible way. Deciding early only when all ways agree is no peeking:
//! the decision is the one the whole sweep would give.

use super::Seen;
use crate::VerdictStatus;
use crate::card::Direction;
use crate::stats::{PairCounts, Proportion, fisher_exact, mcnemar_exact};
use crate::verdict::finding::{Count, Open};
use std::collections::BTreeSet;

/// What the counts of whole arms decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    Holds,
    DoesNot,
    /// The control left no room for the claim.
    Untested(Open),
    /// Runs without an outcome could still turn it.
    Unsettled,
}

impl Settled {
    pub(super) fn status(self) -> VerdictStatus {
        match self {
            Self::Holds => VerdictStatus::Reproduced,
            Self::DoesNot => VerdictStatus::NotReproduced,
            Self::Untested(_) | Self::Unsettled => VerdictStatus::Inconclusive,
        }
    }

    pub(super) fn open(self) -> Option<Open> {
        match self {
            Self::Untested(why) => Some(why),
            Self::Holds | Self::DoesNot | Self::Unsettled => None,
        }
    }

    /// What all agree on.
    fn of_all(mut ways: impl Iterator<Item = Self>) -> Self {
        let Some(first) = ways.next() else {
            return Self::Unsettled;
        };
        if ways.all(|other| other == first) {
            first
        } else {
            Self::Unsettled
        }
    }
}

/// Decides by Fisher's test.
pub(super) fn fisher(counts: &[Count; 2], direction: Direction, alpha: f64) -> Settled {
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
    let [treatment, control] = counts;
    // The two ends first: they nearly always differ, which spares the rest.
    let ends = [(treatment.missing, 0), (0, control.missing)];
    let all = (0..=treatment.missing).flat_map(|a| (0..=control.missing).map(move |b| (a, b)));
    let ways = ends.into_iter().chain(all);
    Settled::of_all(ways.map(|(a, b)| way(filled(treatment, a), filled(control, b))))
}

/// More runs without an outcome than this are not filled in for McNemar's test: the tables grow with
/// their third power, and the test waits instead.
const MOST_MISSING: usize = 64;

/// Decides by McNemar's test.
pub(super) fn mcnemar(seen: &[Seen], direction: Direction, alpha: f64) -> Settled {
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

/// A claim that does not hold was tested only if some result of the treatment could have made it
/// hold beside this control. A difference that points the other way speaks against it all the same.
fn decide(
    holds: bool,
    opposite: bool,
    possible: bool,
    control: Proportion,
    direction: Direction,
) -> Settled {
    let (why, in_the_way) = if direction.is_up() {
        (Open::ControlFailed, control.events > 0)
    } else {
        (Open::ControlDidNotFail, control.events < control.n)
    };
    if holds {
        Settled::Holds
    } else if opposite || possible || !in_the_way {
        Settled::DoesNot
    } else {
        Settled::Untested(why)
    }
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
        assert_eq!(mcnemar(&known, up, 0.05), Settled::Holds);
        let one_missing = [&known[..], &[[Some(true), None]]].concat();
        // The seventh pair can only agree or speak for the claim.
        assert_eq!(mcnemar(&one_missing, up, 0.05), Settled::Holds);
        let other_missing = [&known[..], &[[None, Some(true)]]].concat();
        assert_eq!(mcnemar(&other_missing, up, 0.05), Settled::Unsettled);
        let less = Direction::TreatmentLess;
        assert_eq!(mcnemar(&other_missing, less, 0.05), Settled::DoesNot);
        assert_eq!(
            tables(&[[None, None]; 3]).len(),
            20,
            "four kinds in three pairs"
        );
    }
}
