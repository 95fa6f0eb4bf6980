//! Rows of a file: JSON lines, a JSON list, or CSV with a heading.

use crate::task::TaskError;
use logs::disk::open;
use serde_json::{Map, Value};
use std::io;
use std::path::Path;

/// One row, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// From 1.
    pub(crate) line: u64,
    /// Which of the items that one row makes, from 1; 0 of a row that is one item.
    pub(crate) part: u64,
    pub(crate) question: Whole,
    pub(crate) fields: Map<String, Value>,
}

/// What several items of a row are answers to: the last list of `for_each` made them of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Whole {
    /// Which of its row, from 1; 0 of the row itself.
    pub(crate) number: u64,
    /// How many items it has.
    pub(crate) items: usize,
}

/// All rows of a file that are not blank.
pub(crate) fn read(path: &Path) -> Result<Vec<Row>, TaskError> {
    let is_csv = path.extension().is_some_and(|extension| extension == "csv");
    if is_csv {
        return csv_rows(path);
    }
    let text = text(path)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if let Ok(all) = serde_json::from_str::<Vec<Map<String, Value>>>(text) {
        let rows = (1..).zip(all);
        let row = |(line, fields)| Row {
            line,
            part: 0,
            question: Whole::default(),
            fields,
        };
        return Ok(rows.map(row).collect());
    }
    let lines = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(line, text)| {
            let fields = serde_json::from_str(text);
            let fields = fields.map_err(|error| TaskError::Row {
                path: path.to_owned(),
                line,
                problem: format!("is no JSON object: {error}"),
            })?;
            Ok(Row {
                line,
                part: 0,
                question: Whole::default(),
                fields,
            })
        })
        .collect()
}

/// The text of a file.
pub(crate) fn text(path: &Path) -> Result<String, TaskError> {
    let read = open(path).and_then(io::read_to_string);
    read.map_err(|source| TaskError::Read {
        path: path.to_owned(),
        source,
    })
}

fn csv_rows(path: &Path) -> Result<Vec<Row>, TaskError> {
    let wrong = |error: csv::Error| TaskError::Row {
        path: path.to_owned(),
        line: error.position().map_or(1, csv::Position::line),
        problem: format!("is no row of a table with a heading: {error}"),
    };
    let file = open(path).map_err(|source| TaskError::Read {
        path: path.to_owned(),
        source,
    })?;
    let mut reader = csv::Reader::from_reader(file);
    let headings = reader.headers().map_err(wrong)?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(wrong)?;
        let cells = headings.iter().zip(&record);
        rows.push(Row {
            line: record.position().map_or(0, csv::Position::line),
            part: 0,
            question: Whole::default(),
            fields: cells
                .map(|(name, cell)| (name.to_owned(), cell.into()))
                .collect(),
        });
    }
    Ok(rows)
}
