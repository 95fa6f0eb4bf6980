//! Which rank passes which part of a step's batch.

use crate::error::TrainError;
use experiments_config::{BatchConfig, Config, Progress};

/// How the micro-batches of a step are divided among the ranks.
///
/// In every round each rank takes one micro-batch, in their order. Where there are fewer micro-batches than ranks, or a
/// number that the ranks do not divide, each is cut into equal parts of its sequences, which are summed as micro-batches
/// are. The places in the data and in the streams of random numbers stay those of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Division {
    /// Parts of a micro-batch.
    pub(crate) parts: usize,
    /// Passes of each rank.
    pub(crate) rounds: usize,
    ranks: usize,
    rank: usize,
}

impl Division {
    /// Of so many micro-batches, for one of the ranks.
    pub(crate) fn new(micro_batches: usize, ranks: usize, rank: usize) -> Self {
        let shared = common_divisor(micro_batches, ranks);
        Self {
            parts: ranks / shared,
            rounds: micro_batches / shared,
            ranks,
            rank,
        }
    }

    /// The micro-batch of a round, and which part of it.
    pub(crate) fn unit(&self, round: usize) -> (u64, usize) {
        let unit = round * self.ranks + self.rank;
        ((unit / self.parts) as u64, unit % self.parts)
    }
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// Refuses what so many ranks cannot divide at some step of the run.
pub(crate) fn check_division(config: &Config, ranks: usize) -> Result<(), TrainError> {
    let mut progress = Progress {
        step: 0,
        samples: 0,
    };
    let mut known = Vec::new();
    while progress.step < config.steps {
        let now = config.at(progress);
        let batch = (now.batch.micro_batch, now.batch.gradient_accumulation);
        if !known.contains(&batch) {
            check_batch(&now.batch, ranks)?;
            known.push(batch);
        }
        progress.samples += now.samples_per_step();
        progress.step += 1;
    }
    Ok(())
}

fn check_batch(batch: &BatchConfig, ranks: usize) -> Result<(), TrainError> {
    let fits = |ranks: usize| {
        let parts = Division::new(batch.gradient_accumulation, ranks, 0).parts;
        batch.micro_batch.is_multiple_of(parts)
    };
    if ranks > 0 && fits(ranks) {
        return Ok(());
    }
    let below = (1..ranks.max(2)).rev().find(|ranks| fits(*ranks));
    Err(TrainError::Degrees {
        problem: format!(
            "--data-parallel {ranks} divides neither `batch.gradient_accumulation` = {} nor, with it, `batch.micro_batch` = {}; the nearest below that does is {}",
            batch.gradient_accumulation,
            batch.micro_batch,
            below.unwrap_or(1)
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything is passed once, in its order, whoever passes it.
    #[test]
    fn all_of_a_batch_is_passed_once() {
        for micro_batches in 1..=6 {
            for ranks in 1..=8 {
                let of = |rank| Division::new(micro_batches, ranks, rank);
                let Division { rounds, parts, .. } = of(0);
                let passed: Vec<_> = (0..rounds)
                    .flat_map(|round| (0..ranks).map(move |rank| of(rank).unit(round)))
                    .collect();
                let all = (0..micro_batches as u64)
                    .flat_map(|micro| (0..parts).map(move |part| (micro, part)));
                assert_eq!(passed, all.collect::<Vec<_>>());
            }
        }
        assert_eq!(Division::new(4, 1, 0).parts, 1);
        assert_eq!(Division::new(4, 4, 0).rounds, 1);
    }

    #[test]
    fn what_does_not_divide_is_refused_with_what_does() {
        let batch = BatchConfig {
            micro_batch: 6,
            gradient_accumulation: 2,
        };
        for fitting in [1, 2, 3, 4, 6, 12] {
            check_batch(&batch, fitting).unwrap();
        }
        let error = check_batch(&batch, 8).unwrap_err().to_string();
        assert!(
            error.contains("--data-parallel 8") && error.ends_with("is 6"),
            "{error}"
        );
    }
}
