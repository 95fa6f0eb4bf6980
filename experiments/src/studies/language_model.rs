//! A run's model for those who ask it with text: `workbench generate`, `workbench evaluate`, and programs of others.

#[cfg(test)]
mod agreement;

use crate::error::TrainError;
use crate::files::checkpoint::Checkpoints;
use crate::files::interchange::{check_gpt2, export_gpt2};
use crate::files::quantized::{PackedWeights, damaged, read_packed};
use crate::layers::weights::host::Weights;
use crate::numerics::precision::Precision;
use crate::parameters::Parameter;
use crate::pass::incremental::Incremental;
use crate::quantization::PackedMaps;
use crate::trainer::{Text, check_memory, check_tokenizer};
use experiments_config::Config;
use experiments_evaluation::{Layout, Model};
use experiments_text::{Cache, Tokenizer};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which model.
pub struct ModelRequest<'a> {
    /// Run directory; only read.
    pub directory: &'a Path,
    /// Its configuration.
    pub config: &'a Config,
    /// Text and token cache.
    pub cache: &'a Cache,
    /// Of a step; the newest where there is none.
    pub step: Option<u64>,
    /// A file of quantized weights of the run, in place of a checkpoint.
    pub quantized: Option<&'a Path>,
}

/// Which weights it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Weighed {
    /// The checkpoint's step, or the last of those that a quantized file was made of.
    pub step: u64,
    /// The quantized file, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantized: Option<PathBuf>,
    /// Its scheme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// BLAKE3 hash (hex) of the values.
    pub blake3: String,
}

/// A model, and what belongs to it.
pub struct LanguageModel<'a> {
    /// Computes on the CPU, in the format of the run.
    pub model: &'a mut dyn Model,
    /// From text to its tokens and back.
    pub tokenizer: &'a Tokenizer,
    /// How it was shown texts.
    pub layout: Layout,
    /// Which weights it has.
    pub weights: Weighed,
}

/// Does something with a run's model.
///
/// # Errors
/// If the run has no such weights, or its text is not there or another one.
pub fn with_language_model<T>(
    request: &ModelRequest,
    work: impl FnOnce(LanguageModel) -> T,
) -> Result<T, TrainError> {
    let config = request.config;
    check_memory(config)?;
    let (held, weights) = weighed(request)?;
    let text = Text::prepare(config, request.cache)?;
    check_tokenizer(request.directory, &text)?;
    let parameters = &held.parameters;
    let precision = Precision::new(&config.precision, config.model.layers);
    let values = Arc::new(Weights::new(parameters, &config.model, &precision));
    let mut model = Incremental::new(config, &precision, &values, &held.maps);
    Ok(work(LanguageModel {
        model: &mut model,
        tokenizer: text.corpus.tokenizer(),
        layout: Layout::of(config),
        weights,
    }))
}

/// Writes a run's model with its tokenizer into the folder `out`, which must not be there yet, for the class `GPT2LMHeadModel` of
/// `transformers`. Returns the checkpoint's step.
///
/// # Errors
/// If that class computes another function than the model, the run has no such weights, its text is not there or another one, or the
/// folder cannot be written.
pub fn export_transformers(
    directory: &Path,
    config: &Config,
    cache: &Cache,
    step: Option<u64>,
    out: &Path,
) -> Result<u64, TrainError> {
    check_gpt2(config)?;
    logs::output::check(out)?;
    let (step, parameters) = Checkpoints::new(directory, config).weights(config, step)?;
    let text = Text::prepare(config, cache)?;
    check_tokenizer(directory, &text)?;
    export_gpt2(config, &parameters, text.corpus.tokenizer(), out)?;
    Ok(step)
}

/// The weights that are asked for: maps that a file has in codes stay so.
fn weighed(request: &ModelRequest) -> Result<(PackedWeights, Weighed), TrainError> {
    let (held, weights) = match request.quantized {
        None => {
            let all = Checkpoints::new(request.directory, request.config);
            let (step, parameters) = all.weights(request.config, request.step)?;
            let weights = Weighed {
                step,
                quantized: None,
                scheme: None,
                blake3: String::new(),
            };
            let maps = PackedMaps::new();
            (PackedWeights { parameters, maps }, weights)
        }
        Some(path) => quantized(path, request.config)?,
    };
    let blake3 = hash(&held);
    Ok((held, Weighed { blake3, ..weights }))
}

/// Of all values, or of what they depend on.
fn hash(held: &PackedWeights) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(bytemuck::cast_slice(held.parameters.values()));
    for parameter in held.parameters.table() {
        if let Some(map) = held.maps.get(&parameter.name) {
            for bytes in map.bytes() {
                hasher.update(bytes);
            }
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// What a file of quantized weights holds, if it is of a run with this configuration.
fn quantized(path: &Path, config: &Config) -> Result<(PackedWeights, Weighed), TrainError> {
    let table = Parameter::table(&config.model, config.tokenizer.vocab_size);
    let (held, about) = read_packed(path, table)?;
    let told = |key: &str| about.get(key).map(String::as_str).unwrap_or_default();
    let (found, own) = (told("config_hash"), config.hash());
    if found != own {
        let found = match found.get(..16).unwrap_or(found) {
            "" => "does not say which run it is of".to_owned(),
            found => format!("is of a run with the configuration {found}"),
        };
        let problem = format!("{found}, expected {}: quantize this run", &own[..16]);
        return Err(damaged(path, problem));
    }
    let last = told("steps").rsplit(',').next().map(str::parse);
    let Some(Ok(step)) = last else {
        let problem = format!("has the steps `{}`, expected numbers", told("steps"));
        return Err(damaged(path, problem));
    };
    let weights = Weighed {
        step,
        quantized: Some(path.to_owned()),
        scheme: Some(format!("{}-int{}", told("scheme"), told("bits"))),
        blake3: String::new(),
    };
    Ok((held, weights))
}
