//! Checks of single values.

use crate::card::value::Settings;
use experiments_config::{Complaint, is_key, key_hint};
use toml::Value;
use words::{Named, did_you_mean};

/// More runs than this in one card are a slip of the pen.
pub(super) const MAX_RUNS: usize = 10_000;

/// Adds a complaint about a key.
pub(crate) fn complain(
    complaints: &mut Vec<Complaint>,
    key: &str,
    message: impl Into<String>,
    hint: Option<String>,
) {
    complaints.push(Complaint {
        key: key.to_owned(),
        message: message.into(),
        hint,
    });
}

/// Complains where there are more values than a card can have runs.
pub(super) fn are_too_many(values: &[Value], place: &str, complaints: &mut Vec<Complaint>) -> bool {
    let count = values.len();
    if count > MAX_RUNS {
        let message = format!("has {count} values; at most {MAX_RUNS} are accepted");
        complain(complaints, place, message, None);
    }
    count > MAX_RUNS
}

/// Whether a number, or all of a list, are finite. Tables are ranges, which are checked as such.
pub(super) fn is_finite(value: &Value) -> bool {
    match value {
        Value::Float(number) => number.is_finite(),
        Value::Array(items) => items.iter().all(is_finite),
        Value::Table(_)
        | Value::String(_)
        | Value::Integer(_)
        | Value::Boolean(_)
        | Value::Datetime(_) => true,
    }
}

/// The text of a key that must be there; empty when it is not, with a complaint.
pub(super) fn required(
    value: Option<String>,
    key: &str,
    expected: &str,
    complaints: &mut Vec<Complaint>,
) -> String {
    let value = value.unwrap_or_default();
    if value.trim().is_empty() {
        complain(
            complaints,
            key,
            format!("is missing; expected {expected}"),
            None,
        );
    }
    value
}

/// Complains about keys that are no configuration keys or may not be set by a card.
pub(crate) fn check_keys(section: &str, settings: &Settings, complaints: &mut Vec<Complaint>) {
    for (key, value) in settings {
        let place = format!("{section}.\"{key}\"");
        if key == "seed" {
            complain(
                complaints,
                &place,
                "seeds are not set here",
                Some("use the card's `seeds`".to_owned()),
            );
        } else if !is_key(key) {
            complain(
                complaints,
                &place,
                "no such configuration key",
                key_hint(key),
            );
        } else if !is_finite(value) {
            complain(complaints, &place, "must be finite", None);
        }
    }
}

/// Complains about a name that is not kebab-case.
pub(super) fn check_name(name: &str, key: &str, complaints: &mut Vec<Complaint>) {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() {
        return;
    }
    if name.len() > 64 || !name.chars().all(legal) || name.starts_with('-') {
        let near: String = name
            .to_lowercase()
            .chars()
            .map(|c| if legal(c) { c } else { '-' })
            .take(64)
            .collect();
        complain(
            complaints,
            key,
            format!("is `{name}`; expected kebab-case (a-z, 0-9, -), at most 64 characters"),
            Some(format!("for example `{}`", near.trim_matches('-'))),
        );
    }
}

/// A number that must be above 0 where it is given.
pub(super) fn positive(
    value: Option<f64>,
    key: &str,
    complaints: &mut Vec<Complaint>,
) -> Option<f64> {
    if value.is_some_and(|value| !value.is_finite() || value <= 0.0) {
        complain(complaints, key, "must be above 0", None);
    }
    value
}

/// Where a criterion stands in a card that has only one, or several.
pub(super) fn section(only: bool, index: usize) -> String {
    if only {
        "criterion".to_owned()
    } else {
        format!("criterion[{index}]")
    }
}

/// A word out of a few; `default` where it may be left out.
pub(super) fn choose<T: Named>(
    word: Option<String>,
    default: Option<T>,
    key: &str,
    complaints: &mut Vec<Complaint>,
) -> T {
    let names = T::VALUES.iter().map(|value| value.named());
    let expected: Vec<_> = names.clone().map(|name| format!("`{name}`")).collect();
    let expected = format!("expected {}", expected.join(" or "));
    let Some(word) = word else {
        return default.unwrap_or_else(|| {
            complain(complaints, key, format!("is missing; {expected}"), None);
            T::VALUES[0]
        });
    };
    T::find(&word).unwrap_or_else(|| {
        let hint = did_you_mean(&word, names);
        complain(complaints, key, format!("is `{word}`; {expected}"), hint);
        T::VALUES[0]
    })
}

/// Seeds as a list, or as a count: of 1, 2, … for a card, of the first of `all` for an arm.
pub(super) fn seeds(
    value: Option<&Value>,
    all: Option<&[u64]>,
    key: &str,
    complaints: &mut Vec<Complaint>,
) -> Vec<u64> {
    let mut refuse = |message: String| {
        complain(complaints, key, message, None);
        Vec::new()
    };
    match value {
        None => refuse("is missing; expected a list of seeds or their number".to_owned()),
        Some(Value::Integer(count)) => match (usize::try_from(*count), all) {
            (Err(_) | Ok(0), _) => refuse(format!("is {count}; expected at least 1")),
            // A card that was refused for its own seeds needs no second complaint.
            (Ok(_), Some([])) => Vec::new(),
            (Ok(count), Some(all)) if count > all.len() => refuse(format!(
                "is {count}, but the card has only {} seeds",
                all.len()
            )),
            (Ok(count), Some(all)) => all[..count].to_vec(),
            (Ok(count), None) if count > MAX_RUNS => {
                refuse(format!("is {count}; at most {MAX_RUNS}"))
            }
            (Ok(count), None) => (1..=count as u64).collect(),
        },
        Some(Value::Array(items)) if items.len() > MAX_RUNS => {
            refuse(format!("has {} entries; at most {MAX_RUNS}", items.len()))
        }
        Some(Value::Array(items)) => {
            let list: Vec<u64> = items
                .iter()
                .filter_map(|item| u64::try_from(item.as_integer()?).ok())
                .collect();
            let repeated = (1..list.len()).find(|index| list[..*index].contains(&list[*index]));
            if list.len() < items.len() {
                refuse("holds something else than whole numbers from 0".to_owned())
            } else if list.is_empty() {
                refuse("is an empty list".to_owned())
            } else if let Some(index) = repeated {
                refuse(format!("has {} twice", list[index]))
            } else if let Some(seed) = list
                .iter()
                .find(|seed| all.is_some_and(|all| !all.is_empty() && !all.contains(seed)))
            {
                refuse(format!("has {seed}, which is no seed of the card"))
            } else {
                list
            }
        }
        Some(other) => refuse(format!(
            "is a {}; expected a list of seeds or their number",
            other.type_str()
        )),
    }
}
