//! The median by which detectors and stitching judge.

/// The upper median: of an even number of values the larger of the two in the middle, so that it is always a value that
/// was seen. Puts `values` into another order; none of no values.
pub(crate) fn upper_median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    let (_, median, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    Some(*median)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_in_the_middle_it_is_the_larger() {
        assert_eq!(upper_median(&mut [4.0, 1.0, 3.0, 2.0]), Some(3.0));
        assert_eq!(upper_median(&mut [5.0, 1.0, 3.0]), Some(3.0));
        assert_eq!(upper_median(&mut []), None);
    }
}
