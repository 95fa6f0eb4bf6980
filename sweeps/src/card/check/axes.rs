//! Axes: lists, ranges, and axes that move together.

use super::check_keys;
use crate::card::Settings;
use crate::card::check::fields::{are_too_many, complain};
use crate::card::value::{flatten_with, label, same};
use experiments_config::{Complaint, is_whole_number};
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
        if key.starts_with("runtime.") || key.starts_with("alarm.") {
            let message = "does not change what is trained, so it cannot be an axis";
            complain(complaints, &place, message, None);
        }
        let values = match value {
            Value::Array(values) => values,
            Value::Table(table) => range(&key, &table, &place, complaints),
            value => {
                let hint = format!("write `[{value}]`, or move it to `[fixed]`");
                complain(complaints, &place, "expected a list of values", Some(hint));
                axes.insert(key, Vec::new());
                continue;
            }
        };
        if are_too_many(&values, &place, complaints) {
            axes.insert(key, Vec::new());
            continue;
        }
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
/// those between are rounded to four significant digits, so that they can be written down, or to as
/// many more as the range needs. They are whole where `key` takes whole numbers, however the ends are
/// written.
fn range(key: &str, table: &Table, place: &str, complaints: &mut Vec<Complaint>) -> Vec<Value> {
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
    if !(to - from).is_finite() {
        let message = format!("has `from` = {from} and `to` = {to}; expected finite numbers");
        complain(complaints, place, message, None);
        return Vec::new();
    }
    if from >= to {
        let message = format!("has `from` = {from}, which is not below `to` = {to}");
        complain(complaints, place, message, None);
        return Vec::new();
    }
    if logarithmic && from <= 0.0 {
        let message = format!("has `from` = {from}; a scale of `log` needs it above 0");
        complain(complaints, place, message, None);
        return Vec::new();
    }
    let whole = is_whole_number(key) && [from, to].iter().all(|end| end.fract() == 0.0);
    if let Some(end) = [from, to].into_iter().find(|end| end.abs() > EXACT)
        && whole
    {
        let message = format!("has an end at {end:.0}; expected whole numbers up to {EXACT:.0}");
        let hint = "larger ones can be written as a list".to_owned();
        complain(complaints, place, message, Some(hint));
        return Vec::new();
    }
    let at = |index: usize| {
        let share = index as f64 / (points - 1) as f64;
        if logarithmic {
            from * (to / from).powf(share)
        } else {
            from + share * (to - from)
        }
    };
    let mut exact: Vec<f64> = (0..points).map(at).collect();
    (exact[0], exact[points - 1]) = (from, to);
    let value = |value: f64| {
        if whole {
            Value::Integer(value as i64)
        } else {
            Value::Float(value)
        }
    };
    spaced(&exact, whole).into_iter().map(value).collect()
}

/// 2^53: up to here every whole number is a float.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The points with as few digits as keep them apart and in their places, four at least; ends as they
/// are. Whole ones where that is asked for.
fn spaced(exact: &[f64], whole: bool) -> Vec<f64> {
    let last = exact.len() - 1;
    let with = |digits: usize| -> Vec<f64> {
        let inner = exact.iter().enumerate().map(|(index, value)| match index {
            index if index == 0 || index == last => *value,
            _ if whole => rounded(*value, digits).round(),
            _ => rounded(*value, digits),
        });
        inner.collect()
    };
    let fits = |values: &[f64]| {
        let apart = values.windows(2).all(|pair| pair[0] < pair[1]);
        let gap = |index: usize| (exact[index + 1] - exact[index]).abs();
        let near = (1..last).all(|index| {
            let off = (values[index] - exact[index]).abs();
            let unit: f64 = if whole { 0.5 } else { 0.0 };
            off <= unit.max(SPARED * gap(index - 1).min(gap(index)))
        });
        apart && near
    };
    (4..MOST_DIGITS)
        .map(with)
        .find(|values| fits(values))
        // What no digits keep apart is complained about as a value that is there twice.
        .unwrap_or_else(|| with(MOST_DIGITS))
}

/// Share of the distance to its neighbour by which rounding may move a point.
const SPARED: f64 = 0.01;

/// Decimal digits that tell any two floats apart.
const MOST_DIGITS: usize = 17;

/// A value with so many significant digits.
fn rounded(value: f64, digits: usize) -> f64 {
    format!("{value:.*e}", digits - 1).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> (Vec<Value>, Vec<Complaint>) {
        values_of("optimizer.lr", text)
    }

    fn values_of(key: &str, text: &str) -> (Vec<Value>, Vec<Complaint>) {
        let table: Table = toml::from_str(&format!("\"{key}\" = {text}")).unwrap();
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
        let (found, _) = values_of(
            "model.layers",
            "{ from = 6, to = 96, points = 5, scale = \"log\" }",
        );
        assert_eq!(found, [6, 12, 24, 48, 96].map(Value::Integer));
    }

    /// Four digits are too few where a range is narrow: 16387 would become 16390, outside of it.
    #[test]
    fn narrow_ranges_stay_inside_their_ends_and_even() {
        let (found, complaints) =
            values_of("model.layers", "{ from = 16385, to = 16389, points = 3 }");
        assert!(complaints.is_empty(), "{complaints:?}");
        assert_eq!(found, [16385, 16387, 16389].map(Value::Integer));
        let (found, _) = values("{ from = 0.99995, to = 0.99999, points = 3 }");
        assert_eq!(found, [0.99995, 0.99997, 0.99999].map(Value::Float));
        let (found, _) = values("{ from = 1.0, to = 1.01, points = 5 }");
        assert_eq!(found, [1.0, 1.0025, 1.005, 1.0075, 1.01].map(Value::Float));
        let (found, _) = values_of(
            "model.layers",
            "{ from = 1000000, to = 1000003, points = 4, scale = \"log\" }",
        );
        let expected = [1_000_000, 1_000_001, 1_000_002, 1_000_003];
        assert_eq!(found, expected.map(Value::Integer));
        // Wide ranges keep the values they had.
        let (found, _) = values_of(
            "model.layers",
            "{ from = 1000, to = 100000, points = 5, scale = \"log\" }",
        );
        assert_eq!(
            found,
            [1000, 3162, 10_000, 31_620, 100_000].map(Value::Integer)
        );
        let (_, complaints) = values_of("model.layers", "{ from = 1, to = 3, points = 5 }");
        assert!(complaints[0].message.contains("twice"), "{complaints:?}");
    }

    /// A learning rate of `0` to `10` in four is no whole number because its ends are; layers are, however
    /// their ends are written.
    #[test]
    fn the_type_of_the_key_decides_whether_values_are_whole() {
        let (found, complaints) = values_of(
            "optimizer.weight_decay",
            "{ from = 0, to = 10, points = 4, scale = \"linear\" }",
        );
        assert!(complaints.is_empty(), "{complaints:?}");
        assert_eq!(found, [0.0, 3.333, 6.667, 10.0].map(Value::Float));
        let (found, complaints) = values_of("egs.alpha", "{ from = 0, to = 1, points = 5 }");
        assert!(complaints.is_empty(), "{complaints:?}");
        assert_eq!(found, [0.0, 0.25, 0.5, 0.75, 1.0].map(Value::Float));
        let (found, _) = values_of("model.layers", "{ from = 6.0, to = 12, points = 3 }");
        assert_eq!(found, [6, 9, 12].map(Value::Integer));
    }

    /// Above 2^53 the ends themselves would be others.
    #[test]
    fn a_range_of_whole_numbers_never_leaves_its_ends() {
        let text = "{ from = 9007199254740992, to = 9007199254740999, points = 3 }";
        let (found, complaints) = values_of("steps", text);
        assert!(found.is_empty());
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert!(complaints[0].message.contains("9007199254740992"));
        let text = "{ from = 9007199254740988, to = 9007199254740992, points = 3 }";
        let (found, _) = values_of("steps", text);
        let expected = [
            9_007_199_254_740_988,
            9_007_199_254_740_990,
            9_007_199_254_740_992,
        ];
        assert_eq!(found, expected.map(Value::Integer));
    }

    /// A slip of the pen must not cost an hour before it is refused.
    #[test]
    fn an_axis_of_a_million_values_is_refused_at_once() {
        let list = format!("[{}]", "1.0, ".repeat(1_000_000));
        let (found, complaints) = values(&list);
        assert!(found.is_empty());
        assert_eq!(complaints.len(), 1);
        assert_eq!(
            complaints[0].message,
            "has 1000000 values; at most 10000 are accepted"
        );
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
