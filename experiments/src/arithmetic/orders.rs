//! What the runs of a pack ask for beside passes, done for all of them at once: see [`super::Arithmetic`].

use super::block::{Block, Layout, Layouts, common, gather, own, shares};
use super::device::{round, summarise, tensor};
use crate::array::Array;
use crate::later::{Later, Waiting};
use burn::tensor::Tensor;
use kernels::slices::AdamW;
use kernels::{AdamWState, AdamWStep, Kernels, Rounding};
use std::sync::Arc;

/// What is asked for. Orders of one kind may be done at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The first array becomes the sum of both.
    Add,
    Round,
    /// Times [`Order::factor`], and what is to be known of the result.
    Scale,
    Squares,
    /// Of weights, first and second moments by the gradient, the fourth array.
    Update {
        update_clipping: bool,
    },
}

/// Work on one run's arrays.
pub(crate) struct Order {
    pub(crate) kind: Kind,
    pub(crate) arrays: Vec<Array>,
    /// One for each parameter.
    pub(crate) roundings: Vec<Option<Rounding>>,
    pub(crate) factor: f32,
    /// Of each parameter, with the factor on its gradient.
    pub(crate) constants: Vec<(AdamW, f32)>,
}

/// The arrays that are changed, and numbers of every parameter that are to be read.
pub(crate) type Answer = (Vec<Array>, Later<Vec<f32>>);

impl Order {
    pub(crate) fn new(kind: Kind, arrays: Vec<Array>) -> Self {
        Self {
            kind,
            arrays,
            roundings: Vec::new(),
            factor: 1.0,
            constants: Vec::new(),
        }
    }
}

/// Where orders are done.
pub(crate) struct Desk<'a, B: Kernels> {
    pub(crate) device: &'a B::Device,
    pub(crate) waiting: &'a Waiting<B>,
    pub(crate) layouts: &'a Layouts,
}

impl<B: Kernels> Desk<'_, B> {
    /// Does orders of one kind, at least one, on arrays of parameters of these lengths. The answers are in their order.
    pub(crate) fn execute(&self, lens: &[usize], orders: Vec<Order>) -> Vec<Answer> {
        let runs = orders.len();
        let layout = self.layouts.get(lens, runs);
        let side_by_side = |index| self.gather(&orders, index, &layout);
        match orders[0].kind {
            Kind::Add => self.answers(&layout, Some(side_by_side(0) + side_by_side(1)), None),
            Kind::Round => {
                let of_parameter = |index| orders.iter().map(move |order| &order.roundings[index]);
                let all = (0..lens.len()).flat_map(of_parameter).cloned();
                let all: Vec<_> = all.collect();
                let (rounded, counts) = round(side_by_side(0), &layout.ranges, &all);
                self.answers(&layout, Some(rounded), counts)
            }
            Kind::Scale => {
                let factors: Vec<_> = orders.iter().map(|order| order.factor).collect();
                let x = side_by_side(0).into_primitive().tensor();
                let scaled = tensor::<B>(B::scale_ranges(x, &layout.ranges, &factors));
                let found = summarise(scaled.clone(), &layout.ranges);
                self.answers(&layout, Some(scaled), Some(found))
            }
            Kind::Squares => {
                let found = summarise(side_by_side(0), &layout.ranges);
                self.answers(&layout, None, Some(found))
            }
            Kind::Update { update_clipping } => self.update(&layout, orders, update_clipping),
        }
    }

    fn gather(&self, orders: &[Order], index: usize, layout: &Layout) -> Tensor<B, 1> {
        gather(&column(orders, index), layout, self.device)
    }

    /// Every run's own of a result and of the numbers of all ranges.
    fn answers(
        &self,
        layout: &Arc<Layout>,
        result: Option<Tensor<B, 1>>,
        numbers: Option<Tensor<B, 1>>,
    ) -> Vec<Answer> {
        let runs: Vec<_> = (0..layout.runs).collect();
        let arrays = result.map(|result| shares(result, layout).into_iter());
        let mut arrays = arrays.into_iter().flatten();
        let numbers = self.numbers(layout, &runs, numbers).into_iter();
        numbers
            .map(|numbers| (arrays.next().into_iter().collect(), numbers))
            .collect()
    }

    /// The numbers of these runs of a block.
    fn numbers(
        &self,
        layout: &Layout,
        runs: &[usize],
        numbers: Option<Tensor<B, 1>>,
    ) -> Vec<Later<Vec<f32>>> {
        let (all, ranges) = (layout.runs, layout.ranges.count());
        let read = self.waiting.read(numbers);
        let parts = read.divide(runs.len());
        let parts = parts.into_iter().zip(runs);
        let own = parts.map(|(read, run)| {
            let run = *run;
            Later::new(move || {
                let numbers = read.get();
                own(&numbers, (numbers.len() / ranges).max(1), run, all)
            })
        });
        own.collect()
    }

    /// In place where the arrays lie in one block and nobody else holds them, be it with runs that make no update now;
    /// else in a block of their own.
    fn update(
        &self,
        layout: &Arc<Layout>,
        orders: Vec<Order>,
        update_clipping: bool,
    ) -> Vec<Answer> {
        if let Some(held) = Held::<B>::of(&orders) {
            return self.update_in_place(&held, orders, update_clipping);
        }
        let runs: Vec<_> = (0..orders.len()).collect();
        let state = [0, 1, 2].map(|index| self.gather(&orders, index, layout));
        let gradient = self.gather(&orders, 3, layout);
        let step = AdamWStep {
            ranges: constants(&orders, &runs, layout.runs),
            update_clipping,
        };
        let (state, sums) = updated(state, gradient, layout, &step);
        let mut all = state.map(|values| shares(values, layout).into_iter());
        let numbers = self.numbers(layout, &runs, Some(sums)).into_iter();
        let own = |numbers| {
            let arrays = all.iter_mut().filter_map(Iterator::next);
            (arrays.collect(), numbers)
        };
        numbers.map(own).collect()
    }

    fn update_in_place(
        &self,
        held: &Held<B>,
        orders: Vec<Order>,
        update_clipping: bool,
    ) -> Vec<Answer> {
        let layout = &held.gradient.layout;
        let step = AdamWStep {
            ranges: constants(&orders, &held.runs, layout.runs),
            update_clipping,
        };
        let state = held.state.each_ref().map(|block| block.take());
        let (state, sums) = updated(state, held.gradient.values(), layout, &step);
        for (block, values) in held.state.iter().zip(state) {
            block.put(values);
        }
        let numbers = self.numbers(layout, &held.runs, Some(sums));
        let arrays = orders.into_iter().map(|order| order.arrays);
        let arrays = arrays.map(|all| all.into_iter().take(3).collect());
        arrays.zip(numbers).collect()
    }
}

/// [`Kernels::adamw`] on tensors.
fn updated<B: Kernels>(
    state: [Tensor<B, 1>; 3],
    gradient: Tensor<B, 1>,
    layout: &Layout,
    step: &AdamWStep,
) -> ([Tensor<B, 1>; 3], Tensor<B, 1>) {
    let [weights, first, second] = state.map(|values| values.into_primitive().tensor());
    let state = AdamWState {
        weights,
        first,
        second,
    };
    let gradient = gradient.into_primitive().tensor();
    let (state, sums) = B::adamw(state, gradient, &layout.ranges, step);
    let state = [state.weights, state.first, state.second];
    (state.map(tensor::<B>), tensor::<B>(sums))
}

/// One array of every order.
fn column(orders: &[Order], index: usize) -> Vec<&Array> {
    orders.iter().map(|order| &order.arrays[index]).collect()
}

/// Arrays that can be updated in place.
struct Held<B: Kernels> {
    /// Weights, first and second moments.
    state: [Arc<Block<B>>; 3],
    gradient: Arc<Block<B>>,
    /// Whose of the blocks' runs ask for an update.
    runs: Vec<usize>,
}

impl<B: Kernels> Held<B> {
    /// Absent where some are not in one block, lie in another order than the gradients, or are held by somebody else too.
    fn of(orders: &[Order]) -> Option<Self> {
        let found: Option<Vec<_>> = (0..4)
            .map(|index| common::<B>(&column(orders, index)))
            .collect();
        let [weights, first, second, (gradient, runs)] = <[_; 4]>::try_from(found?).ok()?;
        let state = [weights, first, second];
        let fit = state
            .iter()
            .all(|(block, own)| *own == runs && block.layout.runs == gradient.layout.runs);
        let are_sole = orders
            .iter()
            .all(|order| order.arrays[..3].iter().all(Array::is_sole));
        (fit && are_sole).then(|| Self {
            state: state.map(|(block, _)| block),
            gradient,
            runs,
        })
    }
}

/// Of every range of a block of `all` runs, none of runs that ask for no update.
fn constants(orders: &[Order], runs: &[usize], all: usize) -> Vec<Option<(AdamW, f32)>> {
    let order_of = |run| {
        runs.iter()
            .position(|own| *own == run)
            .map(|place| &orders[place])
    };
    let by_run: Vec<_> = (0..all).map(order_of).collect();
    let of_parameter = |index: usize| {
        let orders = by_run.iter();
        orders.map(move |order| order.map(|order| order.constants[index]))
    };
    (0..orders[0].constants.len())
        .flat_map(of_parameter)
        .collect()
}
