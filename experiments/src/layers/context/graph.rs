//! On tensors.

use crate::layers::tap::{Seen, Tap};
use crate::numerics::dropout::Dropout;
use crate::numerics::precision::{At, Precision};
use burn::tensor::Tensor;
use experiments_config::Config;
use kernels::{Kernels, bus};

/// What a forward pass needs beside weights and input.
pub(crate) struct Context<'a> {
    /// Of the first run: what decides the graph is the same in all ([`Config::pack_key`]).
    pub(crate) config: &'a Config,
    /// Of every run, in the order in which they lie in the tensors.
    pub(crate) runs: Vec<&'a Config>,
    pub(crate) precision: &'a Precision,
    /// One for each run; none in evaluation.
    pub(crate) dropout: Vec<Dropout>,
    /// One for each run, or none.
    pub(crate) taps: Vec<Tap>,
}

impl<'a> Context<'a> {
    /// Of one run's pass without dropout that notes nothing.
    pub(crate) fn plain(config: &'a Config, precision: &'a Precision) -> Self {
        Self::new(vec![config], precision)
    }

    /// Of a pass of several runs, at least one, without dropout that notes nothing.
    pub(crate) fn new(runs: Vec<&'a Config>, precision: &'a Precision) -> Self {
        Self {
            config: runs[0],
            runs,
            precision,
            dropout: Vec::new(),
            taps: Vec::new(),
        }
    }

    /// Weight α of the residual branch in every run.
    pub(crate) fn alphas(&self) -> Vec<f64> {
        let alpha = |run: &&Config| run.model.norm.alpha(run.model.layers);
        self.runs.iter().map(alpha).collect()
    }

    /// Drops elements of a stored tensor with probability `p`; identity in evaluation.
    pub(crate) fn drop<B: Kernels, const D: usize>(
        &mut self,
        x: Tensor<B, D>,
        p: f64,
        at: At,
        layer: usize,
    ) -> Tensor<B, D> {
        if !self.drops(p) {
            return x;
        }
        let mask = Dropout::mask(&mut self.dropout, &x, p);
        self.see(Seen::Mask(at), layer, &mask);
        self.precision.store(x * mask, at, layer)
    }

    /// Whether [`Context::drop`] drops anything.
    pub(crate) fn drops(&self, p: f64) -> bool {
        p > 0.0 && !self.dropout.is_empty()
    }

    /// Whether anybody asks for it.
    pub(crate) fn watches(&self, seen: Seen) -> bool {
        self.taps.iter().any(|tap| tap.watches(seen))
    }

    /// Shows a tensor to whoever watches.
    pub(crate) fn see<B: Kernels, const D: usize>(
        &mut self,
        seen: Seen,
        layer: usize,
        x: &Tensor<B, D>,
    ) {
        Tap::see_tensor(&mut self.taps, seen, layer, x, 1.0);
    }
}

/// `x` times the number of its run; the runs lie one after another in the first dimension.
pub(crate) fn scale_runs<B: Kernels, const D: usize>(
    x: Tensor<B, D>,
    numbers: &[f64],
) -> Tensor<B, D> {
    let [first, rest @ ..] = numbers else {
        return x;
    };
    if rest.iter().all(|number| number == first) {
        return x * *first;
    }
    let (shape, runs) = (x.dims(), numbers.len());
    let values: Vec<f32> = numbers.iter().map(|number| *number as f32).collect();
    let numbers = bus::send(values, [runs, 1], &x.device());
    let elements: usize = shape.iter().product();
    (x.reshape([runs, elements / runs]) * numbers).reshape(shape)
}
