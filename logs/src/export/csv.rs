//! CSV (RFC 4180): one row per step.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::{layer_names, scalar_names};
use crate::error::LogError;
use crate::output;
use crate::record::{Record, kind};

/// Writes `records` as CSV: a header, then one row per step. Per-layer signals take one column per
/// layer, `layer_grad_norm_0` and so on. What was not recorded is empty; what is not finite is `nan`,
/// `inf` or `-inf`, as pandas and R read it.
pub fn csv(records: &[Record], out: impl Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    let scalars = scalar_names(records);
    let layers: Vec<_> = layer_names(records)
        .into_iter()
        .map(|name| (name, depth(records, name)))
        .collect();
    write!(out, "step")?;
    for name in &scalars {
        write!(out, ",{}", quoted(name))?;
    }
    for (name, depth) in &layers {
        for layer in 0..*depth {
            write!(out, ",{}", quoted(&format!("{name}_{layer}")))?;
        }
    }
    writeln!(out)?;
    for record in records {
        write!(out, "{}", record.step)?;
        for name in &scalars {
            cell(&mut out, record.scalar(name))?;
        }
        for (name, depth) in &layers {
            let values = record.layers.get(*name);
            for layer in 0..*depth {
                cell(
                    &mut out,
                    values.and_then(|values| values.get(layer)).copied(),
                )?;
            }
        }
        writeln!(out)?;
    }
    out.flush()
}

/// Writes the CSV file at `path`, atomically.
pub fn csv_file(records: &[Record], path: &Path) -> Result<(), LogError> {
    output::fill(path, |file| csv(records, file))
}

/// Layers of a per-layer signal.
fn depth(records: &[Record], name: &str) -> usize {
    let depths = records.iter().filter_map(|record| record.layers.get(name));
    depths.map(Vec::len).max().unwrap_or(0)
}

/// A cell with the comma before it; empty where nothing was recorded.
pub fn cell(out: &mut impl Write, value: Option<f64>) -> io::Result<()> {
    match value {
        None => write!(out, ","),
        Some(value) if value.is_finite() => write!(out, ",{value:?}"),
        Some(value) => write!(out, ",{}", kind(value)),
    }
}

/// A text as a cell. What a terminal would obey is written out, in a file as well: sooner or later
/// somebody prints it.
#[must_use]
pub fn quoted(name: &str) -> Cow<'_, str> {
    let name = words::printable_line(name);
    if name.contains([',', '"']) {
        format!("\"{}\"", name.replace('"', "\"\"")).into()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_per_step_with_known_signals_first() {
        let mut first = Record::new(1);
        first.set_named("a,b", 1.0);
        first.set_named("loss", 3.5);
        let mut second = Record::new(2);
        second.set_named("loss", f64::NAN);
        second.set_named("grad_norm", 1e-30);
        second.set_layers_named("layer_grad_norm", vec![0.1, f64::NEG_INFINITY]);
        let mut out = Vec::new();
        csv(&[first, second], &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "step,loss,grad_norm,\"a,b\",layer_grad_norm_0,layer_grad_norm_1\n\
             1,3.5,,1.0,,\n\
             2,nan,1e-30,,0.1,-inf\n"
        );
    }

    #[test]
    fn a_name_cannot_command_the_terminal_that_shows_the_header() {
        let mut record = Record::new(1);
        record.set_named("a\u{1b}]0;title\u{7}\r,b\n", 1.0);
        let mut out = Vec::new();
        csv(&[record], &mut out).unwrap();
        let header = "step,\"a\\u001b]0;title\\u0007\\u000d,b\\u000a\"";
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!("{header}\n1,1.0\n")
        );
    }

    #[test]
    fn no_records_give_a_header() {
        let mut out = Vec::new();
        csv(&[], &mut out).unwrap();
        assert_eq!(out, b"step\n");
    }
}
