//! What a card's TOML says, before anything is known to make sense.

use crate::SweepError;
use crate::card::value::closest;
use crate::card::{Expect, Source};
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
    pub(super) treatment: Option<Table>,
    pub(super) control: Option<Table>,
    pub(super) minus: Option<WirePair>,
    pub(super) at: Option<Table>,
    pub(super) along: Option<String>,
    pub(super) event: Option<Vec<String>>,
    pub(super) direction: Option<String>,
    pub(super) margin: Option<f64>,
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

/// Keys of `[criterion]` that hold for every test; [`test_keys`] has the others.
const ANY_TEST: [&str; 7] = ["name", "claim", "role", "test", "metric", "alpha", "expect"];

/// Keys of `[criterion]` that say where a value or an interval must lie.
pub(super) const BOUNDS: [&str; 7] = [
    "equals", "at_most", "at_least", "above", "below", "inside", "contains",
];

/// What a test needs to be told; a `?` at the end marks what may be left out, and `bound` stands
/// for one of [`BOUNDS`].
pub(super) fn test_keys(test: &str) -> &'static [&'static str] {
    match test {
        "permutation" => &["treatment", "control", "direction", "margin?", "minus?"],
        "tost" => &["treatment", "control", "margin?"],
        "slope" => &["along", "at?", "bound"],
        "jonckheere" => &["along", "at?", "direction"],
        "ld50" => &["along", "treatment", "control", "direction", "event?"],
        "exact" => &["at", "bound"],
        _ => &["treatment", "control", "direction", "event?"],
    }
}

/// The keys of each section. `fixed`, `axes`, `where` and the arms of a criterion hold
/// configuration keys and are checked against the configuration tree instead; `expect` is
/// checked by its type.
const KEYS: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "name",
            "title",
            "hypothesis",
            "kind",
            "base",
            "seeds",
            "budget_minutes",
            "source",
            "fixed",
            "axes",
            "zip",
            "exclude",
            "arm",
            "metric",
            "outcome",
            "criterion",
            "budget",
            "figure",
        ],
    ),
    ("figure", &["at", "along"]),
    ("source", &["paper", "where", "claim", "numbers"]),
    ("arm", &["where", "seeds", "role"]),
    ("exclude", &["where"]),
    ("metric", METRIC),
    ("criterion.metric", METRIC),
    ("criterion.minus", &["treatment", "control"]),
    (
        "outcome",
        &[
            "stuck_margin",
            "window",
            "diverged_nats",
            "diverged_mads",
            "mad_window",
            "recovery_steps",
        ],
    ),
    ("budget.*", &["minutes", "seeds", "fixed", "axes"]),
];

const METRIC: &[&str] = &["name", "reduce", "from_step", "to_step"];

/// A card as written, and its misspelt keys.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) card: WireCard,
    pub(super) complaints: Vec<Complaint>,
}

/// Reads the text. A value of the wrong type ends the reading, with line and column; misspelt
/// keys are collected.
pub(super) fn read(text: &str, origin: &str) -> Result<Read, SweepError> {
    let syntax = |error: toml::de::Error| SweepError::Syntax {
        origin: origin.to_owned(),
        message: error.to_string().trim_end().to_owned(),
    };
    let table: Table = toml::from_str(text).map_err(syntax)?;
    let mut complaints = Vec::new();
    for (section, known) in KEYS {
        for key in sections(&table, section).into_iter().flat_map(Table::keys) {
            if !known.contains(&key.as_str()) {
                complaints.push(unknown(section, key, known));
            }
        }
    }
    for criterion in sections(&table, "criterion") {
        let test = criterion.get("test").and_then(Value::as_str);
        let known = criterion_keys(test.unwrap_or("fisher"));
        for key in criterion.keys() {
            if !known.contains(&key.as_str()) {
                complaints.push(unknown("criterion", key, &known));
            }
        }
    }
    match toml::from_str(text) {
        Ok(card) => Ok(Read { card, complaints }),
        // A misspelt key inside `[source]` is refused by serde as well; ours has the hint.
        Err(_) if !complaints.is_empty() => Err(SweepError::Card {
            origin: origin.to_owned(),
            complaints,
        }),
        Err(error) => Err(syntax(error)),
    }
}

/// All keys of a criterion with this test.
fn criterion_keys(test: &str) -> Vec<&'static str> {
    let mut keys = ANY_TEST.to_vec();
    for key in test_keys(test) {
        match *key {
            "bound" => keys.extend(BOUNDS),
            key => keys.push(key.trim_end_matches('?')),
        }
    }
    keys
}

/// The tables at a dotted path, through lists; `*` stands for any key, and the empty path for the
/// whole.
fn sections<'a>(table: &'a Table, path: &str) -> Vec<&'a Table> {
    let mut found = vec![table];
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let values = found.into_iter().flat_map(|table| {
            let every = part == "*";
            let matching = table.iter().filter(move |(key, _)| every || *key == part);
            matching.map(|(_, value)| value).collect::<Vec<_>>()
        });
        found = values
            .flat_map(|value| match value {
                Value::Table(inner) => vec![inner],
                Value::Array(items) => items.iter().filter_map(Value::as_table).collect(),
                _ => Vec::new(),
            })
            .collect();
    }
    found
}

fn unknown(section: &str, key: &str, known: &[&str]) -> Complaint {
    let dotted = |key: &str| match section {
        "" => key.to_owned(),
        _ => format!("{section}.{key}"),
    };
    Complaint {
        key: dotted(key),
        message: "no such key in a card".to_owned(),
        hint: Some(if experiments_config::is_key(&dotted(key)) {
            let key = dotted(key);
            format!("configuration keys belong into `[fixed]`: `\"{key}\" = …`")
        } else if let Some(near) = closest(key, known.iter().copied()) {
            format!("did you mean `{}`?", dotted(near))
        } else {
            format!("known here: {}", known.join(", "))
        }),
    }
}
