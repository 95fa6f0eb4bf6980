//! An experiment card: the question, the one thing changed, and how it will be decided.
//!
//! The module `wire` is what the TOML says, [`Card`] is what is true. A card holds its resolved base
//! configuration, so it stays complete when it is copied into a sweep directory.

mod arms;
mod check;
mod value;
mod wire;

pub use arms::{Arm, ArmRule};
pub(crate) use check::check_keys;
pub(crate) use value::closest;
pub use value::{label, same};

use crate::{Outcome, OutcomeRules, SweepError};
use experiments_config::{Complaint, Config, ConfigError, Override, resolve};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use toml::{Table, Value};

/// Values by dotted configuration key.
pub type Settings = BTreeMap<String, Value>;

/// What a card claims to reproduce: a proxy may show a symptom without sharing its cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The observable failure only.
    Symptom,
    /// The cause as well.
    Mechanism,
}

/// Whether a run counts for the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Counts in the test of the criterion.
    Confirmatory,
    /// Shown only.
    Descriptive,
}

/// The publication a card mirrors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// For example `arXiv 2203.00555`.
    pub paper: String,
    /// Section or figure.
    #[serde(rename = "where")]
    pub place: Option<String>,
    /// What the source claims.
    pub claim: Option<String>,
    /// Figures the source gives, by name, with the unit in the name.
    pub numbers: BTreeMap<String, f64>,
}

/// What is compared between arms beside the outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// A scalar signal; `held_out_loss` falls back on training losses.
    pub name: String,
}

/// The statistical test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// Fisher's exact test, two-sided, on counts of the event.
    Fisher,
}

/// Which way the difference must go for the claim to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The event is more frequent under treatment.
    TreatmentMore,
    /// The event is less frequent under treatment.
    TreatmentLess,
}

/// How the claim is decided, fixed before the first run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Criterion {
    /// The test.
    pub test: Test,
    /// Axis values of the treatment arm.
    pub treatment: Settings,
    /// Axis values of the control arm.
    pub control: Settings,
    /// Outcomes that count as the event.
    pub event: Vec<Outcome>,
    /// The way the difference must go.
    pub direction: Direction,
    /// Largest p value at which the claim counts as reproduced.
    pub alpha: f64,
}

/// A checked experiment card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Kebab-case name, first part of every run id.
    pub name: String,
    /// One line.
    pub title: String,
    /// What is expected and why.
    pub hypothesis: String,
    /// Symptom or mechanism.
    pub kind: Kind,
    /// Preset or file the runs start from.
    pub base: String,
    /// [`Card::base`], resolved.
    pub base_config: Config,
    /// Seeds of every arm, unless an [`ArmRule`] takes fewer.
    pub seeds: Vec<u64>,
    /// Time the whole sweep should take, minutes; informative.
    pub budget_minutes: Option<f64>,
    /// The publication mirrored.
    pub source: Option<Source>,
    /// Values all arms share.
    pub fixed: Settings,
    /// The grid: values by dotted key.
    pub axes: BTreeMap<String, Vec<Value>>,
    /// Exceptions for some arms.
    pub arm_rules: Vec<ArmRule>,
    /// What is compared.
    pub metric: Metric,
    /// Outcome thresholds.
    pub outcome: OutcomeRules,
    /// The decision.
    pub criterion: Criterion,
}

impl Card {
    /// Reads and checks a card. A `base` that is no preset is a file next to the card.
    pub fn load(path: &Path) -> Result<Self, SweepError> {
        Ok(Self::load_with_text(path)?.0)
    }

    /// [`Card::load`], and the text as it stands in the file, which a sweep keeps.
    pub fn load_with_text(path: &Path) -> Result<(Self, String), SweepError> {
        let text = std::fs::read_to_string(path).map_err(|source| SweepError::Read {
            path: path.to_owned(),
            source,
        })?;
        let directory = path.parent().unwrap_or(Path::new("."));
        let card = Self::parse(&text, &format!("card `{}`", path.display()), directory)?;
        Ok((card, text))
    }

    /// Checks the text of a card. `origin` names it in errors; a `base` that is no preset is
    /// looked for in `directory`.
    pub fn parse(text: &str, origin: &str, directory: &Path) -> Result<Self, SweepError> {
        let read = wire::read(text, origin)?;
        check::card(read, directory).map_err(|complaints| SweepError::Card {
            origin: origin.to_owned(),
            complaints,
        })
    }

    /// BLAKE3 hash (hex) of everything the card says; comments and layout do not count.
    #[must_use]
    pub fn hash(&self) -> String {
        hash(self)
    }

    /// BLAKE3 hash (hex) of what decides the verdict: metric, outcome rules and criterion.
    #[must_use]
    pub fn criterion_hash(&self) -> String {
        hash(&(&self.metric, &self.outcome, &self.criterion))
    }

    /// The configuration of one run: base, fixed values, `overrides`, the arm's axis values and
    /// the seed, later ones winning.
    pub fn config(
        &self,
        overrides: &Settings,
        settings: &Settings,
        seed: u64,
    ) -> Result<Config, SweepError> {
        let origin = format!("card `{}`", self.name);
        // Neither can happen to a checked card, but `sweep.json` can be edited by hand.
        let invalid = |key: &str, message: String| ConfigError::Invalid {
            origin: origin.clone(),
            complaints: vec![Complaint {
                key: key.to_owned(),
                message,
                hint: None,
            }],
        };
        let table = Table::try_from(&self.base_config)
            .map_err(|error| invalid("base_config", error.to_string()))?;
        let seed = i64::try_from(seed)
            .map_err(|_| invalid("seed", format!("is {seed}, more than TOML can hold")))?;
        let changes: Vec<Override> = [&self.fixed, overrides, settings]
            .into_iter()
            .flatten()
            .map(|(key, value)| Override {
                key: key.clone(),
                value: value.clone(),
            })
            .chain([Override {
                key: "seed".to_owned(),
                value: Value::Integer(seed),
            }])
            .collect();
        Ok(resolve(table, &changes, &origin)?)
    }
}

/// Hash of the criterion as a card's text states it; `None` when the text is no card any more.
pub(crate) fn criterion_hash_of(text: &str) -> Option<String> {
    let wire = wire::read(text, "card").ok()?.card;
    let mut complaints = Vec::new();
    let criterion = check::criterion(wire.criterion, &mut complaints)?;
    let metric = check::metric(wire.metric, &mut complaints);
    let outcome = check::outcome_rules(&wire.outcome, &mut complaints);
    complaints
        .is_empty()
        .then(|| hash(&(&metric, &outcome, &criterion)))
}

fn hash(value: &impl Serialize) -> String {
    let text = serde_json::to_vec(value).expect("numbers, strings and lists serialise");
    blake3::hash(&text).to_hex().to_string()
}

#[cfg(test)]
mod tests;
