use super::{batch, config};
use crate::backend::Device;
use crate::numerics::precision::Precision;
use crate::parameters::Parameters;
use crate::pass::Setting;
use crate::state::Trained;
use crate::trainer::probes::update_law::{record, sign_step};
use experiments_config::{Config, KernelChoice, Norm, Position};
use logs::Record;

fn measured(config: &Config) -> Record {
    let precision = Precision::new(&config.precision, config.model.layers);
    let engine = Device::CPU.engine(config, None).unwrap();
    let setting = Setting {
        config,
        precision: &precision,
        engine: &*engine,
    };
    let trained = Trained::fresh(config).unwrap();
    let fetch = |position| batch(config, position);
    record(&setting, fetch, trained, &batch(config, Position(1000)))
}

fn rms(change: impl Fn(&mut Config)) -> f64 {
    let record = measured(&config(|c| {
        c.optimizer.lr = 1e-5;
        change(c);
    }));
    record.scalar("logit_update_rms").unwrap()
}

/// The law is about the matrices of the sub-layers; a step on anything else would be another law.
#[test]
fn only_matrices_of_layers_move_and_only_where_there_is_a_gradient() {
    let config = config(|c| c.model.norm = Norm::Sandwich);
    let mut parameters = Parameters::initialise(&config.model, 40, 3);
    let before = parameters.clone();
    // Positive, negative, zero, in turn.
    let gradient: Vec<f32> = (0..before.len()).map(|i| [0.3, -2.0, 0.0][i % 3]).collect();
    sign_step(&mut parameters, &gradient, 0.25);
    for p in before.table() {
        let moved = p.layer.is_some() && p.name.ends_with(".weight") && !p.name.contains("norm");
        for i in p.range.clone() {
            let step = if moved {
                [-0.25, 0.25, 0.0][i % 3]
            } else {
                0.0
            };
            let (old, new) = (before.values()[i], parameters.values()[i]);
            assert_eq!(new, old + step, "{}", p.name);
        }
    }
}

#[test]
fn the_change_is_proportional_to_a_small_step_and_the_same_in_both_passes() {
    for norm in Norm::ALL {
        let of = |lr, kernels| {
            rms(|c| {
                c.model.norm = norm;
                c.optimizer.lr = lr;
                c.runtime.kernels = kernels;
            })
        };
        let fused = of(1e-5, KernelChoice::Fused);
        let ratio = of(2e-5, KernelChoice::Fused) / fused;
        assert!((ratio - 2.0).abs() < 0.02, "{norm:?}: {ratio}");
        let ratio = of(1e-5, KernelChoice::Plain) / fused;
        assert!((ratio - 1.0).abs() < 0.02, "{norm:?}: {ratio}");
        assert_eq!(of(0.0, KernelChoice::Fused), 0.0);
    }
}

/// The claim of card E01, as coarsely as a small model shows it.
#[test]
fn depth_lets_the_change_grow_under_post_and_not_under_deepnorm_glm() {
    let growth = |norm| {
        let of = |layers| {
            rms(|c| {
                c.model.norm = norm;
                c.model.layers = layers;
                c.model.hidden_size = 32;
            })
        };
        of(24) / of(6)
    };
    let (post, net, glm) = (
        growth(Norm::Post),
        growth(Norm::Deepnorm),
        growth(Norm::DeepnormGlm),
    );
    eprintln!(
        "growth from 6 to 24 layers: post {post:.2}, deepnorm {net:.2}, deepnorm_glm {glm:.2}"
    );
    assert!(post > 3.0, "{post}");
    assert!((1.4..2.8).contains(&net), "{net}");
    assert!((0.7..1.4).contains(&glm), "{glm}");
}

/// NaN must not look like a small update.
#[test]
fn a_gradient_that_is_no_number_shows() {
    let config = config(|c| c.optimizer.lr = 1e-5);
    let mut parameters = Parameters::initialise(&config.model, 40, 3);
    let gradient = vec![f32::NAN; parameters.len()];
    sign_step(&mut parameters, &gradient, 1e-5);
    let moved = parameters.values().iter().filter(|w| w.is_nan()).count();
    assert!(moved > 0);
}
