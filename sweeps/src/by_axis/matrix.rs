//! Outcomes by two axes.

use super::ByAxis;
use crate::RunState;
use crate::card::{Arm, Settings, same};
use crate::stats::Proportion;
use std::cmp::Reverse;
use toml::Value;

/// How many runs show the card's event, by the values of two axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Values of the axis from top to bottom.
    pub rows: Vec<Value>,
    /// Values of the axis from left to right.
    pub columns: Vec<Value>,
    /// One table for each setting of the other axes; a single one where there are none.
    pub panels: Vec<Panel>,
}

/// One table of a [`Matrix`].
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// Values of the other axes.
    pub at: Settings,
    /// By row and column; none where the card has no such arm.
    pub cells: Vec<Vec<Option<Cell>>>,
}

/// The runs of one arm.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Label of the arm.
    pub arm: String,
    /// Runs that show the card's event, of those of which it is known whether they do.
    pub count: Proportion,
    /// All runs, those to come too.
    pub runs: u64,
}

impl ByAxis<'_> {
    /// The axes of the matrix that is shown where nobody says otherwise, downwards and to the right: the dose to the right, of
    /// the others the one with most values downwards. One axis alone lies to the right; nothing where the arms differ in none.
    #[must_use]
    pub fn matrix_axes(&self) -> Option<(Option<String>, String)> {
        let dose = self.dose();
        let mut axes = self.axes();
        axes.sort_by_key(|(key, values)| (Some(key) != dose.as_ref(), Reverse(values.len())));
        let mut keys = axes.into_iter().map(|(key, _)| key);
        let right = keys.next()?;
        Some((keys.next(), right))
    }

    /// One cell for each arm of the card, in its order: what is left to count where the arms differ in no axis.
    #[must_use]
    pub fn cells(&self) -> Vec<Cell> {
        let arms = self.arms.iter();
        arms.map(|(arm, runs)| self.cell(arm, runs)).collect()
    }

    fn cell(&self, arm: &Arm, runs: &[&RunState]) -> Cell {
        let known: Vec<bool> = runs
            .iter()
            .filter_map(|run| run.shows(&self.event))
            .collect();
        let shown = known.iter().filter(|shown| **shown).count();
        Cell {
            arm: arm.label.clone(),
            count: Proportion::new(shown as u64, known.len() as u64),
            runs: runs.len() as u64,
        }
    }

    /// The matrix of two axes, or of one (a single row) where `rows` is none; nothing where an axis has
    /// fewer than two values.
    #[must_use]
    pub fn matrix(&self, rows: Option<&str>, columns: &str) -> Option<Matrix> {
        let axes = self.axes();
        let values = |key: &str| {
            let found = axes.iter().find(|(known, _)| known == key);
            found.map(|(_, values)| values.clone())
        };
        let of_rows = match rows {
            Some(key) => values(key)?,
            None => Vec::new(),
        };
        let of_columns = values(columns)?;
        let without: Vec<&str> = rows.into_iter().chain([columns]).collect();
        let panel = |at: Settings| {
            let arms = self.at(&at, &without);
            let cell = |row: Option<&Value>, column: &Value| {
                let is =
                    |own: Option<&Value>, wanted: &Value| own.is_some_and(|own| same(own, wanted));
                let mut arms = arms.iter().filter(|(arm, _)| {
                    let in_row = rows
                        .zip(row)
                        .is_none_or(|(key, row)| is(arm.settings.get(key), row));
                    in_row && is(arm.settings.get(columns), column)
                });
                arms.next().map(|(arm, runs)| self.cell(arm, runs))
            };
            let line =
                |row: Option<&Value>| of_columns.iter().map(|column| cell(row, column)).collect();
            let cells = match rows {
                Some(_) => of_rows.iter().map(|row| line(Some(row))).collect(),
                None => vec![line(None)],
            };
            Panel { at, cells }
        };
        let panels = self.others(&without).into_iter().map(panel).collect();
        Some(Matrix {
            rows: of_rows,
            columns: of_columns,
            panels,
        })
    }
}
