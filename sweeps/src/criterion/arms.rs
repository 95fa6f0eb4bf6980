//! The arms that a test looks at.

use crate::card::{Arm, Settings, matches, same};
use serde::{Deserialize, Serialize};

/// Two arms that are compared, or two sets of arms that differ in the pooled axes alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// Axis values of the treatment arm.
    pub treatment: Settings,
    /// Axis values of the control arm.
    pub control: Settings,
    /// Axes over whose values the runs of either side are pooled. Both sides have the same of them, with the
    /// same seeds, so that no such axis can make the difference.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub pool: Vec<String>,
}

/// The arms of a test. Every rule about them follows from this: which arms must exist, in what they
/// may differ, and whose runs are compared.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Arms<'a> {
    /// Treatment and control; and two more whose difference is taken off.
    Pair(&'a Pair, Option<&'a Pair>),
    /// The arms at some axis values, which differ in an axis of numbers.
    Along {
        along: &'a str,
        at: &'a Settings,
        /// Whether logarithms of the axis are taken, so that its values must be above 0.
        logarithmic: bool,
    },
    /// Treatment and control along an axis, of which logarithms are taken.
    PairAlong { along: &'a str, arms: &'a Pair },
    /// Every arm at some axis values by itself.
    Each(&'a Settings),
}

impl<'a> Arms<'a> {
    /// The axis values of every arm, or set of arms.
    pub(crate) fn selectors(self) -> Vec<&'a Settings> {
        match self {
            Self::Pair(arms, minus) => std::iter::once(arms)
                .chain(minus)
                .flat_map(|pair| [&pair.treatment, &pair.control])
                .collect(),
            Self::PairAlong { arms, .. } => vec![&arms.treatment, &arms.control],
            Self::Along { at, .. } | Self::Each(at) => vec![at],
        }
    }

    /// Whether the arm is one of them.
    pub(crate) fn has(self, arm: &Arm) -> bool {
        let mut selectors = self.selectors().into_iter();
        selectors.any(|at| matches(&arm.settings, at))
    }

    /// Treatment and control, where two sides are compared.
    pub(crate) fn pair(self) -> Option<(&'a Settings, &'a Settings)> {
        match self {
            Self::Pair(arms, _) | Self::PairAlong { arms, .. } => {
                Some((&arms.treatment, &arms.control))
            }
            Self::Along { .. } | Self::Each(_) => None,
        }
    }

    /// The axis along which they lie, where they lie along one.
    pub(crate) fn along(self) -> Option<&'a str> {
        match self {
            Self::Along { along, .. } | Self::PairAlong { along, .. } => Some(along),
            Self::Pair(..) | Self::Each(_) => None,
        }
    }

    /// Axes over whose values both sides are pooled.
    pub(crate) fn pool(self) -> &'a [String] {
        match self {
            Self::Pair(arms, _) => &arms.pool,
            Self::Along { .. } | Self::PairAlong { .. } | Self::Each(_) => &[],
        }
    }

    /// For each arm the place of its values of the pooled axes among those of all arms: runs of arms at the same place
    /// are compared with each other. 0 throughout where nothing is pooled.
    pub(crate) fn cells(self, arms: &[&Arm]) -> Vec<usize> {
        let mut firsts: Vec<&Arm> = Vec::new();
        let mut places = Vec::new();
        for arm in arms {
            let same = |first: &&Arm| is_same_cell(self.pool(), &first.settings, &arm.settings);
            let place = firsts.iter().position(same).unwrap_or(firsts.len());
            if place == firsts.len() {
                firsts.push(arm);
            }
            places.push(place);
        }
        places
    }
}

/// Whether two arms have the same values of the pooled axes.
fn is_same_cell(pool: &[String], a: &Settings, b: &Settings) -> bool {
    pool.iter().all(|key| match (a.get(key), b.get(key)) {
        (Some(a), Some(b)) => same(a, b),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    })
}
