//! The heat map of one run: a per-layer signal over its steps.

use logs::record::Record;

/// One cell: the largest value of a layer within a column, so that a spike of one step is seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell {
    /// Nothing recorded.
    Empty,
    /// Base-10 logarithm; -∞ for zero.
    Value(f64),
    /// NaN or infinite at some step of the column.
    Nonfinite,
}

/// A grid of `layers` × `columns`, layer 0 first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Heat {
    pub(super) signal: String,
    pub(super) layers: usize,
    pub(super) columns: usize,
    cells: Vec<Cell>,
    /// Range of the colour scale, as base-10 logarithms.
    pub(super) scale: (f64, f64),
    /// First and last step.
    pub(super) steps: (u64, u64),
    /// Non-finite values, not cells.
    pub(super) nonfinite: usize,
}

/// Below all sizes: of a layer without a value.
const ABSENT: f64 = -1.0;

/// Least and greatest of the values above zero.
struct Bounds {
    low: f64,
    high: f64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            low: f64::INFINITY,
            high: 0.0,
        }
    }
}

impl Bounds {
    fn take(&mut self, value: f64) {
        if value > 0.0 && value < self.low {
            self.low = value;
        }
        if value > self.high && value < f64::INFINITY {
            self.high = value;
        }
    }
}

impl Heat {
    pub(super) fn build(records: &[Record], signal: &str, columns: usize) -> Self {
        let rows = || {
            records
                .iter()
                .filter_map(|record| Some((record.step, record.layers.get(signal)?)))
        };
        let layers = rows().map(|(_, values)| values.len()).max().unwrap_or(0);
        let first = rows().next().map_or(0, |(step, _)| step);
        let last = rows().next_back().map_or(0, |(step, _)| step);
        let mut heat = Self {
            signal: signal.into(),
            layers,
            columns,
            cells: vec![Cell::Empty; layers * columns],
            steps: (first, last),
            ..Self::default()
        };
        if columns == 0 || layers == 0 {
            return heat;
        }
        let (mut filled, mut bounds) = (0, Bounds::default());
        let rows: Vec<(usize, &Vec<f64>)> = rows()
            .map(|(step, values)| (heat.column(step), values))
            .collect();
        for of_column in rows.chunk_by(|a, b| a.0 == b.0) {
            let here = of_column[0].0;
            // Fewer records than columns: each record is as wide as the steps it stands for.
            for gap in filled..here {
                heat.copy_column(gap.wrapping_sub(1), gap);
            }
            heat.fill_column(here, of_column, &mut bounds);
            filled = here + 1;
        }
        for gap in filled..columns {
            heat.copy_column(gap.wrapping_sub(1), gap);
        }
        heat.scale = if bounds.low <= bounds.high {
            (bounds.low.log10(), bounds.high.log10())
        } else {
            (0.0, 1.0)
        };
        heat
    }

    /// The column of a step that is shown.
    pub(super) fn column(&self, step: u64) -> usize {
        let (first, last) = self.steps;
        let place = step.saturating_sub(first) as f64 / ((last - first + 1) as f64);
        ((place * self.columns as f64) as usize).min(self.columns.saturating_sub(1))
    }

    /// First and last step of a column.
    pub(super) fn steps_of(&self, column: usize) -> (u64, u64) {
        let (first, last) = self.steps;
        let share = (last - first + 1) as f64 / self.columns.max(1) as f64;
        // The least step whose place is in the column.
        let begin = |column: usize| first + (column as f64 * share).ceil() as u64;
        let end = begin(column + 1).saturating_sub(1).clamp(first, last);
        (begin(column).clamp(first, last).min(end), end)
    }

    /// The records of a column; logarithms are taken of cells, of which there are few, and not of values.
    fn fill_column(&mut self, column: usize, rows: &[(usize, &Vec<f64>)], bounds: &mut Bounds) {
        let mut greatest = vec![ABSENT; self.layers];
        let mut lost = vec![false; self.layers];
        for (_, values) in rows {
            for (cell, value) in greatest.iter_mut().zip(values.iter()) {
                if value.abs() > *cell {
                    *cell = value.abs();
                }
                bounds.take(*value);
            }
            for (layer, _) in values.iter().enumerate().filter(|(_, v)| !v.is_finite()) {
                self.nonfinite += 1;
                lost[layer] = true;
            }
        }
        for (layer, (size, lost)) in greatest.into_iter().zip(lost).enumerate() {
            self.cells[layer * self.columns + column] = if lost {
                Cell::Nonfinite
            } else if size == ABSENT {
                Cell::Empty
            } else {
                Cell::Value(size.log10())
            };
        }
    }

    fn copy_column(&mut self, from: usize, to: usize) {
        for layer in 0..self.layers {
            if let Some(cell) = self
                .cells
                .get(layer * self.columns + from)
                .copied()
                .filter(|_| from < self.columns)
            {
                self.cells[layer * self.columns + to] = cell;
            }
        }
    }

    /// The largest cell of several layers in a column: fewer rows on the screen than layers.
    pub(super) fn cell(&self, layers: std::ops::Range<usize>, column: usize) -> Cell {
        layers
            .filter_map(|layer| self.cells.get(layer * self.columns + column).copied())
            .fold(Cell::Empty, larger)
    }

    /// Place of a value on the colour scale, 0..=1.
    pub(super) fn level(&self, log_value: f64) -> f64 {
        let (low, high) = self.scale;
        if high > low {
            ((log_value - low) / (high - low)).clamp(0.0, 1.0)
        } else {
            0.5
        }
    }
}

fn larger(a: Cell, b: Cell) -> Cell {
    match (a, b) {
        (Cell::Nonfinite, _) | (_, Cell::Nonfinite) => Cell::Nonfinite,
        (Cell::Value(a), Cell::Value(b)) => Cell::Value(a.max(b)),
        (Cell::Empty, other) | (other, Cell::Empty) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(step: u64, values: &[f64]) -> Record {
        let mut record = Record::new(step);
        record.set_layers_named("layer_grad_norm", values.to_vec());
        record
    }

    #[test]
    fn a_spike_of_one_step_survives_and_the_scale_is_logarithmic() {
        let mut records: Vec<Record> = (0..1000).map(|step| record(step, &[1.0, 10.0])).collect();
        records[500] = record(500, &[1000.0, 10.0]);
        let heat = Heat::build(&records, "layer_grad_norm", 10);
        assert_eq!(heat.cell(0..1, 5), Cell::Value(3.0));
        assert_eq!(heat.cell(0..1, 4), Cell::Value(0.0));
        assert_eq!(heat.scale, (0.0, 3.0));
        assert_eq!(heat.level(1.5), 0.5);
    }

    /// From the files of a run of a hundred thousand records: no scalar moves with the layer, and it stays among the others.
    #[test]
    fn a_layer_that_jumps_alone_in_a_long_run_is_on_the_map() {
        let (dir, at) = (tempfile::tempdir().unwrap(), 61_803);
        let mut writer = logs::RunWriter::open(dir.path()).unwrap();
        for step in 1..=100_000 {
            let jumping = if step == at { 3.5 } else { 2.0 };
            let mut record = record(step, &[1.0, jumping, 4.0, 8.0]);
            record.set_named("loss", 3.0);
            writer.step(&record).unwrap();
        }
        drop(writer);
        let reader = logs::RunReader::open_scalars(dir.path()).unwrap();
        let records = crate::log::Log::Files(&reader).layers("layer_grad_norm", 0..u64::MAX);
        assert!(records.len() < 20_000, "{}", records.len());
        let heat = Heat::build(&records, "layer_grad_norm", 100);
        let of = |column: usize| heat.cell(1..2, column);
        assert_eq!(of(heat.column(at)), Cell::Value(3.5f64.log10()));
        assert_eq!(of(heat.column(at) + 1), Cell::Value(2f64.log10()));
    }

    #[test]
    fn columns_have_the_steps_that_fall_into_them() {
        let records: Vec<Record> = (10..=47).map(|step| record(step, &[1.0])).collect();
        for columns in [1, 7, 38, 100] {
            let heat = Heat::build(&records, "layer_grad_norm", columns);
            for column in 0..columns {
                let (first, last) = heat.steps_of(column);
                assert!(
                    10 <= first && first <= last && last <= 47,
                    "{columns} {column}"
                );
                if columns <= 38 {
                    assert_eq!((heat.column(first), heat.column(last)), (column, column));
                }
            }
        }
    }

    #[test]
    fn few_records_are_stretched_without_holes() {
        let records = [record(10, &[1.0]), record(20, &[2.0])];
        let heat = Heat::build(&records, "layer_grad_norm", 11);
        assert!((0..11).all(|column| heat.cell(0..1, column) != Cell::Empty));
    }

    #[test]
    fn non_finite_values_are_counted_and_win_their_cell() {
        let records = [
            record(1, &[f64::NAN, 0.0]),
            record(2, &[f64::INFINITY, 1.0]),
        ];
        let heat = Heat::build(&records, "layer_grad_norm", 1);
        assert_eq!(heat.nonfinite, 2);
        assert_eq!(heat.cell(0..1, 0), Cell::Nonfinite);
        assert_eq!(heat.cell(0..2, 0), Cell::Nonfinite, "merged layers keep it");
    }

    proptest! {
        // Logarithms are taken of cells, and give what those of all values would.
        #[test]
        fn prop_a_cell_is_the_greatest_of_its_logarithms(
            values in prop::collection::vec(prop_oneof![
                8 => -1e9f64..1e9, 1 => Just(0.0), 1 => Just(f64::NAN), 1 => Just(f64::NEG_INFINITY),
            ], 1..200),
            columns in 1usize..9,
        ) {
            let records: Vec<Record> = (1..).zip(&values).map(|(step, value)| record(step, &[*value])).collect();
            let heat = Heat::build(&records, "layer_grad_norm", columns);
            let finite = values.iter().filter(|value| value.is_finite());
            prop_assert_eq!(heat.nonfinite, values.len() - finite.count());
            for column in 0..columns.min(values.len()) {
                let own = (1..).zip(&values).filter(|(step, _)| heat.column(*step) == column);
                let own = own.map(|(_, value)| if value.is_finite() {
                    Cell::Value(value.abs().log10())
                } else {
                    Cell::Nonfinite
                });
                if let Some(greatest) = own.reduce(larger) {
                    prop_assert_eq!(heat.cell(0..1, column), greatest);
                }
            }
        }
    }

    #[test]
    fn nothing_recorded_is_an_empty_map() {
        assert_eq!(Heat::build(&[], "layer_grad_norm", 5).layers, 0);
        assert_eq!(
            Heat::build(&[record(1, &[1.0])], "layer_grad_norm", 0).columns,
            0
        );
    }
}
