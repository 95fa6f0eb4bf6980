//! As slices.

use super::HEAD;
use crate::layers::embedding::TOKENS;
use crate::numerics::precision::Precision;
use crate::parameters::{Parameters, Role};
use experiments_config::ModelConfig;
use kernels::slices::{Linear, Norm};
use kernels::{Buffer, round_slice};

/// The master weights themselves in FP32, else a copy whose matrices and biases are rounded to the
/// format of the pass; layer norms stay FP32.
pub(crate) struct Weights<'a> {
    parameters: &'a Parameters,
    model: &'a ModelConfig,
    rounded: Option<Buffer>,
    /// Whether the output projection is that of the pass; else it is FP32.
    rounds_head: bool,
}

impl<'a> Weights<'a> {
    pub(crate) fn new(
        parameters: &'a Parameters,
        model: &'a ModelConfig,
        precision: &Precision,
    ) -> Self {
        let rounded = precision.half().map(|format| {
            let mut values = Buffer::of(parameters.values());
            for parameter in parameters.table() {
                if parameter.role != Role::Norm {
                    round_slice(&mut values[parameter.range.clone()], format);
                }
            }
            values
        });
        Self {
            parameters,
            model,
            rounded,
            rounds_head: precision.head_half().is_some(),
        }
    }

    /// Place in the table of a parameter.
    ///
    /// # Panics
    /// If the pass asks for a name that the table lacks: both come from the same configuration.
    fn find(&self, name: &str) -> usize {
        self.parameters
            .find(name)
            .expect("pass and table agree on names")
    }

    pub(crate) fn values(&self, name: &str) -> &[f32] {
        self.at(self.find(name))
    }

    fn at(&self, index: usize) -> &[f32] {
        let values = self.rounded.as_deref().unwrap_or(self.parameters.values());
        &values[self.parameters.table()[index].range.clone()]
    }

    /// The output projection: `head.weight`, or the embedding.
    pub(crate) fn head(&self) -> &[f32] {
        let index = self.find(if self.model.tie_embeddings {
            TOKENS
        } else {
            HEAD
        });
        if self.rounds_head {
            self.at(index)
        } else {
            &self.parameters.values()[self.parameters.table()[index].range.clone()]
        }
    }

    pub(crate) fn norm(&self, name: &str) -> Norm<'_> {
        Norm {
            gamma: self.values(&format!("{name}.weight")),
            beta: self.values(&format!("{name}.bias")),
            eps: self.model.layer_norm_eps as f32,
        }
    }

    pub(crate) fn linear(&self, name: &str) -> Linear<'_> {
        let weight = self.find(&format!("{name}.weight"));
        let shape = &self.parameters.table()[weight].shape;
        let bias = || self.values(&format!("{name}.bias"));
        Linear {
            weight: self.at(weight),
            bias: self.model.bias.then(bias),
            inputs: shape[1],
            outputs: shape[0],
        }
    }
}
