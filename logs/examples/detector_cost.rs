//! Measures the detectors: steps a second for each on records that hold only its own signals, and values a second of
//! [`logs::spike::SpikeTracker`] alone. One core, the fastest of five.
//!
//! `cargo run --release -p logs --example detector_cost -- [STEPS]`

use std::hint::black_box;
use std::time::Instant;

use logs::Record;
use logs::alarm::DETECTORS;
use logs::spike::{Definition, SpikeTracker};

const LAYERS: u64 = 24;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let steps = std::env::args()
        .nth(1)
        .map_or(Ok(200_000), |text| text.parse::<u64>())?;
    let losses: Vec<f64> = (0..steps).map(|step| value(step, 0)).collect();
    let seconds = shortest(|| {
        let mut tracker = SpikeTracker::new(Definition::LOSS);
        for (step, loss) in losses.iter().enumerate() {
            black_box(tracker.observe(step as u64, *loss, false));
        }
    });
    let rate = losses.len() as f64 / seconds;
    eprintln!("{:<24} {:8.2} million values/s", "SpikeTracker", rate / 1e6);
    for entry in DETECTORS {
        let per_layer = entry.signals[0].starts_with("layer_");
        let steps = if per_layer { steps / LAYERS } else { steps };
        let records: Vec<Record> = (0..steps).map(|step| record(step, entry.signals)).collect();
        let mut count = 0;
        let seconds = shortest(|| {
            let mut detector = (entry.make)(entry);
            let mut raised = Vec::new();
            for record in &records {
                detector.observe(record, &mut raised);
            }
            count = raised.len();
        });
        let width = if per_layer {
            LAYERS
        } else {
            entry.signals.len() as u64
        };
        let rate = (steps * width) as f64 / seconds;
        eprintln!(
            "{:<24} {:8.2} million values/s, {count} alarms",
            entry.name,
            rate / 1e6
        );
    }
    Ok(())
}

/// Seconds of the fastest of five: other processes only make it slower.
fn shortest(mut work: impl FnMut()) -> f64 {
    let once = |_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    (0..5).map(once).fold(f64::INFINITY, f64::min)
}

fn record(step: u64, signals: &[&str]) -> Record {
    let mut record = Record::new(step);
    for (i, signal) in signals.iter().enumerate() {
        if signal.starts_with("layer_") {
            record.set_layers(
                signal,
                (0..LAYERS).map(|layer| value(step, layer)).collect(),
            );
        } else if *signal == "skipped" {
            record.set(signal, 0.0);
        } else {
            record.set(signal, value(step, i as u64));
        }
    }
    record
}

/// A slowly falling value with noise of 1 %, from a multiplicative hash.
fn value(step: u64, which: u64) -> f64 {
    let hash = (step * 64 + which).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11;
    let noise = hash as f64 / (1_u64 << 53) as f64 - 0.5;
    3.0 + 5.0 / (1.0 + step as f64 / 1e4) + 0.03 * noise
}
