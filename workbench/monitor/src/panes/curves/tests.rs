//! The keys of the curves.

use super::choices::SMOOTHING;
use super::*;
use crate::fixed::{STEPS, fixed};
use crate::pane::Keyed;
use crate::shared::Axis;

fn after(keys: &str) -> Curves {
    let mut shared = Shared::new(Box::new(fixed(2, STEPS)));
    shared.signals = vec!["grad_norm".into(), "lr".into()];
    let mut curves = Curves::default();
    curves.signal.clone_from(&shared.signals[0]);
    for key in keys.chars() {
        assert!(curves.press(letter(key), &mut shared), "{key}");
    }
    curves
}

#[test]
fn each_key_changes_its_choice() {
    assert!(after("y").choices.log[0]);
    assert!(!after("Y").choices.log[1]);
    assert_eq!(after("z").choices.weight(), 0.9);
    assert_eq!(after("z+").choices.weight(), 0.95);
    assert_eq!(
        after("+").choices.weight(),
        SMOOTHING[0],
        "from off it starts weakest"
    );
    assert_eq!(after("+-").choices.weight(), 0.0);
    assert_eq!(after("x").choices.axis, Axis::Tokens);
    assert_eq!(after("xx").choices.axis, Axis::Time);
    assert!(!after("g").choices.grouped);
    assert_eq!(after("v").signal, "lr");
    assert_eq!(after("vv").signal, "grad_norm");
    assert_eq!(after("V").signal, "lr");
}
