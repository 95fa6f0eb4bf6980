//! The flat gradient as one slice per parameter.

use crate::numerics::precision::Precision;
use crate::parameters::{Parameters, Role};
use crate::pass::model::Gradients;
use experiments_config::ModelConfig;
use kernels::Buffer;
use kernels::fused::{LinearGradient, NormGradient, SublayerGradient};
use std::ops::Range;

/// Gradients of a pass while they are computed. Each parameter is taken once.
pub(super) struct GradientSlices<'a> {
    parameters: &'a Parameters,
    model: &'a ModelConfig,
    flat: Buffer,
    /// Of tied embeddings by way of the logits, `[v·h]`; empty when untied.
    logit: Buffer,
}

impl<'a> GradientSlices<'a> {
    pub(super) fn new(parameters: &'a Parameters, model: &'a ModelConfig) -> Self {
        let embedding = &parameters.table()[Parameters::EMBEDDING];
        let logit = if model.tie_embeddings {
            embedding.range.len()
        } else {
            0
        };
        let mut flat = Buffer::new(parameters.len());
        for parameter in parameters.table() {
            let is_added = match parameter.role {
                Role::Embedding | Role::Position | Role::Norm => true,
                // Weights are overwritten; vectors are biases.
                Role::Head | Role::Attention | Role::Ffn => parameter.shape.len() == 1,
            };
            if is_added {
                flat[parameter.range.clone()].fill(0.0);
            }
        }
        Self {
            parameters,
            model,
            flat,
            logit: Buffer::new(logit),
        }
    }

    /// # Panics
    /// If the table lacks the name: the pass has read that parameter.
    fn range(&self, name: &str) -> Range<usize> {
        let index = self.parameters.find(name);
        let index = index.expect("a parameter of the pass");
        self.parameters.table()[index].range.clone()
    }

    /// The gradient of one parameter.
    pub(super) fn one(&mut self, name: &str) -> &mut [f32] {
        let range = self.range(name);
        &mut self.flat[range]
    }

    /// The gradient of the output projection: of `head.weight`, or of tied embeddings by way of the
    /// logits.
    pub(super) fn head(&mut self) -> &mut [f32] {
        if self.model.tie_embeddings {
            &mut self.logit
        } else {
            self.one("head.weight")
        }
    }

    /// Gradients of parameters that lie apart, empty ranges aside.
    fn several<const N: usize>(&mut self, ranges: [Range<usize>; N]) -> [&mut [f32]; N] {
        let parts = self.flat.get_disjoint_mut(ranges);
        parts.expect("different parameters of the table")
    }

    pub(super) fn norm(&mut self, name: &str) -> NormGradient<'_> {
        let ranges = ["weight", "bias"].map(|part| self.range(&format!("{name}.{part}")));
        let [gamma, beta] = self.several(ranges);
        NormGradient { gamma, beta }
    }

    /// Of a sub-layer with the given norms before and after it, norms of query and key (each or nothing) and
    /// linear maps.
    pub(super) fn sublayer(
        &mut self,
        [norm, out_norm]: [Option<&str>; 2],
        head_norms: Option<[&str; 2]>,
        linears: [&str; 2],
    ) -> SublayerGradient<'_> {
        let has_bias = self.model.bias;
        let range = |name: &str, part: &str| self.range(&format!("{name}.{part}"));
        let of = |name: Option<&str>, part| name.map_or(0..0, |name| range(name, part));
        let bias = |name| if has_bias { range(name, "bias") } else { 0..0 };
        let [query, key] = [0, 1].map(|which| head_norms.map(|names| names[which]));
        let ranges = [
            of(norm, "weight"),
            of(norm, "bias"),
            of(out_norm, "weight"),
            of(out_norm, "bias"),
            of(query, "weight"),
            of(query, "bias"),
            of(key, "weight"),
            of(key, "bias"),
            range(linears[0], "weight"),
            bias(linears[0]),
            range(linears[1], "weight"),
            bias(linears[1]),
        ];
        let [
            gamma,
            beta,
            out_gamma,
            out_beta,
            query_gamma,
            query_beta,
            key_gamma,
            key_beta,
            first,
            first_bias,
            second,
            second_bias,
        ] = self.several(ranges);
        SublayerGradient {
            norm: norm.map(|_| NormGradient { gamma, beta }),
            out_norm: out_norm.map(|_| NormGradient {
                gamma: out_gamma,
                beta: out_beta,
            }),
            head_norms: head_norms.map(|_| {
                [(query_gamma, query_beta), (key_gamma, key_beta)]
                    .map(|(gamma, beta)| NormGradient { gamma, beta })
            }),
            first: LinearGradient {
                weight: first,
                bias: has_bias.then_some(first_bias),
            },
            second: LinearGradient {
                weight: second,
                bias: has_bias.then_some(second_bias),
            },
        }
    }

    /// All gradients as a pass returns them.
    pub(super) fn finish(self, precision: &Precision) -> Gradients {
        Gradients::stored(self.parameters, self.flat, self.logit, precision)
    }
}
