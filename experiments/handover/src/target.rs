//! The trainers.

use crate::ArgumentTable;
use crate::HandoverError;
use std::fmt;
use std::str::FromStr;
use words::{Named as _, named};

named! {
    /// A trainer that a full run can be handed to.
    #[derive(Hash)]
    pub enum Target {
        /// `LargeScale`, the fork of Megatron-DeepSpeed that trained GLM-130B.
        MegatronDeepspeed = "megatron-deepspeed",
        /// NVIDIA's Megatron-LM, whose models are Megatron Core.
        MegatronCore = "megatron-core",
    }
}

impl Target {
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
        Self::find(name).ok_or_else(|| HandoverError::Value {
            key: "target".to_owned(),
            value: format!("`{name}`"),
            expected: "expected `megatron-deepspeed` or `megatron-core`".to_owned(),
        })
    }
}
