//! Cells of a table of systems, by column.

use crate::PlanError;
use logs::rows::{Rows, TableRow};
use std::path::Path;
use words::Named;

/// Every column. Those of the second list say what a system is called and where its figures come from; nothing
/// is computed from them.
const COLUMNS: [&str; 29] = [
    "id",
    "group",
    "use",
    "layers",
    "hidden",
    "ffn_hidden",
    "heads",
    "kv_heads",
    "vocab",
    "seq_len",
    "ffn_type",
    "tied",
    "gpu",
    "gpus",
    "gpus_per_node",
    "interconnect",
    "tensor_parallel",
    "sequence_parallel",
    "context_parallel",
    "pipeline_parallel",
    "virtual_stages",
    "data_parallel",
    "sharding",
    "micro_batch",
    "global_batch",
    "precision",
    "recompute",
    "flash_attention",
    "trainer",
];
const FIGURES: [&str; 13] = [
    "seconds_per_step",
    "memory_gib_per_gpu",
    "memory_of",
    "system",
    "params_b",
    "tflops_per_gpu",
    "tflops_counts_recompute",
    "tokens_per_s_per_gpu",
    "mfu",
    "source",
    "checked",
    "note",
    "aside",
];
/// Without these no row can be read.
const NEEDED: [&str; 12] = [
    "id",
    "layers",
    "hidden",
    "vocab",
    "seq_len",
    "gpu",
    "gpus",
    "tensor_parallel",
    "pipeline_parallel",
    "global_batch",
    "micro_batch",
    "seconds_per_step",
];

/// A table and the name it is called by in errors.
pub(super) struct Cells {
    pub(super) file: String,
    header: Vec<String>,
    rows: Vec<TableRow>,
}

impl Cells {
    pub(super) fn read(path: &Path) -> Result<Self, PlanError> {
        let text = logs::disk::read_text(path).map_err(|source| PlanError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        let mut rows = Rows::new(text.as_bytes(), b',');
        let file = words::printable_path(path);
        let header = rows.next().map(|row| row.cells).unwrap_or_default();
        let input = |problem: String, expected: String| PlanError::Input {
            file: file.clone(),
            line: 1,
            problem,
            expected,
        };
        let known = || COLUMNS.into_iter().chain(FIGURES);
        if let Some(name) = header
            .iter()
            .find(|name| !known().any(|known| known == name.as_str()))
        {
            return Err(input(
                format!(
                    "no column is called `{}`{}",
                    words::printable(name),
                    words::hint(name, known())
                ),
                format!("some of {}", known().collect::<Vec<_>>().join(", ")),
            ));
        }
        if let Some(twice) = header
            .iter()
            .enumerate()
            .find(|(at, name)| header[..*at].contains(name))
        {
            return Err(input(
                format!("column `{}` is there twice", twice.1),
                "each column once".to_owned(),
            ));
        }
        if let Some(name) = NEEDED
            .into_iter()
            .find(|name| !header.iter().any(|found| found == name))
        {
            return Err(input(
                format!("column `{name}` is missing"),
                "a table of systems".to_owned(),
            ));
        }
        Ok(Self {
            file,
            header,
            rows: rows.collect(),
        })
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Result<Line<'_>, PlanError>> {
        self.rows.iter().map(|row| {
            if row.valid && row.cells.len() == self.header.len() {
                return Ok(Line { table: self, row });
            }
            Err(PlanError::Input {
                file: self.file.clone(),
                line: row.line,
                problem: format!("the row has {} cells", row.cells.len()),
                expected: format!("{}, in UTF-8 and with quotes in pairs", self.header.len()),
            })
        })
    }
}

/// One row.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    table: &'a Cells,
    row: &'a TableRow,
}

impl Line<'_> {
    /// The cell, empty where the column is missing.
    pub(super) fn text(&self, column: &str) -> &str {
        let at = self.table.header.iter().position(|name| name == column);
        at.map_or("", |at| self.row.cells[at].trim())
    }

    /// An error about a cell.
    pub(super) fn wrong(&self, column: &str, expected: impl Into<String>) -> PlanError {
        PlanError::Input {
            file: self.table.file.clone(),
            line: self.row.line,
            problem: format!(
                "`{}`: column `{column}` is `{}`",
                words::printable(self.text("id")),
                words::printable(self.text(column))
            ),
            expected: expected.into(),
        }
    }

    /// An error about the whole row.
    pub(super) fn broken(&self, error: &PlanError) -> PlanError {
        PlanError::Input {
            file: self.table.file.clone(),
            line: self.row.line,
            problem: format!("`{}`: {error}", words::printable(self.text("id"))),
            expected: "a system that can be planned".to_owned(),
        }
    }

    /// A number above 0; absent where the cell is empty.
    pub(super) fn number(&self, column: &str) -> Result<Option<f64>, PlanError> {
        let text = self.text(column);
        if text.is_empty() {
            return Ok(None);
        }
        let number = text
            .parse()
            .ok()
            .filter(|value: &f64| value.is_finite() && *value > 0.0);
        number
            .map(Some)
            .ok_or_else(|| self.wrong(column, "a number above 0, without a unit, or nothing"))
    }

    /// A whole number above 0; absent where the cell is empty.
    pub(super) fn whole(&self, column: &str) -> Result<Option<u64>, PlanError> {
        let Some(number) = self.number(column)? else {
            return Ok(None);
        };
        if number.fract() == 0.0 && number < 1e15 {
            Ok(Some(number as u64))
        } else {
            Err(self.wrong(column, "a whole number above 0, or nothing"))
        }
    }

    /// `yes` or `no`; absent where the cell is empty. What stands behind it in brackets is passed over.
    pub(super) fn flag(&self, column: &str) -> Result<Option<bool>, PlanError> {
        match self.word(column) {
            "" => Ok(None),
            "yes" => Ok(Some(true)),
            "no" => Ok(Some(false)),
            _ => Err(self.wrong(column, "`yes`, `no` or nothing")),
        }
    }

    /// The cell up to a bracket: `zero3 (Gemini)` is `zero3`.
    pub(super) fn word(&self, column: &str) -> &str {
        let text = self.text(column);
        text.split(" (").next().unwrap_or(text)
    }

    /// One of a few values; absent where the cell is empty.
    pub(super) fn named<T: Named>(&self, column: &str) -> Result<Option<T>, PlanError> {
        let word = self.word(column);
        if word.is_empty() {
            return Ok(None);
        }
        let names = || T::VALUES.iter().map(|value| value.named());
        T::find(word).map(Some).ok_or_else(|| {
            self.wrong(
                column,
                format!(
                    "{} or nothing{}",
                    words::quoted(names()),
                    words::hint(word, names())
                ),
            )
        })
    }
}
