//! A run's model for those who ask it with text: `workbench generate`, `workbench evaluate`, and programs of others.

#[cfg(test)]
mod agreement;

use crate::error::TrainError;
use crate::files::checkpoint::Checkpoints;
use crate::files::interchange::{check_gpt2, export_gpt2};
use crate::files::quantized::{damaged, read_quantized};
use crate::layers::weights::host::Weights;
use crate::numerics::precision::Precision;
use crate::parameters::{Parameter, Parameters};
use crate::pass::incremental::Incremental;
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
    let (parameters, weights) = weighed(request)?;
    let text = Text::prepare(config, request.cache)?;
    check_tokenizer(request.directory, &text)?;
    let precision = Precision::new(&config.precision, config.model.layers);
    let values = Arc::new(Weights::new(&parameters, &config.model, &precision));
    let mut model = Incremental::new(config, &precision, &values);
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
pub fn export_transformers(request: &ModelRequest, out: &Path) -> Result<u64, TrainError> {
    let config = request.config;
    check_gpt2(config)?;
    logs::output::check(out)?;
    let (parameters, weights) = weighed(request)?;
    let text = Text::prepare(config, request.cache)?;
    check_tokenizer(request.directory, &text)?;
    export_gpt2(config, &parameters, text.corpus.tokenizer(), out)?;
    Ok(weights.step)
}

fn weighed(request: &ModelRequest) -> Result<(Parameters, Weighed), TrainError> {
    let (parameters, weights) = match request.quantized {
        None => {
            let all = Checkpoints::new(request.directory, request.config);
            let (step, parameters) = all.weights(request.config, request.step)?;
            let weights = Weighed {
                step,
                quantized: None,
                scheme: None,
                blake3: String::new(),
            };
            (parameters, weights)
        }
        Some(path) => quantized(path, request.config)?,
    };
    let bytes: &[u8] = bytemuck::cast_slice(parameters.values());
    let blake3 = blake3::hash(bytes).to_hex().to_string();
    Ok((parameters, Weighed { blake3, ..weights }))
}

/// What a file of quantized weights stands for, if it is of a run with this configuration.
fn quantized(path: &Path, config: &Config) -> Result<(Parameters, Weighed), TrainError> {
    let table = Parameter::table(&config.model, config.tokenizer.vocab_size);
    let mut parameters = Parameters::zeros(table);
    let about = read_quantized(path, &mut parameters)?;
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
    Ok((parameters, weights))
}
