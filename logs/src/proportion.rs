//! Shares of a count and how sure they are: of runs with an event, of items with the right answer.

use serde::{Deserialize, Serialize};
use statrs::distribution::{Beta, ContinuousCDF};

/// Two ends of an interval, in the unit of what it bounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// The interval, widened until it holds `value`: for one beside a test that does not rule this
    /// value out. What covered the truth still does.
    #[must_use]
    pub fn with(self, value: f64) -> Self {
        Self {
            low: self.low.min(value),
            high: self.high.max(value),
        }
    }

    /// Whether `value` lies in it, ends included.
    #[must_use]
    pub fn holds(self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// `events` out of `n` runs or items; none of none by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proportion {
    /// Those with the event.
    pub events: u64,
    /// All.
    pub n: u64,
}

impl Proportion {
    /// # Panics
    /// When `events` exceeds `n`.
    #[must_use]
    pub fn new(events: u64, n: u64) -> Self {
        assert!(events <= n, "{events} events in {n}");
        Self { events, n }
    }

    /// Share of events in 0..=1; 0.5 of none.
    #[must_use]
    pub fn share(self) -> f64 {
        if self.n == 0 {
            0.5
        } else {
            self.events as f64 / self.n as f64
        }
    }

    /// Exact interval of Clopper and Pearson (Biometrika 26, 1934) from quantiles of the beta
    /// distribution: low = B(δ/2; k, n−k+1), high = B(1−δ/2; k+1, n−k), δ = 1 − `level`.
    #[must_use]
    pub fn clopper_pearson(self, level: f64) -> Interval {
        let (k, n) = (self.events as f64, self.n as f64);
        let tail = (1.0 - level) / 2.0;
        let quantile = |p, a, b| Beta::new(a, b).map_or(f64::NAN, |beta| beta.inverse_cdf(p));
        Interval {
            low: if self.events == 0 {
                0.0
            } else {
                quantile(tail, k, n - k + 1.0)
            },
            high: if self.events == self.n {
                1.0
            } else {
                quantile(1.0 - tail, k + 1.0, n - k)
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(found: f64, golden: f64) {
        assert!(
            (found - golden).abs() < 1e-9,
            "found {found}, golden {golden}"
        );
    }

    /// `scipy.stats.binomtest(k, n).proportion_ci(0.95, method='exact')`, scipy 1.17.1.
    #[test]
    fn clopper_pearson_agrees_with_scipy() {
        for (count, low, high) in [
            (Proportion::new(0, 6), 0.0, 0.459_258_126_44),
            (Proportion::new(6, 6), 0.540_741_873_56, 1.0),
            (Proportion::new(5, 6), 0.358_765_421_003, 0.995_789_255_486),
            (Proportion::new(0, 10), 0.0, 0.308_497_107_819),
            (Proportion::new(1, 2), 0.012_579_117_094, 0.987_420_882_906),
            (
                Proportion::new(13, 40),
                0.185_728_966_763,
                0.491_294_875_478,
            ),
        ] {
            let interval = count.clopper_pearson(0.95);
            close(interval.low, low);
            close(interval.high, high);
        }
    }

    #[test]
    fn none_of_none_says_nothing() {
        let anything = Proportion::default().clopper_pearson(0.95);
        assert_eq!((anything.low, anything.high), (0.0, 1.0));
    }

    proptest! {
        #[test]
        fn prop_the_interval_holds_the_share(n in 1_u64..10_000, k in 0_u64..10_000) {
            let count = Proportion::new(k.min(n), n);
            let exact = count.clopper_pearson(0.95);
            prop_assert!(exact.low < exact.high, "no count is certain");
            prop_assert!(exact.holds(count.share()));
        }
    }
}
