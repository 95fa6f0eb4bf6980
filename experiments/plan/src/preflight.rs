//! Go or no-go before a run is submitted: the nodes, the layout, the batch ramp, the memory, the
//! disk, and what experiment cards say about the configuration's stability.

mod cards;
mod checks;
mod disk;
mod nodes;
mod text;

pub use cards::{ArmResult, CardResult, read_cards};
pub use nodes::{Node, NodeList};

use crate::{Cluster, Layout, PlanError};
use experiments_config::Config;
use serde::Serialize;
use std::path::Path;

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing against it.
    Go,
    /// Worth a look; not against it.
    Warn,
    /// Would fail.
    NoGo,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// What was found.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// What would help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// All checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preflight {
    /// Go unless a check says no-go.
    pub verdict: Verdict,
    /// In the order in which they were made.
    pub checks: Vec<Check>,
}

/// What is checked, and against what.
#[derive(Debug, Clone)]
pub struct PreflightInput<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Its layout.
    pub layout: &'a Layout,
    /// The machines the layout was made for.
    pub cluster: &'a Cluster,
    /// The machines there are.
    pub nodes: &'a NodeList,
    /// Free bytes where checkpoints go, if known.
    pub free_disk_bytes: Option<u64>,
    /// Bytes per second all ranks together write there, if known.
    pub write_bytes_per_second: Option<f64>,
    /// Seconds of one step, if known: measured, or from the plan.
    pub step_seconds: Option<f64>,
    /// Folder of card results, `experiments/results`.
    pub results: &'a Path,
}

/// Checks everything; what is wrong with the plan is a check that says no-go, and only a file that
/// cannot be understood is an error.
pub fn preflight(input: &PreflightInput) -> Result<Preflight, PlanError> {
    let mut checks = checks::nodes(input);
    checks.extend(checks::layout(input));
    checks.extend(checks::batch(input));
    checks.extend(checks::memory(input)?);
    checks.extend(disk::checks(input)?);
    checks.extend(cards::checks(input)?);
    let no_go = checks.iter().any(|check| check.verdict == Verdict::NoGo);
    Ok(Preflight {
        verdict: if no_go { Verdict::NoGo } else { Verdict::Go },
        checks,
    })
}

impl Check {
    fn go(name: &str, reason: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            verdict: Verdict::Go,
            reason: reason.into(),
            fix: None,
        }
    }

    fn warn(name: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Warn,
            fix: Some(fix.into()),
            ..Self::go(name, reason)
        }
    }

    fn no_go(name: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::NoGo,
            fix: Some(fix.into()),
            ..Self::go(name, reason)
        }
    }

    /// A broken constraint, with the nearest legal values as the fix.
    fn broken(name: &str, error: &PlanError) -> Self {
        match error {
            PlanError::Layout {
                constraint,
                nearest,
            } => Self::no_go(name, constraint, crate::nearest::advice(nearest)),
            PlanError::Size {
                what,
                value,
                expected,
            } => Self::no_go(name, format!("`{what}` is {value}"), expected),
            other => Self::no_go(name, other.to_string(), "correct it"),
        }
    }
}

#[cfg(test)]
mod tests;
