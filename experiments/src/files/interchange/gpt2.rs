//! A proxy in the layout of Hugging Face's `transformers`, class `GPT2LMHeadModel`.
//!
//! ```text
//! DIR/config.json             sizes, and what is fixed: exact GELU, layer-norm ε
//!     model.safetensors       FP32 tensors by name
//!     tokenizer.json          the run's tokenizer
//!     tokenizer_config.json   its special tokens, and that text never spells them
//! ```
//!
//! Sources, read in `transformers` 5 (`PyPI`): `models/gpt2/modeling_gpt2.py` (`GPT2Block` is Pre-LN, `GPT2Attention` divides scores by
//! the root of the head's width and has all of q, then k, then v, head after head; `GPT2Model` adds `wpe`), `pytorch_utils.py`
//! (`Conv1D` holds `[in, out]`), `activations.py` (`gelu` is exact). GPT-2 itself uses `gelu_new`, an approximation.

#[cfg(test)]
mod tests;

use super::InterchangeError;
use crate::error::TrainError;
use crate::files::tensors::Tensors;
use crate::parameters::Parameters;
use experiments_config::{Config, Ffn, Norm, ObjectiveMode, Positions};
use experiments_text::{SPECIAL, SpecialIds, Tokenizer};
use logs::LogError;
use safetensors::Dtype;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Modules of a layer: our name, theirs, and whether it is a linear map, which `Conv1D` holds transposed.
const MODULES: [(&str, &str, bool); 6] = [
    ("attention_norm", "ln_1", false),
    ("attention.qkv", "attn.c_attn", true),
    ("attention.out", "attn.c_proj", true),
    ("ffn_norm", "ln_2", false),
    ("ffn.up", "mlp.c_fc", true),
    ("ffn.down", "mlp.c_proj", true),
];

/// Whether the class computes the same function as a run's model.
pub(crate) fn check(config: &Config) -> Result<(), InterchangeError> {
    let model = &config.model;
    let checks = [
        (
            config.objective.mode == ObjectiveMode::Gpt,
            "objective.mode",
            "gpt",
        ),
        (model.norm == Norm::Pre, "model.norm", "pre"),
        (
            model.positions == Positions::Learned,
            "model.positions",
            "learned",
        ),
        (model.ffn == Ffn::Gelu, "model.ffn", "gelu"),
        (model.plan_only.is_absent(), "model.plan_only", "absent"),
        (!model.qk_norm, "model.qk_norm", "false"),
        (!model.embedding_norm, "model.embedding_norm", "false"),
    ];
    InterchangeError::unless_all("a GPT-2 of `transformers`", &checks)
}

/// Writes the four files into the folder `out`, which must not be there yet. [`check`] comes before.
pub(crate) fn export_gpt2(
    config: &Config,
    parameters: &Parameters,
    tokenizer: &Tokenizer,
    out: &Path,
) -> Result<(), TrainError> {
    if out.symlink_metadata().is_ok() {
        return Err(InterchangeError::taken(out).into());
    }
    let partial = partial(out);
    let result = write(config, parameters, tokenizer, &partial).and_then(|()| {
        let renamed = std::fs::rename(&partial, out);
        Ok(renamed.map_err(InterchangeError::io(out))?)
    });
    if result.is_err() {
        // The disk may be full; what cannot be used must not fill it further.
        let _ = std::fs::remove_dir_all(&partial);
    }
    result
}

/// Where the files are until all are whole.
fn partial(out: &Path) -> PathBuf {
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    out.with_file_name(format!(".{name}.partial"))
}

fn write(
    config: &Config,
    parameters: &Parameters,
    tokenizer: &Tokenizer,
    folder: &Path,
) -> Result<(), TrainError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(InterchangeError::io(folder)(error).into());
        }
        _ => {}
    }
    std::fs::create_dir_all(folder).map_err(InterchangeError::io(folder))?;
    logs::output::write_json(&folder.join("config.json"), &model_config(config))?;
    let weights = folder.join("model.safetensors");
    // `transformers` asks for this key.
    let about = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = tensors(config, parameters).encode(about);
    let failed = |error: safetensors::SafeTensorError| {
        LogError::io("write", &weights, std::io::Error::other(error.to_string()))
    };
    logs::output::write(&weights, &bytes.map_err(failed)?)?;
    let json = tokenizer.to_json()?;
    logs::output::write(&folder.join("tokenizer.json"), json.as_bytes())?;
    let about = folder.join("tokenizer_config.json");
    Ok(logs::output::write_json(&about, &tokenizer_config(config))?)
}

fn model_config(config: &Config) -> Value {
    let model = &config.model;
    let eos = SpecialIds::of(config.tokenizer.vocab_size).eos;
    json!({
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": config.tokenizer.vocab_size,
        "n_positions": model.seq_len,
        "n_embd": model.hidden_size,
        "n_layer": model.layers,
        "n_head": model.num_heads,
        "n_inner": model.ffn_hidden_size,
        "activation_function": "gelu",
        "layer_norm_epsilon": model.layer_norm_eps,
        "resid_pdrop": model.dropout,
        "embd_pdrop": model.dropout,
        "attn_pdrop": model.attention_dropout,
        "scale_attn_weights": true,
        "scale_attn_by_inverse_layer_idx": false,
        "tie_word_embeddings": model.tie_embeddings,
        "bos_token_id": eos,
        "eos_token_id": eos,
        "dtype": "float32",
    })
}

/// A document ends with eos and is followed by another, so that eos is what a beginning follows too.
fn tokenizer_config(config: &Config) -> Value {
    let [.., eos, pad] = SPECIAL;
    json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": config.model.seq_len,
        "bos_token": eos,
        "eos_token": eos,
        "pad_token": pad,
        "clean_up_tokenization_spaces": false,
        "split_special_tokens": true,
    })
}

fn tensors(config: &Config, parameters: &Parameters) -> Tensors {
    let mut writer = Writer {
        parameters,
        tensors: Tensors::default(),
    };
    writer.copy("embedding.weight", "transformer.wte.weight");
    writer.copy("position_embedding.weight", "transformer.wpe.weight");
    for layer in 0..config.model.layers {
        for (ours, theirs, is_linear) in MODULES {
            let ours = format!("layers.{layer}.{ours}");
            let theirs = format!("transformer.h.{layer}.{theirs}");
            if is_linear {
                writer.linear(&ours, &theirs);
            } else {
                writer.norm(&ours, &theirs);
            }
        }
    }
    writer.norm("final_norm", "transformer.ln_f");
    writer.copy("head.weight", "lm_head.weight");
    writer.tensors
}

struct Writer<'a> {
    parameters: &'a Parameters,
    tensors: Tensors,
}

impl<'a> Writer<'a> {
    /// Shape and values; none where the model has no such parameter.
    fn find(&self, name: &str) -> Option<(&'a [usize], &'a [f32])> {
        let parameter = &self.parameters.table()[self.parameters.find(name)?];
        let values = &self.parameters.values()[parameter.range.clone()];
        Some((&parameter.shape, values))
    }

    fn push(&mut self, name: String, shape: &[usize], values: impl Iterator<Item = f32>) {
        let bytes = values.flat_map(f32::to_le_bytes).collect();
        self.tensors.push(name, Dtype::F32, shape, bytes);
    }

    /// A tensor as it is, if there is one.
    fn copy(&mut self, ours: &str, theirs: &str) {
        if let Some((shape, values)) = self.find(ours) {
            self.push(theirs.to_owned(), shape, values.iter().copied());
        }
    }

    fn norm(&mut self, ours: &str, theirs: &str) {
        for kind in ["weight", "bias"] {
            self.copy(&format!("{ours}.{kind}"), &format!("{theirs}.{kind}"));
        }
    }

    /// Weight `[out, in]` as `[in, out]`; a bias that the model has not is 0.
    fn linear(&mut self, ours: &str, theirs: &str) {
        let Some((&[outputs, inputs], values)) = self.find(&format!("{ours}.weight")) else {
            return;
        };
        let turned = (0..inputs).flat_map(|i| (0..outputs).map(move |o| values[o * inputs + i]));
        self.push(format!("{theirs}.weight"), &[inputs, outputs], turned);
        let bias = self.find(&format!("{ours}.bias"));
        let bias = bias.map_or_else(|| vec![0.0; outputs], |(_, values)| values.to_vec());
        self.push(format!("{theirs}.bias"), &[outputs], bias.into_iter());
    }
}
