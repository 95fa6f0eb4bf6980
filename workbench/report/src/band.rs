//! Many runs of one arm as one curve: the median over the runs with their range as a band.

/// One column of a band. All values are finite and in the signal's own unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Column {
    /// First step of the column.
    pub(crate) step: f64,
    /// Smallest value of any run in the column.
    pub(crate) low: f64,
    /// Median over the steps of the column of the median over runs.
    pub(crate) median: f64,
    /// Largest value of any run in the column.
    pub(crate) high: f64,
}

/// The curve of one arm: nothing but finite values in the columns, and apart from them the steps
/// at which some run was not finite, so that they can be drawn as marks instead of vanishing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Band {
    /// In order of step.
    pub(crate) columns: Vec<Column>,
    /// Where a run's value was NaN or infinite, one step per column at most.
    pub(crate) marks: Vec<f64>,
    /// How many steps share a column; 1 means that every recorded step is a column of its own.
    pub(crate) stride: u64,
    /// The last step recorded, whether finite or not.
    pub(crate) last: u64,
}

impl Band {
    /// Joins the series of several runs, each a list of `(step, value)` in order of step, in at
    /// most `columns` columns. Runs may start, end and skip steps as they like: a column is made
    /// of the values that are there.
    pub(crate) fn new(runs: &[Vec<(u64, f64)>], columns: u64) -> Self {
        let steps = || runs.iter().flatten().map(|&(step, _)| step);
        let (Some(first), Some(last)) = (steps().min(), steps().max()) else {
            return Self {
                stride: 1,
                ..Self::default()
            };
        };
        let stride = (last - first + 1).div_ceil(columns.max(1)).max(1);

        let mut points: Vec<(u64, f64)> = runs.iter().flatten().copied().collect();
        points.sort_by_key(|&(step, _)| step);
        let mut band = Self {
            stride: 1,
            last,
            ..Self::default()
        };
        for column in points.chunk_by(|a, b| (a.0 - first) / stride == (b.0 - first) / stride) {
            let step = column[0].0 as f64;
            if column.iter().any(|&(step, _)| step != column[0].0) {
                band.stride = stride;
            }
            if column.iter().any(|(_, value)| !value.is_finite()) {
                band.marks.push(step);
            }
            band.columns.extend(summarise(step, column));
        }
        band
    }

    /// Every finite number drawn, for choosing an axis.
    pub(crate) fn values(&self) -> impl Iterator<Item = f64> {
        self.columns
            .iter()
            .flat_map(|column| [column.low, column.high])
    }
}

fn summarise(step: f64, column: &[(u64, f64)]) -> Option<Column> {
    let finite = |points: &[(u64, f64)]| -> Vec<f64> {
        points
            .iter()
            .map(|point| point.1)
            .filter(|value| value.is_finite())
            .collect()
    };
    let per_step = column
        .chunk_by(|a, b| a.0 == b.0)
        .filter_map(|runs| median(&mut finite(runs)));
    let all = finite(column);
    Some(Column {
        step,
        low: all.iter().copied().reduce(f64::min)?,
        median: median(&mut per_step.collect::<Vec<_>>())?,
        high: all.iter().copied().reduce(f64::max)?,
    })
}

/// The middle value, or the mean of the two middle ones; nothing of nothing.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (n, half) = (values.len(), values.len() / 2);
    match n {
        0 => None,
        n if n % 2 == 1 => Some(values[half]),
        // Halved before adding, so that two values near the largest f64 do not overflow.
        _ => Some(values[half - 1] / 2.0 + values[half] / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn median_and_range_over_runs() {
        let band = Band::new(
            &[vec![(1, 1.0), (2, 5.0)], vec![(1, 3.0)], vec![(1, 9.0)]],
            100,
        );
        assert_eq!(
            band.columns,
            [
                Column {
                    step: 1.0,
                    low: 1.0,
                    median: 3.0,
                    high: 9.0
                },
                Column {
                    step: 2.0,
                    low: 5.0,
                    median: 5.0,
                    high: 5.0
                },
            ]
        );
    }

    #[test]
    fn a_non_finite_value_becomes_a_mark_and_leaves_the_band_alone() {
        let band = Band::new(&[vec![(1, 1.0), (2, f64::NAN)], vec![(2, 4.0)]], 100);
        assert_eq!(band.marks, [2.0]);
        assert_eq!(
            band.columns[1],
            Column {
                step: 2.0,
                low: 4.0,
                median: 4.0,
                high: 4.0
            }
        );
        let gone = Band::new(&[vec![(7, f64::INFINITY)]], 100);
        assert_eq!((gone.marks.as_slice(), gone.columns.len()), (&[7.0][..], 0));
    }

    /// A signal recorded now and then must not be captioned as averaged.
    #[test]
    fn only_columns_of_several_steps_count_as_joined() {
        let sparse = Band::new(&[vec![(50, 1.0), (100, 2.0), (150, 3.0)]], 10);
        assert_eq!(
            (sparse.stride, sparse.last, sparse.columns.len()),
            (1, 150, 3)
        );
        let dense = Band::new(&[vec![(1, 1.0), (2, 2.0), (3, 3.0)]], 2);
        assert_eq!((dense.stride, dense.last, dense.columns.len()), (2, 3, 2));
    }

    #[test]
    fn nothing_recorded_is_an_empty_band() {
        assert!(Band::new(&[vec![], vec![]], 10).columns.is_empty());
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![6 => -1e3..1e3f64, 1 => Just(f64::NAN), 1 => Just(f64::NEG_INFINITY)]
    }

    proptest! {
        /// Thinning must not hide a spike: the extremes of the whole survive any column count.
        #[test]
        fn prop_extremes_survive(
            runs in prop::collection::vec(prop::collection::vec(value(), 0..60), 1..5),
            columns in 1u64..20,
        ) {
            let series: Vec<Vec<(u64, f64)>> = runs
                .iter()
                .map(|run| run.iter().zip(1u64..).map(|(&value, step)| (step, value)).collect())
                .collect();
            let band = Band::new(&series, columns);
            let finite = || runs.iter().flatten().copied().filter(|value| value.is_finite());
            prop_assert!(band.columns.len() as u64 <= columns);
            prop_assert_eq!(band.values().reduce(f64::max), finite().reduce(f64::max));
            prop_assert_eq!(band.values().reduce(f64::min), finite().reduce(f64::min));
            prop_assert_eq!(
                band.marks.is_empty(),
                runs.iter().flatten().all(|value| value.is_finite())
            );
            for column in &band.columns {
                prop_assert!(column.low <= column.median && column.median <= column.high);
            }
        }
    }
}
