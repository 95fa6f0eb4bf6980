//! Passes of every kind of model on a device and on the CPU.

use super::*;
use crate::layers::agreement::{batch, config, distance, parameters};
use crate::numerics::dropout::Dropout;
use crate::numerics::precision::Precision;
use crate::pass::{Note, Run};
use experiments_config::{Ffn, Norm, PbRelaxMax, Positions};

const FORMATS: [Format; 3] = [Format::Fp32, Format::Fp16, Format::Bf16];

/// Loss and gradients of one pass, scaled as a run of the format would.
fn pass(config: &Config, device: Device) -> (f64, Vec<f32>) {
    let precision = Precision::new(&config.precision, config.model.layers);
    let engine = device.engine(config, None).unwrap();
    let run = Run {
        config,
        precision: &precision,
        parameters: &parameters(config),
        batch: &batch(),
    };
    let quiet = Note {
        probe: false,
        capture: false,
    };
    let pass = engine.train(run, 64.0, Dropout::new(1, 1), quiet);
    let loss = pass.losses.all.value().unwrap();
    (loss, pass.gradients.flat.to_vec())
}

fn hold(device: Device, what: &str, config: &Config) {
    let (found, expected) = (pass(config, device), pass(config, Device::CPU));
    let (name, on_loss, on_gradients) = allowed(config.precision.format);
    let loss = (found.0 / expected.0 - 1.0).abs();
    let gradients = distance(&found.1, &expected.1);
    let what = format!("{what} in {name} on {}", device.key());
    assert!(loss <= on_loss, "{what}: loss apart {loss:e}");
    assert!(
        gradients <= on_gradients,
        "{what}: gradients apart {gradients:e}"
    );
    let bits = |gradients: Vec<f32>| gradients.into_iter().map(f32::to_bits).collect::<Vec<_>>();
    assert_eq!(
        bits(found.1),
        bits(pass(config, device).1),
        "{what}: other bits"
    );
}

/// What a model may have beside its arrangement of norms, and how it changes a configuration.
type Change = (&'static str, fn(&mut Config));

const CHANGES: [Change; 10] = [
    ("untied", |c| c.model.tie_embeddings = false),
    ("QK norm", |c| c.model.qk_norm = true),
    ("embedding norm", |c| c.model.embedding_norm = true),
    ("no bias", |c| c.model.bias = false),
    ("dropout", |c| {
        c.model.dropout = 0.2;
        c.model.attention_dropout = 0.2;
    }),
    ("z-loss", |c| c.objective.z_loss = 0.1),
    ("embedding gradients shrunk", |c| c.egs.alpha = 0.1),
    ("layer scaling", |c| {
        c.precision.query_key_layer_scaling = true;
    }),
    ("PB-Relax", |c| {
        c.precision.pb_relax.attention = PbRelaxMax::Head;
    }),
    ("FP32 head", |c| c.precision.fp32_head = true),
];

/// Every kind of model, by name.
fn models() -> Vec<(String, Config)> {
    let plain = || config(Norm::DeepnormGlm, true);
    let changed = |name: &str, change: &dyn Fn(&mut Config)| {
        let mut config = plain();
        change(&mut config);
        (name.to_owned(), config)
    };
    let mut all: Vec<_> = Norm::ALL
        .map(|norm| (norm.name().to_owned(), config(norm, true)))
        .into();
    all.extend(Positions::ALL.map(|p| changed(p.name(), &|c| c.model.positions = p)));
    all.extend(Ffn::ALL.map(|ffn| changed(ffn.name(), &|c| c.model.ffn = ffn)));
    all.extend(CHANGES.map(|(name, change)| changed(name, &change)));
    all
}

#[test]
fn passes_of_every_model_in_every_format_agree_with_the_cpu_and_repeat_to_the_bit() {
    for device in Device::tested() {
        for (name, mut config) in models() {
            for format in FORMATS {
                config.precision.format = format;
                hold(device, &name, &config);
            }
        }
    }
}
