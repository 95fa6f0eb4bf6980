use super::{batch, config};
use crate::backend::Device;
use crate::numerics::precision::Precision;
use crate::pass::Setting;
use crate::trainer::probes::egs_twin::Twins;
use experiments_config::{
    Config, EgsPath, Format, LossScaleMode, ScheduleEntry, ScheduledKey, Unit,
};
use logs::Record;

/// The last of 20 steps of the cell in which the shrink does nothing, with a change.
fn last(alpha: f64, change: impl Fn(&mut Config)) -> Record {
    let config = config(|c| {
        c.egs.alpha = alpha;
        c.model.tie_embeddings = false;
        c.optimizer.clip_grad = 0.0;
        c.optimizer.eps = 0.0;
        c.optimizer.weight_decay = 0.0;
        change(c);
    });
    let precision = Precision::new(&config.precision, config.model.layers);
    let engine = Device::CPU.engine(&config, None).unwrap();
    let setting = Setting {
        config: &config,
        precision: &precision,
        engine: &*engine,
    };
    let mut twins = Twins::new(&config).unwrap();
    let mut record = Record::default();
    for step in 1..=20 {
        (record, _) = twins.step(&setting, &batch);
        assert_eq!(record.step, step);
    }
    record
}

fn distance(alpha: f64, change: impl Fn(&mut Config)) -> f64 {
    last(alpha, change).scalar("parameter_distance").unwrap()
}

/// The headline of card E03: Adam does not see a constant factor on a tensor's gradient, and powers of two
/// round nothing.
#[test]
fn powers_of_two_change_no_bit() {
    for alpha in [1.0, 0.5, 0.125, 2_f64.powi(-7)] {
        for path in [EgsPath::Input, EgsPath::Logit, EgsPath::Both] {
            let record = last(alpha, |c| c.egs.path = path);
            let value = |name| record.scalar(name).unwrap();
            assert_eq!(value("parameter_distance"), 0.0, "{alpha} {path:?}");
            assert_eq!(value("loss"), value("twin_loss"));
            assert!(value("embedding_update") > 1e-3);
            // Else the squares would leave the normal numbers, and the zero would be luck.
            assert!(value("smallest_gradient") > 4.9e-19);
        }
        // Both paths of tied embeddings are the whole gradient; decay does not look at it.
        let tied = |c: &mut Config| {
            c.model.tie_embeddings = true;
            c.optimizer.weight_decay = 0.1;
        };
        assert_eq!(distance(alpha, tied), 0.0, "{alpha} tied");
    }
}

#[test]
fn other_factors_only_round() {
    let found = distance(0.1, |_| {});
    eprintln!("distance at 0.1 after 20 steps: {found:e}");
    assert!(found > 0.0 && found <= 1e-6, "{found}");
}

/// Every channel through which the shrink acts.
#[test]
fn clipping_epsilon_one_path_formats_and_schedules_break_the_symmetry() {
    type Change = (&'static str, fn(&mut Config));
    let channels: [Change; 6] = [
        ("clip", |c| c.optimizer.clip_grad = 0.1),
        ("eps", |c| c.optimizer.eps = 1e-8),
        ("input path of tied", |c| {
            (c.model.tie_embeddings, c.egs.path) = (true, EgsPath::Input);
        }),
        ("logit path of tied", |c| {
            (c.model.tie_embeddings, c.egs.path) = (true, EgsPath::Logit);
        }),
        // With a loss scale that keeps gradients normal, a power of two is exact in FP16 too.
        ("FP16 subnormals", |c| {
            c.precision.format = Format::Fp16;
            c.precision.loss_scale.mode = LossScaleMode::Static;
            c.precision.loss_scale.initial = 1.0;
        }),
        ("schedule", |c| {
            c.schedule = vec![ScheduleEntry {
                key: ScheduledKey::EgsAlpha,
                unit: Unit::Steps,
                start: 5,
                length: 0,
                from: None,
                to: Some(1.0),
                factor: None,
                increment: None,
            }];
        }),
    ];
    for (what, change) in channels {
        let found = distance(0.125, change);
        eprintln!("{what}: {found:e}");
        assert!(found > 0.0, "{what}");
    }
}

/// Update 0 where both moments are 0, with ε = 0: no NaN, and the embedding stays.
#[test]
fn a_factor_of_zero_freezes_the_embedding() {
    let record = last(0.0, |_| {});
    assert_eq!(record.scalar("embedding_update"), Some(0.0));
    let distance = record.scalar("parameter_distance").unwrap();
    assert!(distance.is_finite() && distance > 1e-3, "{distance}");
    assert!(record.scalar("loss").unwrap().is_finite());
}
