//! Names and shapes of a model's parameters, for keys that name one.

use super::ModelConfig;

/// Names with shapes, `[out, in]` for matrices and `[n]` for biases and norms.
struct Tensors(Vec<(String, Vec<usize>)>);

impl Tensors {
    fn add(&mut self, name: String, shape: &[usize]) {
        self.0.push((name, shape.to_vec()));
    }

    fn norm(&mut self, name: &str, width: usize) {
        for part in ["weight", "bias"] {
            self.add(format!("{name}.{part}"), &[width]);
        }
    }

    fn linear(&mut self, name: &str, rows: usize, columns: usize, bias: bool) {
        self.add(format!("{name}.weight"), &[rows, columns]);
        if bias {
            self.add(format!("{name}.bias"), &[rows]);
        }
    }

    fn layer(&mut self, model: &ModelConfig, layer: usize) {
        let (h, f, bias) = (model.hidden_size, model.ffn_hidden_size, model.bias);
        let name = |part: &str| format!("layers.{layer}.{part}");
        let (before, after) = (model.norm.is_before(), model.norm.is_after());
        if before {
            self.norm(&name("attention_norm"), h);
        }
        self.linear(&name("attention.qkv"), 3 * h, h, bias);
        if model.qk_norm {
            self.norm(&name("attention.query_norm"), model.head_dim());
            self.norm(&name("attention.key_norm"), model.head_dim());
        }
        self.linear(&name("attention.out"), h, h, bias);
        if before {
            self.norm(&name("ffn_norm"), h);
        }
        self.linear(&name("ffn.up"), model.ffn_up_size(), h, bias);
        self.linear(&name("ffn.down"), h, f, bias);
        if after {
            self.norm(&name("attention_out_norm"), h);
            self.norm(&name("ffn_out_norm"), h);
        }
    }
}

impl ModelConfig {
    /// Every parameter by its name in checkpoints, in their order, with its shape: `[out, in]` for
    /// matrices, `[n]` for biases and norms.
    #[must_use]
    pub fn tensors(&self, vocab_size: usize) -> Vec<(String, Vec<usize>)> {
        let h = self.hidden_size;
        let mut tensors = Tensors(Vec::new());
        tensors.linear("embedding", vocab_size, h, false);
        if self.positions.row().is_learned {
            tensors.linear("position_embedding", self.seq_len, h, false);
        }
        if self.embedding_norm {
            tensors.norm("embedding_norm", h);
        }
        for layer in 0..self.layers {
            tensors.layer(self, layer);
        }
        tensors.norm("final_norm", h);
        if !self.tie_embeddings {
            tensors.linear("head", vocab_size, h, false);
        }
        tensors.0
    }
}
