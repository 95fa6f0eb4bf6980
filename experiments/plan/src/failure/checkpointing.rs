//! What checkpoints cost and save under failures that come at a constant rate.
//!
//! M is the mean time between failures, δ the time to write a checkpoint, R the time to restart, τ
//! the training between checkpoints; all in seconds. Sources: J. W. Young 1974, "A first order
//! approximation to the optimum checkpoint interval", CACM 17(9); J. T. Daly 2006, "A higher order
//! estimate of the optimum checkpoint interval for restart dumps", FGCS 22(3).

use serde::Serialize;

/// Overheads above this are no longer training.
const STANDSTILL: f64 = 1000.0;

/// A cluster that fails, saves and restarts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Checkpointing {
    /// M, mean time between failures of the cluster, in seconds.
    pub between_failures: f64,
    /// δ, time to write a checkpoint, in seconds.
    pub checkpoint: f64,
    /// R, time from a failure until training goes on, in seconds.
    pub restart: f64,
}

impl Checkpointing {
    /// Best τ of Young: √(2 δ M).
    #[must_use]
    pub fn young(&self) -> f64 {
        (2.0 * self.checkpoint * self.between_failures).sqrt()
    }

    /// Best τ of Daly: √(2 δ M) · (1 + ⅓ √(δ / 2M) + ⅑ (δ / 2M)) − δ for δ < 2M,
    /// else M.
    #[must_use]
    pub fn daly(&self) -> f64 {
        let ratio = self.checkpoint / (2.0 * self.between_failures);
        if ratio >= 1.0 {
            return self.between_failures;
        }
        self.young() * (1.0 + ratio.sqrt() / 3.0 + ratio / 9.0) - self.checkpoint
    }

    /// Expected share of wall time that is training that counts: τ / (M e^(R/M) (e^((τ+δ)/M) − 1)),
    /// the inverse of Daly's complete model. Failures may strike while saving and
    /// restarting too.
    #[must_use]
    pub fn goodput(&self, interval: f64) -> f64 {
        let m = self.between_failures;
        let wall = m * (self.restart / m).exp() * ((interval + self.checkpoint) / m).exp_m1();
        if wall.is_finite() {
            interval / wall
        } else {
            0.0
        }
    }

    /// Expected wall time over training time, less 1; nothing if over 1000.
    #[must_use]
    pub fn overhead(&self, interval: f64) -> Option<f64> {
        let overhead = 1.0 / self.goodput(interval) - 1.0;
        (overhead <= STANDSTILL).then_some(overhead)
    }

    /// Expected time since the last checkpoint (or restart) at a failure: the mean of an
    /// exponential variable given that it is below L = τ + δ, M − L / (e^(L/M) − 1), about L / 2.
    #[must_use]
    pub fn lost(&self, interval: f64) -> f64 {
        let length = interval + self.checkpoint;
        let ratio = length / self.between_failures;
        if ratio < 1e-4 {
            // The difference would cancel; the next term of the series is −L²/12M.
            return length / 2.0 - length * ratio / 12.0;
        }
        self.between_failures - length / ratio.exp_m1()
    }

    /// The number of steps with the highest goodput, up to `most`. Goodput rises to its only peak
    /// and then falls.
    pub(super) fn best_steps(&self, step_seconds: f64, most: u64) -> u64 {
        // In logarithms, as both factors of the goodput may leave the range of numbers.
        let worth = |steps: u64| {
            let interval = steps as f64 * step_seconds;
            let ratio = (interval + self.checkpoint) / self.between_failures;
            let ln_wall = ratio + (-(-ratio).exp_m1()).ln();
            interval.ln() - ln_wall
        };
        let (mut low, mut high) = (1, most);
        while low < high {
            let middle = u64::midpoint(low, high);
            if worth(middle) < worth(middle + 1) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}
