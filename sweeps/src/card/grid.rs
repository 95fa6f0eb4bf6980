//! The arms of a card: the grid of its axes.

use crate::card::arms::{Arm, matches};
use crate::card::value::{label, named, same};
use crate::card::{Card, Role, Settings};
use std::collections::{BTreeMap, BTreeSet};
use toml::Value;

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

/// Short names. A key that ends as another does keeps all its parts, and where two arms would still have one name, every
/// key does.
fn labels(grid: &[Settings]) -> Vec<String> {
    let join = |name: &dyn Fn(&str, &Value) -> String| -> Vec<String> {
        grid.iter()
            .map(|settings| {
                let parts: Vec<String> = settings.iter().map(|(k, v)| name(k, v)).collect();
                parts.join(" ")
            })
            .collect()
    };
    let keys: BTreeSet<&String> = grid.iter().flat_map(BTreeMap::keys).collect();
    let ends_as = |end: &str| {
        keys.iter()
            .filter(|key| words::last_part(key) == end)
            .count()
    };
    let whole = |key: &str, value: &Value| format!("{key}={}", label(value));
    let short = join(&|key, value| match ends_as(words::last_part(key)) {
        0 | 1 => named(key, value),
        _ => whole(key, value),
    });
    if short.iter().collect::<BTreeSet<_>>().len() == grid.len() {
        short
    } else {
        join(&whole)
    }
}
