//! What the ranks sent, and for whom they waited.

use super::Ranks;
use experiments_collective::Operation;
use std::collections::BTreeSet;
use std::time::Duration;

/// Steps over which waiting is added up before a rank is called slow.
const WINDOW: u64 = 50;

/// Share of the time that the others wait longer than a slow rank does.
const SHARE: f64 = 0.3;

/// Of all ranks together.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Steps, seconds of them, and seconds for which each rank waited.
    steps: u64,
    seconds: f64,
    waited: Vec<f64>,
    /// What this rank had waited before.
    before: f64,
    /// Seconds of this rank's passes and those of all ranks.
    own_passes: Passed,
    passes: Passed,
    /// Ranks that were named.
    named: BTreeSet<usize>,
    /// Bytes sent so far.
    pub(crate) sent: Sent,
}

/// Seconds of passes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Passed {
    /// Of all.
    pub(crate) all: f64,
    /// In which ranks computed.
    pub(crate) busy: f64,
    /// In which the schedule has nothing for them, where all turns last equally long.
    pub(crate) unscheduled: f64,
}

/// Share of the passes' time in which ranks do not compute.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Idle {
    /// As it was.
    pub(crate) measured: f64,
    /// By the schedule, where all turns last equally long.
    pub(crate) scheduled: f64,
}

/// Bytes that all ranks have sent for training itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Gradients.
    pub(crate) reduce_scatter: u64,
    /// Weights.
    pub(crate) all_gather: u64,
    /// The residual stream and its gradient, from stage to stage.
    pub(crate) passed_on: u64,
    /// Sums of what the ranks that share matrices have a share of.
    pub(crate) all_reduce: u64,
    /// Gradients of tied embeddings, from the last stage to the first.
    pub(crate) tied: u64,
}

/// A rank that the others wait for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Slow {
    pub(crate) rank: usize,
    /// Share of the time for which the others wait, on average, beyond its own waiting.
    pub(crate) share: f64,
}

impl Account {
    /// Takes in a step of so many seconds, together with the other ranks.
    pub(crate) fn step(&mut self, ranks: &Ranks, seconds: f64) -> Option<Slow> {
        let waited = ranks.waited();
        let sent = [
            Operation::ReduceScatter,
            Operation::AllGather,
            Operation::Send,
            Operation::AllReduce,
        ];
        let [reduced, gathered, passed, summed] =
            sent.map(|operation| ranks.sent(operation) as f64);
        let told = ranks.tell(&[
            waited - self.before,
            reduced,
            gathered,
            passed,
            self.own_passes.all,
            self.own_passes.busy,
            summed,
            self.own_passes.unscheduled,
            ranks.sent_tied() as f64,
        ]);
        self.before = waited;
        let total = |index: usize| told.iter().map(|told| told[index] as u64).sum();
        self.sent = Sent {
            reduce_scatter: total(1),
            all_gather: total(2),
            passed_on: total(3),
            all_reduce: total(6),
            tied: total(8),
        };
        let seconds_of = |index: usize| told.iter().map(|told| told[index]).sum();
        self.passes = Passed {
            all: seconds_of(4),
            busy: seconds_of(5),
            unscheduled: seconds_of(7),
        };
        let waited: Vec<f64> = told.iter().map(|told| told[0]).collect();
        self.look(&waited, seconds)
    }

    pub(crate) fn note_passes(&mut self, busy: Duration, all: Duration, scheduled: f64) {
        let own = &mut self.own_passes;
        own.all += all.as_secs_f64();
        own.busy += busy.as_secs_f64();
        own.unscheduled += all.as_secs_f64() * scheduled;
    }

    pub(crate) fn idle(&self) -> Idle {
        let Passed {
            all,
            busy,
            unscheduled,
        } = self.passes;
        if all > 0.0 {
            Idle {
                measured: 1.0 - busy / all,
                scheduled: unscheduled / all,
            }
        } else {
            Idle::default()
        }
    }

    /// A rank is slow where all others wait long, and it does not.
    fn look(&mut self, waited: &[f64], seconds: f64) -> Option<Slow> {
        self.waited.resize(waited.len(), 0.0);
        for (sum, waited) in self.waited.iter_mut().zip(waited) {
            *sum += waited;
        }
        self.steps += 1;
        self.seconds += seconds;
        if self.steps < WINDOW {
            return None;
        }
        let (sums, all) = (
            std::mem::take(&mut self.waited),
            std::mem::take(&mut self.seconds),
        );
        self.steps = 0;
        let (rank, least) = sums
            .iter()
            .copied()
            .enumerate()
            .min_by(|a, b| a.1.total_cmp(&b.1))?;
        let others = sums.iter().sum::<f64>() - least;
        let share = (others / (sums.len() - 1).max(1) as f64 - least) / all;
        (share > SHARE && self.named.insert(rank)).then_some(Slow { rank, share })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Once, and only where the others do wait for it.
    #[test]
    fn the_rank_that_the_others_wait_for_is_named() {
        let named = |waited: [f64; 3]| {
            let mut account = Account::default();
            let steps = (0..3 * WINDOW).filter_map(|_| account.look(&waited, 1.0));
            steps.collect::<Vec<_>>()
        };
        let slow = named([0.5, 0.1, 0.7]);
        assert_eq!((slow.len(), slow[0].rank), (1, 1));
        assert!((slow[0].share - 0.5).abs() < 1e-9);
        assert_eq!(named([0.3, 0.2, 0.3]), []);
        assert_eq!(named([0.0, 0.0, 0.0]), []);
    }
}
