//! Reduction of many points to the columns of a screen: least and greatest value of every column survive, so
//! a spike of one step is still seen among a million.

/// x and y in plot coordinates.
pub(super) type Point = (f64, f64);

/// Reduces a line with x ascending to at most four points per column. NaN values, which break the line, stay
/// as single NaN points between the pieces.
pub(super) fn line(points: &[Point], columns: usize) -> Vec<Point> {
    if points.len() <= columns * 2 {
        return points.to_vec();
    }
    let column = columns_of(points.iter().map(|point| point.0), columns);
    let mut reduced: Vec<Point> = Vec::new();
    let mut pieces =
        points.chunk_by(|a, b| a.1.is_finite() == b.1.is_finite() && column(a.0) == column(b.0));
    for piece in pieces.by_ref() {
        let (first, last) = (piece[0], piece[piece.len() - 1]);
        if !first.1.is_finite() {
            if reduced.last().is_none_or(|point| point.1.is_finite()) {
                reduced.push((first.0, f64::NAN));
            }
            continue;
        }
        let at = |better: fn(&f64, &f64) -> bool| {
            (1..piece.len()).fold(0, |best, i| {
                if better(&piece[i].1, &piece[best].1) {
                    i
                } else {
                    best
                }
            })
        };
        let (low, high) = (at(f64::lt), at(f64::gt));
        for point in [first, piece[low.min(high)], piece[low.max(high)], last] {
            if reduced.last() != Some(&point) {
                reduced.push(point);
            }
        }
    }
    reduced
}

/// Reduces a band to one entry per column: lowest low, highest high.
pub(super) fn band(points: &[(f64, f64, f64)], columns: usize) -> Vec<(f64, f64, f64)> {
    if points.len() <= columns {
        return points.to_vec();
    }
    let column = columns_of(points.iter().map(|point| point.0), columns);
    points
        .chunk_by(|a, b| column(a.0) == column(b.0))
        .map(|piece| {
            let low = piece.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
            let high = piece.iter().map(|p| p.2).fold(f64::NEG_INFINITY, f64::max);
            (piece[0].0, low, high)
        })
        .collect()
}

/// Which of `columns` equal columns an x falls into.
fn columns_of(
    mut xs: impl DoubleEndedIterator<Item = f64>,
    columns: usize,
) -> impl Fn(f64) -> usize {
    let first = xs.next().unwrap_or(0.0);
    let last = xs.next_back().unwrap_or(first);
    let per_x = columns.max(1) as f64 / (last - first).max(f64::MIN_POSITIVE);
    move |x| (((x - first) * per_x) as usize).min(columns.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        // The reduction may not lose a spike, whatever the data, and must be small enough to draw fast.
        #[test]
        fn prop_extremes_survive_and_size_is_bounded(
            ys in prop::collection::vec(prop_oneof![9 => -1e6f64..1e6, 1 => Just(f64::NAN)], 1..900),
            columns in 1usize..120,
        ) {
            let points: Vec<Point> = ys.iter().enumerate().map(|(x, y)| (x as f64, *y)).collect();
            let reduced = line(&points, columns);
            let extremes = |points: &[Point]| {
                let finite = points.iter().map(|p| p.1).filter(|y| y.is_finite());
                finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)))
            };
            prop_assert_eq!(extremes(&reduced), extremes(&points));
            let breaks = reduced.iter().filter(|p| p.1.is_nan()).count();
            prop_assert!(reduced.len() <= 4 * (columns + 2 * breaks) + breaks || reduced.len() <= 2 * columns);
            prop_assert!(reduced.windows(2).all(|pair| pair[0].0 <= pair[1].0), "x never goes back");
            prop_assert_eq!(breaks > 0, ys.iter().any(|y| y.is_nan()), "a gap stays a gap");
        }
    }

    #[test]
    fn a_band_keeps_its_widest_point_per_column() {
        let points: Vec<_> = (0..100)
            .map(|x| (f64::from(x), -f64::from(x % 10), f64::from(x % 7)))
            .collect();
        let reduced = band(&points, 10);
        assert_eq!(reduced.len(), 10);
        assert_eq!(reduced[0], (0.0, -9.0, 6.0));
    }
}
