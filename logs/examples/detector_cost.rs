//! Measures the detectors: values a second for each on records that hold only its own signals, values a second of
//! [`logs::spike::SpikeTracker`] alone, and what training pays for all that run by default: time a step and bytes of
//! state in a checkpoint, for 6 and 24 layers. One core, the fastest of five.
//!
//! `cargo run --release -p logs --example detector_cost -- [STEPS]`

use std::hint::black_box;
use std::time::Instant;

use logs::alarm::DETECTORS;
use logs::spike::{Definition, SpikeTracker};
use logs::{Record, Watch};

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
        let records: Vec<Record> = (0..steps)
            .map(|step| record(step, LAYERS, entry.signals))
            .collect();
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
    for layers in [6, LAYERS] {
        training(steps / LAYERS, layers)?;
    }
    Ok(())
}

/// What a run of `layers` layers pays that records every signal at every step.
fn training(steps: u64, layers: u64) -> Result<(), serde_json::Error> {
    let names: Vec<&str> = logs::SIGNALS.iter().map(|signal| signal.name).collect();
    let records: Vec<Record> = (0..steps)
        .map(|step| record(step, layers, &names))
        .collect();
    let mut state = Ok(0);
    let seconds = shortest(|| {
        let mut watch = Watch::default();
        for record in &records {
            black_box(watch.news(record));
        }
        state = watch
            .state()
            .and_then(|state| serde_json::to_vec(&state))
            .map(|bytes| bytes.len());
    });
    eprintln!(
        "all watched, {layers} layers: {:.1} µs a step, {} kB of state",
        seconds / steps as f64 * 1e6,
        state? / 1000
    );
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

fn record(step: u64, layers: u64, signals: &[&str]) -> Record {
    let mut record = Record::new(step);
    for (i, signal) in signals.iter().enumerate() {
        if signal.starts_with("layer_") {
            record.set_layers_named(
                signal,
                (0..layers).map(|layer| value(step, layer)).collect(),
            );
        } else if *signal == "skipped" {
            record.set_named(signal, 0.0);
        } else {
            record.set_named(signal, value(step, i as u64));
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
