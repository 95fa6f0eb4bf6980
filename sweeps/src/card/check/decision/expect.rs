//! What power is simulated from: the effect that a criterion's author expects.

use crate::card::check::fields::complain;
use crate::card::{Bound, Criterion, Direction, Expect, Test};
use experiments_config::Complaint;

/// Complains about what is missing, is no number that can be, or speaks against the criterion: what
/// is expected must make it hold.
pub(super) fn check(criterion: &Criterion, section: &str, complaints: &mut Vec<Complaint>) {
    let Some(expect) = &criterion.expect else {
        return;
    };
    let before = complaints.len();
    for (key, value) in given(expect) {
        if !value.is_finite() {
            let place = format!("{section}.expect.{key}");
            complain(complaints, &place, "must be finite", None);
        }
    }
    for (key, value) in needed(criterion, expect) {
        let place = format!("{section}.expect.{key}");
        match value {
            None => {
                let test = criterion.test.name();
                let message = format!("is missing; the power of `{test}` depends on it");
                complain(complaints, &place, message, None);
            }
            Some(value) => {
                let range = out_of_range(key, value).filter(|_| value.is_finite());
                if let Some(range) = range {
                    let message = format!("is {value}; expected {range}");
                    complain(complaints, &place, message, None);
                }
            }
        }
    }
    let stated = complaints.len() == before;
    if let Some(against) = against(criterion, expect).filter(|_| stated) {
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

/// The keys that the power of a test depends on.
fn needed(criterion: &Criterion, expect: &Expect) -> Vec<(&'static str, Option<f64>)> {
    match criterion.test {
        Test::Fisher { .. } | Test::Mcnemar { .. } => {
            vec![("treatment", expect.treatment), ("control", expect.control)]
        }
        // Without a difference none is expected: what is to contain a value lies there.
        Test::Tost { .. }
        | Test::Slope {
            bound: Bound::Contains(_),
            ..
        } => vec![
            ("difference", expect.difference.or(Some(0.0))),
            ("sd", expect.sd),
        ],
        Test::Permutation { .. } | Test::Slope { .. } | Test::Jonckheere { .. } => {
            vec![("difference", expect.difference), ("sd", expect.sd)]
        }
        Test::Ld50 { .. } => vec![("ratio", expect.ratio), ("steepness", expect.steepness)],
        Test::Exact { .. } => Vec::new(),
    }
}

fn out_of_range(key: &str, value: f64) -> Option<&'static str> {
    match key {
        "treatment" | "control" if !(0.0..=1.0).contains(&value) => Some("a share from 0 to 1"),
        "sd" | "ratio" | "steepness" if value <= 0.0 => Some("a number above 0"),
        _ => None,
    }
}

/// An expectation with which the criterion cannot hold.
struct Against {
    key: &'static str,
    message: String,
    hint: String,
}

impl Against {
    fn difference(message: String, hint: &str) -> Self {
        Self {
            key: "difference",
            message,
            hint: hint.to_owned(),
        }
    }
}

/// What is said against the criterion, if anything is. All numbers are there and finite.
fn against(criterion: &Criterion, expect: &Expect) -> Option<Against> {
    let difference = expect.difference.unwrap_or(0.0);
    match &criterion.test {
        Test::Fisher { direction, .. } | Test::Mcnemar { direction, .. } => {
            shares(*direction, expect.treatment?, expect.control?)
        }
        Test::Permutation {
            direction, margin, ..
        } => mean(*direction, *margin, difference),
        Test::Tost { margin, .. } => equivalence(*margin, difference),
        Test::Jonckheere { direction, .. } => step(*direction, difference),
        Test::Slope { bound, .. } => slope(*bound, difference),
        Test::Ld50 { direction, .. } => ratio(*direction, expect.ratio?),
        Test::Exact { .. } => None,
    }
}

/// Says that a value must lie on the other side of `bound`, which `name` names; `None` where it lies
/// on the right one.
fn wrong_way(direction: Direction, value: f64, bound: f64, name: &str) -> Option<String> {
    let (right, way) = if direction.is_up() {
        (value > bound, "above")
    } else {
        (value < bound, "below")
    };
    let word = direction.word();
    (!right).then(|| {
        format!(
            "is {value}, against the criterion's direction: with `{word}` it must be {way} {name}"
        )
    })
}

fn shares(direction: Direction, treatment: f64, control: f64) -> Option<Against> {
    let name = format!("`control` = {control}");
    Some(Against {
        key: "treatment",
        message: wrong_way(direction, treatment, control, &name)?,
        hint: "turn `direction` round, or exchange the two".to_owned(),
    })
}

fn mean(direction: Direction, margin: f64, difference: f64) -> Option<Against> {
    if let Some(message) = wrong_way(direction, difference, 0.0, "0") {
        let hint = "it is treatment − control; turn `direction` or the sign round";
        return Some(Against::difference(message, hint));
    }
    (difference.abs() <= margin).then(|| {
        let message = format!("is {difference}, within the `margin` of {margin} it must exceed");
        Against::difference(message, "expect more, or lower `margin`")
    })
}

fn equivalence(margin: f64, difference: f64) -> Option<Against> {
    (difference.abs() >= margin).then(|| {
        let message = format!("is {difference}, not within the `margin` of {margin}");
        Against::difference(message, "expect less, or raise `margin`")
    })
}

/// Of a falling trend the step may be given as a size or with its sign.
fn step(direction: Direction, difference: f64) -> Option<Against> {
    let size = if direction.is_up() {
        difference
    } else {
        difference.abs()
    };
    (size <= 0.0).then(|| {
        let word = direction.word();
        let message = format!(
            "is {difference}, against the criterion's direction: with `{word}` groups must differ, \
             and that way"
        );
        Against::difference(message, "turn `direction` or the sign round")
    })
}

fn slope(bound: Bound, distance: f64) -> Option<Against> {
    let room = match bound {
        Bound::Inside([low, high]) => (high - low) / 2.0,
        Bound::Contains(value) => return contained(value, distance),
        Bound::Equals(_)
        | Bound::AtMost(_)
        | Bound::AtLeast(_)
        | Bound::Above(_)
        | Bound::Below(_) => f64::INFINITY,
    };
    let message = if distance < 0.0 {
        format!("is {distance}: the slope expected lies outside the bound, {bound}")
    } else if distance > room * (1.0 + 1e-9) {
        format!("is {distance}, farther from the nearest end than the middle of the bound, {bound}")
    } else {
        return None;
    };
    let hint = "it is the distance to the nearest end of the bound, on its inner side";
    Some(Against::difference(message, hint))
}

/// More seeds make an interval narrower: it is sure to leave out a value that is not the slope.
fn contained(value: f64, distance: f64) -> Option<Against> {
    (distance != 0.0).then(|| {
        let message = format!(
            "is {distance}: a slope of {} is not what the interval must contain, {value}",
            value + distance
        );
        Against::difference(
            message,
            "leave it out, or expect another value with `contains`",
        )
    })
}

fn ratio(direction: Direction, ratio: f64) -> Option<Against> {
    Some(Against {
        key: "ratio",
        message: wrong_way(direction, ratio, 1.0, "1")?,
        hint: "it is treatment over control; turn `direction` round, or give 1 over it".to_owned(),
    })
}
