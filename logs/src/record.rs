//! One training step as numbers by name, and its line in the metrics file.

use std::collections::BTreeMap;

use crate::error::LogError;
use crate::line::{self, LineError};
use crate::signal::{PerLayer, SKIPPED, Scalar, split_layer};

pub(crate) mod limits;
mod name;
mod parse;
mod plain;

use limits::{MOST_LAYERS, MOST_NAMES};
pub use name::Name;
pub(crate) use name::Names;
pub(crate) use parse::Layers;

/// What was recorded at one step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    /// Finished steps, counting this one (the first step is 1).
    pub step: u64,
    /// Numbers by name; names, units and meanings are in [`crate::SIGNALS`].
    pub scalars: BTreeMap<Name, f64>,
    /// Per-layer numbers by name, in layer order.
    pub layers: BTreeMap<Name, Vec<f64>>,
}

impl Record {
    /// A record without values.
    #[must_use]
    pub fn new(step: u64) -> Self {
        Self {
            step,
            ..Self::default()
        }
    }

    /// The one of a step among records in the order of their steps, as readers give them.
    #[must_use]
    pub fn at(records: &[Self], step: u64) -> Option<&Self> {
        let place = records.binary_search_by_key(&step, |record| record.step);
        records.get(place.ok()?)
    }

    /// Adds or replaces a signal of this program.
    ///
    /// ```
    /// let mut record = logs::Record::new(1);
    /// record.set(logs::signal::LOSS, 3.0);
    /// assert_eq!(record.scalar("loss"), Some(3.0));
    /// ```
    ///
    /// A name without a row in the registry does not compile, nor does an array's as a number:
    ///
    /// ```compile_fail
    /// logs::Record::new(1).set("los", 3.0);
    /// ```
    ///
    /// ```compile_fail
    /// logs::Record::new(1).set(logs::signal::LAYER_GRAD_NORM, 3.0);
    /// ```
    pub fn set(&mut self, signal: Scalar, value: f64) {
        self.set_named(signal.0.name, value);
    }

    /// Adds or replaces a per-layer signal of this program, in layer order.
    pub fn set_layers(&mut self, signal: PerLayer, values: Vec<f64>) {
        self.set_layers_named(signal.0.name, values);
    }

    /// Adds or replaces a scalar under any name: what another program recorded, or nobody did.
    pub fn set_named(&mut self, name: &str, value: f64) {
        self.scalars.insert(name.into(), value);
    }

    /// The same for a per-layer signal, in layer order.
    pub fn set_layers_named(&mut self, name: &str, values: Vec<f64>) {
        self.layers.insert(name.into(), values);
    }

    /// A scalar by name.
    #[must_use]
    pub fn scalar(&self, name: &str) -> Option<f64> {
        self.scalars.get(name).copied()
    }

    /// A scalar by name, or one layer of a per-layer signal as `layer_grad_norm[3]`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<f64> {
        let Some((base, layer)) = split_layer(name) else {
            return self.scalar(name);
        };
        self.layers.get(base)?.get(layer).copied()
    }

    /// The signals, and layers of them, whose values have other bits in `other`. What only one of both has is left out,
    /// since versions of the program differ in what they record, and so are timings and what an evaluation measures, which
    /// do not say how a step was computed.
    #[must_use]
    pub fn differing(&self, other: &Self) -> Vec<String> {
        let (ours, theirs) = (self.computed(), other.computed());
        let both = ours
            .iter()
            .filter_map(|(name, bits)| Some((name, bits, theirs.get(name)?)));
        let differing = both.filter(|(_, ours, theirs)| ours != theirs);
        differing.map(|(name, ..)| name.clone()).collect()
    }

    /// What a step computed, as bits; every NaN is the same.
    fn computed(&self) -> BTreeMap<String, u64> {
        let bits = |value: f64| if value.is_nan() { f64::NAN } else { value }.to_bits();
        let measured = |name: &Name| {
            let name = name.as_str();
            crate::TIMINGS.contains(&name) || EVALUATED.contains(&name)
        };
        let scalars = self.scalars.iter().filter(|(name, _)| !measured(name));
        let layers = self.layers.iter().flat_map(|(name, values)| {
            let numbered = values.iter().enumerate();
            numbered.map(move |(layer, value)| (format!("{name}[{layer}]"), bits(*value)))
        });
        scalars
            .map(|(name, value)| (name.to_string(), bits(*value)))
            .chain(layers)
            .collect()
    }

    /// Whether the update of this step was skipped.
    #[must_use]
    pub fn skipped(&self) -> bool {
        self.scalar(SKIPPED.0.name) == Some(1.0)
    }

    /// The line of the metrics file, without the newline.
    ///
    /// JSON has no NaN and no infinity: such a number is `null` in its place, so that the column
    /// stays numeric, and its kind stands in the object `nonfinite`, under `name` or `name[layer]`.
    #[must_use]
    pub fn to_line(&self) -> String {
        let mut text = format!("{{\"step\":{}", self.step);
        let mut nonfinite = serde_json::Map::new();
        for (name, &value) in &self.scalars {
            push_key(&mut text, name);
            if !push_number(&mut text, value) {
                nonfinite.insert(name.to_string(), kind(value).into());
            }
        }
        for (name, values) in &self.layers {
            push_key(&mut text, name);
            text.push('[');
            for (layer, &value) in values.iter().enumerate() {
                if layer > 0 {
                    text.push(',');
                }
                if !push_number(&mut text, value) {
                    nonfinite.insert(format!("{name}[{layer}]"), kind(value).into());
                }
            }
            text.push(']');
        }
        if !nonfinite.is_empty() {
            push_key(&mut text, NONFINITE);
            text.push_str(&serde_json::Value::Object(nonfinite).to_string());
        }
        line::seal(text)
    }

    /// Reads a line of the metrics file, without its newline.
    pub fn parse_line(line: &str) -> Result<Self, LineError> {
        Self::parse_bytes(line.as_bytes(), Layers::All, &mut Names::default())
    }

    /// Like [`Record::parse_line`] for bytes that may be anything, with the names that the run has so far.
    /// The per-layer arrays that `layers` does not name are passed over: together they are nine tenths of a line.
    pub(crate) fn parse_bytes(
        line: &[u8],
        layers: Layers<'_>,
        names: &mut Names,
    ) -> Result<Self, LineError> {
        let line = line::check(line)?;
        let plain = match layers {
            Layers::One(signal) => plain::only(line, signal, names),
            Layers::All | Layers::None => None,
        };
        plain.map_or_else(|| parse::record(line, layers, names), Ok)
    }

    /// Refuses what a line could not carry unambiguously, or no reader would take.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        let refused = |name: &&Name| {
            name.is_empty()
                || name.contains('[')
                || RESERVED.contains(&name.as_str())
                || (self.scalars.contains_key(*name) && self.layers.contains_key(*name))
        };
        if let Some(name) = self.scalars.keys().chain(self.layers.keys()).find(refused) {
            let name = name.to_string();
            return Err(LogError::Name { name });
        }
        let names = self.scalars.len() + self.layers.len();
        let layers = self.layers.values().map(Vec::len).max().unwrap_or(0);
        if names > MOST_NAMES || layers > MOST_LAYERS {
            return Err(LogError::Large { names, layers });
        }
        Ok(())
    }
}

/// Signals of an evaluation, which a run makes after its last step whatever its interval.
const EVALUATED: [&str; 9] = [
    "held_out_loss",
    "last_word_loss",
    "last_word_accuracy",
    "int8_loss_change",
    "int4_loss_change",
    "int4_zero_point_loss_change",
    "int4_gptq_loss_change",
    "weight_kurtosis",
    "weight_peak",
];

const STEP: &str = "step";
const NONFINITE: &str = "nonfinite";
const CRC: &str = "crc";
/// Names that a line uses itself, so that no signal can have them.
pub(crate) const RESERVED: [&str; 3] = [STEP, NONFINITE, CRC];

/// The name of a number that JSON cannot hold.
pub(crate) fn kind(value: f64) -> &'static str {
    if value.is_nan() {
        "nan"
    } else if value > 0.0 {
        "inf"
    } else {
        "-inf"
    }
}

/// The inverse of [`kind`].
pub(crate) fn from_kind(kind: &str) -> Option<f64> {
    match kind {
        "nan" => Some(f64::NAN),
        "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn push_key(text: &mut String, name: &str) {
    text.push(',');
    text.push_str(&serde_json::Value::from(name).to_string());
    text.push(':');
}

/// Appends the shortest decimal that reads back as exactly `value`, or `null`; false for the latter.
fn push_number(text: &mut String, value: f64) -> bool {
    match serde_json::Number::from_f64(value) {
        Some(number) => text.push_str(&number.to_string()),
        None => text.push_str("null"),
    }
    value.is_finite()
}

#[cfg(test)]
mod tests;
