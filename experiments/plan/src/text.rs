//! Numbers and lists of a plan for a terminal.

use words::decimal;

/// Four or five significant digits: counts in full, large numbers with an exponent.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 1e15 || (size > 0.0 && size < 1e-3) {
        format!("{value:.4e}")
    } else if value.fract() == 0.0 || size >= 1e4 {
        decimal(value, 0)
    } else if size >= 1000.0 {
        decimal(value, 1)
    } else if size >= 10.0 {
        decimal(value, 2)
    } else {
        decimal(value, 3)
    }
}

/// Bytes in GiB with two decimals.
pub(crate) fn gib(bytes: u64) -> String {
    decimal(bytes as f64 / 1_073_741_824.0, 2)
}

/// Lines with dashes, broken before column 110.
pub(crate) fn list(lines: &[String]) -> String {
    let hung = lines
        .iter()
        .map(|line| words::hanging("  - ", line, 4, 107));
    hung.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readers compare these digits with the paper's.
    #[test]
    fn numbers_are_readable() {
        assert_eq!(number(9.1176e18), "9.1176e18");
        assert_eq!(number(134.152), "134.15");
    }
}
