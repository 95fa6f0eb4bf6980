//! What runs took: when, how long, on how many cores, and how much energy where that was recorded.

use crate::prose::significant;
use crate::view::Fact;
use logs::RunReader;
use logs::signal::MACHINE_WATTS;
use std::collections::BTreeMap;

/// Names under which other programs record the power that a run draws, watts.
const POWER: [&str; 3] = ["power_watts", "gpu_power_watts", "watts"];
/// Joules of a watt-hour.
const WATT_HOUR: f64 = 3600.0;

/// Facts for the top of the page. The time of a run is that of the steps it recorded, of all its attempts.
pub(crate) fn of<'a>(readers: impl Iterator<Item = &'a RunReader> + Clone) -> Vec<Fact> {
    let mut facts = Vec::new();
    facts.extend(dates(readers.clone()));
    let (mut wall, mut core) = (0.0, 0.0);
    for reader in readers.clone() {
        let seconds = seconds(reader);
        wall += seconds;
        core += seconds
            * reader
                .manifest()
                .map_or(1.0, |manifest| f64::from(manifest.threads.max(1) as u32));
    }
    if wall > 0.0 {
        let cores = significant(core / 3600.0, 2);
        facts.push(Fact::new(
            "cost",
            format!("{} of runs, {cores} core-hours", words::duration(wall)),
        ));
    }
    facts.push(Fact::new("energy", energy(readers)));
    facts
}

/// Watt-hours, and of what.
fn energy<'a>(readers: impl Iterator<Item = &'a RunReader> + Clone) -> String {
    let own: Vec<f64> = readers
        .clone()
        .filter_map(|reader| joules(reader, &POWER))
        .collect();
    let machines = machines(readers);
    let shown = |joules: f64| format!("{} Wh", significant(joules / WATT_HOUR, 3));
    match (own.as_slice(), machines) {
        ([], None) => "not recorded".to_owned(),
        ([], Some(joules)) => format!("{} of processors and memory", shown(joules)),
        (own, None) => shown(own.iter().sum()),
        (own, Some(joules)) => format!(
            "{} as runs recorded, {} of processors and memory",
            shown(own.iter().sum()),
            shown(joules)
        ),
    }
}

/// Joules of the machines while they trained. Their power is that of the whole machine: of runs at the same time each has recorded
/// it, and it counts once.
fn machines<'a>(readers: impl Iterator<Item = &'a RunReader>) -> Option<f64> {
    let mut hosts: BTreeMap<&str, Vec<(f64, f64, f64)>> = BTreeMap::new();
    for reader in readers {
        let Some(manifest) = reader.manifest() else {
            continue;
        };
        let Some(joules) = joules(reader, &[MACHINE_WATTS.0.name]) else {
            continue;
        };
        let start = manifest.created_seconds().unwrap_or(0.0);
        let took = seconds(reader);
        let host = hosts.entry(&manifest.host).or_default();
        host.push((start, start + took, joules));
    }
    (!hosts.is_empty()).then(|| hosts.into_values().map(of_machine).sum())
}

/// Joules of a machine from runs with begin, end and the joules that each has recorded of it: the mean power of all over the time in
/// which any of them trained.
fn of_machine(mut runs: Vec<(f64, f64, f64)>) -> f64 {
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let all: f64 = runs.iter().map(|(from, to, _)| to - from).sum();
    let joules: f64 = runs.iter().map(|(.., joules)| joules).sum();
    let (mut busy, mut end) = (0.0, f64::NEG_INFINITY);
    for (from, to, _) in runs {
        busy += (to - end.max(from)).max(0.0);
        end = end.max(to);
    }
    if all > 0.0 { joules * busy / all } else { 0.0 }
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

/// Power times time. A record that has the power has that of all steps since the one before that had it.
fn joules(reader: &RunReader, names: &[&str]) -> Option<f64> {
    let column = |name: &str| reader.column(name, 0..reader.len());
    let power: Vec<_> = names.iter().map(|name| column(name)).collect();
    let seconds = column("step_seconds");
    let (mut joules, mut since) = (None, 0.0);
    for record in 0..reader.len() {
        since += seconds.get(record).filter(|s| s.is_finite()).unwrap_or(0.0);
        let watts = power.iter().find_map(|column| column.get(record));
        let Some(watts) = watts.filter(|watts| watts.is_finite()) else {
            continue;
        };
        *joules.get_or_insert(0.0) += watts * since;
        since = 0.0;
    }
    joules.filter(|joules| *joules > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two runs beside each other record the same power, and it was drawn once; one after another it was drawn twice.
    #[test]
    fn the_power_of_a_machine_counts_once_for_runs_at_the_same_time() {
        let close = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-9, "{found}");
        close(of_machine(vec![(0.0, 10.0, 500.0)]), 500.0);
        close(
            of_machine(vec![(0.0, 10.0, 500.0), (0.0, 10.0, 500.0)]),
            500.0,
        );
        close(
            of_machine(vec![(10.0, 20.0, 500.0), (0.0, 10.0, 500.0)]),
            1000.0,
        );
        close(
            of_machine(vec![(0.0, 10.0, 500.0), (5.0, 15.0, 500.0)]),
            750.0,
        );
        close(of_machine(vec![(3.0, 3.0, 0.0)]), 0.0);
        close(of_machine(Vec::new()), 0.0);
    }
}
