//! The flat gradient as one slice per parameter.

use super::Parted;
use crate::layers::weights::HEAD;
use crate::numerics::precision::Precision;
use crate::parameters::{Parameters, Role};
use experiments_config::ModelConfig;
use kernels::Buffer;
use kernels::slices::{LinearGradient, NormGradient};
use std::ops::Range;

/// Where the gradients of a sub-layer go.
pub(crate) struct SublayerGradient<'a> {
    /// Of the norm before the branch, where there is one.
    pub(crate) norm: Option<NormGradient<'a>>,
    /// Of the norm after it, where there is one.
    pub(crate) out_norm: Option<NormGradient<'a>>,
    /// Of the norms of the query's and the key's heads, with `model.qk_norm`.
    pub(crate) head_norms: Option<[NormGradient<'a>; 2]>,
    /// Of the first linear map.
    pub(crate) first: LinearGradient<'a>,
    /// Of the second linear map.
    pub(crate) second: LinearGradient<'a>,
}

/// Gradients of a pass while they are computed. Each parameter is taken once.
pub(crate) struct GradientSlices<'a> {
    parameters: &'a Parameters,
    model: &'a ModelConfig,
    flat: Buffer,
    /// Of tied embeddings by way of the logits, `[v·h]`; empty when untied.
    logit: Buffer,
}

impl<'a> GradientSlices<'a> {
    pub(crate) fn new(parameters: &'a Parameters, model: &'a ModelConfig) -> Self {
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

    /// Nothing of any parameter, for a pass that computes a part of them.
    pub(crate) fn clear(&mut self) {
        self.flat.fill(0.0);
        self.logit.fill(0.0);
    }

    /// # Panics
    /// If the table lacks the name: the pass has read that parameter.
    fn range(&self, name: &str) -> Range<usize> {
        let index = self.parameters.find(name);
        let index = index.expect("a parameter of the pass");
        self.parameters.table()[index].range.clone()
    }

    /// The gradient of one parameter.
    pub(crate) fn one(&mut self, name: &str) -> &mut [f32] {
        let range = self.range(name);
        &mut self.flat[range]
    }

    /// The gradient of the output projection: of `head.weight`, or of tied embeddings by way of the
    /// logits.
    pub(crate) fn head(&mut self) -> &mut [f32] {
        if self.model.tie_embeddings {
            &mut self.logit
        } else {
            self.one(HEAD)
        }
    }

    /// Gradients of parameters that lie apart, empty ranges aside.
    fn several<const N: usize>(&mut self, ranges: [Range<usize>; N]) -> [&mut [f32]; N] {
        let parts = self.flat.get_disjoint_mut(ranges);
        parts.expect("different parameters of the table")
    }

    pub(crate) fn norm(&mut self, name: &str) -> NormGradient<'_> {
        let ranges = ["weight", "bias"].map(|part| self.range(&format!("{name}.{part}")));
        let [gamma, beta] = self.several(ranges);
        NormGradient { gamma, beta }
    }

    /// Of a sub-layer with the given norms before and after it, norms of query and key (each or nothing) and
    /// linear maps.
    pub(crate) fn sublayer(
        &mut self,
        norms: [Option<String>; 2],
        head_norms: Option<[String; 2]>,
        linears: &[String; 2],
    ) -> SublayerGradient<'_> {
        let has_bias = self.model.bias;
        let [query, key] = head_norms.map_or([None, None], |names| names.map(Some));
        let [norm, out_norm] = norms;
        let norms = [norm, out_norm, query, key];
        let range = |name: &str, part: &str| self.range(&format!("{name}.{part}"));
        let of = |norm: usize, part| norms[norm].as_ref().map_or(0..0, |name| range(name, part));
        let bias = |name| if has_bias { range(name, "bias") } else { 0..0 };
        let ranges = [
            of(0, "weight"),
            of(0, "bias"),
            of(1, "weight"),
            of(1, "bias"),
            of(2, "weight"),
            of(2, "bias"),
            of(3, "weight"),
            of(3, "bias"),
            range(&linears[0], "weight"),
            bias(&linears[0]),
            range(&linears[1], "weight"),
            bias(&linears[1]),
        ];
        let [
            g0,
            b0,
            g1,
            b1,
            g2,
            b2,
            g3,
            b3,
            first,
            first_bias,
            second,
            second_bias,
        ] = self.several(ranges);
        let both = |gamma, beta| NormGradient { gamma, beta };
        SublayerGradient {
            norm: norms[0].as_ref().map(|_| both(g0, b0)),
            out_norm: norms[1].as_ref().map(|_| both(g1, b1)),
            head_norms: norms[2].as_ref().map(|_| [both(g2, b2), both(g3, b3)]),
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

    /// All gradients as a pass leaves them.
    pub(crate) fn finish(self, precision: &Precision) -> Parted {
        Parted::stored(self.parameters, self.flat, self.logit, precision)
    }
}
