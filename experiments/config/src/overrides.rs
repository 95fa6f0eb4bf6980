//! Single keys laid onto a configuration: `--set`, and the axes of a card.

use crate::keys::{is_key, item, join, key_hint};
use crate::{Complaint, ConfigError};
use std::str::FromStr;
use toml::{Table, Value};

/// One `key=value` from the command line or from a card's axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    /// Dotted key; `schedule[0].to` is a key of the first entry of a list.
    pub key: String,
    /// Value; text that is not TOML is taken as a string.
    pub value: Value,
}

impl FromStr for Override {
    type Err = ConfigError;

    fn from_str(argument: &str) -> Result<Self, ConfigError> {
        let invalid = || ConfigError::Override {
            argument: argument.to_owned(),
        };
        let (key, text) = argument.split_once('=').ok_or_else(invalid)?;
        if key.trim().is_empty() {
            return Err(invalid());
        }
        let value = toml::from_str::<Table>(&format!("v = {text}"))
            .ok()
            .and_then(|mut table| table.remove("v"))
            .unwrap_or_else(|| Value::String(text.to_owned()));
        Ok(Self {
            key: key.trim().to_owned(),
            value,
        })
    }
}

/// Lays one override onto `table`.
pub(crate) fn set(table: &mut Table, change: &Override) -> Result<(), Complaint> {
    let (path, last) = change.key.rsplit_once('.').unwrap_or(("", &change.key));
    let refuse = |message: String, hint| Complaint {
        key: change.key.clone(),
        message,
        hint,
    };
    // A section that nobody knows is found out later; a list that nobody knows has no entries to look at.
    if path.contains('[') && !is_key(&change.key) {
        return Err(refuse("no such key".to_owned(), key_hint(&change.key)));
    }
    let mut at = table;
    let mut walked = String::new();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let inside = match item(part) {
            Some((list, index)) => entry_of(at, list, index, &join(&walked, list)),
            None => section_of(at, part),
        };
        at = inside.map_err(|message| refuse(message, None))?;
        walked = join(&walked, part);
    }
    at.insert(last.to_owned(), change.value.clone());
    Ok(())
}

/// A section of `table`, made where there is none.
fn section_of<'a>(table: &'a mut Table, name: &str) -> Result<&'a mut Table, String> {
    let section = table
        .entry(name)
        .or_insert_with(|| Value::Table(Table::new()));
    let section = section.as_table_mut();
    section.ok_or_else(|| format!("`{name}` is a value, not a section"))
}

/// An entry of a list of tables, called `path` in full. It must be there: one key makes no entry.
fn entry_of<'a>(
    table: &'a mut Table,
    name: &str,
    index: usize,
    path: &str,
) -> Result<&'a mut Table, String> {
    let (entries, entry) = match table.get_mut(name) {
        Some(Value::Array(list)) => (list.len(), list.get_mut(index)),
        Some(_) => return Err(format!("`{path}` is no list")),
        None => (0, None),
    };
    entry
        .and_then(Value::as_table_mut)
        .ok_or_else(|| match entries {
            0 => format!(
                "`{path}` has no entries in what this changes; give the list as a whole first"
            ),
            1 => format!("`{path}` has one entry, `{path}[0]`"),
            _ => {
                let last = entries - 1;
                format!("`{path}` has {entries} entries, the last is `{path}[{last}]`")
            }
        })
}

#[cfg(test)]
mod tests {
    use crate::load_preset;

    /// A card's axis can move one key of an entry.
    #[test]
    fn one_key_of_a_lists_entry_can_be_set() {
        let ramp = "schedule=[{ key = \"egs.alpha\", start = 3, to = 1.0 }]";
        let with = |set: &[&str]| {
            let set: Vec<_> = set.iter().map(|set| set.parse().unwrap()).collect();
            load_preset("t0", &set)
        };
        let config = with(&[ramp, "schedule[0].to=0.1", "schedule[0].start=4"]).unwrap();
        assert_eq!(
            (config.schedule[0].to, config.schedule[0].start),
            (Some(0.1), 4)
        );
        for (set, expected) in [
            (
                &["schedule[0].to=0.1"][..],
                "give the list as a whole first",
            ),
            (
                &[ramp, "schedule[1].to=0.1"],
                "has one entry, `schedule[0]`",
            ),
            (&[ramp, "schedule[0].too=0.1"], "`schedule[0].to`"),
            (&[ramp, "schedule[0]=0.1"], "no such key"),
            (&["model[0].layers=3"], "`model[0].layers`: no such key"),
            (&["schedule=3", "schedule[0].to=1"], "`schedule` is no list"),
            (
                &["data.sources[0].weight=3"],
                "`data.sources` has no entries in what this changes",
            ),
            (&["[0].layers=3"], "no such key"),
        ] {
            let error = with(set).unwrap_err().to_string();
            assert!(error.contains(expected), "{set:?}: {error}");
        }
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let error = load_preset("t0", &["optimizer.lrr=1".parse().unwrap()]).unwrap_err();
        assert!(
            error.to_string().contains("did you mean `optimizer.lr`?"),
            "{error}"
        );
    }
}
