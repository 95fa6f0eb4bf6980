//! Which parameters a model has, in which order, and how each starts.

use super::{Band, Init, Parameter, Role};
use experiments_config::ModelConfig;

/// Xavier (Glorot) normal standard deviation for one matrix.
fn xavier(fan_in: usize, fan_out: usize) -> f64 {
    (2.0 / (fan_in + fan_out) as f64).sqrt()
}

/// Lays parameters out one after another.
pub(super) struct Layout {
    pub(super) table: Vec<Parameter>,
}

impl Layout {
    pub(super) fn new(model: &ModelConfig, vocab_size: usize) -> Self {
        let mut layout = Self { table: Vec::new() };
        let (h, v) = (model.hidden_size, vocab_size);
        let rows = |part, rows| {
            Init::Normal(vec![Band {
                part,
                rows,
                std: model.embedding_std(v),
            }])
        };
        let embedding = rows("embedding", v);
        layout.add(
            "embedding.weight",
            None,
            Role::Embedding,
            &[v, h],
            embedding,
        );
        if model.positions.row().is_learned {
            let (s, name) = (model.seq_len, "position_embedding.weight");
            layout.add(name, None, Role::Position, &[s, h], rows("position", s));
        }
        if model.embedding_norm {
            layout.add_norm("embedding_norm", None, h);
        }
        for layer in 0..model.layers {
            layout.add_layer(model, layer);
        }
        layout.add_norm("final_norm", None, h);
        if !model.tie_embeddings {
            layout.add("head.weight", None, Role::Head, &[v, h], rows("head", v));
        }
        layout
    }

    /// GLM-130B §2.1: gain β on value, attention output and feed-forward, 1 on query and key unless
    /// `model.init.qk_gain` says otherwise.
    /// The GLU halves are separate matrices of fan h and f that share one tensor.
    fn add_layer(&mut self, model: &ModelConfig, layer: usize) {
        let (h, f) = (model.hidden_size, model.ffn_hidden_size);
        let gain = model.gain();
        let square = xavier(h, h);
        let scores = model.qk_gain() * square;
        let inner = gain * xavier(h, f);
        let band = |part, rows, std| Band { part, rows, std };
        let bias = model.bias;
        let at = Some(layer);
        let name = |rest: &str| format!("layers.{layer}.{rest}");
        let (before, after) = (model.norm.is_before(), model.norm.is_after());
        if before {
            self.add_norm(&name("attention_norm"), at, h);
        }
        let qkv = vec![
            band("query", h, scores),
            band("key", h, scores),
            band("value", h, gain * square),
        ];
        let attention = Role::Attention;
        self.add_linear(&name("attention.qkv"), at, attention, h, qkv, bias);
        if model.qk_norm {
            self.add_norm(&name("attention.query_norm"), at, model.head_dim());
            self.add_norm(&name("attention.key_norm"), at, model.head_dim());
        }
        let out = vec![band("out", h, gain * square)];
        self.add_linear(&name("attention.out"), at, attention, h, out, bias);
        if before {
            self.add_norm(&name("ffn_norm"), at, h);
        }
        let up = if model.ffn.row().is_gated {
            vec![band("value half", f, inner), band("gate half", f, inner)]
        } else {
            vec![band("up", f, inner)]
        };
        self.add_linear(&name("ffn.up"), at, Role::Ffn, h, up, bias);
        let down = vec![band("down", h, inner)];
        self.add_linear(&name("ffn.down"), at, Role::Ffn, f, down, bias);
        if after {
            self.add_norm(&name("attention_out_norm"), at, h);
            self.add_norm(&name("ffn_out_norm"), at, h);
        }
    }

    fn add_linear(
        &mut self,
        name: &str,
        layer: Option<usize>,
        role: Role,
        columns: usize,
        bands: Vec<Band>,
        bias: bool,
    ) {
        let rows = bands.iter().map(|band| band.rows).sum();
        let weight = format!("{name}.weight");
        self.add(&weight, layer, role, &[rows, columns], Init::Normal(bands));
        if bias {
            let bias = format!("{name}.bias");
            self.add(&bias, layer, role, &[rows], Init::Constant(0.0));
        }
    }

    fn add_norm(&mut self, name: &str, layer: Option<usize>, width: usize) {
        let shape = [width];
        self.add(
            &format!("{name}.weight"),
            layer,
            Role::Norm,
            &shape,
            Init::Constant(1.0),
        );
        self.add(
            &format!("{name}.bias"),
            layer,
            Role::Norm,
            &shape,
            Init::Constant(0.0),
        );
    }

    fn add(&mut self, name: &str, layer: Option<usize>, role: Role, shape: &[usize], init: Init) {
        let start = self.table.last().map_or(0, |p| p.range.end);
        self.table.push(Parameter {
            name: name.to_owned(),
            shape: shape.to_vec(),
            role,
            layer,
            decay: shape.len() == 2,
            range: start..start + shape.iter().product::<usize>(),
            init,
        });
    }
}
