//! What a card's TOML says, before anything is known to make sense.

mod keys;
mod places;

pub(super) use keys::{BOUNDS, TESTS, test_keys};

use crate::SweepError;
use crate::card::{Expect, Source};
use experiments_config::{Complaint, misfits};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use toml::{Table, Value};

/// A card as written. Everything is optional here, so that all that is missing is named at once.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireCard {
    pub(super) name: Option<String>,
    pub(super) title: Option<String>,
    pub(super) hypothesis: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) base: Option<String>,
    pub(super) seeds: Option<Value>,
    pub(super) budget_minutes: Option<f64>,
    pub(super) source: Option<Source>,
    pub(super) fixed: Table,
    pub(super) axes: Table,
    pub(super) zip: Vec<Table>,
    pub(super) exclude: Vec<WireExclude>,
    pub(super) arm: Vec<WireArm>,
    pub(super) metric: Option<WireMetric>,
    pub(super) outcome: WireOutcome,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) criterion: Vec<WireCriterion>,
    pub(super) budget: BTreeMap<String, WireBudget>,
    pub(super) figure: Option<WireFigure>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireFigure {
    pub(super) at: Table,
    pub(super) along: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireExclude {
    #[serde(rename = "where")]
    pub(super) place: Table,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireArm {
    #[serde(rename = "where")]
    pub(super) place: Table,
    pub(super) seeds: Option<Value>,
    pub(super) role: Option<String>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct WireMetric {
    pub(super) name: Option<String>,
    pub(super) reduce: Option<String>,
    pub(super) from_step: Option<i64>,
    pub(super) to_step: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireOutcome {
    pub(super) stuck_margin: Option<f64>,
    pub(super) window: Option<i64>,
    pub(super) diverged_nats: Option<f64>,
    pub(super) diverged_mads: Option<f64>,
    pub(super) mad_window: Option<i64>,
    pub(super) recovery_steps: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireCriterion {
    pub(super) name: Option<String>,
    pub(super) claim: Option<String>,
    pub(super) role: Option<String>,
    pub(super) test: Option<String>,
    pub(super) metric: Option<WireMetric>,
    pub(super) control_metric: Option<WireMetric>,
    pub(super) treatment: Option<Table>,
    pub(super) control: Option<Table>,
    pub(super) minus: Option<WirePair>,
    pub(super) pool: Option<Vec<String>>,
    pub(super) at: Option<Table>,
    pub(super) along: Option<String>,
    pub(super) event: Option<Vec<String>>,
    pub(super) direction: Option<String>,
    pub(super) margin: Option<f64>,
    pub(super) failed: Option<String>,
    pub(super) worst: Option<String>,
    pub(super) alpha: Option<f64>,
    pub(super) expect: Option<Expect>,
    pub(super) equals: Option<f64>,
    pub(super) at_most: Option<f64>,
    pub(super) at_least: Option<f64>,
    pub(super) above: Option<f64>,
    pub(super) below: Option<f64>,
    pub(super) inside: Option<[f64; 2]>,
    pub(super) contains: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WirePair {
    pub(super) treatment: Table,
    pub(super) control: Table,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireBudget {
    pub(super) minutes: Option<f64>,
    pub(super) seeds: Option<Value>,
    pub(super) fixed: Table,
    pub(super) axes: Table,
}

/// `[criterion]` for a card with one, `[[criterion]]` for one with several.
fn one_or_many<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<WireCriterion>, D::Error> {
    struct Either;

    impl<'de> Visitor<'de> for Either {
        type Value = Vec<WireCriterion>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table `[criterion]` or several `[[criterion]]`")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            Ok(vec![Deserialize::deserialize(
                de::value::MapAccessDeserializer::new(map),
            )?])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            Deserialize::deserialize(de::value::SeqAccessDeserializer::new(list))
        }
    }

    source.deserialize_any(Either)
}

/// A card as written, and its misspelt keys.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) card: WireCard,
    pub(super) complaints: Vec<Complaint>,
}

/// Reads the text. Misspelt keys, values of the wrong type, and what is wrong with the others are collected.
pub(super) fn read(text: &str, origin: &str) -> Result<Read, SweepError> {
    let syntax = |error: toml::de::Error| SweepError::Syntax {
        origin: origin.to_owned(),
        message: error.to_string().trim_end().to_owned(),
    };
    let table: Table = toml::from_str(text).map_err(syntax)?;
    let mut complaints = keys::misspelt(&table);
    let error = match toml::from_str(text) {
        Ok(card) => return Ok(Read { card, complaints }),
        Err(error) => error,
    };
    complaints.extend(misfits::<WireCard>(&table, &Table::new()));
    if complaints.is_empty() {
        return Err(syntax(error));
    }
    complaints.extend(of_the_others(&table, &complaints));
    Err(SweepError::Card {
        origin: origin.to_owned(),
        complaints,
    })
}

/// Complaints about values of the right type in a card that has others: so that a misspelt word is not found
/// only when all of those are mended. What is said of a value that is not there may follow from them.
fn of_the_others(table: &Table, complaints: &[Complaint]) -> Vec<Complaint> {
    let mut rest = places::without(table, complaints);
    let Ok(card) = Value::Table(rest.clone()).try_into() else {
        return Vec::new();
    };
    let read = Read {
        card,
        complaints: Vec::new(),
    };
    let mut found = super::check::complaints(read);
    found.retain(|complaint| places::is_value(&mut rest, &complaint.key));
    found
}
