//! That what a criterion's author expects can be, and makes it hold.

use crate::card::check::fields::complain;
use crate::criterion::{Criterion, Expect};
use experiments_config::Complaint;

/// Complains about what is missing, is no number that can be, or speaks against the criterion: what
/// is expected must make it hold.
pub(super) fn check(criterion: &Criterion, section: &str, complaints: &mut Vec<Complaint>) {
    let Some(expect) = &criterion.expect else {
        return;
    };
    let (test, before) = (criterion.test(), complaints.len());
    for (key, value) in given(expect) {
        if !value.is_finite() {
            let place = format!("{section}.expect.{key}");
            complain(complaints, &place, "must be finite", None);
        }
    }
    for needed in test.needed(expect) {
        let place = format!("{section}.expect.{}", needed.key);
        let Some(value) = needed.value else {
            let name = criterion.test.name();
            let message = format!("is missing; the power of `{name}` depends on it");
            complain(complaints, &place, message, None);
            continue;
        };
        if let Some(range) = needed.expected_instead() {
            let message = format!("is {value}; expected {range}");
            complain(complaints, &place, message, None);
        }
    }
    let stated = complaints.len() == before;
    if let Some(against) = stated.then(|| test.against(expect)).flatten() {
        let place = format!("{section}.expect.{}", against.key);
        complain(complaints, &place, against.message, Some(against.hint));
    }
}

/// All numbers of it, needed or not: it is registered as a whole.
fn given(expect: &Expect) -> impl Iterator<Item = (&'static str, f64)> {
    let all = [
        ("treatment", expect.treatment),
        ("control", expect.control),
        ("difference", expect.difference),
        ("sd", expect.sd),
        ("ratio", expect.ratio),
        ("steepness", expect.steepness),
    ];
    all.into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
}
