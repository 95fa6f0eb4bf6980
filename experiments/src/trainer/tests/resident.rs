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

pub(super) fn engine(resident: bool) -> Graph<Autodiff<Flex>> {
    Graph::new(Default::default(), "flex".to_owned(), resident)
}

pub(super) fn fresh(config: &Config) -> Trained {
    Trained::new(config, Parameters::initialise(&config.model, VOCAB, 5))
}

/// Another batch at every position.
pub(super) fn fetch(Position(position): Position) -> Batch {
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
    steps_of(config, engine, trained, steps, fetch)
}

/// Of other batches.
pub(super) fn steps_of(
    config: &Config,
    engine: &dyn Engine,
    trained: &mut Trained,
    steps: usize,
    fetch: impl Fn(Position) -> Batch,
) -> Vec<Record> {
    let precision = Precision::new(&config.precision, config.model.layers);
    let setting = Setting {
        config,
        precision: &precision,
        engine,
    };
    let step = |_| {
        let taken = take(&setting, &fetch, trained, true, None);
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
    check_reading_and_writing(&config(Norm::Post, true), &engine(true));
}

fn check_reading_and_writing(config: &Config, engine: &dyn Engine) {
    let [mut read, mut left] = [fresh(config), fresh(config)];
    steps(config, engine, &mut read, 3);
    steps(config, engine, &mut left, 3);
    let mut loaded = fresh(config);
    loaded.state = read.state.clone();
    let weights = loaded.parameters.values_mut();
    weights.copy_from_slice(read.parameters.values());
    loaded.adam.first.copy_from_slice(&read.adam.first);
    loaded.adam.second.copy_from_slice(&read.adam.second);
    loaded.adam.updates = read.adam.updates;
    let expected = steps(config, engine, &mut left, 3);
    for mut trained in [read, loaded] {
        assert_eq!(steps(config, engine, &mut trained, 3), expected);
        assert_eq!(trained.parameters.values(), left.parameters.values());
        assert!(trained.adam == left.adam);
    }
}

/// A batch of a model's own size, of random tokens; another at every position.
#[cfg(any(feature = "cuda", feature = "vulkan"))]
fn random_batch(config: &Config, position: Position) -> Batch {
    use crate::data::objective::{Kind, Sample, Segment};
    use rand::RngExt;

    let (s, vocab) = (config.model.seq_len, config.tokenizer.vocab_size as u32);
    let mut draws = crate::random::stream(9, "random batch", position.0);
    let sample = |row: usize| {
        let prefix = s / 4 + row;
        Sample {
            kind: Kind::Gmask,
            tokens: (0..s).map(|_| draws.random_range(0..vocab)).collect(),
            positions: (0..s as u32).collect(),
            block_positions: vec![0; s],
            // A rule that can be learnt: the target is the token's remainder.
            targets: (0..s)
                .map(|i| (i >= prefix).then_some(i as u32 % 7))
                .collect(),
            segments: vec![Segment {
                start: 0,
                len: s,
                prefix,
            }],
        }
    };
    let samples: Vec<_> = (0..config.batch.micro_batch).map(sample).collect();
    Batch {
        languages: vec![None; samples.len()],
        samples,
    }
}

/// A model of a configuration's own size.
#[cfg(any(feature = "cuda", feature = "vulkan"))]
fn fresh_of(config: &Config) -> Trained {
    let vocab = config.tokenizer.vocab_size;
    let parameters = Parameters::initialise(&config.model, vocab, config.seed);
    Trained::new(config, parameters)
}

/// Steps of the smallest preset on every device at hand, beside the CPU; `tests/device.rs` takes twenty of them.
#[cfg(any(feature = "cuda", feature = "vulkan"))]
#[test]
fn devices_train_as_the_cpu_does_and_move_little() {
    use crate::backend::Device;
    use experiments_config::load_preset;

    let run = |config: &Config, device: Device| {
        let engine = device.engine(config, None).unwrap();
        let mut trained = fresh_of(config);
        let fetch = |position| random_batch(config, position);
        let first = steps_of(config, &*engine, &mut trained, 3, fetch);
        let _ = bus::take();
        let last = steps_of(config, &*engine, &mut trained, 1, fetch);
        ([first, last].concat(), bus::take())
    };
    for device in Device::tested() {
        for (format, allowed) in [("fp32", 1e-5), ("fp16", 2e-3), ("bf16", 2e-2)] {
            let set = [
                format!("precision.format={format}"),
                "optimizer.warmup_samples=0".to_owned(),
                "model.dropout=0.1".to_owned(),
                "model.attention_dropout=0.1".to_owned(),
            ];
            let set: Vec<_> = set.iter().map(|set| set.parse().unwrap()).collect();
            let config = load_preset("t0", &set).unwrap();
            let (ours, moved) = run(&config, device);
            let (theirs, _) = run(&config, Device::CPU);
            let what = format!("{} {format}", device.backend_name());
            for (ours, theirs) in ours.iter().zip(&theirs) {
                let loss = |record: &Record| record.scalar("loss").unwrap();
                let error = (loss(ours) / loss(theirs) - 1.0).abs();
                assert!(error <= allowed, "{what} {}: {error}", ours.step);
                let names = |record: &Record| {
                    let scalars = record.scalars.keys().cloned().collect::<Vec<_>>();
                    (scalars, record.layers.keys().cloned().collect::<Vec<_>>())
                };
                assert_eq!(names(ours), names(theirs), "{what}");
            }
            let tokens = 4 * config.tokens_per_step();
            println!("{what}: {moved:?}, {tokens} bytes of tokens");
            assert!(
                moved.up + moved.down <= tokens + (64 << 10),
                "{what}: {moved:?}"
            );
        }
    }
}

/// Everything on a device, bit for bit, twice and with a state that was read and loaded in between.
#[cfg(any(feature = "cuda", feature = "vulkan"))]
#[test]
fn devices_repeat_themselves_to_the_last_bit() {
    for device in crate::backend::Device::tested() {
        for format in [Format::Fp32, Format::Fp16] {
            let mut config = config(Norm::DeepnormGlm, true);
            config.precision.format = format;
            config.batch.gradient_accumulation = 2;
            config.model.dropout = 0.1;
            let engine = device.engine(&config, None).unwrap();
            check_reading_and_writing(&config, &*engine);
        }
    }
}

/// What every point of a trained model's pass loses, beside what it loses on the CPU.
#[cfg(any(feature = "cuda", feature = "vulkan"))]
#[test]
fn devices_count_at_every_point_what_the_cpu_counts() {
    use crate::backend::Device;
    use crate::numerics::dropout::Dropout;
    use crate::pass::{Note, Run};
    use experiments_config::load_preset;
    use kernels::RangeCount;

    let set = ["precision.format=fp16".parse().unwrap()];
    let config = load_preset("t0", &set).unwrap();
    let cpu = Device::CPU.engine(&config, None).unwrap();
    let mut trained = fresh_of(&config);
    steps_of(&config, &*cpu, &mut trained, 11, |at| {
        random_batch(&config, at)
    });
    let precision = Precision::new(&config.precision, config.model.layers);
    let batch = random_batch(&config, trained.state.position);
    let lost = |engine: &dyn Engine| {
        let run = Run {
            config: &config,
            precision: &precision,
            parameters: &trained.parameters,
            batch: &batch,
        };
        let note = Note {
            probe: false,
            capture: false,
        };
        let scale = trained.state.scaler.scale;
        engine.train(run, scale, Dropout::new(1, 1), note);
        precision.take_lost()
    };
    let expected = lost(&*cpu);
    for device in Device::tested() {
        let found = lost(&*device.engine(&config, None).unwrap());
        let mut both = 0;
        for ((name, ours), (_, theirs)) in found.iter().zip(&expected) {
            let passes = [
                (ours.forward, theirs.forward),
                (ours.backward, theirs.backward),
            ];
            for (ours, theirs) in passes {
                let of = |count: RangeCount| count.overflow + count.underflow;
                if of(ours) + of(theirs) > 0 {
                    println!("{name}: {} for {}", of(ours), of(theirs));
                }
                both += of(theirs);
                // What lies on the edge may fall to either side: sums have another order.
                let apart = of(ours).abs_diff(of(theirs));
                assert!(apart <= 2, "{name}: {ours:?}, not {theirs:?}");
            }
        }
        assert!(both > 0, "nothing is lost");
    }
}

/// Tables of positions are sent once: a step of long sequences sends little beside its tokens. How wide the model is does not
/// change that, and a narrow one takes a tenth of the time.
#[cfg(any(feature = "cuda", feature = "vulkan"))]
#[test]
fn long_sequences_move_little_too() {
    use crate::backend::Device;
    use experiments_config::load_preset;

    for device in Device::tested() {
        for (positions, sequences) in [("rope_2d", 2), ("alibi", 2), ("rope_2d", 8)] {
            let set = [
                "model.seq_len=1024",
                "model.layers=1",
                "model.hidden_size=16",
                "model.num_heads=1",
                "model.ffn_hidden_size=16",
                "tokenizer.vocab_size=300",
                "batch.gradient_accumulation=1",
            ];
            let mut set: Vec<_> = set.iter().map(|set| set.parse().unwrap()).collect();
            set.push(format!("model.positions={positions}").parse().unwrap());
            set.push(format!("batch.micro_batch={sequences}").parse().unwrap());
            let config = load_preset("t0", &set).unwrap();
            let engine = device.engine(&config, None).unwrap();
            let mut trained = fresh_of(&config);
            let fetch = |at| random_batch(&config, at);
            steps_of(&config, &*engine, &mut trained, 1, fetch);
            let _ = bus::take();
            steps_of(&config, &*engine, &mut trained, 1, fetch);
            let moved = bus::take();
            let tokens = 4 * config.tokens_per_step();
            let what = format!("{} {positions} {sequences}", device.backend_name());
            println!("{what}: {moved:?}, {tokens} bytes of tokens");
            assert!(
                moved.up + moved.down <= tokens + (64 << 10),
                "{what}: {moved:?}"
            );
        }
    }
}

/// However many micro-batches and paths into the embeddings there are: once before it decides, once for what it did.
#[test]
fn a_step_waits_twice() {
    for (tie, accumulation, format) in [
        (true, 1, Format::Fp32),
        (true, 3, Format::Fp16),
        (false, 2, Format::Bf16),
    ] {
        let mut config = config(Norm::Post, tie);
        config.batch.gradient_accumulation = accumulation;
        config.precision.format = format;
        config.precision.grad_accumulation = format;
        config.precision.loss_scale.initial = 1.0;
        let (engine, mut trained) = (engine(true), fresh(&config));
        let _ = bus::take();
        steps(&config, &engine, &mut trained, 1);
        assert_eq!(bus::take().reads, 2, "{tie} {accumulation} {format:?}");
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
        let _ = bus::take();
        steps(&config, &engine, &mut trained, 1);
        bus::take()
    };
    let (small, large) = (moved(24), moved(2400));
    assert_eq!(small, large);
}
