//! Arms: one setting of all axes, with its seeds and its role.

use crate::card::value::{label, named, same};
use crate::card::{Card, Role, Settings};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use toml::Value;

/// An exception for the arms that match.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmRule {
    /// Axis values an arm must have.
    #[serde(rename = "where")]
    pub place: Settings,
    /// Seeds instead of the card's.
    pub seeds: Option<Vec<u64>>,
    /// Role instead of confirmatory.
    pub role: Option<Role>,
}

/// One setting of all axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    /// Short name, unique in the card: `post`, `post layers=24`.
    pub label: String,
    /// Value of every axis.
    pub settings: Settings,
    /// Seeds in order.
    pub seeds: Vec<u64>,
    /// Whether its runs count for the verdict.
    pub role: Role,
}

impl Arm {
    /// The label as part of a file name.
    #[must_use]
    pub fn slug(&self) -> String {
        self.label
            .chars()
            .map(|c| match c {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '.' | '+' => c,
                _ => '-',
            })
            .take(100)
            .collect()
    }
}

/// Whether `settings` has all values of `wanted`; where that gives a list, any of it will do.
pub(crate) fn matches(settings: &Settings, wanted: &Settings) -> bool {
    wanted.iter().all(|(key, value)| {
        settings.get(key).is_some_and(|found| match value {
            Value::Array(any) => any.iter().any(|value| same(found, value)),
            value => same(found, value),
        })
    })
}

impl Card {
    /// All arms: the grid of the axes in key order, the last axis varying fastest, then axes that
    /// move together. Later rules win over earlier ones.
    #[must_use]
    pub fn arms(&self) -> Vec<Arm> {
        let mut grid = vec![Settings::new()];
        for (key, values) in &self.axes {
            let steps = values
                .iter()
                .map(|value| Settings::from([(key.clone(), value.clone())]));
            grid = cross(&grid, &steps.collect::<Vec<_>>());
        }
        for zip in &self.zips {
            grid = cross(&grid, &rows(zip));
        }
        grid.retain(|arm| !self.excluded.iter().any(|place| matches(arm, place)));
        let labels = labels(&grid);
        grid.into_iter()
            .zip(labels)
            .map(|(settings, label)| {
                let mut arm = Arm {
                    label,
                    settings,
                    seeds: self.seeds.clone(),
                    role: Role::Confirmatory,
                };
                for rule in &self.arm_rules {
                    if matches(&arm.settings, &rule.place) {
                        arm.seeds = rule.seeds.clone().unwrap_or(arm.seeds);
                        arm.role = rule.role.unwrap_or(arm.role);
                    }
                }
                arm
            })
            .collect()
    }

    /// The arms whose axis values match all of `wanted`.
    #[must_use]
    pub fn arms_at(&self, wanted: &Settings) -> Vec<Arm> {
        let mut arms = self.arms();
        arms.retain(|arm| matches(&arm.settings, wanted));
        arms
    }

    /// Every axis with its values, those that move together included.
    #[must_use]
    pub fn axis_values(&self) -> BTreeMap<String, Vec<Value>> {
        let mut all = self.axes.clone();
        for (key, values) in self.zips.iter().flatten() {
            let known = all.entry(key.clone()).or_default();
            for value in values {
                if !known.iter().any(|other| same(other, value)) {
                    known.push(value.clone());
                }
            }
        }
        all
    }
}

/// The steps of axes that move together.
pub(super) fn rows(zip: &BTreeMap<String, Vec<Value>>) -> Vec<Settings> {
    let length = zip.values().map(Vec::len).min().unwrap_or(0);
    (0..length)
        .map(|index| {
            zip.iter()
                .map(|(key, values)| (key.clone(), values[index].clone()))
                .collect()
        })
        .collect()
}

fn cross(grid: &[Settings], steps: &[Settings]) -> Vec<Settings> {
    let join = |arm: &Settings, step: &Settings| {
        let mut arm = arm.clone();
        arm.extend(step.clone());
        arm
    };
    grid.iter()
        .flat_map(|arm| steps.iter().map(move |step| join(arm, step)))
        .collect()
}

/// Short names; where they are ambiguous, every value gets its whole key.
fn labels(grid: &[Settings]) -> Vec<String> {
    let join = |name: &dyn Fn(&str, &Value) -> String| -> Vec<String> {
        grid.iter()
            .map(|settings| {
                let parts: Vec<String> = settings.iter().map(|(k, v)| name(k, v)).collect();
                parts.join(" ")
            })
            .collect()
    };
    let short = join(&named);
    if short.iter().collect::<BTreeSet<_>>().len() == grid.len() {
        short
    } else {
        join(&|key, value| format!("{key}={}", label(value)))
    }
}
