//! Whole steps against PyTorch: the same weights, batches and moments in, the same loss, gradients
//! and weights out.
//!
//! `tests/parity/golden/*.safetensors` hold the inputs and what a PyTorch model, written from the
//! mathematics and not from this code, made of them in FP64 (`tests/parity/run.py --golden`).

mod packs;
mod resident;

use super::counters::decide;
use super::counters::pass_over;
use super::gradient::{Accumulated, accumulate, unscale};
use super::update::{Skip, update};
use crate::backend::Device;
use crate::data::Batch;
use crate::data::objective::{Kind, Sample, Segment};
use crate::numerics::precision::{Precision, RangeReport};
use crate::optimizer::adamw::AdamW;
use crate::parameters::{Parameter, Parameters};
use crate::pass::Setting;
use crate::state::{State, Trained};
use experiments_config::{
    Config, Intervention, KernelChoice, Position, Samples, load_preset, resolve,
};
use logs::EventKind;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use std::path::{Path, PathBuf};

/// Golden cases that the fused kernels cover.
const FUSED: usize = 30;

/// A golden file: one case.
struct Golden<'a> {
    tensors: SafeTensors<'a>,
    config: Config,
    step: u64,
    micro_batches: usize,
}

impl<'a> Golden<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
        let metadata = header.metadata().as_ref().unwrap();
        let table = toml::from_str(&metadata["config"]).unwrap();
        Self {
            tensors: SafeTensors::deserialize(bytes).unwrap(),
            config: resolve(table, &[], "golden").unwrap(),
            step: metadata["step"].parse().unwrap(),
            micro_batches: metadata["micro_batches"].parse().unwrap(),
        }
    }

    fn tensor(&self, name: &str) -> TensorView<'_> {
        self.tensors
            .tensor(name)
            .unwrap_or_else(|_| panic!("{name} is missing"))
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        let tensor = self.tensor(name);
        let words = tensor.data().as_chunks::<4>().0;
        words.iter().map(|b| f32::from_le_bytes(*b)).collect()
    }

    fn integers(&self, name: &str) -> Vec<i64> {
        let tensor = self.tensor(name);
        let words = tensor.data().as_chunks::<8>().0;
        words.iter().map(|b| i64::from_le_bytes(*b)).collect()
    }

    fn scalar(&self, name: &str) -> f64 {
        let tensor = self.tensor(name);
        f64::from_le_bytes(tensor.data().as_chunks::<8>().0[0])
    }

    /// All parameters of a group, flat; zeros where the file has none.
    fn group(&self, group: &str, table: &[Parameter]) -> Vec<f32> {
        let mut flat = Vec::new();
        for parameter in table {
            let name = format!("{group}.{}", parameter.name);
            match self.tensors.tensor(&name) {
                Ok(_) => flat.extend(self.floats(&name)),
                Err(_) => flat.extend(vec![0.0; parameter.range.len()]),
            }
        }
        flat
    }

    fn batch(&self, micro: usize) -> Batch {
        let name = |rest: &str| format!("micro.{micro}.{rest}");
        let s = self.config.model.seq_len;
        let ids = |what: &str, row: usize| -> Vec<u32> {
            let all = self.integers(&name(what));
            all[row * s..(row + 1) * s]
                .iter()
                .map(|id| *id as u32)
                .collect()
        };
        let rows = self.integers(&name("tokens")).len() / s;
        let targets = self.integers(&name("targets"));
        let segments = self.integers(&name("segments"));
        let samples = (0..rows).map(|row| Sample {
            kind: Kind::Gmask,
            tokens: ids("tokens", row),
            positions: ids("positions", row),
            block_positions: ids("block_positions", row),
            targets: targets[row * s..(row + 1) * s]
                .iter()
                .map(|id| u32::try_from(*id).ok())
                .collect(),
            segments: segments
                .chunks(4)
                .filter(|segment| segment[0] == row as i64)
                .map(|segment| Segment {
                    start: segment[1] as usize,
                    len: segment[2] as usize,
                    prefix: segment[3] as usize,
                })
                .collect(),
        });
        Batch {
            languages: vec![None; rows],
            samples: samples.collect(),
        }
    }

    /// The run as it stands before the step.
    fn trained(&self) -> Trained {
        let table = Parameter::table(&self.config.model, self.config.tokenizer.vocab_size);
        let mut adam = AdamW::new(table.last().unwrap().range.end);
        adam.first = self.group("optimizer_before.exp_avg", &table).into();
        adam.second = self.group("optimizer_before.exp_avg_sq", &table).into();
        adam.updates = self.step - 1;
        let weights = self.group("weights_before", &table);
        let mut state = State::new(&self.config, table.len());
        state.step = self.step - 1;
        state.optimizer_samples = Samples(state.step * self.config.samples_per_step());
        let mut parameters = Parameters::zeros(table);
        parameters.values_mut().copy_from_slice(&weights);
        Trained {
            parameters,
            adam,
            state,
        }
    }
}

fn norm(values: impl IntoIterator<Item = f32>) -> f64 {
    let squares = values.into_iter().map(|v| f64::from(v).powi(2));
    squares.sum::<f64>().sqrt()
}

/// L2 norm of the difference over that of `theirs`, or over `floor` where that is larger.
fn relative(ours: &[f32], theirs: &[f32], floor: f64) -> f64 {
    let difference = norm(ours.iter().zip(theirs).map(|(a, b)| a - b));
    difference / norm(theirs.iter().copied()).max(floor)
}

impl Golden<'_> {
    fn check_gradients(
        &self,
        case: &str,
        table: &[Parameter],
        sum: &Accumulated,
        global: f64,
        allowed: f64,
    ) {
        for p in table {
            let theirs = self.floats(&format!("torch.gradients.{}", p.name));
            // A key bias has no gradient without a rotation; what is left is rounding.
            let nothing = norm(theirs.iter().copied()) < 1e-7 * global;
            let floor = if nothing { 1e-3 * global } else { 0.0 };
            let error = relative(&sum.flat[p.range.clone()], &theirs, floor);
            assert!(
                error < allowed,
                "{case}: gradient of {}, off by {error}",
                p.name
            );
        }
        if self.config.model.tie_embeddings {
            let own = |path: &str| self.floats(&format!("torch.gradients.embedding.weight.{path}"));
            let paths = sum.paths.as_ref().unwrap();
            let input = relative(&paths.input, &own("input_path"), 0.0);
            let logit = relative(&paths.logit, &own("logit_path"), 0.0);
            assert!(
                input < allowed && logit < allowed,
                "{case}: paths {input} {logit}"
            );
        }
    }

    fn check_moments(&self, case: &str, table: &[Parameter], adam: &AdamW, global: f64) {
        for p in table {
            let moments = [
                ("torch.exp_avg", &adam.first, 1e-7 * global),
                ("torch.exp_avg_sq", &adam.second, (1e-7 * global).powi(2)),
            ];
            for (group, ours, nothing) in moments {
                let name = format!("{group}.{}", p.name);
                // Kept where they have a past; after a first step they are the gradient again.
                if self.tensors.tensor(&name).is_ok() {
                    let theirs = self.floats(&name);
                    let error = relative(&ours[p.range.clone()], &theirs, f64::MIN_POSITIVE);
                    let small = norm(theirs.iter().copied()) < nothing;
                    assert!(small || error < 2e-4, "{case}: {name}, off by {error}");
                }
            }
        }
    }

    /// `moved`: by how much a weight may be elsewhere.
    fn check_weights(&self, case: &str, parameters: &Parameters, global: f64, moved: f64) {
        let table = parameters.table();
        for p in table {
            let gradient = self.floats(&format!("torch.gradients.{}", p.name));
            let theirs = self.floats(&format!("torch.weights_after.{}", p.name));
            // Adam's first step is a sign: it is only compared where the gradient is not near zero.
            let least = 0.01 * norm(gradient.iter().copied()) / (gradient.len() as f64).sqrt();
            let ours = &parameters.values()[p.range.clone()];
            for ((a, b), g) in ours.iter().zip(&theirs).zip(&gradient) {
                let allowed = f64::from(b.abs() * f32::EPSILON) + moved;
                let error = f64::from((a - b).abs());
                let compared = f64::from(g.abs()) > least.max(1e-7 * global);
                assert!(
                    !compared || error <= allowed,
                    "{case}: {} {a} against {b}",
                    p.name
                );
            }
        }
    }
}

/// Compares one case on the engine that is asked for; returns the name of the one that ran.
fn check(path: &Path, device: Device, kernels: KernelChoice) -> &'static str {
    let case = path.file_stem().unwrap().to_string_lossy().into_owned();
    let case = format!("{case}, {}, {kernels:?}", device.key());
    let bytes = std::fs::read(path).unwrap();
    let mut golden = Golden::read(&bytes);
    golden.config.runtime.kernels = kernels;
    let config = &golden.config;
    let mut trained = golden.trained();
    let precision = Precision::new(&config.precision, config.model.layers);
    let engine = device.engine(config, None).unwrap();
    let setting = Setting {
        config,
        precision: &precision,
        engine: &*engine,
    };
    let size = config.batch.micro_batch as u64;
    assert_eq!(golden.micro_batches, config.batch.gradient_accumulation);
    let fetch = |Position(position)| golden.batch((position / size) as usize);
    let sum = accumulate(&setting, fetch, &mut trained, false, None);
    let (sum, norms) = unscale(sum, &setting, &trained.parameters, 1.0, None);

    let loss = sum.losses.all.value().unwrap();
    let error = (loss / golden.scalar("torch.loss") - 1.0).abs();
    assert!(error < 1e-6, "{case}: loss {loss}, off by {error}");
    let global = golden.scalar("torch.grad_norm");
    assert!(
        (norms.global() / global - 1.0).abs() < 1e-5,
        "{case}: gradient norm"
    );

    let table = trained.parameters.table().to_vec();
    // A device has an `exp` and an `erf` of its own. Weights are compared down to gradients of a hundredth of their root mean square,
    // where the error that is allowed to a gradient moves Adam's step by a hundred times as much.
    let (allowed, of_lr) = if device == Device::CPU {
        (1e-4, 1e-3)
    } else {
        (2e-4, 2e-2)
    };
    golden.check_gradients(&case, &table, &sum, global, allowed);
    let lr = config.learning_rate(trained.state.optimizer_samples);
    let made = update(&setting, &mut trained, &sum.flat, &norms, loss, lr);
    assert!(made.is_ok(), "{case}: the update was skipped");
    golden.check_moments(&case, &table, &trained.adam, global);
    golden.check_weights(&case, &trained.parameters, global, of_lr * lr);
    engine.name()
}

/// What the loss scale becomes in a step whose largest gradient was 20 times FP16's largest.
fn scale_after(set: &[&str], skip: Option<Skip>) -> f64 {
    let set: Vec<_> = set.iter().map(|set| set.parse().unwrap()).collect();
    let config = load_preset("t0", &set).unwrap();
    let mut trained = Trained::fresh(&config).unwrap();
    let range = RangeReport {
        first_overflow: Some("head.weight (backward)".to_owned()),
        largest_gradient: 20.0 * 65_504.0,
        ..RangeReport::default()
    };
    let events = decide(&config, &mut trained, skip, 6.0, &range);
    assert_eq!(events[0].kind, EventKind::Overflow);
    let said = events[0].message.contains("skipped");
    assert_eq!(said, skip.is_some(), "{}", events[0].message);
    trained.state.scaler.scale
}

/// A published scaler forgives the first overflow and halves at the second; a scale that falls to the
/// overflow is 2^-5 of what it was; what saturated moves the scale although its update was made.
#[test]
fn the_loss_scale_falls_as_configured() {
    let fp16 = "precision.format=fp16";
    let skip = Some(Skip::Nonfinite);
    let to_overflow = "precision.loss_scale.fall=to_overflow";
    assert_eq!(scale_after(&[fp16], skip), 65_536.0);
    let no_hysteresis = "precision.loss_scale.hysteresis=1";
    assert_eq!(scale_after(&[fp16, no_hysteresis], skip), 32_768.0);
    assert_eq!(scale_after(&[fp16, to_overflow], skip), 2_048.0);
    let saturates = "precision.saturate_gradients=true";
    assert_eq!(
        scale_after(&[fp16, saturates, no_hysteresis], None),
        32_768.0
    );
    assert_eq!(scale_after(&[fp16, saturates, to_overflow], None), 2_048.0);
}

#[test]
fn an_intervention_moves_the_data_and_nothing_else() {
    let mut config = Config::default();
    config.batch.gradient_accumulation = 3;
    config.intervention = vec![Intervention {
        step: 7,
        skip_steps: 5,
    }];
    let mut state = State::new(&config, 1);
    (state.step, state.samples, state.position) = (6, Samples(144), Position(144));
    assert!(
        pass_over(&config, &mut state).is_empty(),
        "not before its step"
    );
    state.step = 7;
    let before = state.clone();
    assert_eq!(pass_over(&config, &mut state).len(), 1);
    // Five steps of three micro-batches of eight sequences.
    assert_eq!(state.position.0, before.position.0 + 5 * 3 * 8);
    state.position = before.position;
    assert_eq!(state, before);
}

fn cases() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/parity/golden");
    let mut cases: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "safetensors"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 25, "only {} golden files", cases.len());
    cases
}

#[test]
fn steps_of_both_engines_agree_with_pytorch() {
    let mut fused = 0;
    for path in cases() {
        assert_eq!(check(&path, Device::CPU, KernelChoice::Plain), "graph");
        fused += usize::from(check(&path, Device::CPU, KernelChoice::Fused) == "fused");
    }
    assert!(fused >= FUSED, "only {fused} cases on the fused kernels");
}

#[cfg(any(feature = "cuda", feature = "vulkan"))]
#[test]
fn steps_on_a_device_agree_with_pytorch() {
    for device in Device::tested() {
        for path in cases() {
            assert_eq!(check(&path, device, KernelChoice::Fused), "graph");
        }
    }
}
