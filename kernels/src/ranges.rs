//! Operations on a flat array of many parameters, each of them a range: one launch for all, whatever their number.
//!
//! The plain versions bring the values home and compute there with [`crate::slices`].

use crate::slices::{self, Moments, UpdateSums, rows};
use crate::{HalfFormat, Kernels, RangeCount};
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorData, TensorPrimitive};
use std::any::Any;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Ranges of a flat array that lie one after another and cover it.
#[derive(Debug, Clone)]
pub struct Ranges {
    ends: Vec<usize>,
    /// What a device keeps of them, by the ranges that were chosen.
    kept: Arc<Mutex<Kept>>,
}

type Kept = BTreeMap<Vec<bool>, Box<dyn Any + Send>>;

impl Ranges {
    /// Ranges of these lengths, none of which is 0.
    #[must_use]
    pub fn new(lens: impl IntoIterator<Item = usize>) -> Self {
        let mut end = 0;
        let ends = lens.into_iter().map(|len| {
            end += len;
            end
        });
        Self {
            ends: ends.collect(),
            kept: Arc::default(),
        }
    }

    /// What a device keeps for a choice of ranges, made where there is nothing that `fits`.
    pub fn kept<T: Any + Clone + Send>(
        &self,
        chosen: &[bool],
        fits: impl FnOnce(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> T {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = all.get(chosen).and_then(|kept| kept.downcast_ref::<T>());
        if let Some(kept) = found.filter(|kept| fits(kept)) {
            return kept.clone();
        }
        let new = make();
        all.insert(chosen.to_vec(), Box::new(new.clone()));
        new
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Where each lies.
    pub fn iter(&self) -> impl Iterator<Item = Range<usize>> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| start..*end)
    }
}

/// What is known of a range of values, in a form that FP32 holds without overflow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// The largest value; NaN where there is one.
    pub largest: f32,
    /// The largest magnitude; NaN before infinity before numbers.
    pub magnitude: f32,
    /// Sum of the squares over the square of the largest magnitude; means nothing where that is 0 or not finite.
    pub scaled: f32,
}

impl Summary {
    /// Numbers of a summary on a device.
    pub const WIDTH: usize = 3;

    /// Of some values.
    #[must_use]
    pub fn of(values: &[f32]) -> Self {
        let magnitude = rows::largest_magnitude(values);
        Self {
            largest: rows::maximum_or_nan(values),
            magnitude,
            scaled: (slices::sum_of_squares(values) / f64::from(magnitude).powi(2)) as f32,
        }
    }

    /// From what [`Kernels::summarise`] gives, the ranges one after another.
    #[must_use]
    pub fn all(numbers: &[f32]) -> Vec<Self> {
        let (rows, _) = numbers.as_chunks::<{ Self::WIDTH }>();
        rows.iter()
            .map(|[largest, magnitude, scaled]| Self {
                largest: *largest,
                magnitude: *magnitude,
                scaled: *scaled,
            })
            .collect()
    }

    /// Sum of the squares; not finite where a value is not.
    #[must_use]
    pub fn squares(&self) -> f64 {
        let magnitude = f64::from(self.magnitude);
        if magnitude > 0.0 && magnitude.is_finite() {
            f64::from(self.scaled) * magnitude * magnitude
        } else {
            magnitude
        }
    }
}

/// How a flat array is rounded.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeRounding {
    /// To which format.
    pub format: HalfFormat,
    /// Whether what overflows becomes the largest finite value instead of infinity.
    pub saturates: bool,
    /// Which of the ranges are rounded.
    pub chosen: Vec<bool>,
}

/// Numbers of a [`RangeCount`] on a device: both counts as `2^16 · first + second`, and the largest.
pub(crate) const COUNT_WIDTH: usize = 5;

impl RangeCount {
    /// From what [`Kernels::round_ranges`] gives, the ranges one after another.
    #[must_use]
    pub fn all(numbers: &[f32]) -> Vec<Self> {
        let (rows, _) = numbers.as_chunks::<COUNT_WIDTH>();
        let count = |high: f32, low: f32| ((high as u64) << 16) + low as u64;
        rows.iter()
            .map(|[over, over_low, under, under_low, largest]| Self {
                overflow: count(*over, *over_low),
                underflow: count(*under, *under_low),
                largest: *largest,
            })
            .collect()
    }

    fn numbers(&self) -> [f32; COUNT_WIDTH] {
        let parts = |count: u64| [(count >> 16) as f32, (count & 0xffff) as f32];
        let ([over, over_low], [under, under_low]) = (parts(self.overflow), parts(self.underflow));
        [over, over_low, under, under_low, self.largest]
    }
}

/// The optimiser's state on a device, flat arrays of one length.
#[derive(Debug, Clone)]
pub struct AdamWState<T> {
    /// Master weights.
    pub weights: T,
    /// First moments.
    pub first: T,
    /// Second moments.
    pub second: T,
}

/// One update of all ranges.
#[derive(Debug, Clone)]
pub struct AdamWStep {
    /// Constants of every range, and the factor on its gradient; absent where the range stays as it is.
    pub ranges: Vec<Option<(slices::AdamW, f32)>>,
    /// Whether the learning rate of a range is divided by `max(1, RMS)` of its surprise (`StableAdamW`, arXiv 2304.13013).
    pub update_clipping: bool,
}

impl AdamWStep {
    /// Numbers of [`UpdateSums`] on a device.
    pub const WIDTH: usize = 3;

    /// From what [`Kernels::adamw`] gives, the ranges one after another.
    #[must_use]
    pub fn sums(numbers: &[f32]) -> Vec<UpdateSums> {
        let (rows, _) = numbers.as_chunks::<{ Self::WIDTH }>();
        let rows = rows.iter().map(|row| row.map(f64::from));
        rows.map(|[surprise, update_squared, weight_squared]| UpdateSums {
            surprise,
            update_squared,
            weight_squared,
        })
        .collect()
    }

    fn update(&self, index: usize, gradient: &[f32], state: Moments) -> UpdateSums {
        let Some((mut step, clip)) = self.ranges[index] else {
            return UpdateSums::default();
        };
        if !self.update_clipping {
            return step.update(clip, gradient, state);
        }
        let surprise = step.moments(clip, gradient, state.first, state.second);
        let rms = (surprise / gradient.len() as f64).sqrt();
        step.lr = (f64::from(step.lr) / rms.max(1.0)) as f32;
        let [update_squared, weight_squared] = step.apply(state.weights, state.first, state.second);
        UpdateSums {
            surprise,
            update_squared,
            weight_squared,
        }
    }
}

/// Uncounted: what the CPU's backend holds is on the host.
fn home<B: Kernels>(x: FloatTensor<B>) -> Vec<f32> {
    let x = Tensor::<B, 1>::from_primitive(TensorPrimitive::Float(x));
    x.into_data().into_vec().expect("FP32 tensor")
}

fn away<B: Kernels>(values: Vec<f32>, device: &B::Device) -> FloatTensor<B> {
    let len = values.len();
    B::float_from_data(TensorData::new(values, [len]), device)
}

/// [`Kernels::summarise`].
pub(crate) fn summarise<B: Kernels>(x: FloatTensor<B>, ranges: &Ranges) -> FloatTensor<B> {
    let device = B::float_device(&x);
    let values = home::<B>(x);
    let all = ranges.iter().flat_map(|range| {
        let summary = Summary::of(&values[range]);
        [summary.largest, summary.magnitude, summary.scaled]
    });
    away::<B>(all.collect(), &device)
}

/// [`Kernels::scale_ranges`].
pub(crate) fn scale<B: Kernels>(
    x: FloatTensor<B>,
    ranges: &Ranges,
    factors: &[f32],
) -> FloatTensor<B> {
    let device = B::float_device(&x);
    let mut values = home::<B>(x);
    for (range, factor) in ranges.iter().zip(factors.iter().cycle()) {
        for value in &mut values[range] {
            *value *= factor;
        }
    }
    away::<B>(values, &device)
}

/// [`Kernels::round_ranges`].
pub(crate) fn round<B: Kernels>(
    x: FloatTensor<B>,
    ranges: &Ranges,
    rounding: &RangeRounding,
) -> [FloatTensor<B>; 2] {
    let device = B::float_device(&x);
    let mut values = home::<B>(x);
    let plain = crate::Rounding {
        format: rounding.format,
        site: None,
        saturates: rounding.saturates,
    };
    let all = ranges.iter().zip(&rounding.chosen);
    let counts = all.flat_map(|(range, is_rounded)| {
        let values = &mut values[range];
        let count = is_rounded.then(|| plain.round(values, crate::Pass::Backward));
        count.unwrap_or_default().numbers()
    });
    let counts = away::<B>(counts.collect(), &device);
    [away::<B>(values, &device), counts]
}

/// [`Kernels::adamw`].
pub(crate) fn adamw<B: Kernels>(
    state: AdamWState<FloatTensor<B>>,
    gradient: FloatTensor<B>,
    ranges: &Ranges,
    step: &AdamWStep,
) -> (AdamWState<FloatTensor<B>>, FloatTensor<B>) {
    let device = B::float_device(&gradient);
    let gradient = home::<B>(gradient);
    let [mut weights, mut first, mut second] =
        [state.weights, state.first, state.second].map(home::<B>);
    let all = ranges.iter().enumerate().flat_map(|(index, range)| {
        let moments = Moments {
            weights: &mut weights[range.clone()],
            first: &mut first[range.clone()],
            second: &mut second[range.clone()],
        };
        let sums = step.update(index, &gradient[range], moments);
        [sums.surprise, sums.update_squared, sums.weight_squared].map(|sum| sum as f32)
    });
    let sums = away::<B>(all.collect(), &device);
    let [weights, first, second] = [weights, first, second].map(|x| away::<B>(x, &device));
    let state = AdamWState {
        weights,
        first,
        second,
    };
    (state, sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_the_array_one_after_another() {
        let ranges = Ranges::new([3, 1, 4]);
        assert_eq!(ranges.iter().collect::<Vec<_>>(), [0..3, 3..4, 4..8]);
        assert_eq!(ranges.count(), 3);
    }

    /// Squares beyond FP32's range, in both directions, and what is not finite.
    #[test]
    fn a_summary_holds_what_squares_in_fp32_do_not() {
        let huge = Summary::of(&[3e30, -4e30]);
        assert!((huge.squares().sqrt() / 5e30 - 1.0).abs() < 1e-6);
        assert_eq!((huge.largest, huge.magnitude), (3e30, 4e30));
        let tiny = Summary::of(&[3e-30, -4e-30]);
        assert!((tiny.squares().sqrt() / 5e-30 - 1.0).abs() < 1e-6);
        assert_eq!(Summary::of(&[0.0, -0.0]).squares(), 0.0);
        assert_eq!(
            Summary::of(&[1.0, f32::NEG_INFINITY]).squares(),
            f64::INFINITY
        );
        let nan = Summary::of(&[1.0, f32::NAN, f32::INFINITY]);
        assert!(nan.squares().is_nan() && nan.largest.is_nan());
    }

    #[test]
    fn counts_survive_their_way_as_fp32() {
        let count = RangeCount {
            overflow: (1 << 33) + 12_345,
            underflow: 65_537,
            largest: 7e4,
        };
        let numbers = [RangeCount::default().numbers(), count.numbers()].concat();
        assert_eq!(RangeCount::all(&numbers), [RangeCount::default(), count]);
    }
}
