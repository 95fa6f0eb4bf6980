//! The choices beside GLM-130B's own, and the devices that must not change the mathematics.

use super::*;
use crate::layers::attention::graph::scores::Scores;
use experiments_config::PbRelaxMax;

fn variant(change: impl Fn(&mut Config)) -> Config {
    let mut config = config(Norm::DeepnormGlm, true);
    change(&mut config);
    config
}

#[test]
fn gradients_of_every_variant_agree_with_a_directional_difference() {
    for (what, change) in VARIANTS {
        check_gradients(&variant(change), what);
    }
}

#[test]
fn what_keeps_scores_small_does_not_change_the_mathematics() {
    let plain = variant(|_| {});
    let parameters = parameters(&plain);
    let expected = train(&plain, &parameters, 1.0);
    let devices: [Change; 5] = [
        ("layer scaling", |c| {
            c.precision.query_key_layer_scaling = true;
        }),
        ("row", |c| c.precision.pb_relax.attention = PbRelaxMax::Row),
        ("head", |c| {
            c.precision.pb_relax.attention = PbRelaxMax::Head;
        }),
        ("abs max", |c| {
            c.precision.pb_relax.attention = PbRelaxMax::AbsMax;
        }),
        ("norm", |c| c.precision.pb_relax.norm = true),
    ];
    for (what, change) in devices {
        let pass = train(&variant(change), &parameters, 1.0);
        let loss = |pass: &TrainPass| pass.losses.all.value().unwrap();
        let difference = (loss(&pass) / loss(&expected) - 1.0).abs();
        // The norm's ε weighs differently on a divided input.
        let tolerance = if what == "norm" { 1e-4 } else { 1e-6 };
        assert!(difference < tolerance, "{what}: {difference}");
        let logit = |pass: &TrainPass| {
            let (_, logits) = pass.tap.readings.as_ref().unwrap().layers().next().unwrap();
            logits[1]
        };
        let logits = (logit(&pass), logit(&expected));
        assert!(
            (logits.0 / logits.1 - 1.0).abs() < 1e-3,
            "{what}: {logits:?}"
        );
    }
}

/// Probabilities of one head with two dimensions whose scores are `size · q kᵀ`, in FP16.
fn probabilities(attention: PbRelaxMax, q: [f32; 2], k: [f32; 2]) -> Vec<f32> {
    let config = variant(|c| {
        c.model.seq_len = 2;
        c.precision.format = Format::Fp16;
        c.precision.pb_relax.attention = attention;
    });
    let precision = Precision::new(&config.precision, 2);
    let sample = Sample {
        kind: Kind::Gmask,
        tokens: vec![0; 2],
        positions: vec![0, 1],
        block_positions: vec![0; 2],
        targets: vec![None; 2],
        segments: vec![Segment {
            start: 0,
            len: 2,
            prefix: 2,
        }],
    };
    let batch = Batch {
        samples: vec![sample],
        languages: vec![None],
    };
    let device = Default::default();
    let input = Input::<Flex>::new(&batch, &Default::default(), &config.model, None, &device);
    let heads = |x: [f32; 2]| {
        let values = vec![x[0], 0.0, 0.0, 0.0, x[1], 0.0, 0.0, 0.0];
        Tensor::<Flex, 4>::from_data(TensorData::new(values, [1, 1, 2, 4]), &device)
    };
    let mut context = Context::plain(&config, &precision);
    let scores = Scores::new(0, &context);
    let stored = scores.product(heads(q), heads(k), &context);
    let p = scores.probabilities(stored, &input, &mut context);
    p.into_data().to_vec().unwrap()
}

/// The trap of the original (`stability-science` C): in FP16 a row far below the maximum that is
/// subtracted becomes -inf as a whole.
#[test]
fn only_the_row_maximum_is_safe_for_rows_far_below_the_others() {
    // Scores are q·k/2. One row near +48,000, the other near -48,000.
    let (q, k) = ([320.0, -320.0], [300.0, 299.0]);
    let nan = |p: &[f32]| p.iter().any(|v| v.is_nan());
    assert!(!nan(&probabilities(PbRelaxMax::Row, q, k)));
    assert!(nan(&probabilities(PbRelaxMax::Head, q, k)));
    assert!(nan(&probabilities(PbRelaxMax::AbsMax, q, k)));
    // All scores near -48,000: the largest is near too, the largest absolute value is not.
    let (q, k) = ([-320.0, -320.0], [300.0, 299.0]);
    assert!(!nan(&probabilities(PbRelaxMax::Head, q, k)));
    assert!(nan(&probabilities(PbRelaxMax::AbsMax, q, k)));
}
