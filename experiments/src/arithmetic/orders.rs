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
        let held = held::<B>(&orders);
        let (layout, runs) = match &held {
            Some((blocks, runs)) => (&blocks[0].layout.clone(), runs.clone()),
            None => (layout, (0..orders.len()).collect()),
        };
        let gradient = match common::<B>(&column(&orders, 3)) {
            Some((block, _)) if held.is_some() => block.values(),
            _ => self.gather(&orders, 3, layout),
        };
        let [weights, first, second] = [0, 1, 2].map(|index| {
            let values = match &held {
                Some((blocks, _)) => blocks[index].take(),
                None => self.gather(&orders, index, layout),
            };
            values.into_primitive().tensor()
        });
        let state = AdamWState {
            weights,
            first,
            second,
        };
        let step = AdamWStep {
            ranges: constants(&orders, &runs, layout.runs),
            update_clipping,
        };
        let gradient = gradient.into_primitive().tensor();
        let (state, sums) = B::adamw(state, gradient, &layout.ranges, &step);
        let state = [state.weights, state.first, state.second].map(tensor::<B>);
        let numbers = self.numbers(layout, &runs, Some(tensor::<B>(sums)));
        let arrays: Vec<Vec<Array>> = match held {
            Some((blocks, _)) => {
                for (block, values) in blocks.iter().zip(state) {
                    block.put(values);
                }
                let arrays = orders.into_iter().map(|order| order.arrays);
                arrays
                    .map(|all| all.into_iter().take(3).collect())
                    .collect()
            }
            None => {
                let mut all = state.map(|values| shares(values, layout).into_iter());
                let own = |_| all.iter_mut().filter_map(Iterator::next).collect();
                (0..runs.len()).map(own).collect()
            }
        };
        arrays.into_iter().zip(numbers).collect()
    }
}

/// One array of every order.
fn column(orders: &[Order], index: usize) -> Vec<&Array> {
    orders.iter().map(|order| &order.arrays[index]).collect()
}

/// The blocks of weights and moments, and whose of their runs ask for an update, where it can be made in place.
fn held<B: Kernels>(orders: &[Order]) -> Option<([Arc<Block<B>>; 3], Vec<usize>)> {
    let found: Option<Vec<_>> = (0..4)
        .map(|index| common::<B>(&column(orders, index)))
        .collect();
    let [weights, first, second, gradient] = <[_; 4]>::try_from(found?).ok()?;
    let (runs, all) = (weights.1, gradient.0.layout.runs);
    let fits =
        |(block, own): &(Arc<Block<B>>, Vec<usize>)| *own == runs && block.layout.runs == all;
    let are_sole = orders
        .iter()
        .all(|order| order.arrays[..3].iter().all(Array::is_sole));
    let fit = fits(&first) && fits(&second) && gradient.1 == runs && weights.0.layout.runs == all;
    (fit && are_sole).then(|| ([weights.0, first.0, second.0], runs))
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
        let of_run = move |order: &Option<&Order>| order.map(|order| order.constants[index]);
        by_run.iter().map(of_run)
    };
    (0..orders[0].constants.len())
        .flat_map(of_parameter)
        .collect()
}
