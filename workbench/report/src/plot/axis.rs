//! Where values go on an axis, and which ticks it shows.
//!
//! [`Axis`] is a coordinate of plotters' own kind, so that one type serves linear, logarithmic
//! and named axes, the ticks are ours, and no value can land outside the figure.

use super::label::text_width;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use std::ops::Range;

/// How an axis is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Equal differences.
    Linear,
    /// Equal ratios, ticks at powers of ten (and 2 and 5 times those where there is room).
    Log,
    /// Equal ratios, ticks at powers of two: for loss scales, which only double and halve.
    Log2,
    /// [`Scale::Log`] where all values are positive and span more than a factor of 12.
    Auto,
}

/// One axis: its range and ticks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    scale: Scale,
    /// Range after the scale's logarithm, where it has one.
    low: f64,
    high: f64,
    /// In the values' own unit.
    ticks: Vec<f64>,
    /// Names of the ticks where they aren't numbers.
    names: Vec<String>,
    /// Significant digits that tell the ticks apart.
    digits: usize,
}

impl Axis {
    /// An axis that shows all the finite `values` with a little air, with about `ticks` ticks.
    pub(crate) fn new(scale: Scale, values: impl Iterator<Item = f64>, ticks: usize) -> Self {
        // Where numbers end there is no room for air around them.
        let values = values.filter(|value| value.is_finite());
        let values: Vec<f64> = values.map(|value| value.clamp(-1e300, 1e300)).collect();
        let all = range(values.iter().copied());
        let scale = match (scale, all) {
            (Scale::Auto, Some((low, high))) if low > 0.0 && high / low > 12.0 => Scale::Log,
            (Scale::Auto, _) => Scale::Linear,
            (given, _) => given,
        };
        let positive = range(values.into_iter().filter(|&value| value > 0.0));
        let (low, high) = match scale {
            Scale::Linear | Scale::Auto => all.unwrap_or((0.0, 1.0)),
            Scale::Log | Scale::Log2 => positive.unwrap_or((1.0, 1.0)),
        };
        let (low, high) = with_air(scale, scale.apply(low), scale.apply(high));
        let ticks = match scale {
            Scale::Linear | Scale::Auto => multiples(nice((high - low) / ticks as f64), low, high),
            Scale::Log if high - low < 2.8 => decimal_ticks(low, high),
            Scale::Log | Scale::Log2 => {
                let powers = multiples(((high - low) / ticks as f64).ceil().max(1.0), low, high);
                powers
                    .into_iter()
                    .map(|power| scale.invert(power))
                    .collect()
            }
        };
        let digits = digits(&ticks);
        Self {
            scale,
            low,
            high,
            ticks,
            names: Vec::new(),
            digits,
        }
    }

    /// An axis of steps, from 0 to `last`.
    pub(crate) fn steps(last: f64, ticks: usize) -> Self {
        let high = last.max(1.0);
        let every = nice(high / ticks as f64).max(1.0);
        let ticks = multiples(every, 0.0, high);
        Self {
            scale: Scale::Linear,
            low: 0.0,
            high,
            ticks,
            names: Vec::new(),
            digits: FEWEST_DIGITS,
        }
    }

    /// An axis of named rows at 0, 1, 2, ..., with `above` rows of room above the last.
    pub(crate) fn named(names: Vec<String>, above: f64) -> Self {
        let count = names.len() as f64;
        let ticks = (0..names.len()).map(|row| row as f64).collect();
        Self {
            scale: Scale::Linear,
            low: -0.6,
            high: count - 0.4 + above,
            ticks,
            names,
            digits: FEWEST_DIGITS,
        }
    }

    /// An axis without ticks.
    pub(crate) fn bare(low: f64, high: f64) -> Self {
        Self {
            scale: Scale::Linear,
            low,
            high,
            ticks: Vec::new(),
            names: Vec::new(),
            digits: FEWEST_DIGITS,
        }
    }

    /// Where the ticks lie, as [`Axis::place`] has it, and their words.
    pub(crate) fn labels(&self) -> Vec<(f64, String)> {
        let ticks = self.ticks.iter();
        ticks
            .map(|tick| (self.place(*tick), self.format_ext(tick)))
            .collect()
    }

    /// The values at both ends.
    pub(crate) fn ends(&self) -> (f64, f64) {
        (self.scale.invert(self.low), self.scale.invert(self.high))
    }

    /// Where a value lies, 0 at the lower end and 1 at the upper. Values outside are moved to
    /// the nearer end (a zero on a log axis lies at the lower end), so this never leaves [0, 1].
    pub(crate) fn place(&self, value: f64) -> f64 {
        let placed = (self.scale.apply(value) - self.low) / (self.high - self.low);
        if placed.is_nan() {
            0.0
        } else {
            placed.clamp(0.0, 1.0)
        }
    }

    /// Width of the longest tick label, CSS pixels.
    pub(crate) fn label_width(&self) -> i32 {
        let widths = self
            .ticks
            .iter()
            .map(|tick| text_width(&self.format_ext(tick)));
        widths.max().unwrap_or(0)
    }

    /// The value that lies lower by a share of the axis.
    pub(crate) fn lower(&self, value: f64, share: f64) -> f64 {
        if share == 0.0 {
            return value;
        }
        self.scale
            .invert(self.scale.apply(value) - share * (self.high - self.low))
    }

    /// Names of the rows at 0, 1, 2, …; none where the axis has numbers.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Scale and ends after its logarithm, as the page's script reads them: `log 0.5 2`.
    pub(crate) fn code(&self) -> String {
        let scale = match self.scale {
            Scale::Linear | Scale::Auto => "linear",
            Scale::Log => "log",
            Scale::Log2 => "log2",
        };
        format!("{scale} {} {}", self.low, self.high)
    }

    /// Whether the axis ended up logarithmic.
    pub(crate) fn is_log(&self) -> bool {
        matches!(self.scale, Scale::Log | Scale::Log2)
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        limit.0 + (self.place(*value) * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // The mesh asks twice, for main and for light grid lines; we draw no light ones.
        if hint.weight().allow_light_points() {
            Vec::new()
        } else {
            self.ticks.clone()
        }
    }

    fn range(&self) -> Range<f64> {
        let (low, high) = self.ends();
        low..high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format(value: &f64) -> String {
        number(*value)
    }

    fn format_ext(&self, value: &f64) -> String {
        match self.scale {
            Scale::Log2 => format!("2{}", superscript(value.log2().round())),
            _ if self.names.is_empty() => with_digits(*value, self.digits),
            _ => self
                .names
                .get(value.round() as usize)
                .cloned()
                .unwrap_or_default(),
        }
    }
}

impl Scale {
    fn apply(self, value: f64) -> f64 {
        match self {
            Self::Linear | Self::Auto => value,
            Self::Log => value.log10(),
            Self::Log2 => value.log2(),
        }
    }

    fn invert(self, placed: f64) -> f64 {
        match self {
            Self::Linear | Self::Auto => placed,
            Self::Log => 10f64.powf(placed),
            Self::Log2 => placed.exp2(),
        }
    }
}

/// Widens a range by a twentieth on each side, or makes one around a single value.
fn with_air(scale: Scale, low: f64, high: f64) -> (f64, f64) {
    // Halved first: the difference of two huge numbers of opposite sign would overflow.
    let half = high / 2.0 - low / 2.0;
    let air = match scale {
        _ if half > 0.0 => half * 0.1,
        Scale::Linear | Scale::Auto => (low.abs() * 0.1).max(1e-6),
        Scale::Log | Scale::Log2 => 1.0,
    };
    (
        (low - air).max(f64::MIN / 4.0),
        (high + air).min(f64::MAX / 4.0),
    )
}

fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |ends, value| match ends {
        None => Some((value, value)),
        Some((low, high)) => Some((low.min(value), high.max(value))),
    })
}

/// The round number (1, 2 or 5 times a power of ten) nearest above `step`.
fn nice(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|factor| factor * power >= step * 0.999);
    factor.unwrap_or(10.0) * power
}

/// Multiples of `every` in the range; never more than 40, whatever the range.
fn multiples(every: f64, low: f64, high: f64) -> Vec<f64> {
    let first = (low / every).ceil();
    let mut ticks: Vec<f64> = (0..40)
        .map(|i| (first + f64::from(i)) * every)
        .take_while(|tick| *tick <= high)
        .collect();
    // Where the range is narrower than the numbers are dense.
    ticks.dedup();
    ticks
}

/// Ticks of a log axis that spans little, given as powers of ten: 1, 2 and 5 times those, or
/// equal differences where it spans so little that fewer than two of them fall inside.
fn decimal_ticks(low: f64, high: f64) -> Vec<f64> {
    let (from, to) = (10f64.powf(low), 10f64.powf(high));
    let all: Vec<f64> = (low.floor() as i32..=high.ceil() as i32)
        .flat_map(|power| [1.0, 2.0, 5.0].map(|factor| factor * 10f64.powi(power)))
        .filter(|tick| (from..=to).contains(tick))
        .collect();
    if all.len() >= 2 {
        all
    } else {
        multiples(nice((to - from) / 4.0), from, to)
    }
}

/// Digits of a number where fewer are not enough: they hide 0.30000000000000004.
const FEWEST_DIGITS: usize = 10;

/// As many digits as tell neighbouring ticks apart.
fn digits(ticks: &[f64]) -> usize {
    let apart = |digits: &usize| {
        let label = |tick: f64| with_digits(tick, *digits);
        ticks
            .windows(2)
            .all(|pair| label(pair[0]) != label(pair[1]))
    };
    (FEWEST_DIGITS..17).find(apart).unwrap_or(17)
}

/// A number as a reader wants it: plain where short, else as `1.5e-7`.
pub(crate) fn number(value: f64) -> String {
    with_digits(value, FEWEST_DIGITS)
}

/// [`number`] of so many significant digits.
fn with_digits(value: f64, digits: usize) -> String {
    let text = format!("{value:.*e}", digits - 1);
    let rounded = text.parse().unwrap_or(value);
    if rounded != 0.0 && !(1e-3..1e6).contains(&rounded.abs()) {
        return format!("{rounded:e}");
    }
    format!("{rounded}")
}

fn superscript(value: f64) -> String {
    let digit = |c: char| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4'..='9' => char::from_u32('⁴' as u32 + (c as u32 - '4' as u32)).unwrap_or(c),
        _ => '⁰',
    };
    format!("{value}").chars().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks
            .iter()
            .map(|tick| axis.format_ext(tick))
            .collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        let axis = Axis::new(Scale::Linear, [3.2, 5.6].into_iter(), 6);
        assert_eq!(labels(&axis), ["3.5", "4", "4.5", "5", "5.5"]);
        let axis = Axis::new(Scale::Log, [0.02, 400.0].into_iter(), 6);
        assert_eq!(labels(&axis), ["0.1", "1", "10", "100"]);
        let axis = Axis::new(Scale::Log, [0.5, 12.0].into_iter(), 6);
        assert_eq!(labels(&axis), ["0.5", "1", "2", "5", "10"]);
        let axis = Axis::new(Scale::Log2, [16384.0, 65536.0].into_iter(), 5);
        assert_eq!(labels(&axis), ["2¹⁴", "2¹⁵", "2¹⁶"]);
        assert_eq!(labels(&Axis::steps(150.0, 5)), ["0", "50", "100", "150"]);
    }

    #[test]
    fn neighbouring_ticks_never_look_alike() {
        for (low, high) in [
            (1.0, 1.0 + 1e-11),
            (1e9, 1e9 + 1e-2),
            (3.0, 3.0_f64.next_up()),
            (1e-7, 1.000_000_000_01e-7),
        ] {
            for scale in [Scale::Linear, Scale::Log] {
                let axis = Axis::new(scale, [low, high].into_iter(), 6);
                let mut found = labels(&axis);
                let count = found.len();
                found.dedup();
                assert_eq!(found.len(), count, "{found:?}");
            }
        }
    }

    #[test]
    fn auto_turns_logarithmic_when_the_range_is_wide_and_positive() {
        assert!(Axis::new(Scale::Auto, [3.0, 300.0].into_iter(), 6).is_log());
        assert!(!Axis::new(Scale::Auto, [3.0, 6.0].into_iter(), 6).is_log());
        assert!(!Axis::new(Scale::Auto, [0.0, 600.0].into_iter(), 6).is_log());
    }

    #[test]
    fn superscripts_cover_all_digits() {
        assert_eq!(superscript(-1_234_567_890.0), "⁻¹²³⁴⁵⁶⁷⁸⁹⁰");
    }

    proptest! {
        /// A plotting library panics or draws nothing on an empty or infinite range.
        #[test]
        fn prop_every_axis_is_drawable(
            values in prop::collection::vec(any::<f64>(), 0..6),
            scale in prop::sample::select(vec![Scale::Linear, Scale::Log, Scale::Log2, Scale::Auto]),
        ) {
            let axis = Axis::new(scale, values.iter().copied(), 6);
            prop_assert!((axis.high - axis.low).is_finite());
            prop_assert!(axis.low < axis.high, "{axis:?}");
            prop_assert!(axis.ticks.len() <= 40);
            for value in values {
                prop_assert!((10..=90).contains(&axis.map(&value, (10, 90))));
            }
        }
    }
}
