//! A small sweep and plausible runs, for tests.

use crate::{Card, Plan, Sweep};
use logs::run::{FORMAT_VERSION, Manifest};
use logs::{Record, RunWriter, Status, Summary};
use std::path::Path;
use tempfile::TempDir;

/// The text of a card on `t0`: name, kind and number of seeds, and what follows.
macro_rules! card_text {
    ($name:literal, $kind:literal, $seeds:literal, $rest:literal) => {
        concat!(
            "name = \"",
            $name,
            "\"\ntitle = \"Made up\"\nhypothesis = \"What was put in is found.\"\nkind = \"",
            $kind,
            "\"\nbase = \"t0\"\nseeds = ",
            $seeds,
            $rest
        )
    };
}
pub(crate) use card_text;

/// Two arms of four seeds, forty steps.
pub(crate) const CARD: &str = card_text!(
    "small",
    "mechanism",
    4,
    r#"
[fixed]
steps = 40
[axes]
"model.norm" = ["post", "deepnorm_glm"]
[criterion]
treatment = { "model.norm" = "post" }
control = { "model.norm" = "deepnorm_glm" }
direction = "treatment_more"
"#
);

/// Unigram entropy of [`finish`]ed runs, nats.
pub(crate) const ENTROPY: f64 = 3.54;

pub(crate) fn card() -> Card {
    Card::parse(CARD, "card", Path::new(".")).unwrap()
}

/// A new sweep of [`CARD`]; keep the directory alive.
pub(crate) fn sweep() -> (TempDir, Sweep) {
    let directory = tempfile::tempdir().unwrap();
    let plan = Plan::expand(&card(), &[]).unwrap();
    let path = directory.path().join("sweep");
    let sweep = Sweep::create_or_open(&path, &plan, CARD, &["test".to_owned()]).unwrap();
    (directory, sweep)
}

/// Writes one attempt of forty steps that ends with `held_out` loss.
pub(crate) fn finish(directory: &Path, held_out: f64) {
    let mut writer = begin(directory, 39);
    writer.step(&record(40, Some(held_out))).unwrap();
    let attempt = writer.attempt();
    writer
        .finish(&Summary::new(Status::Finished, 40, attempt, 4.0))
        .unwrap();
}

/// Writes `steps` steps of an attempt and leaves it open.
pub(crate) fn begin(directory: &Path, steps: u64) -> RunWriter {
    let mut writer = RunWriter::open(directory).unwrap();
    manifest_of(directory).save(directory).unwrap();
    for step in 1..=steps {
        writer.step(&record(step, None)).unwrap();
    }
    writer
}

fn record(step: u64, held_out: Option<f64>) -> Record {
    let mut record = Record::new(step);
    record.set_named("loss", 3.3);
    record.set_named("grad_norm", 1.0 + step as f64);
    record.set_named("step_seconds", 0.1);
    record.set_named("tokens_per_second", 5120.0);
    record.set_layers_named("layer_grad_norm", vec![0.5; 6]);
    if let Some(held_out) = held_out {
        record.set_named("held_out_loss", held_out);
    }
    record
}

/// The manifest of the run that `run.toml` in the directory plans, where there is one.
pub(crate) fn manifest_of(directory: &Path) -> Manifest {
    let planned = experiments_config::load_file(&directory.join("run.toml"), &[]);
    planned.map_or_else(
        |_| manifest(),
        |config| Manifest {
            config_hash: config.hash(),
            seed: config.seed,
            ..manifest()
        },
    )
}

pub(crate) fn manifest() -> Manifest {
    Manifest {
        version: FORMAT_VERSION,
        program_version: "0.1.0".to_owned(),
        git_commit: None,
        git_dirty: None,
        features: Vec::new(),
        backend: "flex".to_owned(),
        device: "cpu".to_owned(),
        engine: None,
        cpu: "test".to_owned(),
        threads: 1,
        host: "test".to_owned(),
        os: "linux".to_owned(),
        seed: 1,
        config_hash: String::new(),
        corpus_hash: String::new(),
        tokenizer_hash: String::new(),
        languages: vec!["en".to_owned()],
        missing_languages: vec!["zh".to_owned()],
        unigram_entropy: ENTROPY,
        unigram_entropy_mixture: 4.2,
        parameters: 1,
        steps: 40,
        command: Vec::new(),
        weights_hash: None,
        parent: None,
        forked_at: None,
        created: "2025-01-01T00:00:00Z".to_owned(),
        imported: None,
    }
}
