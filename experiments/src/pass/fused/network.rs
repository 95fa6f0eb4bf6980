//! The layers as sub-layers of [`kernels::fused`].

use super::gradients::GradientSlices;
use super::weights::Weights;
use crate::numerics::dropout::Masks;
use crate::numerics::precision::{At, Precision};
use experiments_config::{Config, Function, PbRelaxMax, PrecisionConfig, Residual};
use kernels::fused::{
    self, Activation, Attention, AttentionPoints, Branch, FeedForward, FeedForwardPoints, Largest,
    Mask, ResidualPoints, ScoreScale, Sublayer, SublayerGradient,
};

/// All sub-layers, attention and feed-forward in turn.
pub(super) struct Network<'a> {
    pub(super) sublayers: Vec<Sublayer<'a>>,
}

impl<'a> Network<'a> {
    pub(super) fn new(
        config: &Config,
        precision: &Precision,
        weights: &'a Weights,
        masks: &'a Masks,
    ) -> Self {
        let builder = Builder {
            config,
            precision,
            weights,
            masks,
        };
        let layers = 0..config.model.layers;
        Self {
            sublayers: layers
                .flat_map(|layer| [builder.attention(layer), builder.feed_forward(layer)])
                .collect(),
        }
    }

    /// Where the gradients of sub-layer `index` go.
    pub(super) fn gradient<'g>(
        &self,
        index: usize,
        slices: &'g mut GradientSlices,
    ) -> SublayerGradient<'g> {
        let Sublayer {
            residual, branch, ..
        } = &self.sublayers[index];
        let name = |part: &str| format!("layers.{}.{part}", index / 2);
        let (half, first, second, head_norms) = match branch {
            Branch::Attention(attention) => ("attention", "qkv", "out", attention.head_norms),
            Branch::FeedForward(_) => ("ffn", "up", "down", None),
        };
        let before = residual.before().map(|_| name(&format!("{half}_norm")));
        let after = residual.after().map(|_| name(&format!("{half}_out_norm")));
        let heads = ["query_norm", "key_norm"].map(|part| name(&format!("{half}.{part}")));
        let heads = heads.each_ref().map(String::as_str);
        slices.sublayer(
            [before.as_deref(), after.as_deref()],
            head_norms.map(|_| heads),
            [
                &name(&format!("{half}.{first}")),
                &name(&format!("{half}.{second}")),
            ],
        )
    }
}

struct Builder<'a, 'b> {
    config: &'b Config,
    precision: &'b Precision,
    weights: &'a Weights<'a>,
    masks: &'a Masks,
}

impl<'a> Builder<'a, '_> {
    fn sublayer(
        &self,
        name: &str,
        branch: Branch<'a>,
        dropout: Option<&'a Mask>,
        points: ResidualPoints,
    ) -> Sublayer<'a> {
        let model = &self.config.model;
        let norm = |part: &str| {
            let name = format!("{name}_{part}");
            self.weights.norm(&name)
        };
        Sublayer {
            residual: match model.norm.row().residual {
                Residual::Norm { alpha } => fused::Residual::Norm {
                    norm: norm("norm"),
                    alpha: alpha.at(model.layers) as f32,
                },
                Residual::Stream { before, after } => fused::Residual::Stream {
                    before: before.then(|| norm("norm")),
                    after: after.then(|| norm("out_norm")),
                },
            },
            branch,
            relax: self.config.precision.pb_relax.norm,
            dropout,
            points,
        }
    }

    fn attention(&self, layer: usize) -> Sublayer<'a> {
        let name = format!("layers.{layer}.attention");
        let point = |at| self.precision.rounding(at, layer);
        let (model, masks) = (&self.config.model, self.masks.layer(layer));
        let attention = Attention {
            qkv: self.weights.linear(&format!("{name}.qkv")),
            out: self.weights.linear(&format!("{name}.out")),
            head_norms: model.qk_norm.then(|| {
                ["query_norm", "key_norm"].map(|part| self.weights.norm(&format!("{name}.{part}")))
            }),
            num_heads: model.num_heads,
            scale: score_scale(&self.config.precision, layer),
            dropout: masks.probabilities.as_ref(),
            points: AttentionPoints {
                qkv: point(At::Qkv),
                query_norm: point(At::QueryNorm),
                key_norm: point(At::KeyNorm),
                query: point(At::Query),
                key: point(At::Key),
                scores: point(At::Scores),
                softmax: point(At::Softmax).filter(|_| self.precision.softmax_half()),
                probabilities: point(At::Probabilities),
                context: point(At::Context),
                out: point(At::AttentionOut),
            },
        };
        let points = ResidualPoints {
            norm: point(At::AttentionNorm),
            out_norm: point(At::AttentionOutNorm),
            skip: point(At::AttentionSkip),
            sum: point(At::AttentionSum),
        };
        let dropout = masks.attention_out.as_ref();
        self.sublayer(&name, Branch::Attention(attention), dropout, points)
    }

    fn feed_forward(&self, layer: usize) -> Sublayer<'a> {
        let name = format!("layers.{layer}.ffn");
        let point = |at| self.precision.rounding(at, layer);
        let row = self.config.model.ffn.row();
        let ffn = FeedForward {
            up: self.weights.linear(&format!("{name}.up")),
            down: self.weights.linear(&format!("{name}.down")),
            activation: Activation {
                is_gated: row.is_gated,
                function: match row.function {
                    Function::Gelu => fused::Function::Gelu,
                },
            },
            points: FeedForwardPoints {
                up: point(At::Up),
                gelu: point(At::Gelu),
                glu: point(At::Glu),
                down: point(At::Down),
            },
        };
        let points = ResidualPoints {
            norm: point(At::FfnNorm),
            out_norm: point(At::FfnOutNorm),
            skip: point(At::FfnSkip),
            sum: point(At::FfnSum),
        };
        let dropout = self.masks.layer(layer).down.as_ref();
        self.sublayer(&name, Branch::FeedForward(ffn), dropout, points)
    }
}

/// What keeps the stored scores of a layer small.
fn score_scale(precision: &PrecisionConfig, layer: usize) -> ScoreScale {
    let relax = |largest| ScoreScale::Relax {
        alpha: precision.pb_relax.alpha as f32,
        largest,
    };
    match precision.pb_relax.attention {
        PbRelaxMax::Off if precision.query_key_layer_scaling => {
            ScoreScale::Query((layer + 1) as f32)
        }
        PbRelaxMax::Off => ScoreScale::Query(1.0),
        PbRelaxMax::Row => relax(Largest::Row),
        PbRelaxMax::Head => relax(Largest::Head),
        PbRelaxMax::AbsMax => relax(Largest::Magnitude),
    }
}
