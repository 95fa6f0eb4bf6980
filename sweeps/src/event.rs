//! What a test of counts counts: outcomes of runs, and whether a run's loss spiked.

use crate::Outcome;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing that a run may show. A list of them is the event that a test counts: any of it will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The loss spiked at least once, as [`logs::spike`] defines it. Whatever the outcome: a run that
    /// recovered, or diverged in the end, may have spiked as well.
    Spiked,
    /// The run ended with this outcome.
    #[serde(untagged)]
    Outcome(Outcome),
}

impl Event {
    /// What a test counts where its card does not say: the outcomes of a run that did not train.
    pub const FAILURES: [Self; 3] = [
        Self::Outcome(Outcome::Stuck),
        Self::Outcome(Outcome::Diverged),
        Self::Outcome(Outcome::Nonfinite),
    ];

    /// The word used in cards and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Spiked => "spiked",
            Self::Outcome(outcome) => outcome.name(),
        }
    }

    /// Every event, outcomes first.
    pub fn all() -> impl Iterator<Item = Self> {
        let outcomes = Outcome::ALL.into_iter().map(Self::Outcome);
        outcomes.chain([Self::Spiked])
    }

    /// The event of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|event| event.name() == name)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RunState;
    use crate::testing::{ENTROPY, card, sweep};
    use logs::Record;

    /// A run of these losses, judged.
    fn concluded(losses: &[f64]) -> RunState {
        let record = |(i, loss): (usize, &f64)| {
            let mut record = Record::new(i as u64 + 1);
            record.set_named("loss", *loss);
            record
        };
        judged(&losses.iter().enumerate().map(record).collect::<Vec<_>>())
    }

    fn judged(records: &[Record]) -> RunState {
        let (_directory, sweep) = sweep();
        let mut state = RunState::new(&sweep.runs()[0]);
        state.conclude(&card(), records, ENTROPY);
        state
    }

    /// Losses around 3.2, of which some are others.
    fn losses(steps: usize, others: &[(usize, f64)]) -> Vec<f64> {
        let mut losses: Vec<f64> = (0..steps)
            .map(|i| 3.2 + 0.01 * ((i * 7) % 11) as f64)
            .collect();
        for (step, loss) in others {
            losses[step - 1] = *loss;
        }
        losses
    }

    #[test]
    fn a_run_spiked_or_did_not_or_nobody_knows() {
        let shows = |steps: usize, others: &[(usize, f64)]| {
            concluded(&losses(steps, others)).shows(&[Event::Spiked])
        };
        assert_eq!(shows(60, &[(50, 5.0)]), Some(true));
        assert_eq!(shows(60, &[]), Some(false));
        assert_eq!(shows(60, &[(40, 5.0), (55, f64::NAN)]), Some(true));
        assert_eq!(shows(60, &[(50, f64::NAN)]), None, "it might have spiked");
        assert_eq!(shows(60, &[(20, f64::INFINITY)]), None);
        assert_eq!(shows(32, &[]), None, "nothing was judged");
        let records = losses(60, &[]).into_iter().enumerate().map(|(i, loss)| {
            let mut record = Record::new(i as u64 + 1);
            record.set_named("loss", loss);
            record.set_named("held_out_loss", if i == 40 { f64::NAN } else { 3.0 });
            record
        });
        let lost = judged(&records.collect::<Vec<_>>());
        assert_eq!(
            lost.shows(&[Event::Spiked]),
            Some(false),
            "it is no training loss"
        );
    }

    #[test]
    fn a_lost_run_shows_an_event_that_counts_lost_runs() {
        let lost = concluded(&losses(60, &[(50, f64::NAN)]));
        let nonfinite = Event::Outcome(Outcome::Nonfinite);
        assert_eq!(lost.shows(&[Event::Spiked, nonfinite]), Some(true));
        assert_eq!(lost.shows(&[Event::Outcome(Outcome::Stuck)]), Some(false));
    }

    /// Cards registered before spikes were counted have lists of outcomes.
    #[test]
    fn an_event_is_a_word_and_an_outcome_the_word_it_always_was() {
        for event in Event::all() {
            let json = serde_json::to_string(&event).unwrap();
            assert_eq!(json, format!("\"{}\"", event.name()));
            assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
            assert_eq!(Event::from_name(event.name()), Some(event));
        }
        assert!(serde_json::from_str::<Event>("\"spike\"").is_err());
        let failures = Outcome::FAILURES.map(Event::Outcome);
        assert_eq!(failures, Event::FAILURES);
    }
}
