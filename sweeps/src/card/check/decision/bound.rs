//! Where the values of a criterion must lie.

use crate::card::Bound;
use crate::card::check::fields::complain;
use crate::card::wire::{BOUNDS, WireCriterion};
use experiments_config::Complaint;

/// The one bound of a criterion. Values are within one; of an interval it is asked whether all of
/// it is, or whether it `contains` a value.
pub(super) fn of(wire: &WireCriterion, section: &str, complaints: &mut Vec<Complaint>) -> Bound {
    let given = [
        wire.equals.map(Bound::Equals),
        wire.at_most.map(Bound::AtMost),
        wire.at_least.map(Bound::AtLeast),
        wire.above.map(Bound::Above),
        wire.below.map(Bound::Below),
        wire.inside.map(Bound::Inside),
        wire.contains.map(Bound::Contains),
    ];
    // An interval of measured values is never a single point.
    let unfit = match wire.test.as_deref() {
        Some("slope") => "equals",
        _ => "contains",
    };
    let fit: Vec<&str> = BOUNDS.into_iter().filter(|key| *key != unfit).collect();
    let fit = fit.join(", ");
    let given: Vec<(&str, Bound)> = BOUNDS
        .into_iter()
        .zip(given)
        .filter_map(|(key, bound)| Some((key, bound?)))
        .collect();
    match given.as_slice() {
        [(key, bound)] => {
            check(key, *bound, &fit, section, complaints);
            *bound
        }
        [] => {
            let message = format!("has no bound; give one of {fit}");
            complain(complaints, section, message, None);
            Bound::Equals(0.0)
        }
        several => {
            let keys: Vec<String> = several.iter().map(|(key, _)| format!("`{key}`")).collect();
            let message = format!("has the bounds {}; keep one", keys.join(" and "));
            complain(complaints, section, message, None);
            Bound::Equals(0.0)
        }
    }
}

fn check(key: &str, bound: Bound, fit: &str, section: &str, complaints: &mut Vec<Complaint>) {
    let place = format!("{section}.{key}");
    let ends = match bound {
        Bound::Equals(value)
        | Bound::AtMost(value)
        | Bound::AtLeast(value)
        | Bound::Above(value)
        | Bound::Below(value)
        | Bound::Contains(value) => [value, value],
        Bound::Inside(ends) => ends,
    };
    if !fit.split(", ").any(|known| known == key) {
        let what = if key == "contains" {
            "values"
        } else {
            "an interval"
        };
        let message = format!("cannot be asked of {what}; give one of {fit}");
        complain(complaints, &place, message, None);
    } else if !ends.iter().all(|end| end.is_finite()) {
        complain(complaints, &place, "must be finite", None);
    } else if ends[0] > ends[1] {
        let message = format!(
            "is [{}, {}]; expected the lower end first",
            ends[0], ends[1]
        );
        complain(complaints, &place, message, None);
    }
}
