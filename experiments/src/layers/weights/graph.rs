//! The working copy of the weights for one pass, and the way back to their gradients.

use super::HEAD;
use crate::layers::embedding::TOKENS;
use crate::layers::gradients::Gradients;
use crate::numerics::precision::Precision;
use crate::parameters::{Parameters, Role};
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Tensor, TensorData};
use kernels::{Buffer, Kernels, round_slice};

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
}

/// A flat leaf tensor and the parameter it stands for.
pub(crate) struct Leaf<B: Kernels> {
    parameter: usize,
    /// By way of the logits into tied embeddings: the same numbers, but a leaf of its own, so that the two
    /// paths' gradients stay apart.
    logit_path: bool,
    tensor: Tensor<B, 1>,
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
        }
    }

    /// How many runs the pass serves.
    pub(crate) fn runs(&self) -> usize {
        self.runs.len()
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
        let mut values = Vec::with_capacity(self.runs.len() * entry.range.len());
        for run in self.runs {
            values.extend_from_slice(&run.values()[entry.range.clone()]);
        }
        let half = match entry.role {
            Role::Norm => None,
            _ if logit_path => self.precision.head_half(),
            Role::Head => self.precision.head_half(),
            Role::Embedding | Role::Position | Role::Attention | Role::Ffn => self.precision.half(),
        };
        if let Some(format) = half {
            round_slice(&mut values, format);
        }
        let len = values.len();
        let tensor = Tensor::from_data(TensorData::new(values, [len]), self.device);
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
        let data = gradient.into_data();
        let Ok(values) = data.as_slice::<f32>() else {
            continue;
        };
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
