//! Runs of a pack whose arrays lie side by side on a device beside each of them alone on the same device: the same records
//! and the same state, to the last bit.

use super::resident::{engine, fetch, fresh, steps_of};
use crate::data::Batch;
use crate::layers::agreement::config;
use crate::pass::Engine;
use crate::pass::packed::{Pack, PackHandle, Packed};
use crate::state::Trained;
use burn::backend::{Autodiff, Flex};
use experiments_config::{Config, EgsPath, Format, Norm, Position};
use logs::Record;
use std::thread;

/// Runs that differ in all that runs of a pack may differ in between their passes too: rhythm, length, how an update is
/// clipped, when one is skipped, and how many targets they have.
fn runs(format: Format, tie: bool) -> Vec<Config> {
    let mut all = [Norm::Post, Norm::Deepnorm, Norm::DeepnormGlm].map(|norm| {
        let mut config = config(norm, tie);
        config.precision.format = format;
        config.precision.grad_accumulation = format;
        config.optimizer.warmup_samples = 0;
        config.precision.loss_scale.hysteresis = 1;
        config.precision.loss_scale.initial = 1024.0;
        config
    });
    all[0].steps = 4;
    all[0].optimizer.lr = 3e-3;
    all[0].optimizer.clip_grad = 0.1;
    all[1].optimizer.update_clipping = true;
    all[1].batch.gradient_accumulation = 2;
    (all[1].egs.alpha, all[1].egs.path) = (0.1, EgsPath::Both);
    // Overflows in FP16 until the scale has fallen far enough.
    all[2].precision.loss_scale.initial = 2.0_f64.powi(26);
    for (seed, config) in all.iter_mut().enumerate() {
        config.seed = seed as u64;
        config.model.dropout = 0.1;
        config.steps = config.steps.min(7);
    }
    all.into()
}

/// A batch of a run, which has fewer targets than another run's.
fn own_batch(config: &Config, Position(position): Position) -> Batch {
    let mut batch = fetch(Position(position + 5 * config.seed));
    for sample in &mut batch.samples {
        sample.targets[9 - config.seed as usize..].fill(None);
    }
    batch
}

/// All steps of a run; a state that is read in between, as for a checkpoint, goes on as it was.
fn train(config: &Config, engine: &dyn Engine) -> (Vec<Record>, Trained) {
    let mut trained = fresh(config);
    let fetch = |position| own_batch(config, position);
    let mut records = steps_of(config, engine, &mut trained, 2, fetch);
    if config.seed == 1 {
        assert!(trained.adam.second[..].iter().any(|moment| *moment > 0.0));
    }
    let rest = config.steps as usize - 2;
    records.extend(steps_of(config, engine, &mut trained, rest, fetch));
    (records, trained)
}

/// `alone` gives the engine of a run by itself, `packed` that of a run of a pack, whose rounds `serve` does.
fn check(
    what: &str,
    configs: &[Config],
    alone: impl Fn(&Config) -> Box<dyn Engine>,
    packed: impl Fn(&Config, PackHandle) -> Box<dyn Engine> + Sync,
    serve: impl FnOnce(&Pack),
) {
    let (pack, handles) = Pack::new(configs.iter());
    let together: Vec<_> = thread::scope(|scope| {
        let _closing = pack.closing();
        let packed = &packed;
        let runs = configs.iter().zip(handles);
        let threads = runs
            .map(|(config, handle)| scope.spawn(move || train(config, &*packed(config, handle))));
        let threads: Vec<_> = threads.collect();
        serve(&pack);
        threads.into_iter().map(|run| run.join().unwrap()).collect()
    });
    for (config, (records, trained)) in configs.iter().zip(together) {
        let what = format!("{what}, run {}", config.seed);
        let (expected, state) = train(config, &*alone(config));
        for (ours, theirs) in records.iter().zip(&expected) {
            // As text, in which one NaN is as another.
            assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "{what}");
        }
        assert_eq!(records.len(), expected.len(), "{what}");
        assert_eq!(
            trained.parameters.values(),
            state.parameters.values(),
            "{what}"
        );
        assert!(trained.adam == state.adam, "{what}: moments");
        assert_eq!(trained.state.scaler, state.state.scaler, "{what}");
    }
}

/// On the CPU's own backend with its arrays kept as a device keeps them.
#[test]
fn runs_side_by_side_are_as_they_are_alone() {
    for tie in [true, false] {
        let mut configs = runs(Format::Fp32, tie);
        for config in &mut configs {
            // A product of more rows has its sums in another order here.
            config.seed = 0;
        }
        let handed = |_: &Config, handle| -> Box<dyn Engine> {
            Box::new(Packed {
                handle,
                resident: true,
                alone: Box::new(engine(false)),
            })
        };
        let serve = |pack: &Pack| pack.serve::<Autodiff<Flex>>(&engine(true));
        let alone = |_: &Config| -> Box<dyn Engine> { Box::new(engine(true)) };
        check(&format!("tied {tie}"), &configs, alone, handed, serve);
    }
}

/// On every device at hand, in formats that skip updates and count what they lose.
#[cfg(any(feature = "cuda", feature = "vulkan"))]
#[test]
fn devices_train_a_pack_to_the_bits_of_each_run_alone() {
    use crate::backend::Device;
    use crate::trainer::pack::Service;

    for device in Device::tested() {
        for (format, tie) in [
            (Format::Fp32, true),
            (Format::Fp16, true),
            (Format::Bf16, false),
        ] {
            let what = format!("{} {format:?}", device.backend_name());
            let alone = |config: &Config| device.engine(config, None).unwrap();
            let packed = |config: &Config, handle| device.engine(config, Some(handle)).unwrap();
            let serve = |pack: &Pack| {
                let service = Service {
                    pack,
                    backend: device.kernels(),
                    resident: true,
                };
                device.run(service).unwrap();
            };
            check(&what, &runs(format, tie), alone, packed, serve);
        }
    }
}
