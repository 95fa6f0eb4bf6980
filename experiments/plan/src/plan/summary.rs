//! What a plan says first: whether it fits, how long a step and the run take, what they cost, each with its
//! interval.

use super::Plan;
use crate::hardware::{Generation, Gpu};
use crate::memory::MemoryEstimate;
use crate::options::PlanOptions;
use crate::step_time::{Spread, shipped};
use crate::{PlanError, fit::COVERAGE};
use serde::Serialize;
use words::{decimal, thousands};

/// A number and the interval that most systems would lie in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The prediction.
    pub value: f64,
    /// The interval's lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// How far off the prediction may be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Share of systems, none of which was fitted, whose step is expected within the interval.
    pub coverage: f64,
    /// The interval is the prediction times and by 1 and this. 0 with a measured step.
    pub factor: f64,
}

impl Interval {
    /// For a GPU and what is known of its step. A share of the peak of one's own says nothing of the rest.
    pub(super) fn of(gpu: &Gpu, options: &PlanOptions) -> Result<Self, PlanError> {
        let Spread {
            measured,
            unmeasured,
            fp8,
        } = match options.spread {
            Some(own) => own,
            None => shipped()?.spread,
        };
        let is_known = gpu.generation != Generation::Other
            || gpu.product_efficiency.is_some()
            || options.efficiency.is_some();
        let factor = match options.measured_seconds {
            Some(_) => 0.0,
            None if options.fp8 && is_known => fp8,
            None if options.fp8 => fp8.max(unmeasured),
            None if is_known => measured,
            None => unmeasured,
        };
        Ok(Self {
            coverage: COVERAGE,
            factor,
        })
    }

    fn around(self, value: f64) -> Estimate {
        let factor = 1.0 + self.factor;
        Estimate {
            value,
            low: value / factor,
            high: value * factor,
        }
    }
}

/// The first lines of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// How far off times may be.
    pub interval: Interval,
    /// Whether the upper end of the memory fits.
    pub fits: bool,
    /// Bytes of the fullest GPU that are counted.
    pub least_bytes: u64,
    /// And at most.
    pub most_bytes: u64,
    /// Seconds of a step.
    pub seconds: Estimate,
    /// Days of the run.
    pub days: Estimate,
    /// Megawatt-hours of the run.
    pub mwh: Estimate,
}

impl Summary {
    pub(super) fn of(
        interval: Interval,
        memory: &MemoryEstimate,
        [seconds, days, mwh]: [f64; 3],
    ) -> Self {
        Self {
            interval,
            fits: memory.fits,
            least_bytes: memory.peak_bytes,
            most_bytes: memory.peak_bytes.saturating_add(memory.reserve_bytes),
            seconds: interval.around(seconds),
            days: interval.around(days),
            mwh: interval.around(mwh),
        }
    }
}

impl Estimate {
    /// Two digits and the interval; three where it is exact.
    pub(super) fn text(self) -> String {
        if self.low == self.high {
            return digits(self.value, 3);
        }
        format!(
            "{} ({} to {})",
            digits(self.value, 2),
            digits(self.low, 2),
            digits(self.high, 2)
        )
    }
}

/// So many significant digits, without an exponent.
pub(super) fn digits(value: f64, count: i32) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let places = |value: f64| value.abs().log10().floor() as i32 + 1;
    let unit = 10_f64.powi(places(value) - count);
    let rounded = (value / unit).round() * unit;
    // 9.96 becomes 10, not 10.0.
    let before = places(rounded * (1.0 + 1e-12));
    if before >= count {
        thousands(rounded.abs().round() as u64)
    } else {
        decimal(rounded, usize::try_from(count - before).unwrap_or(0))
    }
}

impl Plan {
    /// One sentence: whether it fits, GiB of GiB, seconds of a step, days, energy.
    pub(super) fn summary_text(&self) -> String {
        let summary = &self.summary;
        let gib = |bytes: u64| digits(bytes as f64 / 1_073_741_824.0, 2);
        let verdict = match (
            summary.fits,
            self.memory.peak_bytes > self.memory.capacity_bytes,
        ) {
            (true, _) => "Fits",
            (false, true) => "Does not fit",
            (false, false) => "May not fit",
        };
        let sentence = format!(
            "{verdict}: {} to {} GiB of {} GiB; {} s per step, {} days, {} MWh.",
            gib(summary.least_bytes),
            gib(summary.most_bytes),
            gib(self.memory.capacity_bytes),
            summary.seconds.text(),
            summary.days.text(),
            summary.mwh.text(),
        );
        let interval = if summary.interval.factor > 0.0 {
            format!(
                "In brackets: of ten systems that the model was not fitted to, {:.0} are expected to take a time within \
                 such an interval.",
                10.0 * summary.interval.coverage
            )
        } else {
            "The seconds are those that you measured.".to_owned()
        };
        words::hanging("", &format!("{sentence} {interval}"), 0, 107)
    }
}

#[cfg(test)]
mod tests {
    use super::digits;

    /// Only as many digits as a number deserves, and none of them wrong.
    #[test]
    fn numbers_are_rounded_to_what_they_deserve() {
        for (value, text) in [
            (95.13, "95"),
            (1234.5, "1,200"),
            (0.0567, "0.057"),
            (9.96, "10"),
            (3.41, "3.4"),
        ] {
            assert_eq!(digits(value, 2), text);
        }
        assert_eq!(digits(88.52, 3), "88.5");
    }
}
