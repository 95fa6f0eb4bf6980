//! The statistical tests, with what each is told.

use super::{Bound, Direction, Pair};
use crate::Event;
use crate::card::{Arm, Settings, matches, same};
use serde::{Deserialize, Serialize};

/// The statistical test. Arms are named by their axis values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "test", rename_all = "snake_case")]
pub enum Test {
    /// Fisher's exact test, two-sided, on counts of the event.
    Fisher {
        /// The arms.
        #[serde(flatten)]
        arms: Pair,
        /// What counts as the event.
        event: Vec<Event>,
        /// The way the difference must go.
        direction: Direction,
    },
    /// McNemar's exact test, two-sided, on the seeds of which one arm's run shows the event and the
    /// other's does not.
    Mcnemar {
        /// The arms.
        #[serde(flatten)]
        arms: Pair,
        /// What counts as the event.
        event: Vec<Event>,
        /// The way the difference must go.
        direction: Direction,
    },
    /// Sign-flip permutation test, two-sided, on differences of the metric paired by seed.
    Permutation {
        /// The arms.
        #[serde(flatten)]
        arms: Pair,
        /// Two more arms whose difference is taken off: an interaction.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        minus: Option<Pair>,
        /// The way the difference must go.
        direction: Direction,
        /// The difference must be larger than this, in the metric's unit.
        margin: f64,
    },
    /// Two one-sided t tests: the arms differ by less than a margin.
    Tost {
        /// The arms.
        #[serde(flatten)]
        arms: Pair,
        /// Largest difference that counts as none, in the metric's unit.
        margin: f64,
    },
    /// Slope of ln metric on ln axis; decided by its interval.
    Slope {
        /// The axis.
        along: String,
        /// The other axis values of the arms.
        at: Settings,
        /// Where the interval must lie.
        bound: Bound,
    },
    /// Jonckheere and Terpstra's test for a trend of the metric along an axis, one-sided.
    Jonckheere {
        /// The axis.
        along: String,
        /// The other axis values of the arms.
        at: Settings,
        /// The way the trend must go.
        direction: Direction,
    },
    /// Ratio of the axis values at which half of the runs show the event; decided by its interval.
    Ld50 {
        /// The axis.
        along: String,
        /// The other axis values of the arms.
        #[serde(flatten)]
        arms: Pair,
        /// What counts as the event.
        event: Vec<Event>,
        /// The way the treatment's value must differ.
        direction: Direction,
    },
    /// Every run of the arms has a metric within a bound. No statistics: for exact predictions.
    Exact {
        /// Axis values of the arms.
        at: Settings,
        /// Where the metric must lie.
        bound: Bound,
    },
}

impl Test {
    /// Whether the arm is one of those that the test looks at.
    pub(crate) fn looks_at(&self, arm: &Arm) -> bool {
        let mut selectors = self.selectors().into_iter();
        selectors.any(|at| matches(&arm.settings, at))
    }

    /// The word used in cards.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fisher { .. } => "fisher",
            Self::Mcnemar { .. } => "mcnemar",
            Self::Permutation { .. } => "permutation",
            Self::Tost { .. } => "tost",
            Self::Slope { .. } => "slope",
            Self::Jonckheere { .. } => "jonckheere",
            Self::Ld50 { .. } => "ld50",
            Self::Exact { .. } => "exact",
        }
    }

    /// The axis values of every arm, or set of arms, that the test looks at.
    #[must_use]
    pub fn selectors(&self) -> Vec<&Settings> {
        match self {
            Self::Fisher { arms, .. }
            | Self::Mcnemar { arms, .. }
            | Self::Tost { arms, .. }
            | Self::Ld50 { arms, .. } => vec![&arms.treatment, &arms.control],
            Self::Permutation { arms, minus, .. } => std::iter::once(arms)
                .chain(minus)
                .flat_map(|pair| [&pair.treatment, &pair.control])
                .collect(),
            Self::Slope { at, .. } | Self::Jonckheere { at, .. } | Self::Exact { at, .. } => {
                vec![at]
            }
        }
    }

    /// The axis along which the test looks, for tests that do.
    #[must_use]
    pub fn along(&self) -> Option<&str> {
        match self {
            Self::Slope { along, .. }
            | Self::Jonckheere { along, .. }
            | Self::Ld50 { along, .. } => Some(along),
            Self::Fisher { .. }
            | Self::Mcnemar { .. }
            | Self::Permutation { .. }
            | Self::Tost { .. }
            | Self::Exact { .. } => None,
        }
    }

    /// For each arm the place of its values of the pooled axes among those of all arms: runs of arms at the same place
    /// are compared with each other. 0 throughout where nothing is pooled.
    pub(crate) fn cells(&self, arms: &[&Arm]) -> Vec<usize> {
        let mut firsts: Vec<&Arm> = Vec::new();
        let mut places = Vec::new();
        for arm in arms {
            let same = |first: &&Arm| self.is_same_cell(&first.settings, &arm.settings);
            let place = firsts.iter().position(same).unwrap_or(firsts.len());
            if place == firsts.len() {
                firsts.push(arm);
            }
            places.push(place);
        }
        places
    }

    /// Whether two arms have the same values of the pooled axes.
    fn is_same_cell(&self, a: &Settings, b: &Settings) -> bool {
        let mut keys = self.pool().iter();
        keys.all(|key| match (a.get(key), b.get(key)) {
            (Some(a), Some(b)) => same(a, b),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        })
    }

    /// Axes over whose values both sides are pooled.
    #[must_use]
    pub fn pool(&self) -> &[String] {
        match self {
            Self::Fisher { arms, .. }
            | Self::Mcnemar { arms, .. }
            | Self::Permutation { arms, .. }
            | Self::Tost { arms, .. } => &arms.pool,
            Self::Slope { .. }
            | Self::Jonckheere { .. }
            | Self::Ld50 { .. }
            | Self::Exact { .. } => &[],
        }
    }

    /// What counts as the event, for tests that count one.
    #[must_use]
    pub fn event(&self) -> Option<&[Event]> {
        match self {
            Self::Fisher { event, .. } | Self::Mcnemar { event, .. } | Self::Ld50 { event, .. } => {
                Some(event)
            }
            Self::Permutation { .. }
            | Self::Tost { .. }
            | Self::Slope { .. }
            | Self::Jonckheere { .. }
            | Self::Exact { .. } => None,
        }
    }
}
