//! The values that complaints are about, found in the card's table by their keys.

use experiments_config::Complaint;
use toml::{Table, Value};

/// The table without the values that the complaints are about.
pub(in crate::card) fn without(table: &Table, complaints: &[Complaint]) -> Table {
    let mut rest = table.clone();
    for complaint in complaints {
        if let Some((inner, key)) = find(&mut rest, &complaint.key) {
            inner.remove(key);
        }
    }
    rest
}

/// Whether a key names a value that is there, and no table or list of tables.
pub(in crate::card) fn is_value(table: &mut Table, key: &str) -> bool {
    match find(table, key).and_then(|(inner, last)| inner.get(last)) {
        None | Some(Value::Table(_)) => false,
        Some(Value::Array(items)) => !items.iter().any(Value::is_table),
        Some(_) => true,
    }
}

/// The table that holds the last part of a dotted key, such as `criterion[1].metric.reduce`, and that part.
/// A list without a number is meant to have one item.
fn find<'a, 'k>(table: &'a mut Table, key: &'k str) -> Option<(&'a mut Table, &'k str)> {
    let Some((first, rest)) = key.split_once('.') else {
        return Some((table, key));
    };
    let (name, index) = match first.strip_suffix(']').and_then(|f| f.split_once('[')) {
        Some((name, index)) => (name, index.parse().ok()?),
        None => (first, 0),
    };
    let inner = match table.get_mut(name)? {
        Value::Table(inner) => inner,
        Value::Array(items) => items.get_mut(index)?.as_table_mut()?,
        _ => return None,
    };
    find(inner, rest)
}
