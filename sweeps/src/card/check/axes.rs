//! Axes: lists, ranges, and axes that move together.

use super::check_keys;
use crate::card::Settings;
use crate::card::check::fields::complain;
use crate::card::value::{flatten_with, label, same};
use experiments_config::Complaint;
use std::collections::BTreeMap;
use toml::{Table, Value};

type Axes = BTreeMap<String, Vec<Value>>;

/// The axes that are crossed.
pub(super) fn grid(
    table: &Table,
    zips: &[Table],
    fixed: &Settings,
    complaints: &mut Vec<Complaint>,
) -> Axes {
    if table.is_empty() && zips.is_empty() {
        let hint = "for example `\"model.norm\" = [\"post\", \"deepnorm_glm\"]`".to_owned();
        complain(
            complaints,
            "axes",
            "at least one axis is needed",
            Some(hint),
        );
    }
    read("axes", table, fixed, complaints)
}

/// The axes that move together.
pub(super) fn zips(
    tables: &[Table],
    fixed: &Settings,
    grid: &Axes,
    complaints: &mut Vec<Complaint>,
) -> Vec<Axes> {
    let mut zips: Vec<Axes> = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let section = format!("zip[{index}]");
        let zip = read(&section, table, fixed, complaints);
        // An axis without values has its complaint.
        let lengths: Vec<usize> = zip.values().map(Vec::len).filter(|n| *n > 0).collect();
        if lengths.windows(2).any(|pair| pair[0] != pair[1]) {
            let counts: Vec<String> = zip
                .iter()
                .map(|(key, values)| format!("`{key}` has {}", values.len()))
                .collect();
            let message = format!("lists must be equally long: {}", counts.join(", "));
            complain(complaints, &section, message, None);
        }
        if zip.len() < 2 {
            let message = "needs at least two axes that move together";
            complain(complaints, &section, message, None);
        }
        for key in zip.keys() {
            if grid.contains_key(key) || zips.iter().any(|other| other.contains_key(key)) {
                let place = format!("{section}.\"{key}\"");
                complain(complaints, &place, "is an axis already", None);
            }
        }
        zips.push(zip);
    }
    zips
}

/// The axes of one table; `fixed` may have none of their keys.
pub(super) fn read(
    section: &str,
    table: &Table,
    fixed: &Settings,
    complaints: &mut Vec<Complaint>,
) -> Axes {
    let settings = flatten_with(table, &is_range);
    check_keys(section, &settings, complaints);
    let mut axes = BTreeMap::new();
    for (key, value) in settings {
        let place = format!("{section}.\"{key}\"");
        if fixed.contains_key(&key) {
            complain(
                complaints,
                &place,
                "is in `[fixed]` as well; keep one of the two",
                None,
            );
        }
        if key.starts_with("runtime.") {
            let message = "does not change what is trained, so it cannot be an axis";
            complain(complaints, &place, message, None);
        }
        let values = match value {
            Value::Array(values) => values,
            Value::Table(table) => range(&table, &place, complaints),
            value => {
                let hint = format!("write `[{value}]`, or move it to `[fixed]`");
                complain(complaints, &place, "expected a list of values", Some(hint));
                axes.insert(key, Vec::new());
                continue;
            }
        };
        check_values(&values, &place, section, complaints);
        axes.insert(key, values);
    }
    axes
}

fn check_values(values: &[Value], place: &str, section: &str, complaints: &mut Vec<Complaint>) {
    if values.is_empty() && complaints.iter().all(|complaint| complaint.key != place) {
        complain(complaints, place, "is an empty list", None);
    }
    for (index, value) in values.iter().enumerate() {
        // Axes that move together may repeat a value beside different others.
        let repeated = values[..index].iter().any(|earlier| same(earlier, value));
        if repeated && !section.starts_with("zip") {
            let message = format!("has `{}` twice", label(value));
            complain(complaints, place, message, None);
        }
        if matches!(
            value,
            Value::Array(_) | Value::Table(_) | Value::Datetime(_)
        ) {
            let message = "values of an axis are words, numbers, true or false";
            complain(complaints, place, message, None);
        }
    }
}

const RANGE: [&str; 4] = ["from", "to", "points", "scale"];

fn is_range(table: &Table) -> bool {
    table.contains_key("from") || table.contains_key("to") || table.contains_key("points")
}

/// `{ from = 1e-4, to = 1e-2, points = 5, scale = "log" }`: evenly spaced values, ends included;
/// those between are rounded to four significant digits, so that they can be written down.
fn range(table: &Table, place: &str, complaints: &mut Vec<Complaint>) -> Vec<Value> {
    let number = |key: &str| match table.get(key) {
        Some(Value::Float(number)) => Some(*number),
        Some(Value::Integer(number)) => Some(*number as f64),
        _ => None,
    };
    let points = table
        .get("points")
        .and_then(Value::as_integer)
        .and_then(|points| usize::try_from(points).ok())
        .filter(|points| (2..=1000).contains(points));
    let logarithmic = match table.get("scale").map(|scale| scale.as_str()) {
        Some(Some("log")) => Some(true),
        None | Some(Some("linear")) => Some(false),
        Some(_) => None,
    };
    let unknown = table.keys().find(|key| !RANGE.contains(&key.as_str()));
    let (Some(from), Some(to), Some(points), Some(logarithmic), None) =
        (number("from"), number("to"), points, logarithmic, unknown)
    else {
        let message = "is no range; expected `{ from = 1e-4, to = 1e-2, points = 5, scale = \"log\" }` with 2 to 1000 points and a scale that is `log` or `linear`";
        complain(complaints, place, message, None);
        return Vec::new();
    };
    if !(from.is_finite() && to.is_finite() && from < to) {
        let message = format!("has `from` = {from}, which is not below `to` = {to}");
        complain(complaints, place, message, None);
        return Vec::new();
    }
    if logarithmic && from <= 0.0 {
        let message = format!("has `from` = {from}; a scale of `log` needs it above 0");
        complain(complaints, place, message, None);
        return Vec::new();
    }
    let whole = [from, to].iter().all(|end| end.fract() == 0.0)
        && matches!(table.get("from"), Some(Value::Integer(_)));
    let at = |index: usize| {
        let share = index as f64 / (points - 1) as f64;
        if logarithmic {
            from * (to / from).powf(share)
        } else {
            from + share * (to - from)
        }
    };
    (0..points)
        .map(|index| match index {
            0 => from,
            index if index == points - 1 => to,
            index => rounded(at(index)),
        })
        .map(|value| {
            if whole {
                Value::Integer(value.round() as i64)
            } else {
                Value::Float(value)
            }
        })
        .collect()
}

/// Four significant digits.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> (Vec<Value>, Vec<Complaint>) {
        let table: Table = toml::from_str(&format!("\"optimizer.lr\" = {text}")).unwrap();
        let mut complaints = Vec::new();
        let axes = read("axes", &table, &Settings::new(), &mut complaints);
        (axes.into_values().next().unwrap_or_default(), complaints)
    }

    #[test]
    fn ranges_are_evenly_spaced_and_keep_their_ends() {
        let (found, complaints) = values("{ from = 3e-4, to = 3e-2, points = 5, scale = \"log\" }");
        assert!(complaints.is_empty(), "{complaints:?}");
        let expected = [3e-4, 9.487e-4, 3e-3, 9.487e-3, 3e-2].map(Value::Float);
        assert_eq!(found, expected);
        let (found, _) = values("{ from = 0.0, to = 1.0, points = 3 }");
        assert_eq!(found, [0.0, 0.5, 1.0].map(Value::Float));
        let (found, _) = values("{ from = 6, to = 96, points = 5, scale = \"log\" }");
        assert_eq!(found, [6, 12, 24, 48, 96].map(Value::Integer));
    }

    #[test]
    fn a_range_that_is_none_gets_one_complaint() {
        for text in [
            "{ from = 1.0, to = 1.0, points = 3 }",
            "{ from = 0.0, to = 1.0, points = 3, scale = \"log\" }",
            "{ from = 1.0, points = 3 }",
            "{ from = 1.0, to = 2.0, points = 1 }",
            "{ from = 1.0, to = 2.0, points = 3, scale = \"loud\" }",
        ] {
            let (found, complaints) = values(text);
            assert!(found.is_empty());
            assert_eq!(complaints.len(), 1, "{text}: {complaints:?}");
        }
    }
}
