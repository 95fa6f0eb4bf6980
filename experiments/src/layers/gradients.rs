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
        flat: Buffer,
        logit: Buffer,
        precision: &Precision,
    ) -> Self {
        Parted::stored(parameters, flat, logit, precision).joined(precision)
    }
}

/// Gradients of one micro-batch whose two ways into tied embeddings have not met yet: whoever updates those joins them.
pub(crate) struct Parted {
    /// Flat, in the layout of the parameters, of which a tied embedding is the first; into that by way of the input alone.
    pub(crate) flat: Buffer,
    /// Into tied embeddings by way of the logits, `[v·h]`; empty when untied.
    pub(crate) logit: Buffer,
    /// As [`Gradients::lost`], but for what is lost where the two meet.
    pub(crate) lost: Vec<RangeCount>,
}

impl Parted {
    /// Rounds gradients to the format in which they are stored, each way into tied embeddings by itself.
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
        round(&mut logit, Parameters::EMBEDDING, &head);
        Self { flat, logit, lost }
    }

    /// Puts the sum of both ways in the place of the first, and keeps both apart beside it.
    pub(crate) fn joined(self, precision: &Precision) -> Gradients {
        let Self {
            mut flat,
            logit,
            mut lost,
        } = self;
        let mut paths = None;
        if !logit.is_empty() {
            let sum = &mut flat[..logit.len()];
            let input = Buffer::of(sum);
            let parts = sum.par_chunks_mut(PIECE).zip(logit.par_chunks(PIECE));
            parts.for_each(|(sum, logit)| add(sum, logit));
            if let Some(head) = precision.head_gradient() {
                lost[Parameters::EMBEDDING] += head.round(sum, Backward);
            }
            paths = Some(Paths {
                input: input.into(),
                logit: logit.into(),
            });
        }
        Gradients {
            flat: flat.into(),
            paths,
            lost,
        }
    }
}
