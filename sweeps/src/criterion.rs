//! Criteria: what decides a card, and the statistical tests that decide.
//!
//! A test has one file, which says all there is to it: its keys, the arms it looks at, the fewest
//! seeds, its power, what it finds and how that is said. The trait [`test::StatisticalTest`] asks for
//! these, and the list `tests!` below is the only one of all tests. The mathematics is in
//! [`crate::stats`].
//!
//! What tests share stands beside them: `fields` reads their keys, `runs` and `finding` are what
//! they decide on and write to, `counted` and `paired` are comparisons that two of them make.

mod arms;
mod bound;
mod counted;
mod direction;
mod exact;
mod expect;
mod failed;
mod fields;
mod finding;
mod fisher;
mod jonckheere;
mod ld50;
mod mcnemar;
mod metric;
mod of_spikes;
mod open;
mod paired;
mod permutation;
mod reduce;
mod runs;
mod settled;
mod simulated;
mod slope;
mod spiking;
mod status;
mod test;
mod tost;
mod wire;
mod worst;

pub(crate) use arms::Arms;
pub use arms::Pair;
pub(crate) use bound::BOUNDS;
pub use bound::Bound;
pub use counted::Counted;
pub use direction::Direction;
pub use exact::Exact;
pub use expect::Expect;
pub use failed::Failed;
pub(crate) use fields::Fields;
pub use finding::{Beside, Count, Effect, Finding, LEVEL, Quantity};
pub use fisher::Fisher;
pub use jonckheere::Jonckheere;
pub use ld50::Ld50;
pub use mcnemar::Mcnemar;
pub use metric::Metric;
pub use open::Open;
pub use permutation::Permutation;
pub use reduce::{Reduce, Reduction};
pub(crate) use runs::{Detail, Runs};
pub(crate) use simulated::SimulatedRuns;
pub use slope::Slope;
pub use status::VerdictStatus;
pub(crate) use test::{Compared, SeedUse, Seeds, Size, StatisticalTest, WANTED};
#[cfg(test)]
pub use tests::sign::Sign;
pub use tost::Tost;
pub(crate) use wire::{WireCriterion, WireMetric};
pub use worst::Worst;

use crate::Event;
use crate::card::kind::Role;
use serde::{Deserialize, Serialize};

/// Makes [`Test`] and [`TESTS`] of the words used in cards and the types of the tests.
macro_rules! tests {
    ($($(#[$when:meta])* $word:literal => $Test:ident,)+) => {
        /// A statistical test with what it is told. Arms are named by their axis values.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "test")]
        pub enum Test {
            $(
                $(#[$when])*
                #[doc = concat!("`", $word, "` in cards.")]
                #[serde(rename = $word)]
                $Test($Test),
            )+
        }

        impl Test {
            /// The word used in cards.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $($(#[$when])* Self::$Test(_) => $word,)+
                }
            }

            fn as_test(&self) -> &dyn StatisticalTest {
                match self {
                    $($(#[$when])* Self::$Test(test) => test,)+
                }
            }
        }

        /// Every test.
        pub(crate) const TESTS: &[TestKind] = &[
            $($(#[$when])* TestKind {
                name: $word,
                method: $Test::method,
                keys: $Test::keys,
                read: |fields| Test::$Test($Test::read(fields)),
            },)+
        ];
    };
}

tests! {
    "fisher" => Fisher,
    "permutation" => Permutation,
    "tost" => Tost,
    "slope" => Slope,
    "jonckheere" => Jonckheere,
    "ld50" => Ld50,
    "exact" => Exact,
    "mcnemar" => Mcnemar,
    // The example of docs/extending.md.
    #[cfg(test)]
    "sign" => Sign,
}

/// The test of a criterion that names none.
pub(crate) const DEFAULT_TEST: &str = "fisher";

/// A kind of test, before it is told anything.
#[derive(Debug)]
pub(crate) struct TestKind {
    /// The word used in cards.
    pub(crate) name: &'static str,
    method: fn() -> &'static str,
    keys: fn() -> &'static [&'static str],
    /// The test as a criterion tells it.
    pub(crate) read: fn(&mut Fields<'_>) -> Test,
}

impl TestKind {
    /// The kind of that name.
    pub(crate) fn of(name: &str) -> Option<&'static Self> {
        TESTS.iter().find(|kind| kind.name == name)
    }

    /// Keys of `[criterion]` that it has beside those of every criterion; `bound` stands for one of
    /// [`BOUNDS`].
    pub(crate) fn keys(&self) -> &'static [&'static str] {
        (self.keys)()
    }
}

/// The words of all tests.
pub(crate) fn test_names() -> impl Iterator<Item = &'static str> {
    TESTS.iter().map(|kind| kind.name)
}

/// What the test of that name is, in words, as for a table of statistics; `None` where there is no such test.
#[must_use]
pub fn method(test: &str) -> Option<&'static str> {
    TestKind::of(test).map(|kind| (kind.method)())
}

/// One part of a card's decision, fixed before the first run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Criterion {
    /// Kebab-case, unique in the card.
    pub name: String,
    /// What it shows when it holds, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub claim: Option<String>,
    /// Whether the verdict depends on it.
    pub role: Role,
    /// The test.
    #[serde(flatten)]
    pub test: Test,
    /// Compared instead of the card's metric.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub metric: Option<Metric>,
    /// What the metric is compared with in the same runs, instead of in those of a control.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub control_metric: Option<Metric>,
    /// What finished runs without a finite value do to it; without it what the test allows, see
    /// [`Criterion::rank_of_failed`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failed: Option<Failed>,
    /// The bad end of the metric's scale, where the metric does not say itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub worst: Option<Worst>,
    /// Largest p value at which it holds; intervals are at 1 − `alpha`.
    pub alpha: f64,
    /// The effect expected, for planning. Decides nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expect: Option<Expect>,
}

impl Criterion {
    pub(crate) fn test(&self) -> &dyn StatisticalTest {
        self.test.as_test()
    }

    /// The arms that it looks at.
    pub(crate) fn arms(&self) -> Arms<'_> {
        self.test().arms()
    }

    /// What counts as the event, where it counts one.
    #[must_use]
    pub fn event(&self) -> Option<&[Event]> {
        self.test().compares().event()
    }

    /// Whether chance is part of it: an exact prediction has no error rate.
    #[must_use]
    pub fn has_chance(&self) -> bool {
        self.test().compares().has_chance()
    }

    /// Where runs without a finite value of `metric` rank; `None` when they leave the criterion
    /// open. As registered, else what the test allows.
    #[must_use]
    pub fn rank_of_failed(&self, metric: &Metric) -> Option<Worst> {
        let worst = self.worst.or_else(|| metric.worst());
        match self.failed {
            Some(Failed::Open) => None,
            Some(Failed::Worst) => worst,
            // Only a card registered before the choice existed has none where no end is bad.
            None => worst.filter(|_| self.test().compares().ranks()),
        }
    }
}

#[cfg(test)]
mod tests;
