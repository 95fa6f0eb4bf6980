//! Policies: their numbers, what triggers them, and what can change for a while.

use crate::validate::Checks;
use crate::{Complaint, Config, InjectKind, Policy, PolicyKind, RecoveryConfig, ScheduledKey};
use words::did_you_mean;

/// Policies that a run may have.
const MOST_POLICIES: usize = 20;
/// Steps that a number of a policy may stand for.
const MOST_STEPS: u64 = 1_000_000_000;
/// Sections of which a key can be another for some steps. All else belongs to the whole run: its text, its length, its
/// seed, what is recorded and kept.
const CHANGEABLE: [&str; 7] = [
    "model",
    "objective",
    "tasks.ratio",
    "batch",
    "optimizer",
    "egs",
    "precision",
];

impl Config {
    /// Every policy must be able to act, and what triggers one must be watched.
    pub(crate) fn check_recovery(&self, checks: &mut Checks) {
        let recovery = &self.recovery;
        if recovery.is_off() {
            checks.require(
                recovery.is_default(),
                "recovery",
                "has no effect without an entry of `[[recovery.policy]]`; one of `kind = \"none\"` turns it off",
            );
            return;
        }
        let entries = recovery.policy.len();
        checks.require(
            entries <= MOST_POLICIES,
            "recovery.policy",
            format!("has {entries} entries, at most {MOST_POLICIES}"),
        );
        checks.require(
            !self.is_probe(),
            "recovery",
            "acts on training, and `probe.kind` measures instead of training",
        );
        self.check_triggers(checks);
        check_count(recovery.cool_down, 0, "recovery.cool_down", checks);
        check_count(
            recovery.escalate_steps,
            0,
            "recovery.escalate_steps",
            checks,
        );
        check_count(recovery.limit, 1, "recovery.limit", checks);
        for (index, policy) in recovery.policy.iter().enumerate() {
            self.check_policy(policy, &format!("recovery.policy[{index}]"), checks);
        }
        self.check_planted_data(recovery, checks);
    }

    fn check_triggers(&self, checks: &mut Checks) {
        let (key, watched) = ("recovery.detectors", &self.alarm.detectors);
        let triggers = &self.recovery.detectors;
        checks.require(
            !triggers.is_empty(),
            key,
            "is empty: no policy would ever act",
        );
        for name in triggers {
            checks.require_or(
                watched.contains(name),
                key,
                format!("`{name}` is not among `alarm.detectors`, so it raises no alarm"),
                did_you_mean(name, watched),
            );
        }
    }

    fn check_policy(&self, policy: &Policy, key: &str, checks: &mut Checks) {
        let place = |name: &str| format!("{key}.{name}");
        match policy.kind {
            PolicyKind::None => {}
            PolicyKind::Skip => check_count(policy.skip_steps, 1, &place("skip_steps"), checks),
            PolicyKind::RollbackSkip => {
                check_count(policy.skip_steps, 0, &place("skip_steps"), checks);
                check_count(policy.rollback_steps, 1, &place("rollback_steps"), checks);
            }
            PolicyKind::CutLr => {
                check_count(policy.steps, 1, &place("steps"), checks);
                checks.above_zero(policy.factor, &place("factor"));
            }
            PolicyKind::Change => {
                check_count(policy.steps, 1, &place("steps"), checks);
                self.check_change(policy, &place("set"), checks);
            }
        }
    }

    /// What is set must be a configuration that goes on with the same weights and text.
    fn check_change(&self, policy: &Policy, key: &str, checks: &mut Checks) {
        checks.require(!policy.set.is_empty(), key, "is empty: nothing is changed");
        let before = checks.0.len();
        for set in &policy.set {
            let name = set.split('=').next().unwrap_or_default().trim();
            let inside = |section: &&str| {
                let rest = name.strip_prefix(*section);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            checks.require(
                CHANGEABLE.iter().any(inside),
                key,
                format!(
                    "`{name}` cannot be another for some steps, only keys of {}",
                    CHANGEABLE.join(", ")
                ),
            );
            let moves = |key: ScheduledKey| {
                let key = toml::Value::try_from(key).unwrap_or(false.into());
                key.as_str() == Some(name)
            };
            checks.require(
                !self.schedule.iter().any(|entry| moves(entry.key)),
                key,
                format!("`{name}` is moved by `[[schedule]]`, which would win"),
            );
        }
        if checks.0.len() > before {
            return;
        }
        match self.changed_by(policy) {
            Err(complaints) => checks
                .0
                .extend(complaints.into_iter().map(|found| Complaint {
                    key: key.to_owned(),
                    message: format!("leads to `{}`: {}", found.key, found.message),
                    hint: found.hint,
                })),
            Ok(changed) => checks.require(
                changed.model.tensors(changed.tokenizer.vocab_size)
                    == self.model.tensors(self.tokenizer.vocab_size),
                key,
                "would change the parameters of the model, which a run cannot",
            ),
        }
    }

    /// Which step's planted data a batch holds is counted in whole steps.
    fn check_planted_data(&self, recovery: &RecoveryConfig, checks: &mut Checks) {
        let in_data = |kind| !matches!(kind, InjectKind::None | InjectKind::Weight);
        let planted = self.inject.iter().any(|inject| in_data(inject.kind));
        let ramps = |key| key == ScheduledKey::GradientAccumulation;
        let ramp = self.schedule.iter().any(|entry| ramps(entry.key));
        let mut sets = recovery.policy.iter().flat_map(|policy| &policy.set);
        let resizes = sets.any(|set| set.trim_start().starts_with("batch"));
        checks.require(
            !(planted && (ramp || resizes)),
            "recovery",
            "passes over data by steps, and `[[inject]]` plants data by steps: neither goes with batches that change their size",
        );
    }
}

fn check_count(count: u64, least: u64, key: &str, checks: &mut Checks) {
    let message = format!("is {count}, must lie between {least} and {MOST_STEPS}");
    checks.require((least..=MOST_STEPS).contains(&count), key, message);
}
