//! Parameters of every component, and which of them tensor parallelism divides.

use crate::size::{positive, product, sum};
use crate::{Layout, PlanError};
use experiments_config::Config;
use serde::Serialize;

/// Parameters of one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Component {
    /// Divided over the tensor-parallel ranks: matrices, and biases of column-parallel matrices.
    pub split: u64,
    /// Held by every tensor-parallel rank: norms, and biases of row-parallel matrices.
    pub whole: u64,
}

impl Component {
    /// All of it.
    #[must_use]
    pub fn total(self) -> u64 {
        self.split + self.whole
    }

    /// What one of `ranks` tensor-parallel ranks holds.
    #[must_use]
    pub fn on_rank(self, ranks: u64) -> u64 {
        self.split.div_ceil(ranks.max(1)) + self.whole
    }
}

/// Parameters of a model by component. Sums equal `ModelConfig::parameter_count`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parameters {
    /// `V·h`.
    pub embedding: Component,
    /// Learned positions, `s·h`.
    pub positions: Component,
    /// Layer norm on the embedding output, `2h`.
    pub embedding_norm: Component,
    /// Transformer layers N.
    pub layers: u64,
    /// Query, key and value of one layer: `3h²` and biases `3h`, less with grouped-query attention.
    pub qkv: Component,
    /// Attention output of one layer: `h²` and biases `h`.
    pub attention_out: Component,
    /// First feed-forward matrix of one layer: `hf` (`2hf` with a GLU) and biases.
    pub ffn_up: Component,
    /// Second feed-forward matrix of one layer: `fh` and biases `h`.
    pub ffn_down: Component,
    /// Layer norms of one layer: 2 or 4, by the arrangement, of `2h`.
    pub norms: Component,
    /// Layer norms over the heads of query and key of one layer: `4h/a`.
    pub qk_norm: Component,
    /// The last layer norm, `2h`.
    pub final_norm: Component,
    /// The output matrix where it is not the embedding, `V·h`.
    pub head: Component,
    /// Sum of everything.
    pub total: u64,
}

impl Parameters {
    /// Counts the parameters of a configuration.
    pub fn of(config: &Config) -> Result<Self, PlanError> {
        Self::with_rows(config, config.tokenizer.vocab_size as u64)
    }

    /// Those that a layout holds, whose embedding is padded.
    pub(crate) fn padded(config: &Config, layout: &Layout) -> Result<Self, PlanError> {
        Self::with_rows(config, layout.vocabulary(config))
    }

    /// With so many rows of the embedding.
    fn with_rows(config: &Config, rows: u64) -> Result<Self, PlanError> {
        let model = &config.model;
        let h = positive("model.hidden_size", model.hidden_size as u64)?;
        let f = positive("model.ffn_hidden_size", model.ffn_hidden_size as u64)?;
        let heads = positive("model.num_heads", model.num_heads as u64)?;
        let layers = positive("model.layers", model.layers as u64)?;
        let vocab = positive("tokenizer.vocab_size", rows)?;
        let slots = positive("model.seq_len", model.seq_len as u64)?;
        let up = product("ffn_up_size", &[if model.is_gated() { 2 } else { 1 }, f])?;
        // Any of these products that fits bounds the sums below: each has at most eight terms.
        let square = product("16 · hidden_size²", &[16, h, h])? / 16;
        let inner = product("16 · hidden_size · ffn_up_size", &[16, h, up])? / 16;
        let table = product("16 · vocab_size · hidden_size", &[16, vocab, h])? / 16;
        let learned = product("16 · seq_len · hidden_size", &[16, slots, h])? / 16;
        let (kv, vectors) = (model.kv_size() as u64, model.norm_vectors());
        let bias = |n: u64| if model.bias { n } else { 0 };
        let whole = |n: u64| Component { split: 0, whole: n };
        let split = |n: u64| Component { split: n, whole: 0 };
        let when = |condition: bool, component| {
            if condition {
                component
            } else {
                Component::default()
            }
        };
        let norms = model.norm.per_layer();
        let mut parameters = Self {
            embedding: split(table),
            positions: when(model.positions.row().is_learned, whole(learned)),
            embedding_norm: when(model.embedding_norm, whole(vectors * h)),
            layers,
            qkv: split(square + h * kv + bias(h + kv)),
            attention_out: Component {
                split: square,
                whole: bias(h),
            },
            ffn_up: split(inner + bias(up)),
            ffn_down: Component {
                split: h * f,
                whole: bias(h),
            },
            norms: whole(norms * vectors * h),
            qk_norm: when(model.qk_norm, whole(2 * vectors * (h / heads))),
            final_norm: whole(vectors * h),
            head: when(!model.tie_embeddings, split(table)),
            total: 0,
        };
        let stack = product(
            "model.layers × parameters of a layer",
            &[layers, parameters.layer().total()],
        )?;
        parameters.total = sum(
            "parameters",
            &[
                stack,
                parameters.embedding.total(),
                parameters.positions.total(),
                parameters.embedding_norm.total(),
                parameters.final_norm.total(),
                parameters.head.total(),
            ],
        )?;
        Ok(parameters)
    }

    /// One layer.
    #[must_use]
    pub fn layer(&self) -> Component {
        let parts = [
            self.qkv,
            self.attention_out,
            self.ffn_up,
            self.ffn_down,
            self.norms,
            self.qk_norm,
        ];
        Component {
            split: parts.iter().map(|part| part.split).sum(),
            whole: parts.iter().map(|part| part.whole).sum(),
        }
    }

    /// What the input needs: embedding, positions, embedding norm.
    #[must_use]
    pub fn input(&self) -> Component {
        Component {
            split: self.embedding.split,
            whole: self.positions.whole + self.embedding_norm.whole,
        }
    }

    /// What the output needs when it is not on the stage of the input: the final norm and a matrix
    /// of its own, which with tied embeddings is a copy.
    #[must_use]
    pub fn output(&self) -> Component {
        Component {
            split: self.embedding.split,
            whole: self.final_norm.whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use experiments_config::{Ffn, Norm, Positions, load_preset};

    /// Guards the planner's central number against the paper's configuration.
    #[test]
    fn glm_130b_by_component() {
        let parameters = Parameters::of(&load_preset("glm-130b", &[]).unwrap()).unwrap();
        assert_eq!(parameters.total, 128_697_794_560);
        assert_eq!(parameters.embedding.total(), 1_849_688_064);
        assert_eq!(parameters.layer().total(), 1_812_115_456);
        assert_eq!(parameters.final_norm.total(), 24_576);
        assert_eq!(parameters.head.total(), 0);
    }

    /// The components and the configuration's own count must never drift apart, whatever is
    /// switched on.
    #[test]
    fn components_sum_to_the_parameter_count_of_every_variant() {
        for norm in Norm::ALL {
            for positions in Positions::ALL {
                for ffn in Ffn::ALL {
                    for switches in 0..16_u32 {
                        let on = |bit: u32| switches >> bit & 1 == 1;
                        let mut config = load_preset("r256", &[]).unwrap();
                        let model = &mut config.model;
                        (model.norm, model.positions, model.ffn) = (norm, positions, ffn);
                        (model.qk_norm, model.embedding_norm) = (on(0), on(1));
                        (model.tie_embeddings, model.bias) = (on(2), on(3));
                        let expected = config.model.parameter_count(config.tokenizer.vocab_size);
                        let found = Parameters::of(&config).unwrap().total;
                        assert_eq!(found, expected, "{:?}", config.model);
                    }
                }
            }
        }
    }

    /// Absurd sizes are an error that names them, never a wrapped number.
    #[test]
    fn overflow_and_zero_name_the_size() {
        let mut config = load_preset("glm-130b", &[]).unwrap();
        config.model.hidden_size = 1 << 40;
        let error = Parameters::of(&config).unwrap_err().to_string();
        assert!(error.contains("hidden_size"), "{error}");
        config.model.hidden_size = 12_288;
        config.model.layers = usize::MAX;
        let error = Parameters::of(&config).unwrap_err().to_string();
        assert!(error.contains("model.layers"), "{error}");
        config.model.layers = 0;
        let error = Parameters::of(&config).unwrap_err().to_string();
        assert!(error.contains("at least 1"), "{error}");
    }
}
