//! The rules against published code, and what the trainer relies on.

use super::*;
use proptest::prelude::*;

/// `golden.json`, written by `tests/parity/clipping_traces.py`.
#[derive(Deserialize)]
struct Golden {
    zclip: Vec<Trace<ZClipStep>>,
    adagc: Vec<Trace<AdaGcStep>>,
}

#[derive(Deserialize)]
struct Trace<S> {
    limit: f64,
    steps: Vec<S>,
}

#[derive(Deserialize)]
struct ZClipStep {
    norm: f64,
    coefficient: f64,
    mean: Option<f64>,
    variance: Option<f64>,
}

#[derive(Deserialize)]
struct AdaGcStep {
    norms: Vec<f64>,
    coefficients: Vec<f64>,
    averages: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden.json")).unwrap()
}

fn same(ours: f64, theirs: f64, tolerance: f64) -> bool {
    (ours - theirs).abs() <= tolerance * theirs.abs()
}

fn checkpoint(clipper: &Clipper) -> serde_json::Value {
    serde_json::to_value(clipper).unwrap()
}

fn global(norms: &[f64]) -> f64 {
    norms.iter().map(|n| n * n).sum::<f64>().sqrt()
}

/// A clipper whose warm-up is over, after norms alternating between 0.9 and 1.1 in each tensor.
fn warm(mode: ClipMode, tensors: usize) -> Clipper {
    let mut clipper = Clipper::new(mode, tensors);
    for step in 0..120 {
        let norms = vec![if step % 2 == 0 { 0.9 } else { 1.1 }; tensors];
        clipper.coefficients(0.0, global(&norms), &norms);
    }
    clipper
}

#[test]
fn zclip_follows_the_authors_package() {
    for trace in golden().zclip {
        let mut clipper = Clipper::new(ClipMode::Zclip, 1);
        let mut clipped = 0;
        for (i, step) in trace.steps.iter().enumerate() {
            let ours = clipper.coefficients(trace.limit, step.norm, &[step.norm]);
            // Theirs divides by norm + 1e-6 where it clips.
            let theirs = if step.coefficient < 1.0 {
                clipped += 1;
                step.coefficient * (step.norm + 1e-6) / step.norm
            } else {
                1.0
            };
            assert!(
                same(ours.of(0), theirs, 2e-11),
                "step {i}: {ours:?}, {theirs}"
            );
            let statistics = &checkpoint(&clipper)["statistics"];
            for (name, theirs) in [("mean", step.mean), ("variance", step.variance)] {
                match (statistics[name].as_f64(), theirs) {
                    (None, None) => {}
                    (Some(ours), Some(theirs)) if same(ours, theirs, 2e-11) => {}
                    (ours, theirs) => panic!("step {i}: {name} {ours:?}, {theirs:?}"),
                }
            }
        }
        assert!(clipped >= 3, "the trace clips only {clipped} times");
    }
}

#[test]
fn adagc_follows_an_independent_implementation() {
    for trace in golden().adagc {
        let mut clipper = Clipper::new(ClipMode::Adagc, 3);
        for (i, step) in trace.steps.iter().enumerate() {
            let ours = clipper.coefficients(trace.limit, global(&step.norms), &step.norms);
            for (tensor, theirs) in step.coefficients.iter().enumerate() {
                let ours = ours.of(tensor);
                assert!(
                    same(ours, *theirs, 2e-7),
                    "step {i}, {tensor}: {ours} {theirs}"
                );
            }
            let averages = checkpoint(&clipper);
            for (tensor, theirs) in step.averages.iter().enumerate() {
                let ours = averages["averages"][tensor].as_f64().unwrap();
                assert!(
                    same(ours, *theirs, 2e-7),
                    "step {i}, {tensor}: {ours} {theirs}"
                );
            }
        }
        let mut late = trace.steps[100..].iter();
        assert!(late.any(|s| s.coefficients[1] < 1.0), "nothing to clip");
    }
}

#[test]
fn the_norm_rule_cuts_to_the_limit_and_0_switches_it_off() {
    let mut clipper = Clipper::new(ClipMode::Norm, 2);
    let mut at = |limit, norm| clipper.coefficients(limit, norm, &[norm, 0.0]);
    assert_eq!(at(1.0, 4.0), Clip::Global(0.25));
    assert_eq!(at(1.0, 1.0), Clip::Global(1.0));
    assert_eq!(at(1.0, 0.0), Clip::Global(1.0));
    assert_eq!(at(0.0, 1e9), Clip::Global(1.0));
}

#[test]
fn zclip_cuts_a_worse_outlier_lower() {
    let target = |norm: f64| {
        let clip = warm(ClipMode::Zclip, 1).coefficients(0.0, norm, &[norm]);
        clip.of(0) * norm
    };
    assert_eq!(target(1.2), 1.2);
    assert!(target(2.0) < 1.2);
    assert!(target(20.0) < target(2.0));
    assert!(target(20.0) > 1.0);
}

#[test]
fn the_limit_caps_zclip_during_and_after_warm_up_without_entering_its_statistics() {
    let mut limited = Clipper::new(ClipMode::Zclip, 1);
    let mut free = limited.clone();
    for step in 0..60 {
        let norm = 2.0 + 0.1 * f64::from(step % 3);
        assert_eq!(limited.coefficients(1.0, norm, &[norm]).of(0), 1.0 / norm);
        free.coefficients(0.0, norm, &[norm]);
    }
    assert_eq!(limited, free);
}

#[test]
fn adagc_clips_only_the_tensor_that_stands_out() {
    let mut clipper = warm(ClipMode::Adagc, 3);
    let norms = [0.5, 90.0, 0.5];
    let clip = clipper.coefficients(1.0, global(&norms), &norms);
    assert_eq!((clip.of(0), clip.of(2)), (1.0, 1.0));
    assert!((clip.of(1) * 90.0 - 1.0).abs() < 0.1, "{clip:?}");
    // The signal to plot is what became of the whole norm.
    let after = global(&[0.5, clip.of(1) * 90.0, 0.5]);
    assert!((clip.overall(&norms) - after / global(&norms)).abs() < 1e-12);
    assert_eq!(clip.of(3), 1.0, "a tensor without a norm");
}

#[test]
fn a_tensor_without_gradient_in_warm_up_is_not_frozen_by_adagc() {
    // With an average of 0 every later gradient would be multiplied by 0, for ever.
    let mut clipper = Clipper::new(ClipMode::Adagc, 2);
    for _ in 0..100 {
        clipper.coefficients(1.0, 0.5, &[0.5, 0.0]);
    }
    for norm in [0.0, 0.3, 0.0, 0.3] {
        let clip = clipper.coefficients(1.0, 0.5, &[0.5, norm]);
        assert_eq!(clip, Clip::PerTensor(vec![1.0, 1.0]));
    }
}

#[test]
fn norms_that_are_not_finite_leave_no_trace() {
    for mode in [ClipMode::Norm, ClipMode::Zclip, ClipMode::Adagc] {
        for fresh in [true, false] {
            let mut clipper = if fresh {
                Clipper::new(mode, 2)
            } else {
                warm(mode, 2)
            };
            let before = clipper.clone();
            for (norm, tensors) in [
                (f64::NAN, [1.0, f64::NAN]),
                (f64::INFINITY, [f64::INFINITY, 1.0]),
                (1.0, [f64::NAN, 1.0]),
            ] {
                let clip = clipper.coefficients(1.0, norm, &tensors);
                assert_eq!(clip, Clip::Global(1.0), "{mode:?}");
            }
            assert_eq!(clipper, before, "{mode:?}");
            let after = clipper.coefficients(0.0, 1.0, &[0.7, 0.7]);
            assert!(after.of(0).is_finite());
        }
    }
}

#[test]
fn the_overall_coefficient_of_no_gradient_is_1() {
    assert_eq!(Clip::PerTensor(vec![1.0, 1.0]).overall(&[0.0, 0.0]), 1.0);
    assert_eq!(Clip::Global(0.25).overall(&[3.0]), 0.25);
}

#[test]
fn the_checkpoint_names_the_rule() {
    let state = |mode| serde_json::to_string(&Clipper::new(mode, 2)).unwrap();
    assert_eq!(state(ClipMode::Norm), r#"{"mode":"norm"}"#);
    assert_eq!(
        state(ClipMode::Zclip),
        r#"{"mode":"zclip","warmup":[],"statistics":null}"#
    );
    assert_eq!(
        state(ClipMode::Adagc),
        r#"{"mode":"adagc","steps":0,"averages":[null,null]}"#
    );
}

proptest! {
    /// A killed run that resumes must clip as one that was not, also when it dies in warm-up.
    #[test]
    fn a_resumed_clipper_goes_on_exactly(
        mode in prop_oneof![Just(ClipMode::Norm), Just(ClipMode::Zclip), Just(ClipMode::Adagc)],
        before in prop::collection::vec((0.0..2.0, 0.0..9.0), 0..130),
        after in prop::collection::vec((0.0..2.0, 0.0..9.0), 0..40),
    ) {
        let mut clipper = Clipper::new(mode, 2);
        let step = |clipper: &mut Clipper, (a, b): (f64, f64)| {
            clipper.coefficients(3.0, a.hypot(b), &[a, b])
        };
        for norms in before {
            step(&mut clipper, norms);
        }
        let text = serde_json::to_string(&clipper).unwrap();
        let mut resumed: Clipper = serde_json::from_str(&text).unwrap();
        for norms in after {
            prop_assert_eq!(step(&mut resumed, norms), step(&mut clipper, norms));
            prop_assert_eq!(&resumed, &clipper);
        }
    }

    /// Clipping never enlarges, turns round or breaks a gradient.
    #[test]
    fn coefficients_lie_between_0_and_1(
        mode in prop_oneof![Just(ClipMode::Norm), Just(ClipMode::Zclip), Just(ClipMode::Adagc)],
        limit in prop_oneof![Just(0.0), 0.01..5.0],
        steps in prop::collection::vec((0.0..2.0, 0.0..1e9), 0..130),
    ) {
        let mut clipper = Clipper::new(mode, 2);
        for (a, b) in steps {
            let clip = clipper.coefficients(limit, f64::hypot(a, b), &[a, b]);
            for coefficient in [clip.of(0), clip.of(1), clip.overall(&[a, b])] {
                prop_assert!((0.0..=1.0 + 1e-12).contains(&coefficient), "{clip:?}");
            }
        }
    }
}
