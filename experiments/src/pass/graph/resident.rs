//! Gradients that stay on the device, and the few numbers of a pass that leave it.

use crate::arithmetic::block::{Layouts, shares};
use crate::arithmetic::device::{round, tensor};
use crate::array::{Array, Gradient};
use crate::later::{Later, Waiting};
use crate::layers::gradients::Paths;
use crate::layers::weights::graph::Leaf;
use crate::numerics::precision::Precision;
use crate::parameters::{Parameter, Parameters};
use crate::pass::{Begun, Report};
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use kernels::{Kernels, RangeCount, Ranges, bus};
use std::iter::{repeat_n, repeat_with};

/// Small tensors that are read at once: one wait for all of them.
pub(super) struct Reads<B: Backend> {
    parts: Vec<Tensor<B, 1>>,
    /// Values of every group.
    groups: Vec<usize>,
}

impl<B: Backend> Reads<B> {
    pub(super) fn new() -> Self {
        Self {
            parts: Vec::new(),
            groups: Vec::new(),
        }
    }

    /// Adds a group of tensors; it may be empty.
    pub(super) fn add(&mut self, group: impl IntoIterator<Item = Tensor<B, 1>>) {
        let first = self.parts.len();
        self.parts.extend(group);
        let lens = self.parts[first..].iter().map(|part| part.dims()[0]);
        self.groups.push(lens.sum());
    }

    /// The values of every group, its tensors one after another.
    ///
    /// # Panics
    /// If no group has a tensor.
    pub(super) fn read(self) -> Vec<Vec<f32>> {
        split(&self.groups, &bus::read(Tensor::cat(self.parts, 0)))
    }

    /// The same, read with what else waits.
    ///
    /// # Panics
    /// If there are not so many groups.
    pub(super) fn later<const N: usize>(self, waiting: &Waiting<B>) -> Later<[Vec<f32>; N]> {
        let (all, groups) = (waiting.read(self.parts), self.groups);
        Later::new(move || {
            let read = split(&groups, &all.get());
            read.try_into().expect("as many groups")
        })
    }
}

fn split(groups: &[usize], all: &[f32]) -> Vec<Vec<f32>> {
    let mut rest = all;
    let groups = groups.iter().map(|len| {
        let (group, after) = rest.split_at(*len);
        rest = after;
        group.to_vec()
    });
    groups.collect()
}

/// Reads a result, and with it what the device counted at the rounding points.
pub(super) fn settled<B: Kernels>(precision: &Precision, x: Tensor<B, 1>) -> Vec<f32> {
    let mut reads = Reads::new();
    reads.add([x]);
    reads.add(B::take_counts(precision.tally()).map(tensor::<B>));
    let mut read = reads.read();
    precision.settle(&RangeCount::all(&read[1]));
    read.swap_remove(0)
}

/// Gradients of a pass, stored in its format: parameter by parameter, and of each the runs' one after another.
pub(super) struct OnDevice<B: Backend> {
    runs: usize,
    flat: Tensor<B, 1>,
    /// Input and logit path of tied embeddings.
    paths: Option<[Tensor<B, 1>; 2]>,
    /// What [`RangeCount::all`] reads: of every parameter, then what tied embeddings lose further.
    pub(super) lost: Vec<Tensor<B, 1>>,
}

impl<B: Kernels> OnDevice<B> {
    /// The gradients of all leaves, as [`crate::layers::gradients::Gradients::stored`] stores them.
    pub(super) fn collect<A>(
        leaves: Vec<Leaf<A>>,
        grads: &mut A::Gradients,
        (table, ranges): (&[Parameter], &Ranges),
        precision: &Precision,
        device: &B::Device,
    ) -> Self
    where
        A: AutodiffBackend<InnerBackend = B> + Kernels,
    {
        let runs = ranges.count() / table.len();
        let mut parts = vec![None; table.len()];
        let mut logit = None;
        for leaf in leaves {
            let gradient = leaf.tensor.grad_remove(grads);
            if leaf.logit_path {
                logit = gradient;
            } else {
                parts[leaf.parameter] = gradient;
            }
        }
        let zeros = |p: &Parameter| Tensor::zeros([runs * p.range.len()], device);
        let all = parts.into_iter().zip(table);
        // A leaf that the loss does not depend on has no gradient.
        let all = all.map(|(part, parameter)| part.unwrap_or_else(|| zeros(parameter)));
        let flat = Tensor::cat(all.collect(), 0);
        let all = precision.gradients(table, false).into_iter();
        let roundings: Vec<_> = all.flat_map(|own| repeat_n(own, runs)).collect();
        let (flat, lost) = round(flat, ranges, &roundings);
        let own = Self {
            runs,
            flat,
            paths: None,
            lost: Vec::from_iter(lost),
        };
        match logit {
            Some(logit) => own.tied(logit, precision),
            None => own,
        }
    }

    /// Adds the second path into tied embeddings.
    fn tied(mut self, logit: Tensor<B, 1>, precision: &Precision) -> Self {
        let head = vec![precision.head_gradient(); self.runs];
        let ([len], [all]) = (logit.dims(), self.flat.dims());
        let whole = Ranges::new(repeat_n(len / self.runs, self.runs));
        let (logit, lost) = round(logit, &whole, &head);
        self.lost.extend(lost);
        // The embedding comes first.
        let input = self.flat.clone().narrow(0, 0, len);
        let (sum, lost) = round(input.clone() + logit.clone(), &whole, &head);
        self.lost.extend(lost);
        self.flat = Tensor::cat(vec![sum, self.flat.narrow(0, len, all - len)], 0);
        self.paths = Some([input, logit]);
        self
    }

    /// Every run's own, with what waits to be read of it.
    pub(super) fn divided(
        self,
        reports: Vec<Later<Report>>,
        layouts: &Layouts,
        table: &[Parameter],
    ) -> Vec<Begun> {
        let lens: Vec<_> = table
            .iter()
            .map(|parameter| parameter.range.len())
            .collect();
        let divide = |values, lens: &[usize]| {
            let all = shares(values, &layouts.get(lens, self.runs)).into_iter();
            all.map(Gradient::returned)
        };
        let flats = divide(self.flat, &lens);
        let paths = self.paths.map(|paths| {
            let [input, logit] = paths.map(|path| divide(path, &lens[..1]));
            let both = |(input, logit)| Some(Paths { input, logit });
            input.zip(logit).map(both).collect()
        });
        let paths: Vec<_> = paths.unwrap_or_else(|| repeat_with(|| None).take(self.runs).collect());
        let all = flats.zip(paths).zip(reports);
        let begun = all.map(|((flat, paths), report)| Begun {
            flat,
            paths,
            report,
        });
        begun.collect()
    }

    /// The one run's own, with what waits to be read.
    pub(super) fn begun(self, report: Later<Report>) -> Begun {
        let paths = self.paths.map(|paths| {
            let [input, logit] = paths.map(Array::away);
            Paths { input, logit }
        });
        Begun {
            flat: Array::away(self.flat),
            paths,
            report,
        }
    }
}

/// What the gradient of every parameter lost, from a run's own of what [`OnDevice::lost`] was.
pub(super) fn lost(parameters: usize, counts: &[RangeCount]) -> Vec<RangeCount> {
    let mut lost = vec![RangeCount::default(); parameters];
    let tied = counts.iter().skip(parameters);
    for (sum, count) in lost.iter_mut().zip(counts) {
        *sum += *count;
    }
    for count in tied {
        lost[Parameters::EMBEDDING] += *count;
    }
    lost
}
