//! On a device: the heavy arrays stay there, and what comes back is a few numbers per parameter.

use super::{Arithmetic, Size};
use crate::array::{Array, Gradient};
use crate::later::{Later, Waiting};
use crate::optimizer::adamw::{AdamW, UpdateReport, UpdateRule};
use crate::parameters::Parameters;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorPrimitive};
use kernels::{
    AdamWState, AdamWStep, Kernels, RangeCount, RangeRounding, Ranges, Rounding, Summary,
};

/// The arithmetic of a backend without gradients.
pub(crate) struct DeviceArithmetic<B: Backend> {
    pub(crate) device: B::Device,
    /// What passes and steps leave there to be read.
    pub(crate) waiting: Waiting<B>,
}

/// A flat array as burn's type.
pub(crate) fn tensor<B: Kernels>(x: FloatTensor<B>) -> Tensor<B, 1> {
    Tensor::from_primitive(TensorPrimitive::Float(x))
}

/// [`Kernels::summarise`] on tensors.
pub(crate) fn summarise<B: Kernels>(x: Tensor<B, 1>, ranges: &Ranges) -> Tensor<B, 1> {
    tensor(B::summarise(x.into_primitive().tensor(), ranges))
}

/// [`Kernels::round_ranges`] on tensors, with one rounding or none for each range; the second tensor is what
/// [`RangeCount::all`] reads, absent where nothing is rounded.
pub(crate) fn round<B: Kernels>(
    x: Tensor<B, 1>,
    ranges: &Ranges,
    roundings: &[Option<Rounding>],
) -> (Tensor<B, 1>, Option<Tensor<B, 1>>) {
    let Some(first) = roundings.iter().flatten().next() else {
        return (x, None);
    };
    let rounding = RangeRounding {
        format: first.format,
        saturates: first.saturates,
        chosen: roundings.iter().map(Option::is_some).collect(),
    };
    let x = x.into_primitive().tensor();
    let [x, counts] = B::round_ranges(x, ranges, &rounding).map(tensor);
    (x, Some(counts))
}

impl<B: Kernels> DeviceArithmetic<B> {
    fn on(&self, gradient: &Gradient) -> Tensor<B, 1> {
        gradient.on(&self.device)
    }
}

impl<B: Kernels> Arithmetic for DeviceArithmetic<B> {
    fn add(&self, sum: &mut Gradient, gradient: &Gradient) {
        *sum = Array::away(self.on(sum) + self.on(gradient));
    }

    fn round(
        &self,
        flat: &mut Gradient,
        ranges: &Ranges,
        roundings: &[Option<Rounding>],
    ) -> Later<Vec<RangeCount>> {
        let (rounded, counts) = round(self.on(flat), ranges, roundings);
        *flat = Array::away(rounded);
        let lost = self.waiting.read(counts);
        Later::new(|| RangeCount::all(&lost.get()))
    }

    fn scale(&self, flat: &mut Gradient, ranges: &Ranges, factor: f32) -> Later<Vec<Size>> {
        let scaled = self.on(flat) * factor;
        *flat = Array::away(scaled.clone());
        let summaries = self.waiting.read([summarise(scaled, ranges)]);
        Later::new(|| {
            let summaries = Summary::all(&summaries.get()).into_iter();
            summaries.map(Size::from).collect()
        })
    }

    fn squares(&self, gradient: &Gradient) -> Later<f64> {
        let whole = Ranges::new([gradient.len()]);
        let summaries = self.waiting.read([summarise(self.on(gradient), &whole)]);
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
        let table = parameters.table();
        adam.updates += 1;
        let constants = adam.constants(table, rule).into_iter();
        let step = AdamWStep {
            ranges: constants
                .zip(rule.clips.iter().copied())
                .map(Some)
                .collect(),
            update_clipping: rule.config.update_clipping,
        };
        // Held by nobody else, the arrays are updated in place.
        let take = |array: &mut Array| array.take::<B>(&self.device).into_primitive().tensor();
        let state = AdamWState {
            weights: take(parameters.array_mut()),
            first: take(&mut adam.first),
            second: take(&mut adam.second),
        };
        let gradient = self.on(gradient).into_primitive().tensor();
        let (state, sums) = B::adamw(state, gradient, parameters.ranges(), &step);
        *parameters.array_mut() = Array::away(tensor::<B>(state.weights));
        adam.first = Array::away(tensor::<B>(state.first));
        adam.second = Array::away(tensor::<B>(state.second));
        AdamWStep::sums(&self.waiting.read([tensor::<B>(sums)]).get())
    }
}
