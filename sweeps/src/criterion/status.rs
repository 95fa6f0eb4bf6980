//! Whether a claim holds.

use serde::{Deserialize, Serialize};

/// Whether a claim holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictStatus {
    /// The criterion holds, whatever runs without an outcome would show.
    Reproduced,
    /// The criterion does not hold, whatever runs without an outcome would show.
    NotReproduced,
    /// Runs without an outcome could still turn it either way, it was not tested (see [`crate::criterion::Open`]), or
    /// the budget decides nothing or leaves out a confirmatory criterion.
    Inconclusive,
    /// Of an exploration, which claims nothing: there is no verdict. Never of a criterion.
    Exploration,
}

impl VerdictStatus {
    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Reproduced => "Reproduced",
            Self::NotReproduced => "Not reproduced",
            Self::Inconclusive => "Inconclusive",
            Self::Exploration => "No verdict",
        }
    }

    /// For people, of one criterion.
    #[must_use]
    pub fn of_criterion(self) -> &'static str {
        match self {
            Self::Reproduced => "holds",
            Self::NotReproduced => "does not hold",
            Self::Inconclusive => "open",
            Self::Exploration => "claims nothing",
        }
    }
}
