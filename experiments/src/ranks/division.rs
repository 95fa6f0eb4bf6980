//! Which rank passes which part of a step's batch.

use crate::error::TrainError;
use experiments_config::{BatchConfig, Config, Progress, ScheduleEntry, ScheduledKey};

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

/// Refuses what so many ranks cannot divide at some step of the run; looks no further than the batch moves.
pub(crate) fn check_division(config: &Config, ranks: usize) -> Result<(), TrainError> {
    let moves = |entry: &&ScheduleEntry| entry.key == ScheduledKey::GradientAccumulation;
    let ramp: Vec<_> = config.schedule.iter().filter(moves).collect();
    let mut progress = Progress::default();
    let mut checked = None;
    while progress.step < config.steps {
        let now = config.at(progress);
        if checked != Some(now.batch.gradient_accumulation) {
            check_batch(&now.batch, ranks)?;
            checked = Some(now.batch.gradient_accumulation);
        }
        if ramp.iter().all(|entry| entry.is_over(progress)) {
            break;
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
    // More ranks than sequences in a step never fit.
    let most = (batch
        .gradient_accumulation
        .saturating_mul(batch.micro_batch))
    .min(ranks);
    let below = (1..=most).rev().find(|ranks| fits(*ranks));
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
    use experiments_config::Unit;

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
        let error = check_batch(&batch, usize::MAX).unwrap_err().to_string();
        assert!(error.ends_with("is 12"), "{error}");
    }

    /// A run of a thousand million steps is judged at once, by every batch that its ramp leads to.
    #[test]
    fn the_batches_of_a_long_run_are_judged_without_playing_it() {
        let mut config = Config {
            steps: 1_000_000_000,
            ..Config::default()
        };
        config.batch.micro_batch = 1;
        config.batch.gradient_accumulation = 4;
        check_division(&config, 4).unwrap();
        config.schedule.push(ScheduleEntry {
            key: ScheduledKey::GradientAccumulation,
            unit: Unit::Samples,
            start: 0,
            length: 100,
            from: None,
            to: Some(6.0),
            factor: None,
            increment: Some(2.0),
        });
        let error = check_division(&config, 4).unwrap_err().to_string();
        assert!(error.contains("= 6"), "{error}");
    }
}
