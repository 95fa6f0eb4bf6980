//! From a card to its runs.

mod design;

pub use design::Design;
pub(crate) use design::{MOST_SEEDS, WANTED};

use crate::card::{Card, Role, Settings};
use crate::{SweepError, card};
use experiments_config::{Complaint, Config, Override};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One run of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedRun {
    /// `card-arm-confighash-sSEED`: the same run always has the same id, whatever is added to the
    /// card's grid.
    pub id: String,
    /// Label of the arm.
    pub arm: String,
    /// Value of every axis.
    pub settings: Settings,
    /// Seed.
    pub seed: u64,
    /// Whether the run counts for the verdict.
    pub role: Role,
    /// Optimiser steps.
    pub steps: u64,
    /// Token slots, padding included.
    pub tokens: u64,
    /// Estimated disk use, bytes.
    pub disk_bytes: u64,
    /// Full hash of the resolved configuration.
    pub config_hash: String,
}

/// Why the program itself gives a key to every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Only the spelling of paths differs: they are absolute, so that a run can be continued from another
    /// folder.
    AbsolutePath,
    /// A text was not available; another took its place, or none.
    Substitute,
}

/// All runs of a card on this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The card.
    pub card: Card,
    /// What every run is given beside the card: by `--set`, or for the reason in [`Plan::origins`].
    pub overrides: Settings,
    /// Why a key stands in [`Plan::overrides`] that no `--set` gave; filled in by the caller that resolved
    /// the sources.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub origins: BTreeMap<String, Origin>,
    /// Languages the card asks for whose text is not available here; filled in by the caller that
    /// resolved the sources.
    pub missing_languages: Vec<String>,
    /// The runs: all arms of the first seed, then of the next, so that a sweep that is cut short
    /// still compares its arms.
    pub runs: Vec<PlannedRun>,
}

impl Plan {
    /// Expands `card`. `overrides` apply to every run (for example `data.sources` as available)
    /// and may not touch an axis or the seed.
    pub fn expand(card: &Card, overrides: &[Override]) -> Result<Self, SweepError> {
        let overrides = check_overrides(card, overrides)?;
        let mut plan = Self {
            card: card.clone(),
            overrides,
            origins: BTreeMap::new(),
            missing_languages: Vec::new(),
            runs: Vec::new(),
        };
        let arms = card.arms();
        for seed in &card.seeds {
            for arm in arms.iter().filter(|arm| arm.seeds.contains(seed)) {
                let config = card.config(&plan.overrides, &arm.settings, *seed)?;
                plan.runs.push(PlannedRun {
                    id: format!(
                        "{}-{}-{}-s{seed}",
                        card.name,
                        arm.slug(),
                        config.short_hash()
                    ),
                    arm: arm.label.clone(),
                    settings: arm.settings.clone(),
                    seed: *seed,
                    role: arm.role,
                    steps: config.steps,
                    tokens: config.steps * config.tokens_per_step(),
                    disk_bytes: config.disk_bytes(),
                    config_hash: config.hash(),
                });
            }
        }
        Ok(plan)
    }

    /// The complete configuration of one of [`Plan::runs`].
    pub fn config(&self, run: &PlannedRun) -> Result<Config, SweepError> {
        self.card.config(&self.overrides, &run.settings, run.seed)
    }

    /// What [`Plan::overrides`] really changes: all but paths that were made absolute.
    pub fn changes(&self) -> impl Iterator<Item = (&String, &toml::Value)> {
        let spelled = |key: &&String| self.origins.get(*key) == Some(&Origin::AbsolutePath);
        self.overrides.iter().filter(move |(key, _)| !spelled(key))
    }

    /// What the criteria can show.
    #[must_use]
    pub fn designs(&self) -> Vec<Design> {
        design::of(&self.card)
    }

    /// Disk the sweep will need, bytes.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        self.runs.iter().map(|run| run.disk_bytes).sum()
    }

    /// Token slots all runs process.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.runs.iter().map(|run| run.tokens).sum()
    }

    /// Optimiser steps of all runs.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.runs.iter().map(|run| run.steps).sum()
    }
}

fn check_overrides(card: &Card, overrides: &[Override]) -> Result<Settings, SweepError> {
    let mut settings = Settings::new();
    for change in overrides {
        settings.insert(change.key.clone(), change.value.clone());
    }
    let mut complaints = Vec::new();
    let axes = card.axis_values();
    card::check_keys("--set", &settings, &mut complaints);
    for key in settings.keys().filter(|key| axes.contains_key(*key)) {
        complaints.push(Complaint {
            key: key.clone(),
            message: "is an axis of the card".to_owned(),
            hint: Some("change the axis in a copy of the card".to_owned()),
        });
    }
    if complaints.is_empty() {
        Ok(settings)
    } else {
        Err(SweepError::Override {
            card: card.name.clone(),
            complaints,
        })
    }
}

#[cfg(test)]
mod tests;
