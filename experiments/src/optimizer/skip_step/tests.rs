//! The detector against OLMo-core's, and where it deliberately differs.

use super::*;
use proptest::prelude::*;

/// `golden.json`, written by `tests/parity/skip_step_traces.py`.
#[derive(Deserialize)]
struct Golden {
    traces: Vec<Trace>,
}

#[derive(Deserialize)]
struct Trace {
    name: String,
    window: usize,
    sigma: f64,
    losses: Vec<f64>,
    grad_norms: Vec<f64>,
    skipped: Vec<usize>,
}

fn config(window: usize, sigma: f64) -> OptimizerConfig {
    OptimizerConfig {
        skip_step_window: window,
        skip_step_sigma: sigma,
        ..OptimizerConfig::default()
    }
}

/// A detector that has seen `steps` values alternating around 1, and its configuration.
fn calm(window: usize, steps: usize) -> (SkipStep, OptimizerConfig) {
    let (mut detector, config) = (SkipStep::default(), config(window, 6.0));
    for step in 0..steps {
        let value = if step % 2 == 0 { 0.9 } else { 1.1 };
        assert!(!detector.observe(&config, value, value));
    }
    (detector, config)
}

#[test]
fn the_same_steps_are_skipped_as_in_olmo_core() {
    let golden: Golden = serde_json::from_str(include_str!("golden.json")).unwrap();
    for trace in golden.traces {
        let config = config(trace.window, trace.sigma);
        let mut detector = SkipStep::default();
        let steps = trace.losses.iter().zip(&trace.grad_norms).enumerate();
        let skipped = steps.filter(|(_, (loss, norm))| detector.observe(&config, **loss, **norm));
        let skipped: Vec<usize> = skipped.map(|(step, _)| step).collect();
        assert_eq!(skipped, trace.skipped, "{}", trace.name);
    }
}

#[test]
fn nothing_is_skipped_before_the_window_is_half_full() {
    let (mut detector, config) = calm(128, 62);
    assert!(!detector.observe(&config, 1e6, 1e6));
    let (mut detector, config) = calm(128, 63);
    assert!(detector.observe(&config, 1e6, 1.0));
}

#[test]
fn either_value_is_enough_and_low_ones_never_count() {
    let (detector, config) = calm(16, 16);
    let skips = |loss, norm| detector.clone().observe(&config, loss, norm);
    assert!(skips(5.0, 1.0));
    assert!(skips(1.0, 5.0));
    assert!(!skips(-5.0, -5.0));
}

#[test]
fn an_outlier_is_judged_before_it_enters_and_leaves_after_a_window() {
    let (mut detector, config) = calm(16, 16);
    assert!(detector.observe(&config, 50.0, 1.0));
    // It widens the deviation while it is in the window ...
    assert!(!detector.clone().observe(&config, 50.0, 1.0));
    for _ in 0..8 {
        detector.observe(&config, 0.9, 0.9);
        detector.observe(&config, 1.1, 1.1);
    }
    // ... and no longer after 16 steps.
    assert_eq!(detector.losses.len(), 16);
    assert!(!detector.losses.contains(&50.0));
    assert!(detector.observe(&config, 50.0, 1.0));
}

#[test]
fn values_that_are_not_finite_skip_and_leave_no_trace() {
    let (mut detector, config) = calm(16, 40);
    let before = detector.clone();
    for (loss, norm) in [
        (f64::NAN, 1.0),
        (1.0, f64::NAN),
        (f64::INFINITY, 1.0),
        (1.0, f64::NEG_INFINITY),
    ] {
        assert!(detector.observe(&config, loss, norm));
    }
    assert_eq!(detector, before);
    assert!(!detector.observe(&config, 1.1, 1.1));
    assert!(SkipStep::default().observe(&config, f64::NAN, 1.0));
}

#[test]
fn switched_off_it_neither_skips_nor_remembers() {
    let config = config(16, 0.0);
    let mut detector = SkipStep::default();
    for loss in [1.0, f64::NAN, 1e9] {
        assert!(!detector.observe(&config, loss, 1.0));
    }
    assert_eq!(detector, SkipStep::default());
}

#[test]
fn a_constant_value_does_not_stand_out_against_itself() {
    // The mean of many 0.1 is not exactly 0.1, and its deviation not exactly 0.
    let config = config(128, 6.0);
    let mut detector = SkipStep::default();
    assert!((0..400).all(|_| !detector.observe(&config, 0.1, 0.3)));
}

#[test]
fn the_smallest_window_works() {
    let config = config(2, 6.0);
    let mut detector = SkipStep::default();
    let mut observe = |loss| detector.observe(&config, loss, 1.0);
    assert_eq!(
        [1.0, 1.1, 1.05, 9.0].map(&mut observe),
        [false, false, false, true]
    );
}

proptest! {
    /// A killed run that resumes must skip the same steps as one that was not.
    #[test]
    fn a_resumed_detector_goes_on_exactly(
        before in prop::collection::vec((0.1..9.0, 0.1..9.0), 0..40),
        after in prop::collection::vec((0.1..9.0, 0.1..9.0), 0..40),
        window in 2_usize..20,
    ) {
        let config = config(window, 1.5);
        let mut detector = SkipStep::default();
        for (loss, norm) in before {
            detector.observe(&config, loss, norm);
        }
        let text = serde_json::to_string(&detector).unwrap();
        let mut resumed: SkipStep = serde_json::from_str(&text).unwrap();
        for (loss, norm) in after {
            prop_assert_eq!(
                resumed.observe(&config, loss, norm),
                detector.observe(&config, loss, norm)
            );
            prop_assert_eq!(&resumed, &detector);
        }
    }
}
