//! When the bell rings.

use logs::Record;

use super::*;
use crate::fixed::{Fixed, fixed};

/// A run that asks for a bell at the alarms of `rules`; what is pushed comes with the next look.
fn watched(rules: &[&str]) -> (Shared, impl Fn(u64, f64) + use<>) {
    let source = Fixed {
        bells: rules.iter().map(|rule| (*rule).to_owned()).collect(),
        ..fixed(3, 150)
    };
    let coming = source.coming.clone();
    let push = move |step, loss| {
        let mut record = Record::new(step);
        record.set_named("loss", loss);
        coming.borrow_mut().push((0, record));
    };
    (Shared::new(Box::new(source)), push)
}

fn bell(shared: &mut Shared) -> bool {
    shared.poll().unwrap().bell
}

#[test]
fn a_new_alarm_rings_once() {
    let (mut shared, push) = watched(&["non-finite"]);
    assert!(shared.sightings().count() > 0);
    assert!(!bell(&mut shared), "alarms of before are no news");
    push(151, 3.5);
    assert!(!bell(&mut shared), "a value and no alarm");
    push(152, f64::NAN);
    push(153, f64::NAN);
    assert!(bell(&mut shared));
    push(154, f64::NAN);
    assert!(!bell(&mut shared), "the same thing goes on");
    assert!(!bell(&mut shared));
}

#[test]
fn an_alarm_of_a_rule_that_the_run_did_not_choose_is_quiet() {
    for rules in [&["loss-scale"][..], &[]] {
        let (mut shared, push) = watched(rules);
        push(151, f64::NAN);
        assert!(!bell(&mut shared), "{rules:?}");
        assert!(shared.sightings().any(|(_, row)| row.alarm.step == 151));
    }
}
