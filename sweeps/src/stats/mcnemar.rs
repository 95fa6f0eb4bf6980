//! Counts of an event in pairs of runs: McNemar's exact test.

use serde::{Deserialize, Serialize};
use statrs::distribution::{Binomial, DiscreteCDF};

/// Pairs of runs of one seed, by which of the two shows the event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairCounts {
    /// Both do.
    pub both: u64,
    /// The treatment's only.
    pub treatment_only: u64,
    /// The control's only.
    pub control_only: u64,
    /// Neither does.
    pub neither: u64,
}

impl PairCounts {
    /// All pairs.
    #[must_use]
    pub fn pairs(self) -> u64 {
        self.both + self.treatment_only + self.control_only + self.neither
    }

    /// Counts one more pair, by whether treatment and control show the event.
    pub fn add(&mut self, treatment: bool, control: bool) {
        *match (treatment, control) {
            (true, true) => &mut self.both,
            (true, false) => &mut self.treatment_only,
            (false, true) => &mut self.control_only,
            (false, false) => &mut self.neither,
        } += 1;
    }
}

/// Two-sided p value of McNemar's test (Psychometrika 12:153, 1947) in its exact form, the sign
/// test on the pairs that differ: min(1, 2 P(X ≤ min(b, c))) with X ~ Binomial(b + c, ½), b and c
/// being the pairs of which only one run or only the other shows the event. Pairs that agree say
/// nothing. Without a pair that differs p is 1.
///
/// The smallest p of n pairs is 2^(1−n): six pairs are needed for 0.05.
#[must_use]
pub fn mcnemar_exact(treatment_only: u64, control_only: u64) -> f64 {
    let less = treatment_only.min(control_only);
    let pairs = treatment_only + control_only;
    let tail = if pairs <= MOST_COUNTED {
        counted(pairs, less)
    } else {
        Binomial::new(0.5, pairs).map_or(1.0, |signs| signs.cdf(less))
    };
    (2.0 * tail).min(1.0)
}

/// Pairs up to which assignments of signs are counted; their number has to fit an `f64`.
const MOST_COUNTED: u64 = 1000;

/// Share of the 2ⁿ assignments of signs to `n` pairs with at most `most` minus signs: a sum of whole
/// numbers over a power of two, so that a p value that equals its limit does.
fn counted(n: u64, most: u64) -> f64 {
    let mut ways = 1.0;
    let mut sum = 0.0;
    for k in 0..=most {
        sum += ways;
        ways = ways * (n - k) as f64 / (k + 1) as f64;
    }
    sum * 0.5_f64.powi(n as i32)
}

#[cfg(test)]
mod tests;
