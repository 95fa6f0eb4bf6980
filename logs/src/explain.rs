//! Why did it spike? What a log alone can tell: shape, restarts, and other runs that read the same batches.
//!
//! A run that another program trained cannot take a step again, so the twins of a replay are out of reach. Its records still
//! say something, because the loss of a step is measured before its update:
//!
//! - An excursion that is over at the next step was in the batch, or in the batch as this model takes it: no state had changed.
//! - Another run that read the same batches is a twin with another state. Where it shows the same thing at the same step, the batch
//!   did it. That two runs read the same batches is checked: the moves of their losses from step to step then go together.
//! - What begins shortly behind an attempt's start, and was in no attempt that took the same steps before, may have been restored.
//!
//! The rule, [`answer`]; the first line that holds decides:
//!
//! 1. It shows at the same step in at least half of the runs with the same batches, of each kind that there is (of the same size, of other
//!    sizes): *data*. In at least half of one kind, and in less of the other: *data × model*. Both only where a larger share of them
//!    shows it than of the runs that read other batches.
//! 2. It begins within some steps of an attempt's start, or among its first two recorded values, and no earlier attempt had it at these steps:
//!    *restore suspected*.
//! 3. It is over at the next step: *data × model*, where there are runs with the same batches; else *data or data × model*.
//! 4. Some of the runs with the same batches show it: *data × model*.
//! 5. None of them does, or an earlier attempt took the same steps without it: *not the data alone*.
//! 6. Else it cannot be said.

use std::fmt::Write as _;

use serde::Serialize;

use crate::import::{Attempt, Join};
use crate::record::Record;

mod incident;
mod rule;
mod sibling;
mod told;

pub use incident::{Incident, Shape, incidents};
pub use rule::{Answer, Facts, Share, answer};
pub use sibling::{Compared, Kin, Sibling};
pub use told::text;

/// Steps behind an attempt's start in which a restore is suspected, unless said otherwise.
pub const RESTORE_WITHIN: u64 = 8;
/// Steps before an incident in which the loss scale is looked at: [`crate::evaluation`]'s warnings.
const BEFORE: u64 = 32;

/// What is known of a run.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Its records, in the order of their steps.
    pub records: &'a [Record],
    /// Its attempts, the latest last.
    pub attempts: &'a [Attempt],
    /// Other runs.
    pub siblings: &'a [Sibling<'a>],
    /// Steps behind an attempt's start in which a restore is suspected.
    pub restore_within: u64,
}

/// An incident and what is said of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained {
    /// The incident.
    pub incident: Incident,
    /// What it is put down to.
    pub answer: Answer,
    /// The same as a sentence.
    pub sentence: String,
    /// What the answer rests on.
    pub facts: Facts,
    /// What was seen, one sentence each.
    pub seen: Vec<String>,
    /// What cannot be told, and for want of what.
    pub untold: Vec<String>,
    /// The other runs.
    pub siblings: Vec<Compared>,
}

/// The attempt to which an incident belongs, where it began before and not with the run.
#[derive(Debug, Clone, Copy)]
struct Begun<'a> {
    attempt: &'a Attempt,
    /// Whether the incident is near its start.
    near: bool,
    /// Whether an attempt that began at the same step gave the same losses.
    again: bool,
    /// [`Facts::earlier`].
    earlier: Option<bool>,
}

impl Known<'_> {
    /// What can be told of an incident of the run.
    #[must_use]
    pub fn explain(&self, incident: Incident) -> Explained {
        let siblings: Vec<Compared> = self
            .siblings
            .iter()
            .map(|sibling| Compared::of(self.records, &incident, sibling))
            .collect();
        let begun = self.begun(&incident);
        let share = |wanted: &dyn Fn(&&Compared) -> bool| {
            let judged = siblings.iter().filter(wanted);
            judged
                .filter_map(Compared::has_it)
                .fold(Share::default(), |share, has_it| Share {
                    have: share.have + usize::from(has_it),
                    of: share.of + 1,
                })
        };
        let facts = Facts {
            one_step: Self::is_one_step(&incident),
            restored: begun.is_some_and(|begun| begun.near),
            earlier: begun.and_then(|begun| begun.earlier),
            same_size: share(&|run| run.same_batches && run.kin == Kin::SameSize),
            other_size: share(&|run| run.same_batches && run.kin == Kin::OtherSize),
            others: share(&|run| run.correlation.is_some() && !run.same_batches && !run.same_run),
        };
        let answer = answer(&facts);
        Explained {
            sentence: told::sentence(&incident, answer, &facts, begun.map(|begun| begun.attempt)),
            seen: self.seen(&incident, &facts, begun.as_ref(), &siblings),
            untold: self.untold(answer, &facts, &siblings),
            incident,
            answer,
            facts,
            siblings,
        }
    }

    /// Whether the step behind it is calm again: an excursion, or a single loss that is not finite.
    fn is_one_step(incident: &Incident) -> bool {
        match incident.shape {
            Shape::OneStep => true,
            Shape::NonFinite => {
                incident.level.is_some() && incident.back == incident.first.checked_add(1)
            }
            Shape::Silent
            | Shape::OneValue
            | Shape::Spike
            | Shape::Collapse
            | Shape::Shift
            | Shape::Divergence
            | Shape::Unfinished => false,
        }
    }

    /// The attempt that recorded the incident, unless the run began with it.
    fn begun(&self, incident: &Incident) -> Option<Begun<'_>> {
        let step = incident.first;
        let begin = self.records.first()?.step;
        let holds = |attempt: &&Attempt| attempt.first <= step && step <= attempt.last;
        let attempt = self.attempts.iter().rev().find(holds)?;
        if attempt.first <= begin {
            return None;
        }
        let own = self
            .records
            .iter()
            .filter(|record| record.step >= attempt.first && record.step < step)
            .count();
        let before = self.attempts.iter().filter(holds);
        let mut before = before.filter(|other| other.attempt < attempt.attempt);
        let (again, older): (Vec<&Attempt>, Vec<&Attempt>) = before
            .by_ref()
            .partition(|other| other.first == attempt.first);
        let had = had(attempt, incident);
        let settled = |other: &&Attempt| step - other.first >= self.restore_within;
        Some(Begun {
            attempt,
            near: step - attempt.first < self.restore_within || own <= 1,
            again: !again.is_empty() && had == Some(true),
            earlier: had.filter(|_| again.is_empty() && older.iter().any(settled)),
        })
    }

    fn seen(
        &self,
        incident: &Incident,
        facts: &Facts,
        begun: Option<&Begun<'_>>,
        siblings: &[Compared],
    ) -> Vec<String> {
        let mut seen = Vec::new();
        seen.extend(begun.and_then(|begun| told::restored(begun, incident)));
        seen.extend(told::unjudged(self.records, incident));
        seen.extend(told::gradient(self.records, incident));
        seen.extend(told::loss_scale(&self.near(incident), incident));
        seen.extend(told::siblings(facts, siblings));
        seen
    }

    fn near(&self, incident: &Incident) -> Vec<&Record> {
        let from = incident.first.saturating_sub(BEFORE);
        let to = incident.last.saturating_add(incident::GAP);
        let near = |record: &&Record| (from..=to).contains(&record.step);
        self.records.iter().filter(near).collect()
    }

    fn untold(&self, answer: Answer, facts: &Facts, siblings: &[Compared]) -> Vec<String> {
        let mut untold = Vec::new();
        let has = |signal: &str| {
            self.records
                .iter()
                .any(|record| record.scalar(signal).is_some())
        };
        for (signal, what) in [
            ("grad_norm", "whether the gradient grew before the loss did"),
            ("loss_scale", "whether gradients left the range of FP16"),
        ] {
            if !has(signal) {
                untold.push(format!("{what}: the log has no `{signal}`"));
            }
        }
        let read_same = siblings.iter().any(|run| run.same_batches);
        if !read_same {
            let none = "whether the batch does it to other models: no run with the same batches was given (--sibling, --other-size)";
            untold.push(none.to_owned());
        } else if facts.same_size.of == 0 && answer != Answer::Restore {
            let none = "whether it lies in the model's size or in what this run had learned: no run of the same size with the same batches was given";
            untold.push(none.to_owned());
        }
        let mut twins =
            String::from("state, precision, optimiser and the order of the batches apart");
        if answer == Answer::Restore {
            let _ = write!(twins, ", or which part was restored wrong for certain");
        }
        untold.push(format!(
            "{twins}: that takes the step again from its exact state (`workbench replay`), and this run's weights are not here"
        ));
        untold
    }
}

/// Whether the losses that an attempt took the place of had the incident too; none where it took none at that step.
fn had(attempt: &Attempt, incident: &Incident) -> Option<bool> {
    let Join::Overlap {
        first,
        last,
        largest_difference,
        ..
    } = attempt.join
    else {
        return None;
    };
    let height = incident.height()?.abs();
    (first..=last)
        .contains(&incident.first)
        .then_some(largest_difference < height / 2.0)
}

#[cfg(test)]
mod tests;
