//! What a card's TOML says, before anything is known to make sense.

pub(super) mod keys;
pub(super) mod places;

use crate::card::Source;
use crate::criterion::{WireCriterion, WireMetric};
use experiments_config::Complaint;
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
