//! What a run does by itself about an alarm: it passes over data, lowers its learning rate, goes back to an earlier state
//! and passes over the data since, or trains with other keys for a while.
//!
//! Several policies are an escalation. The first one answers an alarm; the next one answers an alarm that comes soon after;
//! the last one stays. Without a policy nothing of this is there, and the configuration hash is that of before.

mod bounds;

use crate::{Complaint, Config, ConfigError, Override, resolve};
use serde::{Deserialize, Serialize};
use toml::Table;

/// Policies and when they act.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecoveryConfig {
    /// What is tried, in this order; nothing without one.
    pub policy: Vec<Policy>,
    /// Detectors of `alarm.detectors` whose alarms are acted on.
    pub detectors: Vec<String>,
    /// Steps after an action in which no other follows.
    pub cool_down: u64,
    /// An alarm at most so many steps behind the one that was last acted on is answered by the next policy, a later one by
    /// the first.
    pub escalate_steps: u64,
    /// Actions of a run, at most.
    pub limit: u64,
    /// What an alarm does after that.
    pub at_limit: AtLimit,
}

/// What follows an alarm when the limit of actions is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtLimit {
    /// The run stops after a checkpoint, as with `alarm.action = "stop"`.
    Stop,
    /// Nothing: the run goes on.
    GoOn,
}

/// One policy. Keys that its kind does not use have no effect, so that the arms of a card can differ in `kind` alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What is done.
    pub kind: PolicyKind,
    /// Batches that are passed over, in steps: the next ones, or those behind the abandoned ones.
    #[serde(default = "one")]
    pub skip_steps: u64,
    /// How far back, in steps before the alarm.
    #[serde(default = "hundred")]
    pub rollback_steps: u64,
    /// Factor on the learning rate.
    #[serde(default = "half")]
    pub factor: f64,
    /// For how many steps the learning rate is lower, or keys are others.
    #[serde(default = "hundred")]
    pub steps: u64,
    /// Keys and their values meanwhile, as `--set` takes them: `egs.alpha=0.1`.
    #[serde(default)]
    pub set: Vec<String>,
}

/// What a policy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyKind {
    /// Nothing: the arm of a card that goes without. [`crate::resolve`] drops such entries.
    None,
    /// The next batches are passed over.
    Skip,
    /// The learning rate is lower for some steps.
    CutLr,
    /// Back to the state before the alarm, and on with the data behind those that were read since (`PaLM`, arXiv 2204.02311,
    /// §5.1; GLM-130B's log).
    RollbackSkip,
    /// Other keys for some steps.
    Change,
}

impl PolicyKind {
    /// The word of the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Skip => "skip",
            Self::CutLr => "cut_lr",
            Self::RollbackSkip => "rollback_skip",
            Self::Change => "change",
        }
    }
}

/// Detectors that see the loss diverge or a loss scale that falls without end, with hardly a false alarm at their
/// thresholds (`docs/spikes.md`).
const TRIGGERS: [&str; 4] = ["non-finite", "robust-loss", "jump-loss", "loss-scale"];

fn one() -> u64 {
    1
}

fn hundred() -> u64 {
    100
}

fn half() -> f64 {
    0.5
}

impl Default for RecoveryConfig {
    fn default() -> Self {
        Self {
            policy: Vec::new(),
            detectors: TRIGGERS.map(str::to_owned).to_vec(),
            cool_down: 16,
            escalate_steps: 100,
            limit: 8,
            at_limit: AtLimit::Stop,
        }
    }
}

impl Policy {
    /// One of its kind with every other key at its default.
    #[must_use]
    pub fn new(kind: PolicyKind) -> Self {
        Self {
            kind,
            skip_steps: one(),
            rollback_steps: hundred(),
            factor: half(),
            steps: hundred(),
            set: Vec::new(),
        }
    }
}

impl RecoveryConfig {
    /// Whether nothing is ever done.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.policy.is_empty()
    }

    /// Whether the run may go back to an earlier state.
    #[must_use]
    pub fn rolls_back(&self) -> bool {
        let mut policies = self.policy.iter();
        policies.any(|policy| policy.kind == PolicyKind::RollbackSkip)
    }

    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Config {
    /// The configuration of the steps for which `policy` changes keys, also judged as if it had been read.
    pub fn changed_by(&self, policy: &Policy) -> Result<Self, Vec<Complaint>> {
        let alone = |key: &str, message: String| Complaint {
            key: key.to_owned(),
            message,
            hint: None,
        };
        let set: Result<Vec<Override>, ConfigError> =
            policy.set.iter().map(|set| set.parse()).collect();
        let set = set.map_err(|error| vec![alone("set", error.to_string())])?;
        let mut base = self.clone();
        base.recovery = RecoveryConfig::default();
        let table: Table = toml::from_str(&base.to_toml())
            .map_err(|error| vec![alone("set", error.to_string())])?;
        match resolve(table, &set, "a policy") {
            Ok(changed) => Ok(Self {
                recovery: self.recovery.clone(),
                ..changed
            }),
            Err(ConfigError::Invalid { complaints, .. }) => Err(complaints),
            Err(other) => Err(vec![alone("set", other.to_string())]),
        }
    }

    /// Drops policies that do nothing, and with the last of them the section.
    pub(crate) fn drop_empty_policies(&mut self) {
        let policies = &mut self.recovery.policy;
        policies.retain(|policy| policy.kind != PolicyKind::None);
        if policies.is_empty() {
            self.recovery = RecoveryConfig::default();
        }
    }
}

#[cfg(test)]
mod tests;
