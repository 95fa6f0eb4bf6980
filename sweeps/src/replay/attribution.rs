//! From what happened to the twins to a cause: the rule, fixed before any cause was planted.
//!
//! The loss of a step is measured before its update. So a batch that is bad by itself shows at its own step, whatever the
//! optimiser did before, and goes with the batch; what the optimiser or the number format did shows in the steps before, and
//! stays with any batch. A milder step of the optimiser often only puts a spike off; so those twins have to stay calm to
//! their end, the others only around the step.
//!
//! In order, and the first that holds decides:
//!
//! 1. The control does not give the record. From the first step of an attempt on, and only the record has a spike: *restore*;
//!    where neither has one there is nothing to attribute. Otherwise nothing can be said.
//! 2. The control has no spike at the step: there is nothing to attribute.
//! 3. `skip` and `other-batch` are both without the spike: *data*; but where FP32 is without it too, or where only one of
//!    the two is, nothing can be said.
//! 4. `fp32` is without it: *precision*.
//! 5. `order` is without it: *data order*; but where `other-data` still has it, or an optimiser's twin is calm as well, nothing
//!    can be said.
//! 6. A twin of the optimiser stays calm to its end: *optimiser*.
//! 7. `other-data` is without it: *data*, of the steps before.
//! 8. Else, where data twins and, in a run that is not FP32, `fp32` were there to show otherwise: *state*.

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

/// Twins of the optimiser.
const OPTIMISER: [&str; 7] = [
    "clip-tighter",
    "clip-off",
    "lr-half",
    "embedding-lr-half",
    "egs",
    "beta2-lower",
    "moments-reset",
];

impl Facts {
    /// Whether a twin was there and has no spike around the step.
    fn gone(&self, twin: &str) -> bool {
        matches!(self.fates.get(twin), Some(Fate::Calm | Fate::Later))
    }

    fn has(&self, twin: &str) -> bool {
        self.fates.contains_key(twin)
    }

    fn spikes(&self, twin: &str) -> bool {
        self.fates.get(twin) == Some(&Fate::Spike)
    }

    fn optimisers(&self, fate: Fate) -> Vec<&'static str> {
        let is = |twin: &&str| self.fates.get(*twin) == Some(&fate);
        OPTIMISER.into_iter().filter(is).collect()
    }
}

/// The rule: the first of its parts that has something to say.
#[must_use]
pub fn attribute(facts: &Facts) -> Attribution {
    facts
        .by_control()
        .or_else(|| facts.by_batch())
        .or_else(|| facts.by_precision())
        .or_else(|| facts.by_order())
        .or_else(|| facts.by_optimiser())
        .or_else(|| facts.by_other_data())
        .unwrap_or_else(|| facts.by_nothing_else())
}

/// Twins that read another batch at the step.
const BATCH: [&str; 2] = ["skip", "other-batch"];

/// The twins that the rule reads: the others explain and do not decide.
pub fn deciding() -> impl Iterator<Item = &'static str> {
    let others = ["order", "other-data", "fp32", "older"];
    BATCH.into_iter().chain(others).chain(OPTIMISER)
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
        match BATCH.map(|twin| self.gone(twin)) {
            [true, true] if self.gone("fp32") => Some(self.unclear(
                &["skip", "other-batch", "fp32"],
                "another batch removes it, and so does FP32",
            )),
            [true, true] => {
                let why = if self.gone("older") {
                    "it goes with the batch of the step, and an older state takes that batch without one"
                } else {
                    "it goes with the batch of the step"
                };
                Some(self.cause(Cause::Data, &BATCH, why))
            }
            [false, false] => None,
            [true, false] | [false, true] => Some(self.unclear(
                &BATCH,
                "it is gone with one other batch and not with another, or only one was tried",
            )),
        }
    }

    /// 4: whether it is gone in FP32.
    fn by_precision(&self) -> Option<Attribution> {
        let why = "it comes with other batches and is gone in FP32";
        let twins = ["fp32", "skip", "other-batch"];
        self.gone("fp32")
            .then(|| self.cause(Cause::Precision, &twins, why))
    }

    /// 5: whether it is gone where the same batches come in another order.
    fn by_order(&self) -> Option<Attribution> {
        if !self.gone("order") {
            return None;
        }
        if self.spikes("other-data") {
            return Some(self.unclear(
                &["order", "other-data"],
                "another order of the batches removes it, and other batches do not",
            ));
        }
        let calm = self.optimisers(Fate::Calm);
        if !calm.is_empty() {
            let twins: Vec<&str> = [&["order"], &calm[..]].concat();
            return Some(self.unclear(
                &twins,
                "another order of the batches removes it, and so does a milder optimiser",
            ));
        }
        Some(self.cause(
            Cause::DataOrder,
            &["order", "skip", "other-batch"],
            "the same batches in another order do not give it",
        ))
    }

    /// 6: whether it stays away where the optimiser is changed.
    fn by_optimiser(&self) -> Option<Attribution> {
        let calm = self.optimisers(Fate::Calm);
        if calm.is_empty() {
            return None;
        }
        let why = if self.gone("other-data") {
            "it comes with another batch at the step, and stays away where the optimiser is changed; so it does where the steps before it read other batches too"
        } else {
            "it comes with other batches, and stays away where the optimiser is changed"
        };
        Some(self.cause(Cause::Optimiser, &calm, why))
    }

    /// 7: whether it is gone where the steps before it read other batches too.
    fn by_other_data(&self) -> Option<Attribution> {
        let why = "it comes with another batch at the step, and not where the steps before it read other batches too";
        self.gone("other-data")
            .then(|| self.cause(Cause::Data, &["other-data"], why))
    }

    /// 8: what is left.
    fn by_nothing_else(&self) -> Attribution {
        if !BATCH.iter().all(|twin| self.has(twin)) || !(self.fp32 || self.has("fp32")) {
            return self.unclear(&["same"], "twins that would decide did not run");
        }
        let mut twins = vec!["skip", "other-batch", "other-data", "fp32"];
        twins.retain(|twin| self.has(twin));
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

#[cfg(test)]
mod tests {
    use super::*;
    use Fate::{Calm, Later, Spike};

    /// Where every twin spikes but these.
    fn facts(others: &[(&str, Fate)]) -> Facts {
        let all = [
            "same",
            "skip",
            "other-batch",
            "order",
            "other-data",
            "fp32",
            "older",
        ];
        let mut fates: BTreeMap<String, Fate> = all
            .into_iter()
            .chain(OPTIMISER)
            .map(|twin| (twin.to_owned(), Spike))
            .collect();
        fates.extend(
            others
                .iter()
                .map(|(twin, fate)| ((*twin).to_owned(), *fate)),
        );
        Facts {
            at: 122,
            control: Control::Same,
            recorded: true,
            fp32: false,
            fates,
        }
    }

    #[test]
    fn the_truth_table() {
        let cause = Answer::Cause;
        let batch = [("skip", Later), ("other-batch", Calm)];
        let with = |more: &[(&'static str, Fate)]| [&batch[..], more].concat();
        let rows: Vec<(Vec<(&str, Fate)>, Answer)> = vec![
            (vec![], cause(Cause::State)),
            (
                vec![("lr-half", Later), ("clip-tighter", Later)],
                cause(Cause::State),
            ),
            (vec![("same", Calm)], Answer::NoSpike),
            (vec![("same", Later)], Answer::NoSpike),
            (with(&[]), cause(Cause::Data)),
            (
                with(&[("older", Calm), ("order", Calm), ("other-data", Calm)]),
                cause(Cause::Data),
            ),
            (with(&[("lr-half", Calm)]), cause(Cause::Data)),
            (with(&[("fp32", Calm)]), Answer::Unclear),
            (vec![("skip", Calm)], Answer::Unclear),
            (vec![("other-batch", Calm)], Answer::Unclear),
            (vec![("fp32", Later)], cause(Cause::Precision)),
            (
                vec![("fp32", Calm), ("lr-half", Calm), ("order", Calm)],
                cause(Cause::Precision),
            ),
            (
                vec![("order", Calm), ("other-data", Calm)],
                cause(Cause::DataOrder),
            ),
            (vec![("order", Calm)], Answer::Unclear),
            (
                vec![("order", Calm), ("other-data", Calm), ("egs", Calm)],
                Answer::Unclear,
            ),
            (vec![("beta2-lower", Calm)], cause(Cause::Optimiser)),
            (
                vec![("clip-tighter", Calm), ("other-data", Calm)],
                cause(Cause::Optimiser),
            ),
            (vec![("other-data", Later)], cause(Cause::Data)),
            // What other formats than FP32 do says nothing by itself.
            (
                vec![("bf16", Calm), ("fp32-softmax", Calm)],
                cause(Cause::State),
            ),
        ];
        for (others, expected) in rows {
            let found = attribute(&facts(&others));
            assert_eq!(found.answer, expected, "{others:?}: {}", found.sentence);
            assert!(found.sentence.ends_with('.') && found.sentence.contains("122"));
        }
    }

    #[test]
    fn a_record_that_the_control_leaves_at_an_attempt_was_restored_wrong() {
        let found = |control, same| {
            let facts = Facts {
                control,
                ..facts(&[("same", same)])
            };
            attribute(&facts).answer
        };
        let attempt = Control::OtherFromAttempt(118);
        assert_eq!(found(attempt, Calm), Answer::Cause(Cause::Restore));
        assert_eq!(found(attempt, Spike), Answer::Unclear);
        assert_eq!(found(Control::Other(118), Calm), Answer::Unclear);
        let calm = Facts {
            control: attempt,
            recorded: false,
            ..facts(&[("same", Calm)])
        };
        assert_eq!(attribute(&calm).answer, Answer::NoSpike);
    }

    #[test]
    fn without_the_twins_that_would_decide_nothing_is_said() {
        for missing in ["skip", "other-batch", "fp32"] {
            let mut facts = facts(&[]);
            facts.fates.remove(missing);
            assert_eq!(attribute(&facts).answer, Answer::Unclear, "{missing}");
        }
        let mut facts = facts(&[]);
        facts.fates.remove("fp32");
        facts.fp32 = true;
        assert_eq!(attribute(&facts).answer, Answer::Cause(Cause::State));
        facts.fates.remove("same");
        assert_eq!(attribute(&facts).answer, Answer::Unclear);
    }
}
