//! The working copy of the weights for one pass, and the way back to their gradients.

use super::HEAD;
use crate::arithmetic::device::round;
use crate::layers::embedding::TOKENS;
use crate::layers::gradients::Gradients;
use crate::numerics::precision::Precision;
use crate::parameters::{Parameter, Parameters, Role};
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use kernels::{Buffer, HalfFormat, Kernels, Ranges, bus, round_slice};

/// Leaves of one forward pass: the master weights, matrices rounded to the format of the pass
/// (layer norms stay FP32), as tensors. The runs' lie one after another in every leaf.
pub(crate) struct Weights<'a, B: Kernels> {
    /// Of every run, at least one; their tables are the same.
    runs: &'a [&'a Parameters],
    precision: &'a Precision,
    device: &'a B::Device,
    /// Set on a backend that differentiates: `require_grad` for every leaf.
    track: bool,
    leaves: Vec<Leaf<B>>,
    /// Where the runs' weights lie on the device; else they are sent from the host.
    resident: Option<Resident<B>>,
}

/// All weights on the device, flat: parameter by parameter, and of each the runs' one after another.
pub(crate) struct Resident<B: Kernels> {
    runs: usize,
    master: Tensor<B, 1>,
    /// Matrices and biases in the format of the pass.
    stored: Tensor<B, 1>,
}

impl<B: Kernels> Resident<B> {
    /// From the master weights and their ranges, of runs that have this table.
    pub(crate) fn new(
        master: Tensor<B, 1>,
        ranges: &Ranges,
        table: &[Parameter],
        precision: &Precision,
    ) -> Self {
        let runs = ranges.count() / table.len();
        let stored = |parameter: &Parameter| match parameter.role {
            Role::Norm => None,
            Role::Embedding | Role::Position | Role::Head | Role::Attention | Role::Ffn => {
                precision.weight()
            }
        };
        let all = table.iter().map(stored);
        let roundings: Vec<_> = all.flat_map(|own| std::iter::repeat_n(own, runs)).collect();
        let (stored, _) = round(master.clone(), ranges, &roundings);
        Self {
            runs,
            master,
            stored,
        }
    }

    /// The same as constants of a backend that differentiates.
    pub(crate) fn constant<A>(self) -> Resident<A>
    where
        A: AutodiffBackend<InnerBackend = B> + Kernels,
    {
        Resident {
            runs: self.runs,
            master: Tensor::from_inner(self.master),
            stored: Tensor::from_inner(self.stored),
        }
    }

    /// One parameter of all runs.
    fn slice(&self, parameter: &Parameter, half: Option<HalfFormat>) -> Tensor<B, 1> {
        let whole = match half {
            Some(_) => &self.stored,
            None => &self.master,
        };
        let range = &parameter.range;
        let range = self.runs * range.start..self.runs * range.end;
        whole.clone().slice([range])
    }
}

/// A flat leaf tensor and the parameter it stands for.
pub(crate) struct Leaf<B: Kernels> {
    pub(crate) parameter: usize,
    /// By way of the logits into tied embeddings: the same numbers, but a leaf of its own, so that the two
    /// paths' gradients stay apart.
    pub(crate) logit_path: bool,
    pub(crate) tensor: Tensor<B, 1>,
}

impl<'a, B: Kernels> Weights<'a, B> {
    pub(crate) fn new(
        runs: &'a [&'a Parameters],
        precision: &'a Precision,
        device: &'a B::Device,
        track: bool,
    ) -> Self {
        Self {
            runs,
            precision,
            device,
            track,
            leaves: Vec::new(),
            resident: None,
        }
    }

    /// From where they lie on the device.
    pub(crate) fn resident(self, resident: Option<Resident<B>>) -> Self {
        Self { resident, ..self }
    }

    /// # Panics
    /// If the model asks for a name that the table lacks: both come from the same configuration.
    fn find(&self, name: &str) -> usize {
        self.runs[0]
            .find(name)
            .expect("model and table agree on names")
    }

    fn leaf(&mut self, parameter: usize, logit_path: bool) -> Tensor<B, 1> {
        let entry = &self.runs[0].table()[parameter];
        let half = match entry.role {
            Role::Norm => None,
            _ if logit_path => self.precision.head_half(),
            Role::Head => self.precision.head_half(),
            Role::Embedding | Role::Position | Role::Attention | Role::Ffn => self.precision.half(),
        };
        let tensor = match &self.resident {
            Some(resident) => resident.slice(entry, half),
            None => self.sent(entry, half),
        };
        let tensor = if self.track {
            tensor.require_grad()
        } else {
            tensor
        };
        self.leaves.push(Leaf {
            parameter,
            logit_path,
            tensor: tensor.clone(),
        });
        tensor
    }

    /// One parameter of every run, from the host.
    fn sent(&self, parameter: &Parameter, half: Option<HalfFormat>) -> Tensor<B, 1> {
        let mut values = Vec::with_capacity(self.runs.len() * parameter.range.len());
        for run in self.runs {
            values.extend_from_slice(&run.values()[parameter.range.clone()]);
        }
        if let Some(format) = half {
            round_slice(&mut values, format);
        }
        let len = values.len();
        bus::send(values, [len], self.device)
    }

    fn leaf_matrix(&mut self, parameter: usize, logit_path: bool) -> Tensor<B, 2> {
        let shape = &self.runs[0].table()[parameter].shape;
        let shape = [self.runs.len() * shape[0], shape[1]];
        self.leaf(parameter, logit_path).reshape(shape)
    }

    /// A vector parameter, `[r·n]`.
    pub(crate) fn vector(&mut self, name: &str) -> Tensor<B, 1> {
        self.leaf(self.find(name), false)
    }

    /// A matrix parameter, `[r·out, in]`.
    pub(crate) fn matrix(&mut self, name: &str) -> Tensor<B, 2> {
        self.leaf_matrix(self.find(name), false)
    }

    /// The output projection, `[r·v, h]`: `head.weight`, or the embedding by its logit path.
    pub(crate) fn head(&mut self) -> Tensor<B, 2> {
        match self.runs[0].find(HEAD) {
            Some(own) => self.leaf_matrix(own, false),
            None => self.leaf_matrix(self.find(TOKENS), true),
        }
    }

    pub(crate) fn into_leaves(self) -> Vec<Leaf<B>> {
        self.leaves
    }
}

/// Collects every run's gradients of all leaves.
pub(crate) fn collect<B: AutodiffBackend + Kernels>(
    leaves: Vec<Leaf<B>>,
    grads: &mut B::Gradients,
    runs: &[&Parameters],
    precision: &Precision,
) -> Vec<Gradients> {
    let table = runs[0].table();
    let mut flats: Vec<_> = runs.iter().map(|run| Buffer::zeros(run.len())).collect();
    let mut logits = vec![Buffer::default(); runs.len()];
    for leaf in leaves {
        let entry = &table[leaf.parameter];
        // A leaf that the loss does not depend on has no gradient.
        let Some(gradient) = leaf.tensor.grad_remove(grads) else {
            continue;
        };
        let values = bus::read(gradient);
        let parts = values.chunks_exact(entry.range.len());
        for ((flat, logit), values) in flats.iter_mut().zip(&mut logits).zip(parts) {
            if leaf.logit_path {
                *logit = Buffer::of(values);
            } else {
                flat[entry.range.clone()].copy_from_slice(values);
            }
        }
    }
    let all = runs.iter().zip(flats.into_iter().zip(logits));
    all.map(|(run, (flat, logit))| Gradients::stored(run, flat, logit, precision))
        .collect()
}
