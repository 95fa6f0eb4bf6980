//! Prints what every detector raises in run directories, and every spike of their losses with its owner.
//!
//! `cargo run --release -p logs --example detect_runs -- DIR...`

use logs::RunReader;
use logs::alarm::DETECTORS;
use logs::spike::{owner, spikes};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut steps = 0;
    let mut counts = vec![0; DETECTORS.len()];
    for dir in std::env::args().skip(1) {
        let reader = RunReader::open(dir.as_ref())?;
        let records = reader.records();
        steps += records.len();
        eprintln!("{dir}: {} steps", records.len());
        for spike in spikes(records, "loss") {
            let of = owner(records, &spike).map_or(String::new(), |owner| {
                format!(", {owner} x{:.1}", owner.growth)
            });
            eprintln!(
                "  spike {} to {}, peak {}: +{:.2} nats, {:.1} deviations, {} skipped, {:?}{of}",
                spike.first,
                spike.last,
                spike.peak,
                spike.height(),
                spike.deviations,
                spike.skipped,
                spike.state
            );
        }
        for (entry, count) in DETECTORS.iter().zip(&mut counts) {
            let mut detector = (entry.make)(entry);
            let mut raised = Vec::new();
            for record in records {
                detector.observe(record, &mut raised);
            }
            *count += raised.len();
            for alarm in raised {
                eprintln!("  {:>6} {:<20} {}", alarm.step, alarm.rule, alarm.message);
            }
        }
    }
    for (entry, count) in DETECTORS.iter().zip(counts) {
        eprintln!("{:<20} {count} alarms in {steps} steps", entry.name);
    }
    Ok(())
}
