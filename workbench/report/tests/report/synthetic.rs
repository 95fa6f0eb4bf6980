//! Sweep directories made without training: the card of the quickstart's shape, with losses that
//! fall towards a level per arm and noise from a hash, so that every byte is the same each time.

use logs::{Event, EventKind, Manifest, Record, RunWriter, Status, Summary};
use std::path::Path;
use sweeps::card::Arm;
use sweeps::{Card, Plan, Sweep};

/// Unigram entropy of the pretended text, nats per token.
const ENTROPY: f64 = 3.54;

/// A card of two confirmatory arms and one descriptive arm; `hypothesis` is free text.
pub(crate) fn card(hypothesis: &str) -> String {
    format!(
        r#"
name = "stall"
title = "Post-LN stalls at depth where `deepnorm_glm` trains"
hypothesis = '''{hypothesis}'''
kind = "symptom"
base = "t-deep"
seeds = 6

[source]
paper = "arXiv 2203.00555"
where = "§4.3, Fig. 6"
claim = "Post-LN diverges at 24 layers and more; DeepNorm trains."
numbers = {{ depth_layers = 24.0 }}

[fixed]
steps = 150

[axes]
"model.norm" = ["post", "deepnorm_glm", "pre"]

[[arm]]
where = {{ "model.norm" = "pre" }}
seeds = 2
role = "descriptive"

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

/// What happens to a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fate {
    Finish,
    /// Its loss becomes NaN at a step, then it finishes.
    Nan(u64),
    /// Its process ends with an error after a step.
    Fail(u64),
    /// It is left without a summary after a step.
    Vanish(u64),
    Never,
}

/// A card of twenty arms: four numbers of heads, which are head dimensions of 8 to 64, by five learning rates.
fn many_card(seeds: u64, steps: u64) -> String {
    format!(
        r#"
name = "heads-by-rate"
title = "The largest stable learning rate falls with the head dimension"
hypothesis = "Wide heads need a smaller rate."
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

/// Makes the sweep of [`card`] in `dir`; `fate` decides by arm and seed.
pub(crate) fn sweep(dir: &Path, hypothesis: &str, fate: impl Fn(&str, u64) -> Fate) -> Sweep {
    sweep_of(dir, &card(hypothesis), |arm, seed| {
        (fate(&arm.label, seed), Shape::of(&arm.label))
    })
}

/// Makes a sweep of twenty arms in `dir`: runs fail from a rate on that falls with fewer heads, and the losses of those that do not
/// are lowest just below it.
pub(crate) fn many(dir: &Path, seeds: u64, steps: u64) -> Sweep {
    sweep_of(dir, &many_card(seeds, steps), many_run)
}

fn many_run(arm: &Arm, seed: u64) -> (Fate, Shape) {
    let number = |key: &str| sweeps::card::number(&arm.settings[key]).unwrap();
    let (heads, rate) = (number("model.num_heads"), number("optimizer.lr"));
    let wobble = unit(seed * 977 + heads as u64) - 0.5;
    // Decades above the rate that half of the seeds stand.
    let over = rate.log10() - (-2.6 + 0.45 * heads.log2() + 0.5 * wobble);
    let fate = match over {
        over if over > 0.9 => Fate::Nan(20 + seed),
        _ => Fate::Finish,
    };
    let shape = Shape {
        level: if over > 0.0 {
            3.56
        } else {
            3.15 + 0.06 * over * over
        },
        share: 0.1,
        norm: 1.0 + over.max(-0.9),
        skips: false,
    };
    (fate, shape)
}

/// Makes the sweep of a card; `run` says of an arm and a seed what happens to the run and how it looks.
pub(crate) fn sweep_of(dir: &Path, text: &str, run: impl Fn(&Arm, u64) -> (Fate, Shape)) -> Sweep {
    let card = Card::parse(text, "card", dir).unwrap();
    let plan = Plan::expand(&card, &[]).unwrap();
    let command = ["workbench", "sweep", "run", "my cards/stall.toml"].map(str::to_owned);
    let sweep = Sweep::create_or_open(dir, &plan, text, &command).unwrap();
    // The time of registration is the only thing that differs between two such sweeps.
    let mut registration = sweep.registration().clone();
    "2026-01-02T03:04:05Z".clone_into(&mut registration.created);
    logs::run::save_document(&dir.join("sweep.json"), &registration).unwrap();
    let arms = card.arms();
    for planned in sweep.runs() {
        let arm = arms.iter().find(|arm| arm.label == planned.arm).unwrap();
        let (fate, shape) = run(arm, planned.seed);
        let dir = sweep.run_dir(&planned.id);
        train_like(&dir, shape, planned.seed, fate, planned.steps);
        // A run of a sweep is the one that was planned.
        if let Some(mut manifest) = Manifest::load(&dir).unwrap() {
            manifest.config_hash.clone_from(&planned.config_hash);
            manifest.save(&dir).unwrap();
        }
    }
    sweep
}

/// How the curves of a run look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Where the loss ends, nats per token.
    pub(crate) level: f64,
    /// Share of the embedding in the squared gradient norm.
    pub(crate) share: f64,
    /// Where the gradient norm ends.
    pub(crate) norm: f64,
    /// Whether steps are skipped now and then.
    pub(crate) skips: bool,
}

impl Shape {
    /// Of the arms of [`card`].
    fn of(arm: &str) -> Self {
        let (level, share, norm) = match arm {
            "post" => (3.565, 0.02, 0.3),
            "deepnorm_glm" => (3.26, 0.3, 2.0),
            _ => (3.40, 0.12, 1.0),
        };
        Self {
            level,
            share,
            norm,
            skips: arm == "post",
        }
    }
}

/// Pretends to train one run of an arm of [`card`].
pub(crate) fn train(dir: &Path, arm: &str, seed: u64, fate: Fate, steps: u64) {
    train_like(dir, Shape::of(arm), seed, fate, steps);
}

/// Pretends to train one run.
fn train_like(dir: &Path, shape: Shape, seed: u64, fate: Fate, steps: u64) {
    if fate == Fate::Never {
        return;
    }
    let mut writer = RunWriter::open(dir).unwrap();
    manifest(seed, steps).save(dir).unwrap();
    writer
        .event(&Event::now(0, EventKind::Start, "start"))
        .unwrap();
    let last = match fate {
        Fate::Fail(step) | Fate::Vanish(step) => step,
        _ => steps,
    };
    for step in 1..=last {
        let record = record(step, shape, seed, fate);
        if record.skipped() {
            let message = format!(
                "overflow in `layers.3.ffn`, loss scale halved to {}",
                record.scalar("loss_scale").unwrap()
            );
            writer
                .event(&Event::now(step, EventKind::Overflow, message))
                .unwrap();
        }
        writer.step(&record).unwrap();
    }
    let mut summary = Summary::new(Status::Finished, last, 1, 12.5);
    match fate {
        Fate::Vanish(_) => return,
        Fate::Fail(_) => {
            summary.status = Status::Failed;
            summary.message = Some("no space left on `/data`".to_owned());
        }
        _ => {}
    }
    writer.finish(&summary).unwrap();
}

fn record(step: u64, shape: Shape, seed: u64, fate: Fate) -> Record {
    let t = step as f64;
    let noise = |stream: u64| unit(seed * 1_000_003 + step * 97 + stream) - 0.5;
    let Shape {
        level,
        share,
        norm,
        skips,
    } = shape;
    let level = level + 0.03 * (unit(seed * 31 + level.to_bits()) - 0.5);
    let mut loss = level + 2.1 * (-t / 12.0).exp() + 0.2 * noise(1);
    let mut grad_norm = norm * (1.0 + 8.0 * (-t / 9.0).exp()) * (1.2 * noise(2)).exp();
    if matches!(fate, Fate::Nan(from) if step >= from) {
        (loss, grad_norm) = (f64::NAN, f64::INFINITY);
    }
    let skipped = skips && [7, 41, 90].contains(&(step + seed));
    let halvings = [7, 41, 90]
        .iter()
        .filter(|at| skips && step + seed >= **at)
        .count();

    let mut record = Record::new(step);
    record.set_named("loss", loss);
    record.set_named("grad_norm", grad_norm);
    record.set_named("tokens", 64.0 * step as f64);
    record.set_named("embedding_share", share * (1.0 + 0.6 * noise(3)));
    record.set_named("loss_scale", 65_536.0 / f64::from(1 << halvings));
    record.set_named("skipped", f64::from(u8::from(skipped)));
    record.set_named("tokens_per_second", 1300.0 + 40.0 * noise(4));
    if step.is_multiple_of(10) {
        let layers = (0..8).map(|layer| grad_norm * 0.3 * 0.8_f64.powi(7 - layer));
        record.set_layers_named("layer_grad_norm", layers.collect());
    }
    if step.is_multiple_of(50) {
        record.set_named("held_out_loss", level + 2.1 * (-t / 12.0).exp());
    }
    record
}

/// The manifest of a run.
pub(crate) fn manifest(seed: u64, steps: u64) -> Manifest {
    Manifest {
        version: logs::run::FORMAT_VERSION,
        program_version: "0.1.0".to_owned(),
        git_commit: Some("4128698aa".to_owned()),
        git_dirty: Some(false),
        features: Vec::new(),
        backend: "flex".to_owned(),
        device: "cpu".to_owned(),
        engine: None,
        cpu: "Example CPU <2 GHz>".to_owned(),
        threads: 1,
        host: "lab-07".to_owned(),
        os: "linux".to_owned(),
        seed,
        config_hash: format!("c0ffee{seed:02}"),
        corpus_hash: "5eed".repeat(16),
        tokenizer_hash: "70ce".repeat(16),
        languages: vec!["en".to_owned()],
        missing_languages: vec!["zh".to_owned()],
        unigram_entropy: ENTROPY,
        unigram_entropy_mixture: 4.23,
        parameters: 1_234_567,
        steps,
        command: ["workbench", "train", "runs/stall"]
            .map(str::to_owned)
            .to_vec(),
        weights_hash: None,
        parent: None,
        forked_at: None,
        created: "2026-01-02T03:04:05Z".to_owned(),
        imported: None,
    }
}

/// A number in 0..1 from a counter (`SplitMix64`).
fn unit(counter: u64) -> f64 {
    let mut z = counter.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}
