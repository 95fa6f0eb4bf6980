//! Arms: one setting of all axes, with its seeds and its role.

use crate::card::kind::Role;
use crate::card::value::{Settings, same};
use serde::{Deserialize, Serialize};
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
