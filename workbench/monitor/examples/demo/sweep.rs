//! Sweep directories with made-up runs.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use logs::read::Indexer;
use logs::{Event, EventKind, Manifest, RunWriter, Status, Summary};
use sweeps::{Card, Plan, PlannedRun, Sweep};

use crate::synthetic::{Signals, record};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Makes a sweep of a card in which nothing has begun.
pub(crate) fn create(directory: &Path, text: &str) -> Result<Sweep> {
    let card = Card::parse(text, "demo card", Path::new("."))?;
    let plan = Plan::expand(&card, &[])?;
    Ok(Sweep::create_or_open(
        directory,
        &plan,
        text,
        &["demo".to_owned()],
    )?)
}

/// A card of twenty arms.
pub(crate) fn grid_card(seeds: u64, steps: u64) -> String {
    format!(
        r#"
name = "heads-demo"
title = "More heads need a lower learning rate"
hypothesis = "The largest stable learning rate falls as heads become smaller."
kind = "exploration"
base = "t0"
seeds = {seeds}
[fixed]
steps = {steps}
[axes]
"model.num_heads" = [8, 4, 2, 1]
"optimizer.lr" = [1e-3, 3e-3, 1e-2, 3e-2, 1e-1]
[metric]
name = "held_out_loss"
"#
    )
}

/// A card of three arms.
pub(crate) fn norms_card(seeds: u64, steps: u64) -> String {
    format!(
        r#"
name = "norm-demo"
title = "Post-LN stalls at depth where DeepNorm trains"
hypothesis = "At 24 layers and no warm-up, Post-LN stays at the unigram entropy and DeepNorm does not."
kind = "symptom"
base = "t-deep"
seeds = {seeds}
[source]
paper = "arXiv 2203.00555"
where = "§4.3"
claim = "DeepNorm trains where Post-LN diverges"
[fixed]
steps = {steps}
[axes]
"model.norm" = ["post", "deepnorm_glm", "pre"]
[metric]
name = "held_out_loss"
[criterion]
test = "fisher"
treatment = {{ "model.norm" = "post" }}
control = {{ "model.norm" = "deepnorm_glm" }}
event = ["stuck", "diverged", "nonfinite"]
direction = "treatment_more"
alpha = 0.05
"#
    )
}

/// Which of the made-up curves an arm has: with more heads and a higher learning rate, in an odd seed sooner, it does not train.
fn kind(run: &PlannedRun) -> usize {
    let number = |key: &str| run.settings.get(key).and_then(sweeps::card::number);
    if let (Some(heads), Some(lr)) = (number("model.num_heads"), number("optimizer.lr")) {
        let load = heads.log2() + 2.0 * (lr / 1e-3).log10() + (run.seed % 2) as f64;
        return if load > 5.0 {
            0
        } else {
            1 + usize::from(load > 3.0)
        };
    }
    let norms = ["post", "deepnorm_glm", "pre"];
    norms.iter().position(|norm| run.arm == *norm).unwrap_or(2)
}

/// Writes one run up to `steps`, with a pause after each; a run that is not complete is left as if killed.
pub(crate) fn write(
    sweep: &Sweep,
    run: &PlannedRun,
    steps: u64,
    signals: Signals,
    pause: Duration,
) -> Result<()> {
    if steps == 0 {
        return Ok(());
    }
    let directory = sweep.run_dir(&run.id);
    let mut writer = RunWriter::open(&directory)?;
    let mut index = Indexer::new(&directory);
    manifest(run).save(&directory)?;
    let start = Event::now(0, EventKind::Start, "fresh start, 1 thread");
    let start = match signals {
        Signals::Shown => start,
        // As a run that watches itself.
        Signals::All => logs::alarm::watched_by(start, &["robust-loss"]),
    };
    writer.event(&start)?;
    let mut held_out = None;
    for step in 1..=steps {
        let record = record((kind(run), run.seed), step, run.steps, signals);
        held_out = record
            .scalar("held_out_loss")
            .filter(|loss| loss.is_finite())
            .or(held_out);
        if record.scalar("held_out_loss").is_some() {
            writer.event(&Event::now(
                record.step,
                EventKind::Evaluation,
                "held-out loss on 32 sequences",
            ))?;
        }
        writer.step(&record)?;
        index.recorded();
        std::thread::sleep(pause);
    }
    if steps == run.steps {
        let summary = Summary {
            held_out_loss: held_out,
            ..Summary::new(Status::Finished, steps, writer.attempt(), 42.0)
        };
        writer.event(&Event::now(steps, EventKind::Finish, "all steps done"))?;
        writer.finish(&summary)?;
        index.end();
    }
    Ok(())
}

fn manifest(run: &PlannedRun) -> Manifest {
    Manifest {
        version: 1,
        program_version: "0.1.0".into(),
        git_commit: Some("0123456789abcdef".into()),
        git_dirty: Some(false),
        features: Vec::new(),
        backend: "flex".into(),
        device: "cpu".into(),
        engine: None,
        cpu: "demo".into(),
        threads: 1,
        host: "demo".into(),
        os: "linux".into(),
        seed: run.seed,
        config_hash: run.config_hash.clone(),
        corpus_hash: "none".into(),
        tokenizer_hash: "none".into(),
        languages: vec!["en".into(), "zh".into()],
        missing_languages: Vec::new(),
        unigram_entropy: 3.6,
        unigram_entropy_mixture: 3.9,
        parameters: 1_234_567,
        steps: run.steps,
        command: vec!["demo".into()],
        weights_hash: None,
        parent: None,
        forked_at: None,
        created: "2026-01-01T00:00:00Z".into(),
        imported: None,
    }
}
