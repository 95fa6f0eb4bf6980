//! What a pass returns of its parameters.

pub(crate) mod slices;

use crate::array::Gradient;
use crate::numerics::precision::Precision;
use crate::optimizer::adamw::PIECE;
use crate::parameters::Parameters;
use kernels::Pass::Backward;
use kernels::slices::rows::add;
use kernels::{Buffer, RangeCount, Rounding};
use rayon::prelude::*;

/// The two ways on which a gradient reaches tied embeddings, `[v·h]` each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Paths {
    pub(crate) input: Gradient,
    pub(crate) logit: Gradient,
}

/// Gradients of one micro-batch, still times the loss scale.
pub(crate) struct Gradients {
    /// Flat, in the layout of the parameters.
    pub(crate) flat: Gradient,
    /// Into tied embeddings, absent when untied: the two whose sum `flat` holds.
    pub(crate) paths: Option<Paths>,
    /// What storing them in the format of the pass lost, per parameter.
    pub(crate) lost: Vec<RangeCount>,
}

impl Gradients {
    /// Rounds gradients to the format in which they are stored. `logit` is the second path into tied
    /// embeddings, empty when untied; the two are summed in the format of the head, as a tensor that is
    /// used twice has them.
    pub(crate) fn stored(
        parameters: &Parameters,
        mut flat: Buffer,
        mut logit: Buffer,
        precision: &Precision,
    ) -> Self {
        let table = parameters.table();
        let mut lost = vec![RangeCount::default(); table.len()];
        let roundings = precision.gradients(table, false);
        let head = precision.head_gradient();
        let mut round = |values: &mut [f32], index: usize, rounding: &Option<Rounding>| {
            if let Some(rounding) = rounding {
                lost[index] += rounding.round(values, Backward);
            }
        };
        for (index, (parameter, rounding)) in table.iter().zip(&roundings).enumerate() {
            round(&mut flat[parameter.range.clone()], index, rounding);
        }
        let mut paths = None;
        if !logit.is_empty() {
            let index = Parameters::EMBEDDING;
            round(&mut logit, index, &head);
            let input = &mut flat[table[index].range.clone()];
            let own = Buffer::of(input);
            lost[index] += tie(input, &logit, precision);
            paths = Some(Paths {
                input: own.into(),
                logit: logit.into(),
            });
        }
        Self {
            flat: flat.into(),
            paths,
            lost,
        }
    }
}

/// Adds the second path into tied embeddings to the first, and stores the sum in the format of the head; returns what that
/// loses.
pub(crate) fn tie(input: &mut [f32], logit: &[f32], precision: &Precision) -> RangeCount {
    let parts = input.par_chunks_mut(PIECE).zip(logit.par_chunks(PIECE));
    parts.for_each(|(sum, logit)| add(sum, logit));
    let head = precision.head_gradient();
    head.map_or_else(RangeCount::default, |head| head.round(input, Backward))
}
