//! Outcomes by two axes.

use super::ByAxis;
use crate::card::{Settings, same};
use crate::stats::Proportion;
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
    /// By row and column; none where the card has no such arm. Runs without an outcome are not counted.
    pub cells: Vec<Vec<Option<Proportion>>>,
}

impl ByAxis<'_> {
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
            let cell = |row: Option<&Value>, column: &Value| {
                let is =
                    |own: Option<&Value>, wanted: &Value| own.is_some_and(|own| same(own, wanted));
                let arms = self.at(&at, &without);
                let mut arms = arms.iter().filter(|(arm, _)| {
                    let in_row = rows
                        .zip(row)
                        .is_none_or(|(key, row)| is(arm.settings.get(key), row));
                    in_row && is(arm.settings.get(columns), column)
                });
                arms.next().map(|(_, runs)| self.share(runs))
            };
            let line =
                |row: Option<&Value>| of_columns.iter().map(|column| cell(row, column)).collect();
            let cells = match rows {
                Some(_) => of_rows.iter().map(|row| line(Some(row))).collect(),
                None => vec![line(None)],
            };
            Panel {
                at: at.clone(),
                cells,
            }
        };
        let panels = self.others(&without).into_iter().map(panel).collect();
        Some(Matrix {
            rows: of_rows,
            columns: of_columns,
            panels,
        })
    }
}
