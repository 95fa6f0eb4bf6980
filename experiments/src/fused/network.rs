//! The layers as sub-layers of [`kernels::fused`].

use super::gradients::GradientSlices;
use super::weights::Weights;
use crate::precision::{At, Precision};
use experiments_config::{Config, Ffn, Norm};
use kernels::fused::{
    Activation, Arrangement, Attention, AttentionPoints, Branch, FeedForward, FeedForwardPoints,
    ResidualPoints, Sublayer, SublayerGradient,
};

/// All sub-layers, attention and feed-forward in turn.
pub(super) struct Network<'a> {
    pub(super) sublayers: Vec<Sublayer<'a>>,
}

impl<'a> Network<'a> {
    pub(super) fn new(config: &Config, precision: &Precision, weights: &'a Weights) -> Self {
        let builder = Builder {
            config,
            precision,
            weights,
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
            arrangement,
            branch,
            ..
        } = &self.sublayers[index];
        let (name, first, second) = match branch {
            Branch::Attention(_) => ("attention", "qkv", "out"),
            Branch::FeedForward(_) => ("ffn", "up", "down"),
        };
        let name = format!("layers.{}.{name}", index / 2);
        let out_norm = match arrangement {
            Arrangement::Sandwich(_) => Some(format!("{name}_out_norm")),
            Arrangement::Post { .. } | Arrangement::Pre => None,
        };
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
}

impl<'a> Builder<'a, '_> {
    fn sublayer(&self, name: &str, branch: Branch<'a>, points: ResidualPoints) -> Sublayer<'a> {
        let model = &self.config.model;
        let norm = |part: &str| {
            let name = format!("{name}_{part}");
            self.weights.norm(&name)
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
            points,
        }
    }

    fn attention(&self, layer: usize) -> Sublayer<'a> {
        let name = format!("layers.{layer}.attention");
        let point = |at| self.precision.rounding(at, layer);
        let scaled = self.config.precision.query_key_layer_scaling;
        let attention = Attention {
            qkv: self.weights.linear(&format!("{name}.qkv")),
            out: self.weights.linear(&format!("{name}.out")),
            num_heads: self.config.model.num_heads,
            missing: if scaled { (layer + 1) as f32 } else { 1.0 },
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
        self.sublayer(&name, Branch::Attention(attention), points)
    }

    fn feed_forward(&self, layer: usize) -> Sublayer<'a> {
        let name = format!("layers.{layer}.ffn");
        let point = |at| self.precision.rounding(at, layer);
        let ffn = FeedForward {
            up: self.weights.linear(&format!("{name}.up")),
            down: self.weights.linear(&format!("{name}.down")),
            activation: match self.config.model.ffn {
                Ffn::Geglu => Activation::Geglu,
                Ffn::Gelu => Activation::Gelu,
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
        self.sublayer(&name, Branch::FeedForward(ffn), points)
    }
}
