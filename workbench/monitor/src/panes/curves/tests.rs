//! The keys of the curves.

use super::choices::{BandKind, SMOOTHING};
use super::*;
use crate::fixed::{STEPS, fixed};
use crate::pane::Keyed;

fn after(keys: &str) -> Curves {
    let mut shared = Shared::new(Box::new(fixed(2, STEPS)));
    shared.signals = vec!["grad_norm".into(), "lr".into()];
    let mut curves = Curves::default();
    for key in keys.chars() {
        assert!(curves.press(letter(key), &mut shared), "{key}");
    }
    curves
}

#[test]
fn each_key_changes_its_choice() {
    assert!(after("y").is_log("loss") && !after("").is_log("loss"));
    assert!(!after("Y").is_log("grad_norm") && after("").is_log("grad_norm"));
    assert_eq!(after("z").choices.weight(), 0.9);
    assert_eq!(after("z+").choices.weight(), 0.95);
    assert_eq!(
        after("+").choices.weight(),
        SMOOTHING[0],
        "from off it starts weakest"
    );
    assert_eq!(after("+-").choices.weight(), 0.0);
    assert_eq!(after("x").choices.axis, Axis::Samples);
    assert_eq!(after("xxx").choices.axis, Axis::Time);
    assert!(after("X").choices.log_x);
    assert!(!after("g").choices.grouped);
    assert_eq!(after("B").choices.band, BandKind::Interval);
    assert_eq!(after("v").signals(), "loss,lr");
    assert_eq!(after("vv").signals(), "loss,grad_norm");
    assert_eq!(after("nv").signals(), "grad_norm,grad_norm");
    assert_eq!(after("p").signals(), "loss,grad_norm,lr");
    assert_eq!(after("PPP").signals(), "loss");
}

/// What is typed and what is copied are the same lines: from the start they lead to the same view.
#[test]
fn the_lines_of_a_view_lead_to_it_again() {
    let mut shared = Shared::new(Box::new(fixed(2, STEPS)));
    let typed = [
        "signals loss,lr,grad_norm",
        "log loss,x",
        "axis tokens",
        "curves run",
        "band interval",
        "smooth 0.5",
        "zoom 100 2000",
        "cursor 512",
    ];
    let mut curves = Curves::default();
    for line in typed {
        let (name, argument) = crate::command::split(line);
        curves
            .command(name, argument, &mut shared)
            .unwrap()
            .unwrap();
    }
    assert_eq!(curves.lines(&shared), typed);
    assert_eq!(Curves::default().lines(&shared), [""; 0]);
}

#[test]
fn what_cannot_be_done_says_what_can() {
    let mut shared = Shared::new(Box::new(fixed(2, STEPS)));
    let mut curves = Curves::default();
    let mut error = |name: &str, argument: &str| {
        curves
            .command(name, argument, &mut shared)
            .unwrap()
            .unwrap_err()
    };
    assert_eq!(
        error("signals", "grad_nrom"),
        "no signal `grad_nrom`; did you mean `grad_norm`?"
    );
    assert!(error("axis", "tokns").ends_with("did you mean `tokens`?"));
    assert!(error("smooth", "1").contains("0.99, off"));
    assert!(error("zoom", "1").contains("zoom 100 200"));
    assert_eq!(error("cursor", "nan"), "`nan` is no number");
}

#[test]
fn zoom_and_cursor_stay_on_the_axis() {
    let mut choices = CurveChoices::default();
    let whole = (0.0, 100.0);
    choices.zoom_by(0.5, whole);
    assert_eq!(choices.zoom, Some((25.0, 75.0)));
    choices.pan(9.0, whole);
    assert_eq!(choices.zoom, Some((50.0, 100.0)));
    choices.move_cursor(0.1, whole);
    choices.move_cursor(0.1, whole);
    assert_eq!(choices.cursor, Some(80.0));
    choices.zoom_by(0.5, whole);
    assert_eq!(choices.zoom, Some((65.0, 90.0)), "around the cursor");
    for _ in 0..40 {
        choices.zoom_by(0.5, whole);
    }
    assert!(choices.zoom.is_some_and(|(low, high)| high - low >= 0.1));
    choices.zoom_by(1e6, whole);
    assert_eq!(choices.zoom, None, "all of it");
}
