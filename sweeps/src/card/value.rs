//! Values of axes: comparing, naming and finding them.

use std::collections::BTreeMap;
use toml::{Table, Value};

/// Values by dotted configuration key.
pub type Settings = BTreeMap<String, Value>;

/// Whether two values are the same setting; `1` and `1.0` are.
#[must_use]
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Integer(a), Value::Float(b)) | (Value::Float(b), Value::Integer(a)) => {
            *a as f64 == *b
        }
        _ => a == b,
    }
}

/// A value as a number, where it is one.
#[must_use]
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

/// A value as people write it: `post`, `24`, `1e-4`, `true`.
#[must_use]
pub fn label(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Float(number) => words::number(*number),
        other => other.to_string(),
    }
}

/// An axis value as a part of a name: words speak for themselves, numbers need the key's last part; of
/// a list any will do. `post`, `layers=24`, `lr=0.001/0.01`.
#[must_use]
pub fn named(key: &str, value: &Value) -> String {
    let (text, is_word) = match value {
        Value::Array(any) => (
            any.iter().map(label).collect::<Vec<_>>().join("/"),
            any.iter().all(Value::is_str),
        ),
        value => (label(value), value.is_str()),
    };
    if is_word {
        text
    } else {
        format!("{}={text}", words::last_part(key))
    }
}

/// Nested tables as dotted keys: `[fixed.optimizer] lr = 1` becomes `optimizer.lr`.
pub(crate) fn flatten(table: &Table) -> Settings {
    flatten_with(table, &|_| false)
}

/// [`flatten`] that leaves some tables as values.
pub(super) fn flatten_with(table: &Table, is_value: &dyn Fn(&Table) -> bool) -> Settings {
    fn walk(prefix: &str, table: &Table, is_value: &dyn Fn(&Table) -> bool, flat: &mut Settings) {
        for (key, value) in table {
            let path = match prefix {
                "" => key.clone(),
                _ => format!("{prefix}.{key}"),
            };
            match value {
                Value::Table(inner) if !is_value(inner) => walk(&path, inner, is_value, flat),
                _ => {
                    flat.insert(path, value.clone());
                }
            }
        }
    }
    let mut flat = Settings::new();
    walk("", table, is_value, &mut flat);
    flat
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_named_as_people_write_them() {
        let named: Vec<String> = [1e-8, 0.001, 0.3, 1.0, 0.0, 65_536.0, 1e9]
            .map(|number| label(&Value::Float(number)))
            .into();
        assert_eq!(named, ["1e-8", "0.001", "0.3", "1", "0", "65536", "1e9"]);
        assert_eq!(label(&Value::Boolean(true)), "true");
    }

    #[test]
    fn an_integer_matches_the_float_of_the_same_value() {
        assert!(same(&Value::Integer(1), &Value::Float(1.0)));
        assert!(!same(&Value::Integer(1), &Value::String("1".to_owned())));
    }
}
