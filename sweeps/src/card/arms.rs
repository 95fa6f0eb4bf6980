//! Arms: one setting of all axes, with its seeds and its role.

use crate::card::value::{label, same};
use crate::card::{Card, Role, Settings};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

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

/// Whether `settings` has all values of `wanted`.
pub(super) fn matches(settings: &Settings, wanted: &Settings) -> bool {
    wanted
        .iter()
        .all(|(key, value)| settings.get(key).is_some_and(|found| same(found, value)))
}

impl Card {
    /// All arms: the grid of the axes in key order, the last axis varying fastest. Later rules
    /// win over earlier ones.
    #[must_use]
    pub fn arms(&self) -> Vec<Arm> {
        let mut grid = vec![Settings::new()];
        for (key, values) in &self.axes {
            grid = grid
                .iter()
                .flat_map(|arm| {
                    values.iter().map(|value| {
                        let mut arm = arm.clone();
                        arm.insert(key.clone(), value.clone());
                        arm
                    })
                })
                .collect();
        }
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

    /// The treatment and the control arm; a checked card has exactly one of each.
    #[must_use]
    pub fn compared(&self) -> Option<(Arm, Arm)> {
        let arms = self.arms();
        let find = |wanted| {
            arms.iter()
                .find(|arm| matches(&arm.settings, wanted))
                .cloned()
        };
        Some((
            find(&self.criterion.treatment)?,
            find(&self.criterion.control)?,
        ))
    }
}

/// Words speak for themselves, numbers need the key's last part; where that is ambiguous, every
/// value gets its whole key.
fn labels(grid: &[Settings]) -> Vec<String> {
    let join = |name: &dyn Fn(&str, &toml::Value) -> String| -> Vec<String> {
        grid.iter()
            .map(|settings| {
                let parts: Vec<String> = settings.iter().map(|(k, v)| name(k, v)).collect();
                parts.join(" ")
            })
            .collect()
    };
    let short = join(&|key, value| {
        if let toml::Value::String(text) = value {
            return text.clone();
        }
        let last = key.rsplit('.').next().unwrap_or(key);
        format!("{last}={}", label(value))
    });
    if short.iter().collect::<BTreeSet<_>>().len() == grid.len() {
        short
    } else {
        join(&|key, value| format!("{key}={}", label(value)))
    }
}
