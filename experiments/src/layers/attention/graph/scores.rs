//! From query, key and value to the context, with the devices that keep scores inside FP16:
//! query-key layer scaling, FP32 softmax and PB-Relax.

use crate::layers::attention::{FORBIDDEN, ScoreScale};
use crate::layers::context::graph::Context;
use crate::layers::input::Input;
use crate::layers::tap::{Seen, Tap};
use crate::numerics::precision::At;
use burn::tensor::{Tensor, activation};
use experiments_config::PbRelaxMax;
use kernels::{Kernels, Scoring};

/// The scores of one layer.
pub(crate) struct Scores {
    layer: usize,
    scale: ScoreScale,
}

impl Scores {
    pub(crate) fn new(layer: usize, context: &Context) -> Self {
        Self {
            layer,
            scale: ScoreScale::new(&context.config.precision, layer),
        }
    }

    /// The context of query, key and value, not yet stored.
    ///
    /// # Shapes
    /// - all: `[b, n, s, d]`
    pub(crate) fn context<B: Kernels>(
        &self,
        [q_bnsd, k_bnsd, v_bnsd]: [Tensor<B, 4>; 3],
        input: &Input<B>,
        context: &mut Context,
    ) -> Tensor<B, 4> {
        if let Some(scoring) = self.kept_nowhere(input, context) {
            let q_bnsd = self.scaled(q_bnsd, context);
            let (qkv, forbidden) = ([q_bnsd, k_bnsd, v_bnsd], input.forbidden.clone());
            let [y_bnsd, largest] = kernels::masked_attention(qkv, forbidden, &scoring);
            Tap::see_tensor(&mut context.taps, Seen::Scores, self.layer, &largest, 1.0);
            return y_bnsd;
        }
        let scores_bnss = self.product(q_bnsd, k_bnsd, context);
        let p_bnss = self.probabilities(scores_bnss, input, context);
        let p = context.config.model.attention_dropout;
        let p_bnss = context.drop(p_bnss, p, At::Probabilities, self.layer);
        context.precision.product(p_bnss, v_bnsd)
    }

    /// How to compute attention in one operation, with no score in memory; absent where something needs them all:
    /// `ALiBi`, attention dropout, PB-Relax, a softmax in 16 bits, or somebody who looks at all values.
    fn kept_nowhere<B: Kernels>(&self, input: &Input<B>, context: &Context) -> Option<Scoring> {
        let precision = context.precision;
        let are_needed = self.scale.relaxes()
            || input.alibi.is_some()
            || context.drops(context.config.model.attention_dropout)
            || precision.softmax_half()
            || precision.watches();
        let rounding = |at| precision.rounding(at, self.layer).cloned();
        (B::COMBINES && !are_needed).then(|| Scoring {
            factor: self.scale.missing as f32,
            fill: FORBIDDEN,
            scores: rounding(At::Scores),
            probabilities: rounding(At::Probabilities),
        })
    }

    /// What stored scores are multiplied by in the end.
    pub(crate) fn missing(&self) -> f64 {
        self.scale.missing
    }

    /// From [`Scores::product`] to probabilities, storing the scores first.
    ///
    /// # Shapes
    /// - input and output: `[b, n, s, s]`
    pub(crate) fn probabilities<B: Kernels>(
        &self,
        scores_bnss: Tensor<B, 4>,
        input: &Input<B>,
        context: &mut Context,
    ) -> Tensor<B, 4> {
        let (precision, layer) = (context.precision, self.layer);
        let (missing, fill) = (self.scale.missing, f64::from(FORBIDDEN));
        let x = precision.store(scores_bnss, At::Scores, layer);
        // Where only the mask is to come, the masked tensor below serves the tap as well.
        let plain = !self.scale.relaxes() && missing == 1.0 && input.alibi.is_none();
        if !plain && context.watches(Seen::Scores) {
            let allowed = x.clone().mask_fill(input.forbidden.clone(), fill);
            Tap::see_tensor(&mut context.taps, Seen::Scores, layer, &allowed, missing);
        }
        let mut x = match self.scale.relax {
            PbRelaxMax::Off if missing == 1.0 => x,
            PbRelaxMax::Off => x * missing,
            PbRelaxMax::Row | PbRelaxMax::Head | PbRelaxMax::AbsMax => self.relaxed(x, context),
        };
        if let Some(penalties) = &input.alibi {
            x = x - penalties.clone();
            if precision.softmax_half() {
                x = precision.store(x, At::Scores, layer);
            }
        }
        if B::COMBINES && !precision.softmax_half() {
            if plain && context.watches(Seen::Scores) {
                let allowed = x.clone().mask_fill(input.forbidden.clone(), fill);
                Tap::see_tensor(&mut context.taps, Seen::Scores, layer, &allowed, missing);
            }
            let forbidden = input.forbidden.clone();
            let p = kernels::masked_softmax(x, forbidden, FORBIDDEN);
            return precision.store(p, At::Probabilities, layer);
        }
        let x = x.mask_fill(input.forbidden.clone(), fill);
        if plain {
            Tap::see_tensor(&mut context.taps, Seen::Scores, layer, &x, missing);
        }
        if precision.softmax_half() {
            return self.softmax_half(x, context);
        }
        precision.store(activation::softmax(x, 3), At::Probabilities, layer)
    }

    /// Scores as the matrix product makes them, not yet stored: `q kᵀ / (√d · missing)`.
    ///
    /// # Shapes
    /// - q and k: `[b, n, s, d]`
    /// - output: `[b, n, s, s]`
    pub(crate) fn product<B: Kernels>(
        &self,
        q_bnsd: Tensor<B, 4>,
        k_bnsd: Tensor<B, 4>,
        context: &Context,
    ) -> Tensor<B, 4> {
        let (precision, layer) = (context.precision, self.layer);
        let k_bnsd = if self.scale.relaxes() {
            precision.store(k_bnsd * self.scale.missing.recip(), At::Key, layer)
        } else {
            k_bnsd
        };
        let q_bnsd = self.scaled(q_bnsd, context);
        precision.product(q_bnsd, k_bnsd.swap_dims(2, 3))
    }

    /// The query as it enters the scores.
    fn scaled<B: Kernels>(&self, q_bnsd: Tensor<B, 4>, context: &Context) -> Tensor<B, 4> {
        let root = (q_bnsd.dims()[3] as f64).sqrt();
        let q_bnsd = q_bnsd * (root * self.scale.in_softmax()).recip();
        context.precision.store(q_bnsd, At::Query, self.layer)
    }

    /// `(x - max) α`, the maximum taken before masking and detached.
    fn relaxed<B: Kernels>(&self, x: Tensor<B, 4>, context: &Context) -> Tensor<B, 4> {
        let (precision, layer) = (context.precision, self.layer);
        let values = x.clone().detach();
        let whole_head = |values: Tensor<B, 4>| values.max_dim(3).max_dim(2);
        let largest = match self.scale.relax {
            PbRelaxMax::Off | PbRelaxMax::Row => values.max_dim(3),
            PbRelaxMax::Head => whole_head(values),
            PbRelaxMax::AbsMax => whole_head(values.abs()),
        };
        let x = precision.store(x - largest, At::Scores, layer);
        precision.store(x * self.scale.missing, At::Scores, layer)
    }

    /// Softmax over the last dimension with every step rounded.
    fn softmax_half<B: Kernels>(&self, x: Tensor<B, 4>, context: &Context) -> Tensor<B, 4> {
        let (precision, layer) = (context.precision, self.layer);
        let largest = x.clone().detach().max_dim(3);
        let shifted = precision.store(x - largest, At::Softmax, layer);
        let exp = precision.store(shifted.exp(), At::Softmax, layer);
        let branch = precision.branch(exp.clone(), At::Softmax, layer);
        let sum = precision.store(branch.sum_dim(3), At::Softmax, layer);
        precision.store(
            precision.branch(exp, At::Softmax, layer) / sum,
            At::Probabilities,
            layer,
        )
    }
}
