//! An experiment card: the question, the one thing changed, and how it will be decided.
//!
//! The module `wire` is what the TOML says, [`Card`] is what is true. A card holds its resolved base
//! configuration, so it stays complete when it is copied into a sweep directory.

mod arms;
mod check;
mod decision;
mod grid;
pub(crate) mod kind;
mod read;
mod value;
mod wire;

pub(crate) use arms::matches;
pub use arms::{Arm, ArmRule};
pub(crate) use check::fields::complain;
pub(crate) use check::{check_keys, check_recorded};
pub use kind::{Kind, Role};
pub(crate) use read::criterion_hash_of;
pub(crate) use value::flatten;
pub use value::{Settings, label, named, number, same};

use crate::criterion::{Criterion, Metric};
use crate::{Event, OutcomeRules, SweepError};
use experiments_config::{Complaint, Config, ConfigError, Override, anchored, resolve};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use toml::{Table, Value};

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
    /// Figures the source gives, by name, with the unit in the name. Finite in a card; NaN where a
    /// sweep was registered before that was asked for, because JSON has `null` for it.
    #[serde(deserialize_with = "numbers")]
    pub numbers: BTreeMap<String, f64>,
}

/// Numbers by name, `null` being none.
fn numbers<'de, D: Deserializer<'de>>(source: D) -> Result<BTreeMap<String, f64>, D::Error> {
    let read = BTreeMap::<String, Option<f64>>::deserialize(source)?.into_iter();
    Ok(read
        .map(|(name, value)| (name, value.unwrap_or(f64::NAN)))
        .collect())
}

/// Which arms the figure of a card's result shows, and along which axis.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FigureChoice {
    /// Axis values of the arms shown; all arms without any.
    #[serde(default)]
    pub at: Settings,
    /// The axis from left to right; without it every arm has a row.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub along: Option<String>,
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
    /// The budget the card was taken at; `None` for the whole table.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub budget: Option<String>,
    /// Time the whole sweep should take, minutes; informative.
    pub budget_minutes: Option<f64>,
    /// The publication mirrored.
    pub source: Option<Source>,
    /// Values all arms share.
    pub fixed: Settings,
    /// The grid: values by dotted key.
    pub axes: BTreeMap<String, Vec<Value>>,
    /// Axes that move together: in each of these, all lists are equally long.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub zips: Vec<BTreeMap<String, Vec<Value>>>,
    /// Axis values of arms that are left out.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub excluded: Vec<Settings>,
    /// Exceptions for some arms.
    pub arm_rules: Vec<ArmRule>,
    /// What is compared.
    pub metric: Metric,
    /// Outcome thresholds.
    pub outcome: OutcomeRules,
    /// The decision: all confirmatory criteria must hold. Empty for an exploration.
    pub criteria: Vec<Criterion>,
    /// What the figure of the result shows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub figure: Option<FigureChoice>,
    /// Folder of the card, absolute, where its keys name files of the user's own by relative paths.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub directory: Option<PathBuf>,
    /// Names of criteria whose arms this budget leaves out.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub untested: Vec<String>,
    /// Those of them that are confirmatory, without which the claim cannot be reproduced. Follows
    /// from the rest of the card, so no hash has it; empty in sweeps of earlier versions.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub undecided: Vec<String>,
}

/// The budget that shows that a card runs and decides nothing.
pub const SMOKE: &str = "smoke";

impl Card {
    /// Whether the budget is [`SMOKE`].
    #[must_use]
    pub fn is_smoke(&self) -> bool {
        self.budget.as_deref() == Some(SMOKE)
    }

    /// Whether it is a [`Kind::Exploration`].
    #[must_use]
    pub fn is_exploration(&self) -> bool {
        self.kind == Kind::Exploration
    }

    /// The card's metric, and then those of its criteria that have their own, each once.
    #[must_use]
    pub fn metrics(&self) -> Vec<&Metric> {
        let mut metrics = vec![&self.metric];
        let of_criteria = self.criteria.iter();
        for metric in of_criteria.flat_map(|c| c.metric.iter().chain(&c.control_metric)) {
            if !metrics.contains(&metric) {
                metrics.push(metric);
            }
        }
        metrics
    }

    /// The criteria that the verdict depends on.
    pub(crate) fn confirmatory(&self) -> impl Iterator<Item = &Criterion> {
        let criteria = self.criteria.iter();
        criteria.filter(|criterion| criterion.role == Role::Confirmatory)
    }

    /// The metric a criterion compares.
    #[must_use]
    pub fn metric_of<'a>(&'a self, criterion: &'a Criterion) -> &'a Metric {
        criterion.metric.as_ref().unwrap_or(&self.metric)
    }

    /// What any criterion counts as its event, else the outcomes of a run that did not train.
    #[must_use]
    pub fn event(&self) -> Vec<Event> {
        let stated = self.criteria.iter().find_map(Criterion::event);
        stated.map_or_else(|| Event::FAILURES.to_vec(), <[Event]>::to_vec)
    }

    /// [`Card::event`] in words: `failed to train` where it is that, else `stuck or spiked`.
    #[must_use]
    pub fn event_name(&self) -> String {
        let event = self.event();
        if event == Event::FAILURES {
            return "failed to train".to_owned();
        }
        let names: Vec<&str> = event.iter().map(|event| event.name()).collect();
        names.join(" or ")
    }

    /// The same behind "runs that": `failed to train`, `are stuck or spiked`.
    #[must_use]
    pub fn event_verb(&self) -> String {
        let name = self.event_name();
        if name.contains("failed") {
            name
        } else {
            format!("are {name}")
        }
    }

    /// BLAKE3 hash (hex) of everything the card says; comments, layout and the folder it lies in do not
    /// count.
    #[must_use]
    pub fn hash(&self) -> String {
        decision::hash(&self.without_place())
    }

    /// The card without the paths that depend on where it and its base lie, and without what
    /// follows from the rest.
    pub(crate) fn without_place(&self) -> Self {
        Self {
            base_config: self.base_config.without_paths(),
            directory: None,
            undecided: Vec::new(),
            ..self.clone()
        }
    }

    /// BLAKE3 hash (hex) of what decides the verdict: metric, outcome rules and criteria.
    #[must_use]
    pub fn criterion_hash(&self) -> String {
        decision::hash_of(&self.metric, &self.outcome, &self.criteria)
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
        let mut changes = Vec::new();
        for (part, directory) in [
            (&self.fixed, self.directory.as_deref()),
            // The command line's paths are relative to the folder the command runs in.
            (overrides, None),
            (settings, self.directory.as_deref()),
        ] {
            for (key, value) in part {
                let value = match directory {
                    Some(directory) => {
                        anchored(key, value, directory).map_err(|message| invalid(key, message))?
                    }
                    None => value.clone(),
                };
                changes.push(Override {
                    key: key.clone(),
                    value,
                });
            }
        }
        changes.push(Override {
            key: "seed".to_owned(),
            value: Value::Integer(seed),
        });
        Ok(resolve(table, &changes, &origin)?)
    }
}

#[cfg(test)]
mod tests;
