//! What runs took: when, how long, on how many cores, and how much energy where that was recorded.

use crate::prose::significant;
use crate::view::Fact;
use logs::RunReader;

/// Names under which programs record the power they draw, watts.
const POWER: [&str; 3] = ["power_watts", "gpu_power_watts", "watts"];
/// Joules of a watt-hour.
const WATT_HOUR: f64 = 3600.0;

/// Facts for the top of the page. The time of a run is that of the steps it recorded, of all its attempts.
pub(crate) fn of<'a>(readers: impl Iterator<Item = &'a RunReader> + Clone) -> Vec<Fact> {
    let mut facts = Vec::new();
    facts.extend(dates(readers.clone()));
    let (mut wall, mut core) = (0.0, 0.0);
    let mut energy = None;
    for reader in readers {
        let seconds = seconds(reader);
        wall += seconds;
        core += seconds
            * reader
                .manifest()
                .map_or(1.0, |manifest| f64::from(manifest.threads.max(1) as u32));
        if let Some(joules) = joules(reader) {
            *energy.get_or_insert(0.0) += joules;
        }
    }
    if wall > 0.0 {
        let cores = significant(core / 3600.0, 2);
        facts.push(Fact::new(
            "cost",
            format!("{} of runs, {cores} core-hours", words::duration(wall)),
        ));
    }
    let energy = energy.map_or("not recorded".to_owned(), |joules| {
        format!("{} Wh", significant(joules / WATT_HOUR, 3))
    });
    facts.push(Fact::new("energy", energy));
    facts
}

/// The days from the first run to the last.
fn dates<'a>(readers: impl Iterator<Item = &'a RunReader>) -> Option<Fact> {
    let created = readers
        .filter_map(RunReader::manifest)
        .map(|manifest| &manifest.created);
    let mut days: Vec<&str> = created.filter_map(|created| created.get(..10)).collect();
    days.sort_unstable();
    let (first, last) = (days.first()?, days.last()?);
    let value = if first == last {
        (*first).to_owned()
    } else {
        format!("{first} to {last}")
    };
    Some(Fact::new("date", value))
}

fn seconds(reader: &RunReader) -> f64 {
    let steps = reader.column("step_seconds", 0..reader.len());
    let steps: f64 = steps.iter().flatten().filter(|s| s.is_finite()).sum();
    let summary = reader.summary().map_or(0.0, |summary| summary.seconds);
    if steps > 0.0 { steps } else { summary }
}

/// Power times the time of every step that recorded both.
fn joules(reader: &RunReader) -> Option<f64> {
    let column = |name: &str| reader.column(name, 0..reader.len());
    let (power, seconds) = (POWER.map(column), column("step_seconds"));
    let of = |record: usize| {
        let watts = power.iter().find_map(|column| column.get(record))?;
        let joules = watts * seconds.get(record)?;
        joules.is_finite().then_some(joules)
    };
    let steps: Vec<f64> = (0..reader.len()).filter_map(of).collect();
    (!steps.is_empty()).then(|| steps.iter().sum())
}
