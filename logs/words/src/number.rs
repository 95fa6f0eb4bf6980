//! Numbers.

/// `128,697,794,560`.
#[must_use]
pub fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with so many decimals and separated thousands; `-` for what is not finite.
#[must_use]
pub fn decimal(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), thousands);
    let sign = if value < 0.0 { "-" } else { "" };
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{rest}")
}

/// A number as people write it in a configuration: `0.1`, `1`, `65536`, and outside 0.001 to 1,000,000
/// `8e-5`, so that no value becomes hundreds of digits. Reads back as the same double.
#[must_use]
pub fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() || (1e-3..1e6).contains(&value.abs()) {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

/// `38.4 MB`, decimal units.
#[must_use]
pub fn bytes(count: u64) -> String {
    scaled(count as f64, &["B", "kB", "MB", "GB", "TB", "PB"])
}

/// `537.6 k`; whole below a thousand.
#[must_use]
pub fn approximate(count: u64) -> String {
    scaled(count as f64, &["", "k", "M", "G", "T", "P"])
        .trim_end()
        .to_owned()
}

fn scaled(value: f64, units: &[&str]) -> String {
    let mut value = value;
    let mut unit = 0;
    // 999.95 would be shown as 1000.0.
    while value >= 999.95 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{value} {}", units[0]),
        _ => format!("{value:.1} {}", units[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readers compare these digits with the paper's.
    #[test]
    fn thousands_are_separated() {
        assert_eq!(thousands(128_697_794_560), "128,697,794,560");
        assert_eq!([7, 999, 1000].map(thousands), ["7", "999", "1,000"]);
        assert_eq!(decimal(-1234.5, 1), "-1,234.5");
        assert_eq!(decimal(1e30, 0), "1000000000000000019884624838656");
        assert_eq!(decimal(f64::NAN, 2), "-");
    }

    #[test]
    fn numbers_are_written_as_in_a_configuration() {
        let written = [1e-8, 0.001, 0.3, 1.0, 0.0, 65_536.0, 1e9, 1e300, -2.5e-7].map(number);
        assert_eq!(
            written,
            [
                "1e-8", "0.001", "0.3", "1", "0", "65536", "1e9", "1e300", "-2.5e-7"
            ]
        );
        assert_eq!([f64::NAN, f64::NEG_INFINITY].map(number), ["NaN", "-inf"]);
    }

    proptest::proptest! {
        #[test]
        fn prop_numbers_read_back(value in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL) {
            let text = number(value);
            proptest::prop_assert!(text.len() < 26, "{text}");
            proptest::prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits());
        }
    }

    #[test]
    fn quantities_are_short() {
        assert_eq!([0, 999_960].map(bytes), ["0 B", "1.0 MB"]);
        assert_eq!([537_600, 14].map(approximate), ["537.6 k", "14"]);
    }
}
