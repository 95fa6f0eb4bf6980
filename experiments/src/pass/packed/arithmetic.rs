//! A run's arithmetic between its passes, done together with the other runs' of its pack.

use super::PackHandle;
use crate::arithmetic::orders::{Kind, Order};
use crate::arithmetic::{Arithmetic, Size};
use crate::array::{Array, Gradient};
use crate::later::Later;
use crate::optimizer::adamw::{AdamW, UpdateReport, UpdateRule};
use crate::parameters::Parameters;
use kernels::{AdamWStep, RangeCount, Ranges, Rounding, Summary};

impl PackHandle {
    /// Has a gradient changed; the numbers of its parameters are to be read.
    fn change(&self, flat: &mut Gradient, lens: &[usize], order: Order) -> Later<Vec<f32>> {
        let (changed, numbers) = self.order(lens, order);
        if let Some(array) = changed.into_iter().next() {
            *flat = Gradient::returned(array);
        }
        numbers
    }
}

/// Elements of every range.
fn lens(ranges: &Ranges) -> Vec<usize> {
    ranges.iter().map(|range| range.len()).collect()
}

impl Arithmetic for PackHandle {
    fn add(&self, sum: &mut Gradient, gradient: &Gradient) {
        let order = Order::new(Kind::Add, vec![sum.handed(), gradient.handed()]);
        self.change(sum, &gradient.lens(), order);
    }

    fn round(
        &self,
        flat: &mut Gradient,
        ranges: &Ranges,
        roundings: &[Option<Rounding>],
    ) -> Later<Vec<RangeCount>> {
        let order = Order {
            roundings: roundings.to_vec(),
            ..Order::new(Kind::Round, vec![flat.handed()])
        };
        let lost = self.change(flat, &lens(ranges), order);
        Later::new(|| RangeCount::all(&lost.get()))
    }

    fn scale(&self, flat: &mut Gradient, ranges: &Ranges, factor: f32) -> Later<Vec<Size>> {
        let order = Order {
            factor,
            ..Order::new(Kind::Scale, vec![flat.handed()])
        };
        let own = flat.lens();
        let summaries = self.change(flat, &own, order);
        let is_whole = ranges.count() == 1;
        Later::new(move || {
            let sizes = Summary::all(&summaries.get()).into_iter().map(Size::from);
            if is_whole {
                sizes.reduce(Size::join).into_iter().collect()
            } else {
                sizes.collect()
            }
        })
    }

    fn squares(&self, gradient: &Gradient) -> Later<f64> {
        let order = Order::new(Kind::Squares, vec![gradient.handed()]);
        let (_, summaries) = self.order(&gradient.lens(), order);
        Later::new(|| {
            let summaries = Summary::all(&summaries.get());
            summaries.iter().map(Summary::squares).sum()
        })
    }

    fn update(
        &self,
        adam: &mut AdamW,
        parameters: &mut Parameters,
        gradient: &Gradient,
        rule: UpdateRule,
    ) -> Vec<UpdateReport> {
        adam.updates += 1;
        let constants = adam.constants(parameters.table(), rule).into_iter();
        let constants = constants.zip(rule.clips.iter().copied()).collect();
        let lens = lens(parameters.ranges());
        let arrays = [parameters.array_mut(), &mut adam.first, &mut adam.second];
        // Held by nobody else, they are updated in place.
        let mut given: Vec<_> = arrays.map(Array::give).into();
        given.push(gradient.handed());
        let update_clipping = rule.config.update_clipping;
        let order = Order {
            constants,
            ..Order::new(Kind::Update { update_clipping }, given)
        };
        let (changed, sums) = self.order(&lens, order);
        let arrays = [parameters.array_mut(), &mut adam.first, &mut adam.second];
        for (array, changed) in arrays.into_iter().zip(changed) {
            *array = changed;
        }
        AdamWStep::sums(&sums.get())
    }
}
