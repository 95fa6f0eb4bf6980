//! What the original packing loses: 500 tokens of text in 512 slots.

use super::shares::expected;
use super::*;

/// Means of a sub-sample for 512 slots, laid out in `slots` slots.
struct Means {
    used: f64,
    spans: f64,
    targets: f64,
}

fn means(config: &ObjectiveConfig, slots: usize) -> Means {
    let (draws, mut sums) = (5_000, [0; 3]);
    let texts = [text(text_len(Kind::Mask, config, 512))];
    let mut rng = stream(1, "quirk", 0);
    for _ in 0..draws {
        let sample = sample_mask(config, &SPECIAL, &texts, slots, &mut rng);
        let part = &parts(&sample)[0];
        sums[0] += part.used();
        sums[1] += part.pieces().len();
        sums[2] += sample.target_count();
    }
    let [used, spans, targets] = sums.map(|sum| sum as f64 / f64::from(draws));
    println!("{used} of {slots} slots, {spans} spans, {targets} targets");
    Means {
        used,
        spans,
        targets,
    }
}

/// Neither short sub-samples nor such of a single span.
fn plain(packing: Packing) -> ObjectiveConfig {
    ObjectiveConfig {
        packing,
        single_span_prob: 0.0,
        short_seq_prob: 0.0,
        ..default()
    }
}

/// The facts' numbers, §2: 548 slots, 24.2 spans, 64 of 101 targets trained. All but the last are
/// known exactly.
#[test]
fn original_packing_cuts_a_third_of_the_targets() {
    let config = plain(Packing::Original);
    let (whole, cut) = (means(&config, 640), means(&config, 512));
    let (spans, covered) = expected(75);
    assert!((whole.spans - spans).abs() < 0.1 && (spans - 24.2).abs() < 0.1);
    assert!((whole.used - 500.0 - 2.0 * spans).abs() < 0.2 && (whole.used - 548.0).abs() < 1.0);
    assert!((whole.targets - covered - spans).abs() < 0.2 && (whole.targets - 101.0).abs() < 1.0);
    assert!((cut.targets - 64.0).abs() < 1.0);
}

/// With short and single-span sub-samples as they come, the share is the same.
#[test]
fn original_packing_cuts_a_third_over_all_sub_samples() {
    let config = ObjectiveConfig {
        packing: Packing::Original,
        ..default()
    };
    let (whole, cut) = (means(&config, 640), means(&config, 512));
    let share = cut.targets / whole.targets;
    assert!((0.63..0.65).contains(&share), "{share}");
}

/// `fitted` trains on all its targets, fills the window and masks the nominal share.
#[test]
fn fitted_packing_uses_the_window() {
    let config = plain(Packing::Fitted);
    let fitted = means(&config, 512);
    let masked = (fitted.targets - fitted.spans) / text_len(Kind::Mask, &config, 512) as f64;
    assert!(fitted.used > 505.0, "{}", fitted.used);
    assert!((0.145..0.155).contains(&masked), "{masked}");
}
