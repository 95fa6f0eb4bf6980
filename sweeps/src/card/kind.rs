//! What a card claims, and what of it counts.

use serde::{Deserialize, Serialize};

/// What a card claims to reproduce, if anything: a proxy may show a symptom without sharing its cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The observable failure only.
    Symptom,
    /// The cause as well.
    Mechanism,
    /// Nothing: it looks around, has no criterion, and gives no verdict.
    Exploration,
}

/// Whether a run counts for the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Counts in the test of the criterion.
    Confirmatory,
    /// Shown only.
    Descriptive,
}
