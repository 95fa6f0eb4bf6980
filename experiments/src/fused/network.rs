//! The layers as sub-layers of [`kernels::fused`].

use super::gradients::GradientSlices;
use super::weights::Weights;
use crate::dropout::Masks;
use crate::precision::{At, Precision};
use experiments_config::{Config, Norm};
use kernels::fused::{
    Arrangement, Attention, AttentionPoints, Branch, FeedForward, FeedForwardPoints, Mask,
    ResidualPoints, Sublayer, SublayerGradient,
};

/// All sub-layers, attention and feed-forward in turn.
pub(super) struct Network<'a> {
    sandwich: bool,
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
            sandwich: config.model.norm == Norm::Sandwich,
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
        let (name, first, second) = [("attention", "qkv", "out"), ("ffn", "up", "down")][index % 2];
        let name = format!("layers.{}.{name}", index / 2);
        let out_norm = self.sandwich.then(|| format!("{name}_out_norm"));
        slices.sublayer(
            &format!("{name}_norm"),
            out_norm.as_deref(),
            [&format!("{name}.{first}"), &format!("{name}.{second}")],
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
            self.weights.norm(&name, model.layer_norm_eps)
        };
        Sublayer {
            arrangement: match model.norm {
                Norm::Post | Norm::Deepnorm | Norm::DeepnormGlm => Arrangement::Post {
                    alpha: model.norm.alpha(model.layers) as f32,
                },
                Norm::Pre => Arrangement::Pre,
                Norm::Sandwich => Arrangement::Sandwich(norm("out_norm")),
            },
            norm: norm("norm"),
            branch,
            dropout,
            points,
        }
    }

    fn attention(&self, layer: usize) -> Sublayer<'a> {
        let name = format!("layers.{layer}.attention");
        let point = |at| self.precision.rounding(at, layer);
        let masks = self.masks.layer(layer);
        let scaled = self.config.precision.query_key_layer_scaling;
        let attention = Attention {
            qkv: self.weights.linear(&format!("{name}.qkv")),
            out: self.weights.linear(&format!("{name}.out")),
            num_heads: self.config.model.num_heads,
            missing: if scaled { (layer + 1) as f32 } else { 1.0 },
            dropout: masks.probabilities.as_ref(),
            points: AttentionPoints {
                qkv: point(At::Qkv),
                query: point(At::Query),
                key: point(At::Key),
                scores: point(At::Scores),
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
        let ffn = FeedForward {
            up: self.weights.linear(&format!("{name}.up")),
            down: self.weights.linear(&format!("{name}.down")),
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
