//! On the host, all threads at work.

use super::{Arithmetic, Size};
use crate::array::Gradient;
use crate::later::Later;
use crate::optimizer::adamw::{AdamW, PIECE, UpdateReport, UpdateRule, sum_of_squares};
use crate::parameters::Parameters;
use kernels::Pass::Backward;
use kernels::{RangeCount, Ranges, Rounding, slices};
use rayon::prelude::*;

/// The arithmetic of this process's threads.
pub(crate) struct HostArithmetic;

impl Arithmetic for HostArithmetic {
    fn add(&self, sum: &mut Gradient, gradient: &Gradient) {
        slices::rows::add(sum, gradient);
    }

    fn round(
        &self,
        flat: &mut Gradient,
        ranges: &Ranges,
        roundings: &[Option<Rounding>],
    ) -> Later<Vec<RangeCount>> {
        let flat = &mut flat[..];
        let all = ranges.iter().zip(roundings);
        let lost = all.map(|(range, rounding)| match rounding {
            Some(rounding) => rounding.round(&mut flat[range], Backward),
            None => RangeCount::default(),
        });
        Later::now(lost.collect())
    }

    fn scale(&self, flat: &mut Gradient, ranges: &Ranges, factor: f32) -> Later<Vec<Size>> {
        let mut rest = &mut flat[..];
        let parts: Vec<&mut [f32]> = ranges
            .iter()
            .filter_map(|range| rest.split_off_mut(..range.len()))
            .collect();
        let sizes = parts.into_par_iter().map(|part| {
            let (squared, largest) = slices::unscale(part, factor);
            Size { squared, largest }
        });
        Later::now(sizes.collect())
    }

    fn squares(&self, gradient: &Gradient) -> Later<f64> {
        // Parts of one size, summed in order: as many threads as there are change no bit.
        let parts: Vec<f64> = gradient.par_chunks(PIECE).map(sum_of_squares).collect();
        Later::now(parts.iter().sum())
    }

    fn update(
        &self,
        adam: &mut AdamW,
        parameters: &mut Parameters,
        gradient: &Gradient,
        rule: UpdateRule,
    ) -> Vec<UpdateReport> {
        let (table, weights) = parameters.split_mut();
        adam.update(table, weights, gradient, rule)
    }
}
