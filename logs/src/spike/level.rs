//! The trailing level and scale of a signal.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{BLOCK, HISTORY, LEVEL, WINDOW};

/// Median absolute deviation of normal noise to its standard deviation.
const MAD_TO_SD: f64 = 1.4826;

/// Makes up for deviations being taken from the median of only [`BLOCK`] values: on normal noise the scale is then the
/// standard deviation (a test measures it).
const SMALL_BLOCK: f64 = 1.086;

/// Smallest scale relative to the level. Below, the scatter is rounding of FP32 arithmetic, and one unit in
/// the last place would be a spike.
const LEAST_RELATIVE_SCALE: f64 = 1e-6;

/// Level and scale of the calm values so far; see the [module](super).
///
/// A value costs two searches in a sorted window of [`LEVEL`] values, and every [`BLOCK`]-th one a selection
/// among [`WINDOW`] deviations.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Level {
    /// The last [`LEVEL`] values, oldest first.
    recent: VecDeque<f64>,
    /// The same in ascending order.
    sorted: Vec<f64>,
    /// Values of the block that is not yet full.
    block: Vec<f64>,
    /// |value − median of its block| of the last [`WINDOW`] values in full blocks.
    deviations: VecDeque<f64>,
    /// What the deviations give.
    scale: f64,
}

/// What cannot be computed from the rest.
#[derive(Serialize, Deserialize)]
struct Stored {
    recent: VecDeque<f64>,
    block: Vec<f64>,
    deviations: VecDeque<f64>,
}

impl From<Stored> for Level {
    fn from(stored: Stored) -> Self {
        let mut sorted: Vec<f64> = stored.recent.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let mut level = Self {
            recent: stored.recent,
            sorted,
            block: stored.block,
            deviations: stored.deviations,
            scale: 0.0,
        };
        level.measure_scale();
        level
    }
}

impl From<Level> for Stored {
    fn from(level: Level) -> Self {
        Self {
            recent: level.recent,
            block: level.block,
            deviations: level.deviations,
        }
    }
}

impl Level {
    /// Takes a calm, finite value.
    pub fn push(&mut self, value: f64) {
        self.recent.push_back(value);
        let oldest = if self.recent.len() > LEVEL {
            self.recent.pop_front()
        } else {
            None
        };
        replace(&mut self.sorted, oldest, value);
        self.block.push(value);
        if self.block.len() >= BLOCK {
            self.finish_block();
        }
    }

    /// Median of the last values and scatter; none before [`HISTORY`] values.
    #[must_use]
    pub fn get(&self) -> Option<(f64, f64)> {
        if self.deviations.len() < HISTORY {
            return None;
        }
        let level = median_of_sorted(&self.sorted)?;
        let least = (LEAST_RELATIVE_SCALE * level.abs()).max(f64::MIN_POSITIVE);
        Some((level, self.scale.max(least)))
    }

    fn finish_block(&mut self) {
        let mut ordered = std::mem::take(&mut self.block);
        ordered.sort_unstable_by(f64::total_cmp);
        let Some(middle) = median_of_sorted(&ordered) else {
            return;
        };
        // Values near the ends of f64 may lie infinitely far apart.
        let deviation = |value: f64| (value - middle).abs().min(f64::MAX);
        self.deviations
            .extend(ordered.iter().map(|value| deviation(*value)));
        let over = self.deviations.len().saturating_sub(WINDOW);
        self.deviations.drain(..over);
        self.measure_scale();
        ordered.clear();
        self.block = ordered; // keeps the allocation
    }

    fn measure_scale(&mut self) {
        let mut deviations = [0.0; WINDOW];
        let count = self.deviations.len().min(WINDOW);
        for (place, deviation) in deviations.iter_mut().zip(&self.deviations) {
            *place = *deviation;
        }
        if count == 0 {
            return;
        }
        let (below, upper, _) =
            deviations[..count].select_nth_unstable_by(count / 2, f64::total_cmp);
        let upper = *upper;
        let lower = if count.is_multiple_of(2) {
            below.iter().copied().fold(0.0, f64::max)
        } else {
            upper
        };
        self.scale = (MAD_TO_SD * SMALL_BLOCK * f64::midpoint(lower, upper)).min(f64::MAX);
    }
}

/// Puts `new` into an ascending list, and takes `old` out if there is one.
fn replace(sorted: &mut Vec<f64>, old: Option<f64>, new: f64) {
    let to = sorted.partition_point(|value| *value < new);
    let Some(from) = old.map(|old| sorted.partition_point(|value| *value < old)) else {
        sorted.insert(to, new);
        return;
    };
    // Only what lies between the two places moves.
    if from < to {
        sorted.copy_within(from + 1..to, from);
        sorted[to - 1] = new;
    } else if from < sorted.len() {
        sorted.copy_within(to..from, to + 1);
        sorted[to] = new;
    }
}

fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len().is_multiple_of(2) {
        let lower = sorted[sorted.len() / 2 - 1];
        return Some(f64::midpoint(lower, upper));
    }
    Some(upper)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What is kept while values come is what a plain computation gives.
        #[test]
        fn the_running_level_is_the_median_of_the_last_values(values in prop::collection::vec(-1e3..1e3, 32..300)) {
            let mut level = Level::default();
            for value in &values {
                level.push(*value);
            }
            let mut last: Vec<f64> = values[values.len().saturating_sub(LEVEL)..].to_vec();
            last.sort_by(f64::total_cmp);
            prop_assert_eq!(level.get().map(|(level, _)| level), median_of_sorted(&last));
            let full = values.len() / BLOCK * BLOCK;
            let from = full.saturating_sub(WINDOW);
            let mut deviations: Vec<f64> = values[from..full]
                .chunks(BLOCK)
                .flat_map(|block| {
                    let mut ordered = block.to_vec();
                    ordered.sort_by(f64::total_cmp);
                    let middle = median_of_sorted(&ordered).unwrap();
                    block.iter().map(move |value| (value - middle).abs())
                })
                .collect();
            deviations.sort_by(f64::total_cmp);
            let scale = MAD_TO_SD * SMALL_BLOCK * median_of_sorted(&deviations).unwrap();
            prop_assert_eq!(level.get().map(|(_, scale)| scale), Some(scale.max(level.get().unwrap().0.abs() * 1e-6)));
        }
    }

    #[test]
    fn huge_values_of_both_signs_give_finite_numbers() {
        let mut level = Level::default();
        for i in 0..200 {
            level.push(if i % 2 == 0 { f64::MAX } else { f64::MIN });
        }
        let (level, scale) = level.get().unwrap();
        assert!(level.is_finite() && scale.is_finite());
    }
}
