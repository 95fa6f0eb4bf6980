//! Which SAT tensor holds which of our elements.
//!
//! Sources, all read in `SwissArmyTransformer` 0.2.12 (`PyPI`), the oldest that GLM-130B's
//! `requirements.txt` allows, and in THUDM/GLM-130B:
//!
//! - Names: the modules of `model/transformer.py` (`BaseTransformer`, `BaseTransformerLayer`,
//!   `SelfAttention`, `MLP`) under `BaseModel.transformer`.
//! - No position embedding, and a `dense_h_to_4h` of 2f rows: `glm130B_model.py`,
//!   `DeepNormWithGLUMixin.reinit`; later SAT (`sat/`) has the former in `GLM130B.__init__`.
//! - No output projection: `FinalForwardMixin` multiplies by `word_embeddings.weight`.
//! - `mixins.rotary-embedding.rotary_emb.inv_freq` is a buffer that SAT computes and, since 0.2.11,
//!   does not load (`rotary_embeddings.py`, empty `_load_from_state_dict`); the released files lack
//!   it (GLM-130B issue 18). `transformer.layers.N.attention.rotary_emb.inv_freq` is known to
//!   `convert_tp.py` (`SEQUENTIAL_LAYERS`). We write neither and skip both.

use super::shape::SatShape;
use std::ops::Range;

/// End of the names of position buffers, which hold nothing that was learned.
pub(super) const POSITION_BUFFER: &str = "rotary_emb.inv_freq";

/// How a tensor is spread over the ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Split {
    /// Every rank has all of it: norms, and biases of row-parallel layers (`mpu/layers.py`:
    /// "bias is not parallelized"; `convert_tp.py`: `SEQUENTIAL_LAYERS`).
    Replicated,
    /// Consecutive rows: the vocabulary (`VocabParallelEmbedding`, `VocabUtility`).
    Rows,
    /// Consecutive columns: row-parallel layers (`RowParallelLinear` splits the input dimension;
    /// `convert_tp.py`: `LAYER_CONCAT_DIM` 1).
    Columns,
    /// Consecutive heads; inside a head its q, then its k, then its v rows. A rank's output is
    /// viewed as `[heads / ranks, 3 × head size]` and split in three along the last dimension
    /// (`glm130B_model.py`, `RotaryEmbeddingMixin.attention_forward`), so shards of different
    /// ranks just follow one another (`convert_tp.py`: plain `cat`). Ours is all q, all k, all v.
    /// The `stride=3` that `SelfAttention` passes only matters for SAT's own initialisation.
    Qkv {
        /// Of all ranks together.
        heads: usize,
    },
    /// Each rank has its part of the first half, then its part of the second (`GEGLU.forward`
    /// chunks a rank's output in two; `convert_tp.py`: `GLU_LAYERS`). The second half is gated by
    /// GELU, as with us.
    Glu,
}

/// One tensor in both worlds.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) ours: String,
    pub(super) sat: String,
    /// Of the whole tensor, which has the same dimensions in both.
    pub(super) shape: Vec<usize>,
    pub(super) split: Split,
}

impl Entry {
    /// Number of elements.
    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Dimensions of one rank's shard.
    pub(super) fn shard_shape(&self, ranks: usize) -> Vec<usize> {
        let mut shape = self.shape.clone();
        match self.split {
            Split::Replicated => {}
            Split::Columns => shape[1] /= ranks,
            Split::Rows | Split::Qkv { .. } | Split::Glu => shape[0] /= ranks,
        }
        shape
    }

    /// The stretches of our tensor that, one after another, are the shard of `rank`.
    pub(super) fn stretches(&self, rank: usize, ranks: usize) -> Vec<Range<usize>> {
        let len = self.len();
        let part = |whole: usize| {
            let size = whole / ranks;
            rank * size..(rank + 1) * size
        };
        let moved = |range: Range<usize>, by: usize| range.start + by..range.end + by;
        match self.split {
            Split::Replicated => std::iter::once(0..len).collect(),
            Split::Rows => std::iter::once(part(len)).collect(),
            Split::Columns => {
                let columns = self.shape[1];
                (0..self.shape[0])
                    .map(|row| moved(part(columns), row * columns))
                    .collect()
            }
            Split::Glu => vec![part(len / 2), moved(part(len / 2), len / 2)],
            Split::Qkv { heads } => {
                let third = len / 3;
                let size = third / heads;
                part(heads)
                    .flat_map(|head| (0..3).map(move |p| p * third + head * size))
                    .map(|start| start..start + size)
                    .collect()
            }
        }
    }
}

/// All tensors, in the order of `Parameters::table`.
pub(super) fn entries(shape: &SatShape) -> Vec<Entry> {
    let (h, f, v) = (shape.hidden_size, shape.ffn_hidden_size, shape.vocab_size);
    let mut all = Vec::new();
    let mut add = |ours: String, sat: String, split, shape: &[usize]| {
        all.push(Entry {
            ours,
            sat,
            shape: shape.to_vec(),
            split,
        });
    };
    let (ours, sat) = ("embedding.weight", "transformer.word_embeddings.weight");
    add(ours.to_owned(), sat.to_owned(), Split::Rows, &[v, h]);
    let qkv = Split::Qkv {
        heads: shape.num_heads,
    };
    // Ours, SAT's, split of the weight, split of the bias, dimensions of the weight.
    let modules: [(&str, &str, Split, Split, &[usize]); 6] = [
        (
            "attention_norm",
            "input_layernorm",
            Split::Replicated,
            Split::Replicated,
            &[h],
        ),
        (
            "attention.qkv",
            "attention.query_key_value",
            qkv,
            qkv,
            &[3 * h, h],
        ),
        (
            "attention.out",
            "attention.dense",
            Split::Columns,
            Split::Replicated,
            &[h, h],
        ),
        (
            "ffn_norm",
            "post_attention_layernorm",
            Split::Replicated,
            Split::Replicated,
            &[h],
        ),
        (
            "ffn.up",
            "mlp.dense_h_to_4h",
            Split::Glu,
            Split::Glu,
            &[2 * f, h],
        ),
        (
            "ffn.down",
            "mlp.dense_4h_to_h",
            Split::Columns,
            Split::Replicated,
            &[h, f],
        ),
    ];
    for layer in 0..shape.layers {
        for (ours, sat, weight, bias, dimensions) in modules {
            let ours = format!("layers.{layer}.{ours}");
            let sat = format!("transformer.layers.{layer}.{sat}");
            add(
                format!("{ours}.weight"),
                format!("{sat}.weight"),
                weight,
                dimensions,
            );
            add(
                format!("{ours}.bias"),
                format!("{sat}.bias"),
                bias,
                &dimensions[..1],
            );
        }
    }
    for kind in ["weight", "bias"] {
        let (ours, sat) = (
            format!("final_norm.{kind}"),
            format!("transformer.final_layernorm.{kind}"),
        );
        add(ours, sat, Split::Replicated, &[h]);
    }
    all
}
