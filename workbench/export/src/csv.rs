//! The long table as CSV (RFC 4180).

use crate::source::{Run, Source};
use crate::table::{OF_RUN, Table, axis_text};
use logs::export::{cell, quoted};
use logs::read::Column;
use std::io::{self, BufWriter, Write};

/// Writes one row per run and step: `run`, `arm`, `seed`, `outcome`, a column for each axis by its dotted key, `step`, then every
/// scalar signal. What was not recorded is empty; what is not finite is `nan`, `inf` or `-inf`.
pub fn csv(source: &Source, out: impl Write) -> io::Result<()> {
    let table = Table::new(source);
    let mut out = BufWriter::new(out);
    let axes = table.axes.iter().map(|(key, _)| key.as_str());
    let signals = table.signals.iter().map(String::as_str);
    let names: Vec<&str> = OF_RUN
        .into_iter()
        .chain(axes)
        .chain(["step"])
        .chain(signals)
        .collect();
    let names: Vec<_> = names.into_iter().map(quoted).collect();
    writeln!(out, "{}", names.join(","))?;
    for run in &table.runs {
        let front = front(run, &table);
        let columns: Vec<Column> = table.signals.iter().map(|name| run.column(name)).collect();
        let steps = run.reader.steps(0..run.len());
        for (record, step) in steps.into_iter().enumerate() {
            write!(out, "{front},{step}")?;
            for column in &columns {
                cell(&mut out, column.get(record))?;
            }
            writeln!(out)?;
        }
    }
    out.flush()
}

/// Writes one row a step of a run alone, its per-layer signals as a column for each layer.
pub fn csv_of_run(source: &Source, out: impl Write) -> io::Result<()> {
    let mut all = Vec::new();
    for run in source.runs() {
        run.parts(0, 0.0, |records, _| {
            all.extend_from_slice(records);
            Ok::<(), io::Error>(())
        })?;
    }
    logs::export::csv(&all, out)
}

/// The cells that all rows of a run share.
fn front(run: &Run<'_>, table: &Table<'_>) -> String {
    let seed = run.seed.map_or_else(String::new, |seed| seed.to_string());
    let own = [
        run.id.to_owned(),
        run.arm.to_owned(),
        seed,
        run.outcome.clone(),
    ];
    let axes = table.axes.iter().map(|(key, _)| axis_text(run, key));
    let cells: Vec<String> = own
        .into_iter()
        .chain(axes)
        .map(|text| quoted(&text).into_owned())
        .collect();
    cells.join(",")
}
