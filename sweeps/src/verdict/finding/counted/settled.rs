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

/// Whether the treatment's number is more than the control's, or less where that is the claim.
pub(super) fn more<T: PartialOrd + Copy>(treatment: T, control: T, direction: Direction) -> bool {
    if direction.is_up() {
        treatment > control
    } else {
        treatment < control
    }
}

/// Decides by Fisher's test.
pub(super) fn fisher(counts: &[Count; 2], direction: Direction, alpha: f64) -> Settled {
    let completions = |count: &Count| {
        let Proportion { events, n } = count.proportion;
        let whole = n + count.missing;
        (0..=count.missing).map(move |more| Proportion::new(events + more, whole))
    };
    let way = |a: Proportion, b: Proportion| {
        let holds =
            |a: Proportion| more(a.share(), b.share(), direction) && fisher_exact(a, b) <= alpha;
        let best = Proportion::new(if direction.is_up() { a.n } else { 0 }, a.n);
        let opposite = more(b.share(), a.share(), direction);
        decide(holds(a), opposite, holds(best), b, direction)
    };
    let [treatment, control] = counts;
    // The two ends first: they nearly always differ, which spares the rest.
    let [first, last] = [0, 1].map(|end| {
        let at = |count: &Count, all: bool| {
            let Proportion { events, n } = count.proportion;
            let more = if all { count.missing } else { 0 };
            Proportion::new(events + more, n + count.missing)
        };
        way(at(treatment, end == 0), at(control, end == 1))
    });
    let all = completions(treatment).flat_map(|a| completions(control).map(move |b| way(a, b)));
    Settled::of_all([first, last].into_iter().chain(all))
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
        let holds = |b: u64, c: u64| more(b, c, direction) && mcnemar_exact(b, c) <= alpha;
        // The treatment fails, or is spared, in every pair.
        let possible = if direction.is_up() {
            holds(n - events, 0)
        } else {
            holds(0, events)
        };
        let control = Proportion::new(events, n);
        decide(
            holds(b, c),
            more(c, b, direction),
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
