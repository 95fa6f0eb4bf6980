use super::*;
use proptest::prelude::*;

/// A small rule: windows wrap around and spikes end within a few values.
fn small() -> SpikeRule {
    SpikeRule {
        name: "small".to_owned(),
        window: 8,
        sigma: 7.0,
        two_sided: true,
        min_history: 4,
        release_after: 5,
    }
}

/// 3 ± .01, calm by any rule.
fn calm(i: u64) -> f64 {
    3.0 + if i.is_multiple_of(2) { 0.01 } else { -0.01 }
}

fn fed(rule: SpikeRule, n: u64) -> SpikeDetector {
    let mut detector = SpikeDetector::new("loss", rule);
    for i in 0..n {
        assert_eq!(detector.observe(i, calm(i)), None);
    }
    detector
}

#[test]
fn seven_sigma_fires_in_a_window_of_eight_because_the_value_is_outside() {
    // Inside its own window of 8 the largest possible score would be 7/√8 = 2.5.
    let alarm = fed(small(), 8).observe(8, 3.08).unwrap();
    assert_eq!((alarm.step, alarm.kind), (8, AlarmKind::Spike));
    assert!((alarm.score - 8.0).abs() < 1e-9, "{}", alarm.score);
}

#[test]
fn the_threshold_is_where_the_rule_says() {
    let detector = || fed(SpikeRule::olmo2_1000_7(), 1000);
    assert!(detector().observe(0, 3.0 + 0.0701).is_some());
    assert!(detector().observe(0, 3.0 - 0.0701).is_some(), "both signs");
    assert!(detector().observe(0, 3.0 + 0.0699).is_none());
    let detector = || fed(SpikeRule::olmo_core_128_6(), 128);
    assert!(detector().observe(0, 3.0 + 0.0601).is_some());
    assert!(detector().observe(0, 3.0 - 1.0).is_none(), "one-sided");
}

#[test]
fn nothing_is_judged_before_the_history_is_there() {
    assert!(fed(SpikeRule::olmo2_1000_7(), 99).observe(0, 1e9).is_none());
    assert!(
        fed(SpikeRule::olmo2_1000_7(), 100)
            .observe(0, 1e9)
            .is_some()
    );
    assert!(
        fed(SpikeRule::olmo_core_128_6(), 63)
            .observe(0, 1e9)
            .is_none()
    );
    assert!(
        fed(SpikeRule::olmo_core_128_6(), 64)
            .observe(0, 1e9)
            .is_some()
    );
}

#[test]
fn the_window_wraps_around() {
    let mut detector = fed(small(), 100);
    assert_eq!(detector.baseline.len(), 8);
    assert_eq!(
        detector.baseline.iter().copied().collect::<Vec<_>>(),
        (92..100).map(calm).collect::<Vec<_>>()
    );
    assert!(detector.observe(100, 4.0).is_some());
}

#[test]
fn a_constant_is_calm_and_a_step_from_it_is_a_spike_with_a_finite_score() {
    for level in [0.0, 3.0, -1e-30, 1e300] {
        let mut detector = SpikeDetector::new("loss", small());
        for i in 0..20 {
            assert_eq!(detector.observe(i, level), None, "{level}");
        }
        let alarm = detector.observe(20, level + 1.0 + level.abs()).unwrap();
        assert!(alarm.score.is_finite());
    }
    // One unit in the last place of an f32 is no spike.
    let mut detector = SpikeDetector::new("loss", small());
    for i in 0..20 {
        detector.observe(i, 3.0);
    }
    assert_eq!(detector.observe(20, f64::from(3.0f32.next_up())), None);
}

#[test]
fn the_baseline_is_frozen_during_a_spike_and_the_alarm_raised_once() {
    let mut detector = fed(small(), 20);
    let before = detector.baseline.clone();
    assert!(detector.observe(20, 9.0).is_some());
    assert!(detector.observe(21, 8.0).is_none(), "the same spike");
    assert_eq!(detector.spike_len, 2);
    assert_eq!(detector.baseline, before);
    assert!(detector.observe(22, calm(0)).is_none());
    assert_eq!(detector.spike_len, 0);
    assert!(detector.observe(23, 9.0).is_some(), "another spike");
}

#[test]
fn a_spike_that_does_not_end_becomes_the_new_level() {
    let mut detector = fed(small(), 20);
    let raised: Vec<_> = (0..40)
        .filter_map(|i| detector.observe(20 + i, calm(i) + 5.0))
        .collect();
    assert_eq!(raised.len(), 1);
    assert_eq!(detector.spike_len, 0);
    assert!(
        detector.observe(60, 3.0).is_some(),
        "the old level is now the outlier"
    );
}

#[test]
fn nan_enters_no_baseline_and_recovery_meets_the_old_one() {
    let mut detector = fed(small(), 20);
    let before = detector.baseline.clone();
    assert_eq!(detector.observe(20, f64::NAN), None);
    assert_eq!(detector.observe(21, f64::INFINITY), None);
    assert_eq!(detector.baseline, before);
    assert_eq!(detector.observe(22, calm(0)), None);
    assert!(detector.observe(24, 9.0).is_some());
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => 2.9..3.1,
        1 => any::<f64>(),
        1 => Just(f64::NAN),
    ]
}

proptest! {
    #[test]
    fn a_resumed_detector_equals_an_uninterrupted_one(values in prop::collection::vec(value(), 0..80), cut in 0usize..80) {
        let mut straight = SpikeDetector::new("loss", small());
        let mut resumed = SpikeDetector::new("loss", small());
        for (i, &value) in values.iter().enumerate() {
            if i == cut {
                let text = serde_json::to_string(&resumed).unwrap();
                resumed = serde_json::from_str(&text).unwrap();
            }
            let (a, b) = (straight.observe(i as u64, value), resumed.observe(i as u64, value));
            prop_assert_eq!(serde_json::to_string(&a).unwrap(), serde_json::to_string(&b).unwrap());
        }
        prop_assert_eq!(straight, resumed);
    }
}
