//! Numbers as people read them: compact values, counts, and axis ticks.

/// A value in at most eight columns: four significant digits, scientific outside 0.001..10,000.
pub(crate) fn compact(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.into();
    }
    let size = value.abs();
    if size == 0.0 {
        "0".into()
    } else if (1e-3..1e4).contains(&size) {
        let decimals = (3 - size.log10().floor() as i32).clamp(0, 5) as usize;
        format!("{value:.decimals$}")
    } else {
        format!("{value:.2e}")
    }
}

/// A whole number with thousands separated, or with k, M, G, T from 100,000 on.
pub(crate) fn count(value: u64) -> String {
    if value >= 100_000 {
        return suffixed(value as f64);
    }
    words::thousands(value)
}

/// A number with a suffix k, M, G or T and no digits that say nothing: `1.5k`, `20M`.
fn suffixed(value: f64) -> String {
    with_suffix(value, |_| 2)
}

/// A number with a suffix, and as many decimals as `decimals` wants for what the suffix stands for.
fn with_suffix(value: f64, decimals: impl Fn(f64) -> usize) -> String {
    let (scale, suffix) = match value.abs() {
        size if size >= 1e12 => (1e12, "T"),
        size if size >= 1e9 => (1e9, "G"),
        size if size >= 1e6 => (1e6, "M"),
        size if size >= 1e3 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let decimals = decimals(scale);
    let text = format!("{:.decimals$}", value / scale);
    if decimals == 0 {
        return format!("{text}{suffix}");
    }
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{suffix}")
}

/// Most decimals of a tick: beyond them neighbours may look alike.
const TICK_DECIMALS: f64 = 9.0;

/// A tick of an axis whose ticks are `step` apart: the decimals that tell neighbours apart, no more.
pub(crate) fn tick(value: f64, step: f64) -> String {
    let size = value.abs().max(step);
    // Of a number whose last digit is worth `unit`.
    let decimals = |unit: f64| (-(unit.log10() + 1e-9).floor()).clamp(0.0, TICK_DECIMALS) as usize;
    if value == 0.0 || value.abs() < step * 1e-6 {
        "0".into()
    } else if size >= 1e4 {
        with_suffix(value, |scale| decimals(step / scale))
    } else if size < 1e-3 {
        let digits = decimals(step / 10f64.powf(value.abs().log10().floor()));
        format!("{value:.digits$e}")
    } else {
        let decimals = decimals(step);
        format!("{value:.decimals$}")
    }
}

/// A label of a value in so many cells: decimals are cut, and never a digit before the point, a suffix or an exponent, without
/// which it would be the label of another value.
pub(crate) fn fitted(label: &str, value: f64, room: usize) -> String {
    if label.len() <= room {
        return label.to_owned();
    }
    let is_letter = |letter: char| letter.is_ascii_alphabetic();
    let (digits, suffix) = label.split_at(label.find(is_letter).unwrap_or(label.len()));
    let whole = digits.find('.').unwrap_or(digits.len());
    let left = room.saturating_sub(suffix.len());
    if let Some(cut) = digits.get(..left).filter(|_| whole <= left) {
        return format!("{}{suffix}", cut.trim_end_matches('.'));
    }
    let short = format!("{value:.0e}");
    Some(short)
        .filter(|short| short.len() <= room)
        .unwrap_or_default()
}

/// Round values (1, 2 or 5 times a power of ten apart) inside `low..=high`, about `wanted` of them, and
/// their distance.
pub(crate) fn linear_ticks(low: f64, high: f64, wanted: usize) -> (Vec<f64>, f64) {
    let span = high - low;
    if !(span.is_finite() && span > 0.0) || wanted == 0 {
        return (Vec::new(), 1.0);
    }
    let rough = span / wanted as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|k| k * power)
        .find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let first = (low / step).ceil() as i64;
    // The cap only guards against ranges so narrow that `step` vanishes against `low`.
    let ticks = (0..=wanted as i64 * 2)
        .map(|i| (first + i) as f64 * step)
        .take_while(|t| *t <= high + step * 1e-9);
    (ticks.collect(), step)
}

/// Ticks of a logarithmic axis between 10^`low` and 10^`high`, as exponents with their labels: whole decades
/// where two or more fit, else 1, 2 and 5 times a decade, else round values in between.
pub(crate) fn log_ticks(low: f64, high: f64, wanted: usize) -> Vec<(f64, String)> {
    if !(low.is_finite() && high.is_finite() && high > low) || wanted == 0 {
        return Vec::new();
    }
    let (first, last) = (low.ceil() as i64, high.floor() as i64);
    let decades = (last - first + 1).max(0) as usize;
    if decades >= 2 {
        let stride = decades.div_ceil(wanted.max(2));
        return (first..=last)
            .step_by(stride)
            .map(|e| (e as f64, power_of_ten(e)))
            .collect();
    }
    let (low_value, high_value) = (10f64.powf(low), 10f64.powf(high));
    let fine: Vec<f64> = (first - 1..=last + 1)
        .flat_map(|e| [1.0, 2.0, 5.0].map(|k| k * 10f64.powi(e as i32)))
        .filter(|v| (low_value..=high_value).contains(v))
        .collect();
    if fine.len() >= 2 {
        return fine.into_iter().map(|v| (v.log10(), short(v))).collect();
    }
    let (ticks, step) = linear_ticks(low_value, high_value, wanted);
    ticks
        .into_iter()
        .filter(|v| *v > 0.0)
        .map(|v| (v.log10(), tick(v, step)))
        .collect()
}

fn power_of_ten(exponent: i64) -> String {
    if (-2..=3).contains(&exponent) {
        short(10f64.powi(exponent as i32))
    } else {
        format!("1e{exponent}")
    }
}

fn short(value: f64) -> String {
    if (1e-3..1e4).contains(&value) {
        format!("{value:.3}")
            .trim_end_matches('0')
            .trim_end_matches('.')
            .into()
    } else {
        format!("{value:.0e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `2000000e300` was labelled 200000, and 1.0000e-4 was labelled 1.0000.
    #[test]
    fn a_label_that_is_cut_is_not_that_of_another_value() {
        assert_eq!(fitted("0.123", 0.123, 6), "0.123");
        assert_eq!(fitted("3.0001234", 3.000_123_4, 6), "3.0001");
        assert_eq!(fitted("1.00004e-4", 1.00004e-4, 6), "1.0e-4");
        assert_eq!(fitted("123.4567k", 123_456.7, 6), "123.4k");
        assert_eq!(fitted(&format!("5{}", "0".repeat(300)), 5e300, 6), "5e300");
        assert_eq!(fitted("1.5e-300", 1.5e-300, 6), "1e-300");
        assert_eq!(fitted("-12345678", -12_345_678.0, 3), "");
    }

    #[test]
    fn compact_keeps_four_digits_and_names_the_non_finite() {
        let cases = [
            (3.21456, "3.215"),
            (12.345, "12.35"),
            (999.96, "1000.0"),
            (0.001_234, "0.00123"),
            (0.0, "0"),
            (123_456.0, "1.23e5"),
            (1e-7, "1.00e-7"),
            (f64::NAN, "nan"),
            (f64::INFINITY, "inf"),
            (-2.5, "-2.500"),
        ];
        for (value, text) in cases {
            assert_eq!(compact(value), text, "{value}");
        }
    }

    #[test]
    fn counts_read_well() {
        assert_eq!(count(999), "999");
        assert_eq!(count(12_034), "12,034");
        assert_eq!(count(1_500_000), "1.5M");
    }

    #[test]
    fn ticks_are_round_and_distinct() {
        let (ticks, step) = linear_ticks(3.2, 5.7, 5);
        assert_eq!(ticks, [3.5, 4.0, 4.5, 5.0, 5.5]);
        assert_eq!(
            ticks.iter().map(|t| tick(*t, step)).collect::<Vec<_>>(),
            ["3.5", "4.0", "4.5", "5.0", "5.5"]
        );
        let labels: Vec<String> = log_ticks(-2.0, 3.0, 6)
            .into_iter()
            .map(|(_, label)| label)
            .collect();
        assert_eq!(labels, ["0.01", "0.1", "1", "10", "100", "1000"]);
        let labels: Vec<String> = log_ticks(0.5, 0.8, 4)
            .into_iter()
            .map(|(_, label)| label)
            .collect();
        assert!(
            labels.len() >= 2,
            "a range inside one decade still gets ticks: {labels:?}"
        );
    }

    #[test]
    fn neighbouring_ticks_never_look_alike() {
        for (low, high) in [
            (1.5e-4, 3e-4),
            (12_345_600.0, 12_345_605.0),
            (20_000.0, 20_015.0),
            (1.0, 1.000_000_01),
            (2e-7, 2.000_1e-7),
            (-1.5e-4, 1e-4),
        ] {
            let (ticks, step) = linear_ticks(low, high, 5);
            let mut labels: Vec<String> = ticks.iter().map(|t| tick(*t, step)).collect();
            let count = labels.len();
            labels.dedup();
            assert_eq!(labels.len(), count, "{labels:?}");
        }
        assert_eq!(tick(20_000.0, 5000.0), "20k");
        assert_eq!(tick(1.5e6, 5e5), "1.5M");
        assert_eq!(tick(2e-4, 1e-4), "2e-4");
    }

    proptest! {
        // Axes are computed from whatever a diverging run logs: no range may panic, hang or leave the axis.
        #[test]
        fn prop_ticks_stay_inside(low in -1e300f64..1e300, span in 0f64..1e300, wanted in 0usize..20) {
            let (ticks, _) = linear_ticks(low, low + span, wanted);
            prop_assert!(ticks.len() <= 2 * wanted + 1);
            for (exponent, _) in log_ticks(low.abs().log10(), (low.abs() + span).log10(), wanted) {
                prop_assert!(exponent.is_finite());
            }
        }

        #[test]
        fn prop_compact_is_short(value in proptest::num::f64::ANY) {
            prop_assert!(compact(value).len() <= 10);
        }
    }
}
