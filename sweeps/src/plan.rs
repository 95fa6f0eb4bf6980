//! From a card to its runs.

mod design;
mod power;

pub use design::{Design, Designs, VerdictDesign};
pub(crate) use power::MOST_SEEDS;
pub use power::Power;

use crate::card::{Arm, Card, Role, Settings};
use crate::{SweepError, card};
use experiments_config::{Complaint, Config, Override};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

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

impl PlannedRun {
    /// A run of an arm that no plan has: what it takes is not known.
    pub(crate) fn without_plan(id: String, arm: &Arm, seed: u64) -> Self {
        Self {
            id,
            arm: arm.label.clone(),
            settings: arm.settings.clone(),
            seed,
            role: arm.role,
            steps: 0,
            tokens: 0,
            disk_bytes: 0,
            config_hash: String::new(),
        }
    }
}

/// Why the program itself gives a key to every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The files are the card's: their paths are absolute, so that a run can be continued from another
    /// folder, and the hashes of their contents stand beside them.
    Pinned,
    /// A text was not available; another took its place, or none.
    Substitute,
}

/// Hashes of files of initial weights by path.
pub type Weights = BTreeMap<PathBuf, String>;

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
    /// BLAKE3 (hex) of the files that arms name as `model.init.weights`, by absolute path: with these a
    /// configuration is that of their contents, wherever they are.
    #[serde(default, skip_serializing_if = "Weights::is_empty")]
    pub weights: Weights,
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
        Self::expand_with(card, overrides, Weights::new())
    }

    /// [`Plan::expand`] with the hashes of the files that arms name; see [`Plan::weights`].
    pub fn expand_with(
        card: &Card,
        overrides: &[Override],
        weights: Weights,
    ) -> Result<Self, SweepError> {
        let overrides = check_overrides(card, overrides)?;
        let mut plan = Self {
            card: card.clone(),
            overrides,
            origins: BTreeMap::new(),
            weights,
            missing_languages: Vec::new(),
            runs: Vec::new(),
        };
        let arms = card.arms();
        plan.check_recorded(&arms)?;
        for seed in &card.seeds {
            for arm in arms.iter().filter(|arm| arm.seeds.contains(seed)) {
                let config = plan.resolve(&arm.settings, *seed)?;
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

    /// A card that can be decided may be given keys with which it cannot.
    fn check_recorded(&self, arms: &[Arm]) -> Result<(), SweepError> {
        let mut complaints = Vec::new();
        if !self.overrides.is_empty() {
            for arm in arms {
                let config = self.resolve(&arm.settings, self.card.seeds[0])?;
                card::check_recorded(&self.card, arm, &config, &mut complaints);
            }
        }
        refuse(&self.card, complaints)
    }

    /// The complete configuration of one of [`Plan::runs`].
    pub fn config(&self, run: &PlannedRun) -> Result<Config, SweepError> {
        self.resolve(&run.settings, run.seed)
    }

    fn resolve(&self, settings: &Settings, seed: u64) -> Result<Config, SweepError> {
        let mut config = self.card.config(&self.overrides, settings, seed)?;
        let init = &mut config.model.init;
        if let (Some(path), None) = (&init.weights, &init.weights_blake3) {
            init.weights_blake3 = self.weights.get(path).cloned();
        }
        Ok(config)
    }

    /// What [`Plan::overrides`] really changes: all but files that were pinned.
    pub fn changes(&self) -> impl Iterator<Item = (&String, &toml::Value)> {
        let pinned = |key: &&String| self.origins.get(*key) == Some(&Origin::Pinned);
        self.overrides.iter().filter(move |(key, _)| !pinned(key))
    }

    /// What the criteria can show, each and together. Takes seconds: it simulates thousands of
    /// sweeps.
    #[must_use]
    pub fn designs(&self) -> Designs {
        design::of(&self.card)
    }

    /// The run that a run is compared with: of the same seed, in the control of the first criterion whose treatment has
    /// the run. Of several, where arms are pooled, the one with the fewest other axis values. None where no criterion has two sides.
    #[must_use]
    pub fn control_of(&self, run: usize) -> Option<usize> {
        let here = self.runs.get(run)?;
        let mut sides = self.card.criteria.iter().filter_map(|it| it.arms().pair());
        let (_, control) = sides.find(|(treatment, _)| card::matches(&here.settings, treatment))?;
        let others = self.runs.iter().enumerate();
        let controls = others.filter(|(number, other)| {
            *number != run && other.seed == here.seed && card::matches(&other.settings, control)
        });
        let axes = here.settings.iter();
        let differing = |other: &PlannedRun| {
            let same = |(key, value)| {
                other
                    .settings
                    .get(key)
                    .is_some_and(|it| card::same(it, value))
            };
            axes.clone().filter(|axis| !same(*axis)).count()
        };
        controls
            .min_by_key(|(_, other)| differing(other))
            .map(|(number, _)| number)
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
    refuse(card, complaints)?;
    Ok(settings)
}

/// Fails where `--set` has given cause for complaints.
fn refuse(card: &Card, complaints: Vec<Complaint>) -> Result<(), SweepError> {
    if complaints.is_empty() {
        return Ok(());
    }
    Err(SweepError::Override {
        card: card.name.clone(),
        complaints,
    })
}

#[cfg(test)]
mod tests;
