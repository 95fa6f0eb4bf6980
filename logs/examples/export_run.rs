//! Exports the metrics of a run as CSV and as a `TensorBoard` event file, and nothing else.
//! `tests/check_tensorboard.py` compares the two with the real `TensorBoard`.
//!
//! `cargo run -p logs --example export_run -- RUN_DIR OUT_DIR`

use std::path::PathBuf;

use logs::{Manifest, RunReader, export};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let usage = "expected two arguments: the run directory and the directory to write to";
    let (run, out) = args.next().zip(args.next()).ok_or(usage)?;
    let reader = RunReader::open(&run)?;
    let start = reader.manifest().and_then(Manifest::created_seconds);
    let events = export::tensorboard(reader.records(), &out, start.unwrap_or(0.0))?;
    export::csv_file(reader.records(), &out.join("metrics.csv"))?;
    eprintln!("{} records to {}", reader.records().len(), events.display());
    Ok(())
}
