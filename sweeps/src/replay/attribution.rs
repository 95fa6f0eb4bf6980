//! From what happened to the twins to a cause: the rule, fixed before any cause was planted.
//!
//! The loss of a step is measured before its update. So a batch that is bad by itself shows at its own step, whatever the
//! optimiser did before, and goes with the batch; what the optimiser or the number format did shows in the steps before, and
//! stays with any batch. A milder step of the optimiser often only puts a spike off; so those twins have to stay calm to
//! their end, the others only around the step.
//!
//! One twin may go either way by chance, since near its edge a trajectory parts under any change. So nothing rests on one
//! twin where several can ask the same: four read another batch at the step, several change the optimiser, two read
//! other data all along, and two change the weights by no more than FP16 rounds.
//!
//! In order, and the first that holds decides:
//!
//! 1. The control does not give the record. From the first step of an attempt on, and only the record has a spike: *restore*;
//!    where neither has one there is nothing to attribute. Otherwise nothing can be said.
//! 2. The control has no spike at the step: there is nothing to attribute.
//! 3. What is left of the loss above its level, on average over the twins that read another batch at the step from the same
//!    state, is at most [`LEFT`]: *data*; but where FP32 is without the spike too, nothing can be said. Where the loss of the
//!    step is not finite, or not where the spike is, all of them have to be without it.
//! 4. The nudges are without it: nothing can be said, since any change may have removed it.
//! 5. `fp32` is without it: *precision*.
//! 6. Two twins of the optimiser or more stay calm to their end: *optimiser*; where it is one alone, nothing can be said.
//! 7. The twins that read other data all along are without it: *data order* where `order` is too, else *data*, of the
//!    steps before.
//! 8. Else, where data twins and, in a run that is not FP32, `fp32` were there to show otherwise: *state*.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What a spike is put down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The batches.
    Data,
    /// The order of the same batches.
    DataOrder,
    /// Where the run had got to, whatever it read next.
    State,
    /// What an attempt began with was not what the one before had left.
    Restore,
    /// The number format.
    Precision,
    /// What the optimiser makes of gradients: rate, clipping, moments.
    Optimiser,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Data => "data",
            Self::DataOrder => "data order",
            Self::State => "state",
            Self::Restore => "restore",
            Self::Precision => "precision",
            Self::Optimiser => "optimiser",
        })
    }
}

/// What became of a twin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// No spike to its end.
    Calm,
    /// None around the step, but one later.
    Later,
    /// A spike around the step.
    Spike,
}

/// How the control compares with the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// The same bits at every step that both have.
    Same,
    /// Other bits from this step on, which is the first of an attempt.
    OtherFromAttempt(u64),
    /// Other bits from this step on.
    Other(u64),
}

/// All that the rule knows.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The step that is asked about.
    pub at: u64,
    /// The control against the record.
    pub control: Control,
    /// Whether the record has a spike around the step.
    pub recorded: bool,
    /// Whether the run's passes are FP32, so that there is no twin `fp32`.
    pub fp32: bool,
    /// What became of each twin that ran to its end.
    pub fates: BTreeMap<String, Fate>,
    /// Loss above the level at the step, over the control's, of each twin; empty where the control's has no such height.
    pub left: BTreeMap<String, f64>,
}

/// What the rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The spike is put down to this.
    Cause(Cause),
    /// The run has no spike there.
    NoSpike,
    /// The twins do not say.
    Unclear,
}

/// The answer in words, and the twins that decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attribution {
    /// The answer.
    pub answer: Answer,
    /// Names of the twins that decide.
    pub twins: Vec<String>,
    /// One sentence.
    pub sentence: String,
}

/// Twins of the optimiser: several changes, three of them from two states.
const OPTIMISER: [&str; 10] = [
    "clip-tighter",
    "clip-tighter-2",
    "clip-off",
    "lr-half",
    "lr-half-2",
    "embedding-lr-half",
    "egs",
    "beta2-lower",
    "beta2-lower-2",
    "moments-reset",
];

/// Twins that read another batch at the step, from the same state.
const BATCH: [&str; 4] = ["skip", "other-batch", "other-batch-2", "other-batch-3"];
/// Twins that read other data from their first step on.
const DATA: [&str; 2] = ["other-data", "other-data-2"];
/// Twins of which the weights are changed by no more than FP16 rounds.
const NUDGES: [&str; 2] = ["nudge", "nudge-2"];
/// Share of the loss above its level that may be left with other batches where the batch is the cause. Of planted bad batches
/// less than a tenth is left, of spikes near the largest stable learning rate a half or more (docs/replay.md).
pub(super) const LEFT: f64 = 0.25;

impl Facts {
    /// Whether a twin was there and has no spike around the step.
    fn gone(&self, twin: &str) -> bool {
        matches!(self.fates.get(twin), Some(Fate::Calm | Fate::Later))
    }

    /// Whether all of these that ran, and one did, are without it.
    fn all_gone(&self, twins: &[&str]) -> bool {
        let mut there = twins.iter().filter(|twin| self.has(twin)).peekable();
        there.peek().is_some() && there.all(|twin| self.gone(twin))
    }

    fn has(&self, twin: &str) -> bool {
        self.fates.contains_key(twin)
    }

    fn spikes(&self, twin: &str) -> bool {
        self.fates.get(twin) == Some(&Fate::Spike)
    }

    /// Those of `twins` that ran.
    fn there<'a>(&self, twins: &[&'a str]) -> Vec<&'a str> {
        let mut twins = twins.to_vec();
        twins.retain(|twin| self.has(twin));
        twins
    }

    fn optimisers(&self, fate: Fate) -> Vec<&'static str> {
        let is = |twin: &&str| self.fates.get(*twin) == Some(&fate);
        OPTIMISER.into_iter().filter(is).collect()
    }

    /// What is left of the loss above its level with other batches at the step, on average.
    fn left(&self) -> Option<f64> {
        let left: Vec<f64> = BATCH
            .iter()
            .filter_map(|twin| self.left.get(*twin).copied())
            .collect();
        (!left.is_empty())
            .then(|| left.iter().map(|share| share.max(0.0)).sum::<f64>() / left.len() as f64)
    }
}

/// The rule: the first of its parts that has something to say.
#[must_use]
pub fn attribute(facts: &Facts) -> Attribution {
    facts
        .by_control()
        .or_else(|| facts.by_batch())
        .or_else(|| facts.by_chance())
        .or_else(|| facts.by_precision())
        .or_else(|| facts.by_optimiser())
        .or_else(|| facts.by_other_data())
        .unwrap_or_else(|| facts.by_nothing_else())
}

/// The twins that the rule reads: the others explain and do not decide.
pub fn deciding() -> impl Iterator<Item = &'static str> {
    let sets = BATCH.into_iter().chain(DATA).chain(NUDGES).chain(OPTIMISER);
    sets.chain(["order", "fp32", "older"])
}

/// The parts of the rule, in order.
impl Facts {
    /// 1 and 2: what the control says.
    fn by_control(&self) -> Option<Attribution> {
        let (at, same) = (self.at, ["same"]);
        if !self.has("same") {
            return Some(self.unclear(&same, "the control did not run to its end"));
        }
        let spikes = self.spikes("same");
        let nothing = format!("There is no spike of the loss around step {at} to attribute");
        match self.control {
            Control::Same if spikes => None,
            Control::Same => Some(answer(Answer::NoSpike, &same, format!("{nothing}."))),
            Control::OtherFromAttempt(step) if !spikes && !self.recorded => {
                let sentence = format!(
                    "{nothing}, but the record leaves the control at step {step}, the first of an attempt: something was restored wrong."
                );
                Some(answer(Answer::NoSpike, &same, sentence))
            }
            Control::OtherFromAttempt(step) if !spikes => {
                let why = format!(
                    "the record leaves the control at step {step}, the first of an attempt, and only the record spikes"
                );
                Some(self.cause(Cause::Restore, &same, &why))
            }
            Control::OtherFromAttempt(step) | Control::Other(step) => {
                let why = format!("the control does not give the record from step {step} on");
                Some(self.unclear(&same, &why))
            }
        }
    }

    /// 3: whether it goes with the batch of the step.
    fn by_batch(&self) -> Option<Attribution> {
        let goes = match self.left() {
            Some(left) => left <= LEFT,
            None => self.all_gone(&BATCH),
        };
        if !goes {
            return None;
        }
        let twins = self.there(&BATCH);
        if twins.len() < 2 {
            return Some(self.unclear(
                &twins,
                "it is gone with another batch, and only one was tried",
            ));
        }
        if self.gone("fp32") {
            let twins = [&twins[..], &["fp32"]].concat();
            return Some(self.unclear(&twins, "another batch removes it, and so does FP32"));
        }
        let why = if self.gone("older") {
            "it goes with the batch of the step, and an older state takes that batch without one"
        } else {
            "it goes with the batch of the step"
        };
        Some(self.cause(Cause::Data, &twins, why))
    }

    /// 4: whether it is gone where next to nothing changes.
    fn by_chance(&self) -> Option<Attribution> {
        let why = "changes of the weights no larger than FP16 rounds remove it, so any twin may by chance";
        self.all_gone(&NUDGES)
            .then(|| self.unclear(&self.there(&NUDGES), why))
    }

    /// 5: whether it is gone in FP32.
    fn by_precision(&self) -> Option<Attribution> {
        let twins = [&["fp32"], &self.there(&BATCH)[..]].concat();
        let why = "it comes with other batches and is gone in FP32";
        self.gone("fp32")
            .then(|| self.cause(Cause::Precision, &twins, why))
    }

    /// 6: whether it stays away where the optimiser is changed.
    fn by_optimiser(&self) -> Option<Attribution> {
        let calm = self.optimisers(Fate::Calm);
        if calm.is_empty() {
            return None;
        }
        // Two changes, or the same one from two states.
        if calm.len() == 1 {
            let why = "it comes with other batches and stays away under one change of the optimiser alone, which may be chance";
            return Some(self.unclear(&calm, why));
        }
        let why = if self.all_gone(&DATA) {
            "it comes with another batch at the step, and stays away where the optimiser is changed; so it does where the steps before it read other batches too"
        } else {
            "it comes with other batches, and stays away where the optimiser is changed"
        };
        Some(self.cause(Cause::Optimiser, &calm, why))
    }

    /// 7: whether it is gone where the steps before it read other batches too.
    fn by_other_data(&self) -> Option<Attribution> {
        if !self.all_gone(&DATA) {
            return None;
        }
        let twins = self.there(&DATA);
        if self.gone("order") {
            let twins = [&["order"], &twins[..]].concat();
            let why = "it comes with another batch at the step, and not where the batches before it come in another order, nor with others";
            return Some(self.cause(Cause::DataOrder, &twins, why));
        }
        let why = "it comes with another batch at the step, and not where the steps before it read other batches too";
        Some(self.cause(Cause::Data, &twins, why))
    }

    /// 8: what is left.
    fn by_nothing_else(&self) -> Attribution {
        let missing = self.missing();
        if !missing.is_empty() {
            return self.unclear(&missing, "twins that would decide did not run");
        }
        let twins = self.there(&["skip", "other-batch", "other-data", "fp32"]);
        let later = self.optimisers(Fate::Later);
        if later.is_empty() {
            let why = "it comes with other batches, in FP32 and with another optimiser";
            return self.cause(Cause::State, &twins, why);
        }
        let why = format!(
            "it comes with other batches and in FP32, and {} only {} it off",
            list(&later),
            if later.len() == 1 { "puts" } else { "put" }
        );
        self.cause(Cause::State, &twins, &why)
    }

    /// Of the twins without which nothing else can be excluded: two other batches, FP32, and the optimiser.
    fn missing(&self) -> Vec<&'static str> {
        let absent = BATCH.into_iter().filter(|twin| !self.has(twin));
        let enough = self.there(&BATCH).len();
        let mut missing: Vec<_> = absent.take(2_usize.saturating_sub(enough)).collect();
        if !self.fp32 && !self.has("fp32") {
            missing.push("fp32");
        }
        if self.there(&OPTIMISER).is_empty() {
            missing.extend(["lr-half", "beta2-lower"]);
        }
        missing
    }

    fn cause(&self, cause: Cause, twins: &[&str], why: &str) -> Attribution {
        let (at, named) = (self.at, list(twins));
        let sentence = format!("The spike at step {at} is put down to {cause}: {why} ({named}).");
        answer(Answer::Cause(cause), twins, sentence)
    }

    fn unclear(&self, twins: &[&str], why: &str) -> Attribution {
        let (at, named) = (self.at, list(twins));
        let sentence =
            format!("What caused the spike at step {at} cannot be said: {why} ({named}).");
        answer(Answer::Unclear, twins, sentence)
    }
}

fn answer(answer: Answer, twins: &[&str], sentence: String) -> Attribution {
    Attribution {
        answer,
        twins: twins.iter().map(|twin| (*twin).to_owned()).collect(),
        sentence,
    }
}

fn list(twins: &[&str]) -> String {
    let quoted: Vec<_> = twins.iter().map(|twin| format!("`{twin}`")).collect();
    quoted.join(", ")
}
