//! What a card's TOML says, before anything is known to make sense.

use crate::SweepError;
use crate::card::Source;
use crate::card::value::closest;
use experiments_config::Complaint;
use serde::Deserialize;
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
    pub(super) arm: Vec<WireArm>,
    pub(super) metric: Option<WireMetric>,
    pub(super) outcome: WireOutcome,
    pub(super) criterion: Option<WireCriterion>,
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
pub(super) struct WireMetric {
    pub(super) name: Option<String>,
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
    pub(super) test: Option<String>,
    pub(super) treatment: Table,
    pub(super) control: Table,
    pub(super) event: Option<Vec<String>>,
    pub(super) direction: Option<String>,
    pub(super) alpha: Option<f64>,
}

/// The keys of each section. `fixed`, `axes`, `where`, `treatment` and `control` hold
/// configuration keys and are checked against the configuration tree instead.
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
            "arm",
            "metric",
            "outcome",
            "criterion",
        ],
    ),
    ("source", &["paper", "where", "claim", "numbers"]),
    ("arm", &["where", "seeds", "role"]),
    ("metric", &["name"]),
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
    (
        "criterion",
        &[
            "test",
            "treatment",
            "control",
            "event",
            "direction",
            "alpha",
        ],
    ),
];

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
        let tables: Vec<&Table> = match (*section, table.get(*section)) {
            ("", _) => vec![&table],
            (_, Some(Value::Table(inner))) => vec![inner],
            (_, Some(Value::Array(items))) => items.iter().filter_map(Value::as_table).collect(),
            _ => Vec::new(),
        };
        for key in tables.into_iter().flat_map(Table::keys) {
            if !known.contains(&key.as_str()) {
                complaints.push(unknown(section, key, known));
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
