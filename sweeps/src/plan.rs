//! From a card to its runs.

mod design;

pub use design::Design;
pub(crate) use design::{MOST_SEEDS, WANTED};

use crate::card::{Card, Role, Settings};
use crate::{SweepError, card};
use experiments_config::{Complaint, Config, Override};
use serde::{Deserialize, Serialize};

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

/// All runs of a card on this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The card.
    pub card: Card,
    /// What `--set` changed in every run; shown beside the verdict.
    pub overrides: Settings,
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

    /// The overrides that make the runs other than the card's. Those that only pin the content of the
    /// card's own files, or make their paths absolute, are left out.
    #[must_use]
    pub fn changed(&self) -> Settings {
        let files = |overrides: &Settings| {
            let run = self.runs.first()?;
            let config = self.card.config(overrides, &run.settings, run.seed).ok()?;
            Some(config.unpinned())
        };
        let same = match (files(&Settings::new()), files(&self.overrides)) {
            (Some(own), Some(now)) => [
                ("data.sources", own.data.sources == now.data.sources),
                ("tasks.sources", own.tasks.sources == now.tasks.sources),
                (
                    "model.init.weights",
                    own.model.init.weights == now.model.init.weights,
                ),
                ("model.init.weights_blake3", true),
            ]
            .map(|(key, same)| same.then_some(key)),
            _ => [None; 4],
        };
        let mut changed = self.overrides.clone();
        changed.retain(|key, _| !same.contains(&Some(key.as_str())));
        changed
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
