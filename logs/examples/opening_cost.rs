//! Measures what a monitor pays to open a sweep: writes synthetic runs with every signal of
//! `logs::SIGNALS`, then opens them, with and without the per-layer signals, and polls them once more.
//!
//! `cargo run --release -p logs --example opening_cost -- DIR [RUNS] [STEPS] [LAYERS]`

use std::path::{Path, PathBuf};
use std::time::Instant;

use logs::{LogError, Record, RunReader, RunWriter, SIGNALS, Status, Summary};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let root = PathBuf::from(args.next().ok_or("expected a directory to write to")?);
    let mut number = |default| args.next().map_or(Ok(default), |text| text.parse::<u64>());
    let (runs, steps, layers) = (number(100)?, number(1000)?, number(24)?);

    let dirs: Vec<_> = (1..=runs)
        .map(|i| root.join(format!("run-{i:03}")))
        .collect();
    let start = Instant::now();
    for (seed, dir) in dirs.iter().enumerate() {
        write_run(dir, steps, layers, seed as f64)?;
    }
    let bytes: u64 = dirs.iter().map(|dir| size(dir)).sum();
    let megabytes = bytes as f64 / 1e6;
    let written = start.elapsed().as_secs_f64();
    eprintln!("{runs} runs of {steps} steps, {layers} layers: {megabytes:.0} MB");
    let per_step = written / (runs * steps) as f64 * 1e6;
    eprintln!("write      {written:7.3} s   {per_step:.1} µs a step");

    timed("scalars", &dirs, RunReader::open_scalars)?;
    let mut readers = timed("everything", &dirs, RunReader::open)?;
    let start = Instant::now();
    for reader in &mut readers {
        reader.poll()?;
    }
    eprintln!("poll again {:7.4} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let raised: usize = readers
        .iter()
        .map(|r| logs::alarms(r.records()).len())
        .sum();
    eprintln!(
        "detectors  {:7.3} s   {raised} alarms",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

fn timed(
    what: &str,
    dirs: &[PathBuf],
    open: impl Fn(&Path) -> Result<RunReader, LogError>,
) -> Result<Vec<RunReader>, LogError> {
    let start = Instant::now();
    let readers: Vec<_> = dirs.iter().map(|dir| open(dir)).collect::<Result<_, _>>()?;
    eprintln!(
        "open       {:7.3} s   {what}",
        start.elapsed().as_secs_f64()
    );
    Ok(readers)
}

fn write_run(dir: &Path, steps: u64, layers: u64, seed: f64) -> Result<(), LogError> {
    let mut writer = RunWriter::open(dir)?;
    for step in 1..=steps {
        // Values as a trainer has them: 32-bit numbers with all their digits.
        let value = |i: u64| f64::from(((step * 7 + i) as f64 + seed).sin().abs() as f32 + 0.1);
        let mut record = Record::new(step);
        for (i, signal) in SIGNALS.iter().enumerate() {
            if signal.per_layer {
                record.set_layers_named(signal.name, (0..layers).map(value).collect());
            } else {
                record.set_named(signal.name, value(i as u64));
            }
        }
        writer.step(&record)?;
    }
    let summary = Summary::new(Status::Finished, steps, writer.attempt(), 0.0);
    writer.finish(&summary)
}

fn size(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some(entry.metadata().ok()?.len()))
        .sum()
}
