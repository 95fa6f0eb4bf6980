//! The flat gradient as one slice per parameter.

use crate::model::Gradients;
use crate::parameters::{Parameter, Parameters, Role};
use kernels::fused::{LinearGradient, NormGradient};
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

    /// Gradients of several parameters at once; those that the table lacks are empty.
    fn several<const N: usize>(&mut self, names: [String; N]) -> [&mut [f32]; N] {
        let ranges = names.map(|name| self.entry(&name).map_or(0..0, |entry| entry.range.clone()));
        let mut order: Vec<usize> = (0..N).collect();
        order.sort_by_key(|i| ranges[*i].start);
        let mut parts: [&mut [f32]; N] = std::array::from_fn(|_| &mut [][..]);
        let (mut rest, mut offset) = (&mut self.flat[..], 0);
        for i in order {
            let Range { start, end } = ranges[i];
            if start < end {
                let (_, tail) = rest.split_at_mut(start - offset);
                let (part, tail) = tail.split_at_mut(end - start);
                (parts[i], rest, offset) = (part, tail, end);
            }
        }
        parts
    }

    pub(super) fn norm(&mut self, name: &str) -> NormGradient<'_> {
        let [gamma, beta] = self.several([format!("{name}.weight"), format!("{name}.bias")]);
        NormGradient { gamma, beta }
    }

    /// Of a sub-layer with the given norm, second norm (or nothing) and linear maps.
    pub(super) fn sublayer(
        &mut self,
        norm: &str,
        out_norm: Option<&str>,
        linears: [&str; 2],
    ) -> kernels::fused::SublayerGradient<'_> {
        let none = String::new;
        let part = |name: &str, part: &str| format!("{name}.{part}");
        let [
            gamma,
            beta,
            out_gamma,
            out_beta,
            first,
            first_bias,
            second,
            second_bias,
        ] = self.several([
            part(norm, "weight"),
            part(norm, "bias"),
            out_norm.map_or_else(none, |name| part(name, "weight")),
            out_norm.map_or_else(none, |name| part(name, "bias")),
            part(linears[0], "weight"),
            part(linears[0], "bias"),
            part(linears[1], "weight"),
            part(linears[1], "bias"),
        ]);
        kernels::fused::SublayerGradient {
            norm: NormGradient { gamma, beta },
            out_norm: out_norm.map(|_| NormGradient {
                gamma: out_gamma,
                beta: out_beta,
            }),
            first: LinearGradient {
                weight: first,
                bias: (!first_bias.is_empty()).then_some(first_bias),
            },
            second: LinearGradient {
                weight: second,
                bias: (!second_bias.is_empty()).then_some(second_bias),
            },
        }
    }

    /// All gradients as a pass returns them.
    pub(super) fn finish(self, half: Option<HalfFormat>) -> Gradients {
        Gradients::stored(self.parameters, self.flat, self.logit, half)
    }
}
