//! Fewer points for the same picture.

/// Reduces a curve to what `columns` columns of a screen can show: the lowest and the highest point
/// of each column, in order of x. A spike of one step survives, which averaging would hide.
///
/// `points` are (x, y) in ascending x. Points that are not finite are left out; draw them yourself.
/// At most `2 * columns` points come back, and all of them if they are that few already.
#[must_use]
pub fn min_max(points: &[(f64, f64)], columns: usize) -> Vec<(f64, f64)> {
    let finite: Vec<_> = points
        .iter()
        .copied()
        .filter(|(x, y)| x.is_finite() && y.is_finite())
        .collect();
    if finite.len() <= columns.saturating_mul(2) {
        return finite;
    }
    let (Some(first), Some(last)) = (finite.first(), finite.last()) else {
        return finite;
    };
    let (start, width) = (first.0, last.0 - first.0);
    let column = |x: f64| {
        let position = (x - start) / width * columns as f64;
        // All points at one x give 0/0, which is column 0 as well.
        (position as usize).min(columns.saturating_sub(1))
    };
    let mut out = Vec::new();
    for group in finite.chunk_by(|a, b| column(a.0) == column(b.0)) {
        if out.len() + 2 > columns * 2 {
            break; // only where x was not ascending
        }
        let low = (0..group.len()).min_by(|&a, &b| group[a].1.total_cmp(&group[b].1));
        let high = (0..group.len()).max_by(|&a, &b| group[a].1.total_cmp(&group[b].1));
        if let (Some(low), Some(high)) = (low, high) {
            out.push(group[low.min(high)]);
            if low != high {
                out.push(group[low.max(high)]);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_single_spike_survives() {
        let mut points: Vec<_> = (0..10_000).map(|i| (f64::from(i), 3.0)).collect();
        points[7_777].1 = 9.0;
        let reduced = min_max(&points, 80);
        assert!(reduced.len() <= 160);
        assert!(reduced.contains(&(7_777.0, 9.0)));
    }

    proptest! {
        #[test]
        fn extremes_and_order_are_kept(ys in prop::collection::vec(prop_oneof![9 => -1e6..1e6, 1 => Just(f64::NAN)], 0..300), columns in 1usize..40) {
            let points: Vec<_> = ys.iter().enumerate().map(|(i, &y)| (i as f64, y)).collect();
            let reduced = min_max(&points, columns);
            prop_assert!(reduced.len() <= 2 * columns);
            prop_assert!(reduced.is_sorted_by(|a, b| a.0 < b.0));
            let finite = || ys.iter().copied().filter(|y| y.is_finite());
            let kept = || reduced.iter().map(|p| p.1);
            prop_assert_eq!(finite().fold(f64::INFINITY, f64::min), kept().fold(f64::INFINITY, f64::min));
            prop_assert_eq!(finite().fold(f64::NEG_INFINITY, f64::max), kept().fold(f64::NEG_INFINITY, f64::max));
        }

        #[test]
        fn nothing_panics(points in any::<Vec<(f64, f64)>>(), columns in 0usize..5) {
            prop_assert!(min_max(&points, columns).len() <= 2 * columns);
        }
    }
}
