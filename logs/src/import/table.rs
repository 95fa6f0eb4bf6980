//! Tables with a header: CSV (RFC 4180) and TSV, as W&B exports them and pandas writes them.

use super::collect::Log;
use super::names::{Columns, number, step_of};
use super::{Format, Source};
use crate::rows::Rows;

/// Columns between delimiters, one row per line.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) delimiter: u8,
}

impl Format for Table {
    fn name(&self) -> &'static str {
        self.name
    }

    fn recognises(&self, source: &Source, columns: &Columns) -> bool {
        let header = Rows::new(source.text(), self.delimiter).next();
        header.is_some_and(|row| row.cells.len() > 1 && columns.step(&row.cells).is_some())
    }

    fn read(&self, source: &Source, columns: &Columns) -> Log {
        let mut log = Log::new(false);
        let mut rows = Rows::new(source.text(), self.delimiter);
        let Some(header) = rows.next() else {
            return log;
        };
        let Some(step) = columns.step(&header.cells) else {
            return log;
        };
        let time = columns.time(&header.cells);
        for place in [Some(step), time].into_iter().flatten() {
            log.key(&header.cells[place]);
        }
        for row in rows {
            // A row of other length has lost or gained a delimiter: no cell is where it says.
            let found = (row.cells.len() == header.cells.len() && row.valid)
                .then(|| number(&row.cells[step]).and_then(step_of))
                .flatten();
            let Some(at) = found else {
                log.damaged += 1;
                continue;
            };
            if row.torn {
                let text = "the last row has no line end; should it be cut, its last cell is wrong";
                log.notes.push(text.to_owned());
            }
            log.at(at);
            for (place, cell) in row.cells.iter().enumerate() {
                let Some(value) = number(cell) else { continue };
                if Some(place) == time {
                    log.time(value);
                } else if place != step && !is_envelope(&header.cells[place]) {
                    log.put(&header.cells[place], value);
                }
            }
        }
        log
    }
}

/// W&B's panel exports repeat each column as its least and largest value over a bin.
fn is_envelope(name: &str) -> bool {
    name.ends_with("__MIN") || name.ends_with("__MAX")
}
