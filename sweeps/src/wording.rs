//! Numbers in words, as verdicts say them.

use crate::Event;
use crate::card::{Settings, named};

/// `p = 0.015 ≤ 0.05`.
pub(crate) fn p_words(p: f64, alpha: f64) -> String {
    let sign = if p <= alpha { '≤' } else { '>' };
    format!("{} {sign} {alpha}", p_is(p))
}

/// Four significant digits, with a real minus sign.
pub(crate) fn number(value: f64) -> String {
    let text = if value == 0.0 || !value.is_finite() {
        // Adding zero turns −0 into 0.
        format!("{}", value + 0.0)
    } else if (1e-3..1e6).contains(&value.abs()) {
        let digits = (3.0 - value.abs().log10().floor()).clamp(0.0, 6.0) as usize;
        let text = format!("{value:.digits$}");
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        }
    } else {
        format!("{value:.2e}")
    };
    text.replace('-', "−")
}

/// `stuck, diverged or nonfinite`.
pub(crate) fn event_words(event: &[Event]) -> String {
    match event {
        [] => "no outcome".to_owned(),
        [only] => only.to_string(),
        [all @ .., last] => {
            let all: Vec<&str> = all.iter().map(|event| event.name()).collect();
            format!("{} or {last}", all.join(", "))
        }
    }
}

/// A share as percentage points with a real minus sign.
pub(crate) fn points(share: f64) -> String {
    let rounded = (100.0 * share).round();
    if rounded < 0.0 {
        format!("−{}", -rounded)
    } else {
        // Adding zero turns −0 into 0.
        format!("{}", rounded + 0.0)
    }
}

/// A confidence level without needless digits: `95`, `99.5`, and with so many that it is not 100.
pub(crate) fn percent(level: f64) -> String {
    let left = -(100.0 * (1.0 - level)).max(1e-9).log10().floor();
    let decimals = (left + 1.0).max(2.0) as usize;
    let digits = format!("{:.decimals$}", 100.0 * level);
    digits
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
}

/// Two significant digits, never `0.000`.
pub(crate) fn p_value(p: f64) -> String {
    if p < LEAST_P {
        return format!("below {LEAST_P:e}");
    }
    if p < 1e-4 {
        return format!("{p:.1e}");
    }
    let digits = (1.0 - p.log10().floor()).max(2.0) as usize;
    format!("{p:.digits$}")
}

/// Where the tails of distributions run out of floating-point numbers: no p is 0.
const LEAST_P: f64 = 1e-300;

/// `p = 0.015`, or a bound where there is no number.
pub(crate) fn p_is(p: f64) -> String {
    if p < LEAST_P {
        format!("p < {LEAST_P:e}")
    } else {
        format!("p = {}", p_value(p))
    }
}

/// `at post, layers=24, lr=0.001/0.01`.
pub(crate) fn place(at: &Settings) -> String {
    let values: Vec<String> = at.iter().map(|(key, value)| named(key, value)).collect();
    if values.is_empty() {
        "over all arms".to_owned()
    } else {
        format!("at {}", values.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_keep_two_digits() {
        let shown: Vec<String> = [0.015_151, 0.5, 1.0, 0.002_16, 3.3e-7].map(p_value).into();
        assert_eq!(shown, ["0.015", "0.50", "1.00", "0.0022", "3.3e-7"]);
        assert_eq!(p_value(0.0), "below 1e-300", "no p is 0");
        assert_eq!([p_is(0.0), p_is(0.5)], ["p < 1e-300", "p = 0.50"]);
    }

    #[test]
    fn numbers_keep_four_digits() {
        let shown: Vec<String> = [1.617_9, -0.02, 0.0, -0.0, 1e-9, 65_520.0, 0.5, f64::NAN]
            .map(number)
            .into();
        assert_eq!(
            shown,
            ["1.618", "−0.02", "0", "0", "1.00e−9", "65520", "0.5", "NaN"]
        );
    }

    #[test]
    fn no_level_is_100_percent() {
        let shown = [0.95, 0.9, 0.995, 0.9999, 1.0 - 1e-6].map(percent);
        assert_eq!(shown, ["95", "90", "99.5", "99.99", "99.9999"]);
    }

    #[test]
    fn points_are_whole_and_signed() {
        assert_eq!([-0.004, 0.834, -0.3].map(points), ["0", "83", "−30"]);
    }
}
