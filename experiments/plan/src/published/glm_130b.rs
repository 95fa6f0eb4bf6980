//! GLM-130B: the model, and its batches and learning rate.
//!
//! P: arXiv 2210.02414. R: THUDM/GLM-130B. LS: the pre-training code, `LargeScale`. LOG: R's
//! `logs/main-log-en.md`.

use super::Rows;
use crate::PlanError;
use crate::budget::samples_after;
use crate::glm_130b::preset;
use crate::model::Parameters;
use experiments_config::{Config, ScheduleEntry};

/// Tokens that the released configuration plans for.
const PLANNED_TOKENS: u64 = 450_000_000_000;

/// Whether it has the released batches.
pub(super) fn is_schedule(config: &Config) -> bool {
    preset().is_some_and(|known| config.batch == known.batch && config.schedule == known.schedule)
}

pub(super) fn model(rows: &mut Rows, config: &Config) -> Result<(), PlanError> {
    let all = Parameters::of(config)?;
    let shape = &config.model;
    let total = all.total as f64;
    rows.published(
        ("parameters", ""),
        130e9,
        total,
        "P title",
        "The paper's number is nominal. Ours is exact, with tied embeddings; untied it would be \
         130,547,482,624. The paper states neither tying nor a count.",
    );
    rows.published(
        ("weights in FP16", "GB"),
        260.0,
        2.0 * total / 1e9,
        "R docs",
        "Two bytes of each nominal parameter there.",
    );
    rows.ours(
        ("embedding, V·h", ""),
        all.embedding.total() as f64,
        "derived",
        "",
    );
    rows.ours(("one layer", ""), all.layer().total() as f64, "derived", "");
    let stack = all.layer().total() as f64 * all.layers as f64;
    rows.ours(("all layers", ""), stack, "derived", "");
    rows.ours(
        ("final norm", ""),
        all.final_norm.total() as f64,
        "derived",
        "",
    );
    let h = shape.hidden_size as f64;
    rows.ours(
        ("linear weights, 12h² per layer", ""),
        12.0 * h * h * all.layers as f64,
        "derived",
        "",
    );
    rows.published(
        ("inner width, 8h/3", ""),
        32_768.0,
        8.0 * h / 3.0,
        "R configs, LS configs",
        "",
    );
    rows.published(
        ("head dimension, h/96", ""),
        128.0,
        shape.head_dim() as f64,
        "R configs, P Tab. 11",
        "",
    );
    Ok(())
}

pub(super) fn schedule(rows: &mut Rows, config: &Config) -> Result<(), PlanError> {
    let slots = config.model.seq_len as u64;
    let planned = PLANNED_TOKENS / slots;
    samples(rows, planned);
    let Some(ramp) = config.schedule.first() else {
        return Ok(());
    };
    batch_ramp(rows, config, ramp);
    for (quantity, samples) in [
        ("iterations of the warm-up", config.optimizer.warmup_samples),
        ("planned iterations", planned),
    ] {
        let steps = config.steps_for(samples) as f64;
        rows.ours((quantity, ""), steps, "derived", "");
    }
    tokens(rows, config)
}

/// `planned`: in the whole run.
fn samples(rows: &mut Rows, planned: u64) {
    let samples = |permille: u64| (planned * permille / 1000) as f64;
    rows.published(
        ("samples of 450B tokens", ""),
        219_726_562.0,
        planned as f64,
        "LS configs",
        "",
    );
    rows.published(
        ("warm-up, 0.5 % of the samples", ""),
        1_098_632.0,
        samples(5),
        "LS configs",
        "",
    );
    rows.published(
        ("decay, 90 % of the samples", ""),
        197_753_905.0,
        samples(900),
        "LS configs",
        "",
    );
    rows.published(
        ("batch ramp, 2.5 % of the samples", ""),
        5_493_164.0,
        samples(25),
        "LS configs",
        "",
    );
}

fn batch_ramp(rows: &mut Rows, config: &Config, ramp: &ScheduleEntry) {
    let slots = config.model.seq_len as u64;
    if let (Some(from), Some(to), Some(increment)) = (ramp.from, ramp.to, ramp.increment) {
        let stairs = (to - from) / increment;
        rows.ours(("stairs of the ramp", ""), stairs, "LS microbatches.py", "");
        rows.ours(
            ("samples per stair", ""),
            ramp.length as f64 / stairs,
            "LS microbatches.py",
            "",
        );
    }
    rows.ours(
        ("iterations of the ramp", ""),
        config.steps_for(ramp.length) as f64,
        "derived",
        "",
    );
    rows.ours(
        ("tokens of the ramp", "10⁹"),
        (ramp.length * slots) as f64 / 1e9,
        "derived",
        "",
    );
}

/// Consumed so far, at steps of which the log tells.
fn tokens(rows: &mut Rows, config: &Config) -> Result<(), PlanError> {
    let slots = config.model.seq_len as u64;
    for (step, billions) in [
        (6_000, 26.0),
        (22_800, 171.0),
        (33_740, 266.0),
        (40_800, 326.0),
        (48_100, 390.0),
    ] {
        let tokens = (samples_after(config, step)? * slots) as f64 / 1e9;
        let quantity = format!("tokens at step {}", words::thousands(step));
        rows.published((&quantity, "10⁹"), billions, tokens, "LOG", "");
    }
    let tokens = (samples_after(config, 49_300)? * slots) as f64 / 1e9;
    rows.published(
        ("tokens at step 49,300, the last", "10⁹"),
        400.0,
        tokens,
        "P §2.3, R",
        "The paper rounds; the log says 401.",
    );
    Ok(())
}
