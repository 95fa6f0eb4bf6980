//! What makes a run the run it is: its manifest, and the checks that it goes on as it began.

use super::layouts::RANKS;
use super::text::Text;
use crate::backend::{Device, features};
use crate::data::entropy::unigram_loss;
use crate::error::TrainError;
use crate::files::provenance;
use crate::pass::Engine;
use experiments_config::{Config, load_file};
use logs::{Event, EventKind, Manifest};
use std::path::{Path, PathBuf};

/// A run goes on only with the configuration, text and backend it began with.
pub(super) fn check_same(
    directory: &Path,
    config: &Config,
    text: &Text,
    manifest: &Manifest,
    device: Device,
) -> Result<(), TrainError> {
    check_configuration(directory, config, manifest)?;
    check_hash(directory, "corpus", &manifest.corpus_hash, &text.hash())?;
    check_hash(
        directory,
        "tokenizer",
        &manifest.tokenizer_hash,
        text.corpus.tokenizer_hash(),
    )?;
    if let (Some(began), Some(now)) = (&manifest.weights_hash, weights_hash(config)?) {
        check_hash(directory, "file of initial weights", began, &now)?;
    }
    check_hash(
        directory,
        "backend",
        &manifest.backend,
        device.backend_name(),
    )
}

/// Tokens mean what they meant when the run was trained.
pub(crate) fn check_tokenizer(directory: &Path, text: &Text) -> Result<(), TrainError> {
    match Manifest::load(directory)? {
        Some(manifest) => check_hash(
            directory,
            "tokenizer",
            &manifest.tokenizer_hash,
            text.corpus.tokenizer_hash(),
        ),
        None => Ok(()),
    }
}

/// A directory that holds a run holds one of this configuration: by its manifest, which is returned, or by its
/// `run.toml` where it has not begun.
pub(super) fn check_begun(
    directory: &Path,
    config: &Config,
) -> Result<Option<Manifest>, TrainError> {
    let manifest = Manifest::load(directory)?;
    match &manifest {
        Some(manifest) => check_configuration(directory, config, manifest)?,
        None => check_config_file(directory, config)?,
    }
    Ok(manifest)
}

fn check_config_file(directory: &Path, config: &Config) -> Result<(), TrainError> {
    let file = directory.join(logs::run::CONFIG_FILE);
    match logs::disk::read_text(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Ok(text) if text == config.to_toml() => Ok(()),
        // What a crash or a full disk leaves; comments alone say no more.
        Ok(text) if says_nothing(&text) => Err(TrainError::EmptyConfiguration { path: file }),
        Ok(_) | Err(_) => {
            let own = load_file(&file, &[])?;
            check_hash(directory, "configuration", &own.hash(), &config.hash())
        }
    }
}

/// Whether a TOML file holds blank lines and comments only.
fn says_nothing(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    lines.all(|line| line.is_empty() || line.starts_with('#'))
}

/// Refuses a configuration that is not the one the run in `directory` was begun with, as when `run.toml`
/// was changed since. A run without manifest has not begun.
pub fn check_run(directory: &Path, config: &Config) -> Result<(), TrainError> {
    match Manifest::load(directory)? {
        Some(manifest) => check_configuration(directory, config, &manifest),
        None => Ok(()),
    }
}

fn check_configuration(
    directory: &Path,
    config: &Config,
    manifest: &Manifest,
) -> Result<(), TrainError> {
    check_hash(
        directory,
        "configuration",
        &manifest.config_hash,
        &config.hash(),
    )
}

fn check_hash(
    directory: &Path,
    what: &'static str,
    began: &str,
    now: &str,
) -> Result<(), TrainError> {
    if began == now {
        return Ok(());
    }
    let path = directory.to_owned();
    Err(TrainError::Changed {
        path,
        what,
        began: began.to_owned(),
        now: now.to_owned(),
    })
}

/// What computes the passes of a run, for its manifest and events.
fn entry(engine: &dyn Engine) -> logs::Engine {
    logs::Engine {
        path: engine.name().to_owned(),
        kernels: engine.kernels().to_owned(),
        instruction_set: kernels::instruction_set().to_owned(),
    }
}

/// The event of an attempt that begins, with what computes its passes: a later one may run on another
/// machine, or on other kernels.
pub(super) fn with_engine(event: Event, engine: &dyn Engine) -> Event {
    let replica = engine.replica();
    let engine = entry(engine);
    let event = event
        .with("path", engine.path)
        .with("kernels", engine.kernels)
        .with("instruction_set", engine.instruction_set);
    match replica {
        Some(replica) => event.with(RANKS, replica.ranks().degrees().to_string()),
        None => event,
    }
}

/// What a run begins with that its text does not say.
pub(super) struct Origin<'a> {
    pub(super) config: &'a Config,
    /// Version of the program, its commit and whether the tree was changed.
    pub(super) program: (&'a str, Option<&'a str>, Option<bool>),
    /// Languages the corpus was meant to have and lacks.
    pub(super) missing_languages: &'a [String],
}

/// Provenance of a run that begins now.
pub(super) fn manifest(
    origin: &Origin,
    text: &Text,
    device: Device,
    engine: &dyn Engine,
) -> Result<Manifest, TrainError> {
    let (config, corpus) = (origin.config, &text.corpus);
    let unigram = unigram_loss(config, corpus);
    let (version, commit, dirty) = origin.program;
    Ok(Manifest {
        version: logs::run::FORMAT_VERSION,
        program_version: version.to_owned(),
        git_commit: commit.map(str::to_owned),
        git_dirty: dirty,
        features: features(),
        backend: device.backend_name().to_owned(),
        device: config.runtime.device.to_string(),
        engine: Some(entry(engine)),
        cpu: provenance::cpu(),
        threads: rayon::current_num_threads(),
        host: provenance::host(),
        os: provenance::os(),
        seed: config.seed,
        config_hash: config.hash(),
        corpus_hash: text.hash(),
        tokenizer_hash: corpus.tokenizer_hash().to_owned(),
        languages: corpus.languages().to_vec(),
        missing_languages: origin.missing_languages.to_vec(),
        unigram_entropy: unigram.conditional,
        unigram_entropy_mixture: unigram.mixture,
        parameters: config.model.parameter_count(config.tokenizer.vocab_size),
        steps: config.steps,
        command: logs::run::command_line(),
        weights_hash: weights_hash(config)?,
        parent: None,
        forked_at: None,
        created: Event::now(0, EventKind::Start, "").time,
        imported: None,
    })
}

/// Hash of the weights that training starts from, where they come from a file.
pub(super) fn weights_hash(config: &Config) -> Result<Option<String>, TrainError> {
    let hash = |path: &PathBuf| {
        let bytes = std::fs::read(path).map_err(|error| TrainError::Weights {
            path: path.clone(),
            problem: error.to_string(),
        })?;
        let hash = blake3::hash(&bytes).to_hex().to_string();
        match &config.model.init.weights_blake3 {
            Some(wanted) if *wanted != hash => Err(TrainError::Weights {
                path: path.clone(),
                problem: format!(
                    "its BLAKE3 hash is {hash}, `model.init.weights_blake3` says {wanted}; bring the old file back, or begin anew"
                ),
            }),
            _ => Ok(hash),
        }
    };
    config.model.init.weights.as_ref().map(hash).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_run_toml_is_no_configuration() {
        let name = format!("identity-empty-{}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join(logs::run::CONFIG_FILE);
        for text in ["", "\n", "# all of it was lost\n"] {
            std::fs::write(&file, text).unwrap();
            let config = load_file(&file, &[]).unwrap();
            let error = check_begun(&dir, &config).unwrap_err().to_string();
            assert!(error.contains("run.toml` is empty"), "{error}");
        }
        let config = load_file(&file, &[]).unwrap();
        std::fs::write(&file, config.to_toml()).unwrap();
        check_begun(&dir, &config).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
