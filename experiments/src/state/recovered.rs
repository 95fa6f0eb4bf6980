//! What the policies of a run have done so far.

use crate::numerics::loss_scaler::LossScaler;
use crate::optimizer::clipping::Clipper;
use experiments_config::{PolicyKind, RecoveryConfig};
use serde::{Deserialize, Serialize};

/// Everything that decides how policies go on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recovered {
    /// Actions so far.
    pub(crate) actions: u64,
    pub(crate) last: Option<Action>,
    /// How often the run went back.
    pub(crate) branches: u64,
    /// By how many steps the data that steps read are ahead of what they would have read.
    pub(crate) ahead: u64,
    /// The last step of those that were taken and given up.
    pub(crate) reached: u64,
    /// What is otherwise for a while.
    pub(crate) passing: Option<Passing>,
}

/// What a policy did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Action {
    /// Its place in the list.
    pub(crate) policy: usize,
    /// The step of the alarm.
    pub(crate) alarm: u64,
    /// Finished steps from which the run went on.
    pub(crate) from: u64,
    /// The alarm in words, and the rules that raised it.
    pub(crate) why: String,
    pub(crate) rules: Vec<String>,
}

/// A change that ends by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Passing {
    /// Place of its policy in the list.
    pub(crate) policy: usize,
    /// The last step that it touches.
    pub(crate) until: u64,
    /// What the run goes on with then, where the change has its own.
    pub(crate) scaler: Option<LossScaler>,
    pub(crate) clipper: Option<Clipper>,
}

/// What answers an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Nothing: the last action is not long enough ago.
    Wait,
    /// Nothing: there were as many actions as there may be.
    Limit,
    /// The policy at this place.
    Policy(usize),
}

impl Recovered {
    /// What answers an alarm of step `step`.
    pub(crate) fn choose(&self, config: &RecoveryConfig, step: u64) -> Choice {
        let Some(last) = &self.last else {
            return Choice::Policy(0);
        };
        if step <= last.from.saturating_add(config.cool_down) {
            Choice::Wait
        } else if self.actions >= config.limit {
            Choice::Limit
        } else if step <= last.alarm.saturating_add(config.escalate_steps) {
            Choice::Policy((last.policy + 1).min(config.policy.len() - 1))
        } else {
            Choice::Policy(0)
        }
    }

    /// The policy that changes something now, if it is of this kind.
    pub(crate) fn passing(&self, config: &RecoveryConfig, kind: PolicyKind) -> Option<usize> {
        let place = self.passing.as_ref()?.policy;
        let policy = config.policy.get(place)?;
        (policy.kind == kind).then_some(place)
    }

    /// The factor on the learning rate.
    pub(crate) fn lr_factor(&self, config: &RecoveryConfig) -> f64 {
        let place = self.passing(config, PolicyKind::CutLr);
        place.map_or(1.0, |place| config.policy[place].factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use experiments_config::Policy;

    fn after(policy: usize, alarm: u64, from: u64, actions: u64) -> Recovered {
        Recovered {
            actions,
            last: Some(Action {
                policy,
                alarm,
                from,
                why: String::new(),
                rules: Vec::new(),
            }),
            ..Recovered::default()
        }
    }

    #[test]
    fn policies_escalate_cool_down_and_end_at_the_limit() {
        let config = RecoveryConfig {
            policy: [
                PolicyKind::Skip,
                PolicyKind::CutLr,
                PolicyKind::RollbackSkip,
            ]
            .map(Policy::new)
            .to_vec(),
            cool_down: 10,
            escalate_steps: 50,
            limit: 4,
            ..RecoveryConfig::default()
        };
        let choose = |recovered: Recovered, step| recovered.choose(&config, step);
        assert_eq!(choose(Recovered::default(), 5), Choice::Policy(0));
        assert_eq!(choose(after(0, 100, 100, 1), 110), Choice::Wait);
        assert_eq!(choose(after(0, 100, 100, 1), 111), Choice::Policy(1));
        assert_eq!(choose(after(0, 100, 100, 1), 151), Choice::Policy(0));
        assert_eq!(choose(after(1, 100, 100, 2), 150), Choice::Policy(2));
        // The run went back to step 20: all up to the alarm and a while behind it belong to it.
        assert_eq!(choose(after(2, 100, 20, 3), 30), Choice::Wait);
        assert_eq!(choose(after(2, 100, 20, 3), 31), Choice::Policy(2));
        assert_eq!(choose(after(2, 100, 20, 3), 151), Choice::Policy(0));
        assert_eq!(choose(after(2, 100, 20, 4), 300), Choice::Limit);
    }
}
