//! From a checked line to a [`Record`], in one pass and without building a JSON tree: opening a
//! sweep means reading a hundred thousand of these.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{CRC, MOST_LAYERS, MOST_NAMES, NONFINITE, Name, Names, Record, STEP, from_kind};
use crate::line::LineError;
use crate::signal::split_layer;

/// Which per-layer signals are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layers<'a> {
    All,
    /// This one; then scalars may be missing.
    One(&'a str),
    None,
}

impl Layers<'_> {
    fn take(self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::One(only) => only == name,
            Self::None => false,
        }
    }
}

pub(super) fn record(
    line: &str,
    layers: Layers<'_>,
    names: &mut Names,
) -> Result<Record, LineError> {
    let mut json = serde_json::Deserializer::from_str(line);
    let seed = RecordSeed {
        layers,
        names: &mut *names,
    };
    let record = seed
        .deserialize(&mut json)
        .and_then(|record| json.end().map(|()| record))
        .map_err(|error| LineError::Content(error.to_string()));
    names.end_line(record.is_ok());
    record
}

struct RecordSeed<'n> {
    layers: Layers<'n>,
    names: &'n mut Names,
}

impl<'de> DeserializeSeed<'de> for RecordSeed<'_> {
    type Value = Record;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Record, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RecordSeed<'_> {
    type Value = Record;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a `step`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
        let mut step = None;
        // Collected first: a map that is made of a whole list has no half-empty nodes.
        let (mut scalars, mut layers) = (Vec::new(), Vec::new());
        let mut nonfinite: Vec<(String, String)> = Vec::new();
        while let Some(name) = map.next_key_seed(NameSeed(self.names))? {
            match name.as_str() {
                STEP => step = Some(map.next_value()?),
                CRC => {
                    map.next_value::<IgnoredAny>()?;
                }
                NONFINITE => nonfinite = map.next_value_seed(Kinds)?,
                _ => match map.next_value_seed(CellSeed {
                    layers: self.layers.take(&name),
                })? {
                    Cell::Number(value) => scalars.push((name, value)),
                    Cell::Layers(values) => layers.push((name, values)),
                    Cell::Null | Cell::Foreign => {}
                },
            }
        }
        let mut record = Record {
            step: step.ok_or_else(|| serde::de::Error::missing_field(STEP))?,
            scalars: BTreeMap::new(),
            layers: layers.into_iter().collect(),
        };
        for (name, kind) in nonfinite {
            let Some(value) = from_kind(&kind) else {
                continue;
            };
            match split_layer(&name) {
                Some((base, layer)) => restore(&mut record, base, layer, value),
                None => scalars.push((shared(self.names, &name)?, value)),
            }
        }
        record.scalars = scalars.into_iter().collect();
        Ok(record)
    }
}

/// Puts a non-finite number back where the line has `null`.
fn restore(record: &mut Record, base: &str, layer: usize, value: f64) {
    if let Some(slot) = record.layers.get_mut(base).and_then(|l| l.get_mut(layer)) {
        *slot = value;
    }
}

fn shared<E: serde::de::Error>(names: &mut Names, text: &str) -> Result<Name, E> {
    names
        .shared(text)
        .ok_or_else(|| E::custom(format!("the run has more than {MOST_NAMES} names")))
}

/// A key of the line.
struct NameSeed<'n>(&'n mut Names);

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Name, E> {
        shared(self.0, text)
    }
}

/// The object `nonfinite`: name → kind.
struct Kinds;

impl<'de> DeserializeSeed<'de> for Kinds {
    type Value = Vec<(String, String)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Kinds {
    type Value = Vec<(String, String)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of \"nan\", \"inf\" and \"-inf\" by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut kinds = Vec::new();
        while let Some(entry) = map.next_entry()? {
            kinds.push(entry);
        }
        Ok(kinds)
    }
}

/// The value of one field.
enum Cell {
    Number(f64),
    Layers(Vec<f64>),
    /// A number that is not finite (restored later), or an array that was passed over.
    Null,
    /// A kind of value that a newer version writes.
    Foreign,
}

struct CellSeed {
    layers: bool,
}

impl<'de> DeserializeSeed<'de> for CellSeed {
    type Value = Cell;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cell, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for CellSeed {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or an array of numbers")
    }

    fn visit_f64<E>(self, value: f64) -> Result<Cell, E> {
        Ok(Cell::Number(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Cell, E> {
        Ok(Cell::Number(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Cell, E> {
        Ok(Cell::Number(value as f64))
    }

    fn visit_unit<E>(self) -> Result<Cell, E> {
        Ok(Cell::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Cell, E> {
        Ok(Cell::Foreign)
    }

    fn visit_str<E>(self, _: &str) -> Result<Cell, E> {
        Ok(Cell::Foreign)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Cell, A::Error> {
        let mut count = 0;
        let mut one_more = || {
            count += 1;
            if count > MOST_LAYERS {
                let message = format!("an array has more than {MOST_LAYERS} values");
                return Err(serde::de::Error::custom(message));
            }
            Ok(())
        };
        if !self.layers {
            while seq.next_element::<IgnoredAny>()?.is_some() {
                one_more()?;
            }
            return Ok(Cell::Null);
        }
        let mut values = Vec::new();
        let mut foreign = false;
        while let Some(cell) = seq.next_element_seed(CellSeed { layers: true })? {
            one_more()?;
            match cell {
                Cell::Number(value) => values.push(value),
                Cell::Null => values.push(f64::NAN),
                Cell::Layers(_) | Cell::Foreign => foreign = true,
            }
        }
        Ok(if foreign {
            Cell::Foreign
        } else {
            Cell::Layers(values)
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Cell, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Cell::Foreign)
    }
}
