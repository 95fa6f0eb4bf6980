//! The flat gradient as one slice per parameter.

use crate::model::Gradients;
use crate::parameters::{Parameter, Parameters, Role};
use kernels::fused::{LinearGradient, NormGradient, SublayerGradient};
use kernels::{Buffer, HalfFormat};
use std::ops::Range;

/// Gradients of a pass while they are computed. Each parameter is taken once.
pub(super) struct GradientSlices<'a> {
    parameters: &'a Parameters,
    flat: Buffer,
    /// Of tied embeddings by way of the logits, `[v·h]`; empty when untied.
    logit: Buffer,
}

impl<'a> GradientSlices<'a> {
    pub(super) fn new(parameters: &'a Parameters) -> Self {
        let tied = parameters.find("head.weight").is_none();
        let embedding = &parameters.table()[Parameters::EMBEDDING];
        let logit = if tied { embedding.range.len() } else { 0 };
        let mut flat = Buffer::new(parameters.len());
        for parameter in parameters.table() {
            // The others are overwritten: weights of linear maps.
            let added = matches!(
                parameter.role,
                Role::Embedding | Role::Position | Role::Norm
            );
            if added || parameter.shape.len() == 1 {
                flat[parameter.range.clone()].fill(0.0);
            }
        }
        Self {
            parameters,
            flat,
            logit: Buffer::new(logit),
        }
    }

    fn entry(&self, name: &str) -> Option<&'a Parameter> {
        let index = self.parameters.find(name)?;
        Some(&self.parameters.table()[index])
    }

    /// The gradient of one parameter.
    ///
    /// # Panics
    /// If the table lacks the name: the pass has read that parameter.
    pub(super) fn one(&mut self, name: &str) -> &mut [f32] {
        let range = self
            .entry(name)
            .expect("a parameter of the pass")
            .range
            .clone();
        &mut self.flat[range]
    }

    /// The gradient of the output projection: of `head.weight`, or of tied embeddings by way of the
    /// logits.
    pub(super) fn head(&mut self) -> &mut [f32] {
        if self.logit.is_empty() {
            self.one("head.weight")
        } else {
            &mut self.logit
        }
    }

    /// Gradients of the weights and biases of several parts at once; those that the table lacks are empty.
    fn pairs<const N: usize>(&mut self, names: [&str; N]) -> [[&mut [f32]; 2]; N] {
        let range = |name: String| self.entry(&name).map_or(0..0, |entry| entry.range.clone());
        let ranges =
            names.map(|name| ["weight", "bias"].map(|part| range(format!("{name}.{part}"))));
        let mut order: Vec<[usize; 2]> = (0..N).flat_map(|i| [[i, 0], [i, 1]]).collect();
        order.sort_by_key(|[i, half]| ranges[*i][*half].start);
        let mut parts = std::array::from_fn(|_| [&mut [][..], &mut [][..]]);
        let (mut rest, mut offset) = (&mut self.flat[..], 0);
        for [i, half] in order {
            let Range { start, end } = ranges[i][half];
            if start < end {
                let (_, tail) = rest.split_at_mut(start - offset);
                let (part, tail) = tail.split_at_mut(end - start);
                (parts[i][half], rest, offset) = (part, tail, end);
            }
        }
        parts
    }

    pub(super) fn norm(&mut self, name: &str) -> NormGradient<'_> {
        let [norm] = self.pairs([name]).map(norm_gradient);
        norm
    }

    /// Of a sub-layer with the given norm, second norm (or nothing), norms of query and key (or nothing)
    /// and linear maps.
    pub(super) fn sublayer(
        &mut self,
        norm: &str,
        out_norm: Option<&str>,
        head_norms: Option<[&str; 2]>,
        [first, second]: [&str; 2],
    ) -> SublayerGradient<'_> {
        // No parameter has an empty name.
        let out = out_norm.unwrap_or_default();
        let [query, key] = head_norms.unwrap_or_default();
        let [norm, out, query, key, first, second] =
            self.pairs([norm, out, query, key, first, second]);
        SublayerGradient {
            norm: norm_gradient(norm),
            out_norm: out_norm.map(|_| norm_gradient(out)),
            head_norms: head_norms.map(|_| [query, key].map(norm_gradient)),
            first: linear_gradient(first),
            second: linear_gradient(second),
        }
    }

    /// All gradients as a pass returns them.
    pub(super) fn finish(self, half: Option<HalfFormat>) -> Gradients {
        Gradients::stored(self.parameters, self.flat, self.logit, half)
    }
}

fn norm_gradient([gamma, beta]: [&mut [f32]; 2]) -> NormGradient<'_> {
    NormGradient { gamma, beta }
}

fn linear_gradient([weight, bias]: [&mut [f32]; 2]) -> LinearGradient<'_> {
    LinearGradient {
        weight,
        bias: (!bias.is_empty()).then_some(bias),
    }
}
