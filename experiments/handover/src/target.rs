//! The trainers.

use crate::ArgumentTable;
use crate::HandoverError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A trainer that a full run can be handed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// `LargeScale`, the fork of Megatron-DeepSpeed that trained GLM-130B.
    MegatronDeepspeed,
    /// NVIDIA's Megatron-LM, whose models are Megatron Core.
    MegatronCore,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::MegatronDeepspeed, Self::MegatronCore];

    /// Name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MegatronDeepspeed => "megatron-deepspeed",
            Self::MegatronCore => "megatron-core",
        }
    }

    /// The arguments its parser takes, as far as a hand-over needs them.
    pub fn table(self) -> Result<ArgumentTable, HandoverError> {
        let text = match self {
            Self::MegatronDeepspeed => include_str!("arguments/megatron-deepspeed.json"),
            Self::MegatronCore => include_str!("arguments/megatron-core.json"),
        };
        ArgumentTable::parse(self, text)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Target {
    type Err = HandoverError;

    fn from_str(name: &str) -> Result<Self, HandoverError> {
        let found = Self::ALL.into_iter().find(|target| target.name() == name);
        found.ok_or_else(|| HandoverError::Value {
            key: "target".to_owned(),
            value: format!("`{name}`"),
            expected: "expected `megatron-deepspeed` or `megatron-core`".to_owned(),
        })
    }
}
