use super::*;
use crate::numerics::loss_scaler::LossScaler;
use experiments_config::{ModelConfig, Position, Samples};

pub(super) fn trained() -> Trained {
    let mut config = Config {
        model: ModelConfig {
            layers: 2,
            hidden_size: 8,
            num_heads: 2,
            ffn_hidden_size: 8,
            ..ModelConfig::default()
        },
        ..Config::default()
    };
    config.tokenizer.vocab_size = 16;
    config.precision.format = experiments_config::Format::Fp16;
    let mut trained = Trained::fresh(&config).unwrap();
    trained.adam.first.fill(0.5);
    trained.adam.second.fill(0.25);
    trained.adam.updates = 50;
    trained.state.step = 50;
    trained.state.position = Position(400);
    trained.state.scaler.scale = 4096.0;
    trained
}

type Fault = dyn Fn(&mut Trained);

/// Puts other numbers in one tensor.
fn other(trained: &mut Trained, name: &str) {
    let place = trained.parameters.find(name).unwrap();
    let range = trained.parameters.table()[place].range.clone();
    trained.parameters.values_mut()[range].fill(0.125);
}

/// Every fault that a restore is known to have made somewhere, each named and alone.
#[test]
fn planted_faults_of_a_restore_are_named() {
    let cases: [(&str, &Fault); 7] = [
        ("Adam's count of updates is 0, expected 50", &|t| {
            t.adam.updates = 0;
        }),
        ("Adam's moments are 0", &|t| {
            t.adam.first.fill(0.0);
            t.adam.second.fill(0.0);
        }),
        ("the loss scale is 65536, expected 4096", &|t| {
            t.state.scaler = LossScaler::new(&experiments_config::LossScaleConfig::default());
        }),
        ("the position in the data is 399, expected 400", &|t| {
            t.state.position = Position(399);
        }),
        ("weights are others: `layers.1.ffn.down.weight`", &|t| {
            other(t, "layers.1.ffn.down.weight");
        }),
        ("Adam's moments are others: `layers", &|t| {
            let last = t.adam.second.len() / 2;
            t.adam.second[last] = 7.0;
        }),
        (
            "the position in the learning rate's schedule is 8, expected 0",
            &|t| {
                t.state.optimizer_samples = Samples(8);
            },
        ),
    ];
    assert_eq!(differences(&trained(), &trained()), [""; 0]);
    for (expected, plant) in cases {
        let mut found = trained();
        plant(&mut found);
        let faults = differences(&trained(), &found);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with(expected), "{faults:?}");
    }
}

#[test]
fn what_differs_first_in_a_step_is_suspected() {
    let suspected = |signals: &[&str]| {
        let signals: Vec<String> = signals.iter().map(|s| (*s).to_owned()).collect();
        suspect(&signals)
    };
    let all = ["data_position", "grad_norm", "loss", "update_norm"];
    assert_eq!(suspected(&all), "the position in the data");
    assert!(suspected(&all[1..]).contains("random stream"));
    assert_eq!(suspected(&["loss_scale"]), "the loss scaler");
    assert!(suspected(&["layer_update_norm[1]", "update_norm"]).contains("Adam"));
    assert!(suspected(&["clip_coefficient", "update_norm"]).contains("clipper"));
}
