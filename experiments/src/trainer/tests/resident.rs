//! Training whose arrays stay on a device beside training whose arrays are on the host, on one backend: what differs is
//! where they are, and the order of sums.

use crate::data::Batch;
use crate::layers::agreement::{VOCAB, batch, config};
use crate::numerics::precision::Precision;
use crate::parameters::Parameters;
use crate::pass::graph::Graph;
use crate::pass::{Engine, Setting};
use crate::state::Trained;
use crate::trainer::next::take;
use burn::backend::{Autodiff, Flex};
use experiments_config::{ClipMode, Config, Format, Norm, Position};
use kernels::bus;
use logs::Record;

const STEPS: usize = 20;

fn engine(resident: bool) -> Graph<Autodiff<Flex>> {
    Graph::new(Default::default(), "flex", resident)
}

fn fresh(config: &Config) -> Trained {
    Trained::new(config, Parameters::initialise(&config.model, VOCAB, 5))
}

/// Another batch at every position.
fn fetch(Position(position): Position) -> Batch {
    let mut batch = batch();
    for sample in &mut batch.samples {
        for token in &mut sample.tokens {
            *token = (*token + position as u32) % 39;
        }
    }
    batch
}

/// Takes steps, and records them.
fn steps(config: &Config, engine: &dyn Engine, trained: &mut Trained, steps: usize) -> Vec<Record> {
    let precision = Precision::new(&config.precision, config.model.layers);
    let setting = Setting {
        config,
        precision: &precision,
        engine,
    };
    let step = |_| {
        let taken = take(&setting, fetch, trained, true, None);
        taken.record(
            config,
            trained,
            true,
            config.precision.format != Format::Fp32,
        )
    };
    (0..steps).map(step).collect()
}

fn assert_close(what: &str, ours: f64, theirs: f64, allowed: f64) {
    let same = ours == theirs || (ours.is_nan() && theirs.is_nan());
    let near = (ours - theirs).abs() <= allowed * theirs.abs().max(1e-6);
    assert!(same || near, "{what}: {ours} against {theirs}");
}

fn compare(what: &str, config: &Config, allowed: f64) {
    let [mut away, mut home] = [fresh(config), fresh(config)];
    let ours = steps(config, &engine(true), &mut away, STEPS);
    let theirs = steps(config, &engine(false), &mut home, STEPS);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let step = theirs.step;
        assert_eq!(ours.scalars.len(), theirs.scalars.len(), "{what} {step}");
        for (name, theirs) in &theirs.scalars {
            let what = format!("{what} {step} {name}");
            assert_close(&what, ours.scalar(name).unwrap(), *theirs, allowed);
        }
        assert_eq!(ours.layers.len(), theirs.layers.len(), "{what} {step}");
        for (name, theirs) in &theirs.layers {
            for (ours, theirs) in ours.layers[name].iter().zip(theirs) {
                assert_close(&format!("{what} {step} {name}"), *ours, *theirs, allowed);
            }
        }
    }
    assert_eq!(away.state.scaler, home.state.scaler, "{what}");
}

/// Every signal of every step, whatever decides how the gradient becomes an update.
#[test]
fn a_run_on_the_device_records_what_one_on_the_host_records() {
    type Change = (&'static str, fn(&mut Config));
    let changes: [Change; 6] = [
        ("plain", |_| {}),
        ("accumulation", |c| c.batch.gradient_accumulation = 3),
        ("update clipping", |c| c.optimizer.update_clipping = true),
        ("zclip", |c| c.optimizer.clip_mode = ClipMode::Zclip),
        ("adagc", |c| c.optimizer.clip_mode = ClipMode::Adagc),
        ("skip", |c| c.optimizer.skip_step_sigma = 1.0),
    ];
    for (what, change) in changes {
        for tie in [true, false] {
            let mut config = config(Norm::DeepnormGlm, tie);
            config.optimizer.lr = 1e-3;
            change(&mut config);
            compare(&format!("{what}, tied {tie}"), &config, 1e-4);
        }
    }
}

/// Rounded weights, activations, gradients and sums of gradients, with all losses of range.
#[test]
fn formats_of_16_bits_round_and_count_alike() {
    for (format, fp32_head) in [
        (Format::Fp16, false),
        (Format::Fp16, true),
        (Format::Bf16, false),
    ] {
        for tie in [true, false] {
            let mut config = config(Norm::Pre, tie);
            config.precision.format = format;
            config.precision.grad_accumulation = format;
            config.precision.fp32_head = fp32_head;
            config.batch.gradient_accumulation = 2;
            // Overflows, until the scale has fallen far enough.
            config.precision.loss_scale.initial = 2.0_f64.powi(24);
            config.precision.loss_scale.hysteresis = 1;
            compare(&format!("{format:?} {fp32_head} {tie}"), &config, 2e-3);
        }
    }
}

/// A state that was read, as a checkpoint reads it, and one that never was, go on alike, and so does one that was
/// written to.
#[test]
fn reading_and_writing_between_steps_changes_nothing() {
    let config = config(Norm::Post, true);
    let engine = engine(true);
    let [mut read, mut left] = [fresh(&config), fresh(&config)];
    steps(&config, &engine, &mut read, 3);
    steps(&config, &engine, &mut left, 3);
    let mut loaded = fresh(&config);
    loaded.state = read.state.clone();
    let weights = loaded.parameters.values_mut();
    weights.copy_from_slice(read.parameters.values());
    loaded.adam.first.copy_from_slice(&read.adam.first);
    loaded.adam.second.copy_from_slice(&read.adam.second);
    loaded.adam.updates = read.adam.updates;
    let expected = steps(&config, &engine, &mut left, 3);
    for mut trained in [read, loaded] {
        assert_eq!(steps(&config, &engine, &mut trained, 3), expected);
        assert_eq!(trained.parameters.values(), left.parameters.values());
        assert!(trained.adam == left.adam);
    }
}

/// What a step sends and reads does not grow with the model.
#[test]
fn weights_and_gradients_do_not_cross_the_bus() {
    let moved = |width: usize| {
        let mut config = config(Norm::Post, true);
        config.model.ffn_hidden_size = width;
        let (engine, mut trained) = (engine(true), fresh(&config));
        steps(&config, &engine, &mut trained, 2);
        bus::take();
        steps(&config, &engine, &mut trained, 1);
        bus::take()
    };
    let (small, large) = (moved(24), moved(2400));
    assert_eq!(small, large);
}
