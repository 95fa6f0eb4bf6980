//! What a log alone can tell: an imported run, and others that read the same batches.

use crate::cli::Explain;
use crate::console::{self, say};
use crate::failure::Failure;
use logs::explain::{Explained, Incident, Kin, Known, Sibling, incidents};
use logs::import::Imported;
use logs::spike::is_judged;
use logs::{Record, RunReader};
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;

/// Incidents that are explained where no step is named.
const MOST: usize = 12;
/// Steps that a named step may lie beside an incident.
const NEAR: u64 = 8;

/// For machines.
#[derive(Serialize)]
struct Answers {
    run: String,
    incidents: Vec<Explained>,
    /// Further incidents, by their first steps.
    left_out: Vec<u64>,
}

pub(super) fn run(arguments: &Explain, imported: &Imported) -> Result<ExitCode, Failure> {
    let reader = read(&arguments.run)?;
    let records = reader.records();
    let mut found = incidents(records);
    if !arguments.at.is_empty() {
        let all = std::mem::take(&mut found);
        for at in &arguments.at {
            check_recorded(&arguments.run, *at, records)?;
            found.push(at_step(&arguments.run, *at, all.clone())?);
        }
        found.sort_by_key(|incident| incident.first);
        found.dedup();
    }
    let most = if arguments.at.is_empty() {
        MOST
    } else {
        found.len()
    };
    let left_out = found.split_off(found.len().min(most));
    let others = others(arguments)?;
    let sibling = |(kin, reader): &(Kin, RunReader)| (*kin, name(reader.dir()));
    let names: Vec<(Kin, String)> = others.iter().map(sibling).collect();
    let siblings: Vec<Sibling<'_>> = others
        .iter()
        .zip(&names)
        .map(|((_, reader), (kin, name))| Sibling {
            name,
            kin: *kin,
            records: reader.records(),
        })
        .collect();
    let known = Known {
        records,
        attempts: &imported.attempts,
        siblings: &siblings,
        restore_within: arguments.restore_within,
    };
    let answers = Answers {
        run: arguments.run.display().to_string(),
        incidents: found
            .into_iter()
            .map(|incident| known.explain(incident))
            .collect(),
        left_out: left_out.iter().map(|incident| incident.first).collect(),
    };
    if !is_judged(records, "loss") {
        say("note: the loss has too few values for a spike of it to be told");
    }
    print(&answers, arguments.json)?;
    Ok(ExitCode::SUCCESS)
}

fn print(answers: &Answers, json: bool) -> Result<(), Failure> {
    if json {
        return console::print_json(answers);
    }
    if answers.incidents.is_empty() {
        return console::print(
            "nothing to explain: no spike of the loss, no loss that is not finite, and no alarm in another recorded signal\n",
        );
    }
    console::print(&logs::explain::text(&answers.incidents))?;
    if !answers.left_out.is_empty() {
        let steps: Vec<String> = answers.left_out.iter().map(u64::to_string).collect();
        say(&format!(
            "{} more, which --at explains: step {}",
            steps.len(),
            steps.join(", ")
        ));
    }
    Ok(())
}

/// A run with at least a record.
fn read(dir: &Path) -> Result<RunReader, Failure> {
    let reader = RunReader::open_scalars(dir)?;
    if reader.records().is_empty() {
        let dir = dir.display();
        return Err(Failure::usage(format!(
            "`{dir}` is no run directory with a recorded step; `workbench import` makes one of a log"
        )));
    }
    for warning in reader.warnings() {
        say(&format!("note: {}: {warning}", dir.display()));
    }
    Ok(reader)
}

/// The other runs, each once; the run itself, which a pattern of the shell may name too, is left out.
fn others(arguments: &Explain) -> Result<Vec<(Kin, RunReader)>, Failure> {
    let place = |dir: &Path| dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let mut seen = vec![place(&arguments.run)];
    let mut others = Vec::new();
    for (kin, dirs) in [
        (Kin::SameSize, &arguments.sibling),
        (Kin::OtherSize, &arguments.other_size),
    ] {
        for dir in dirs {
            if !seen.contains(&place(dir)) {
                seen.push(place(dir));
                others.push((kin, read(dir)?));
            }
        }
    }
    Ok(others)
}

fn name(dir: &Path) -> String {
    let name = dir.file_name().unwrap_or(dir.as_os_str());
    words::printable_line(&name.to_string_lossy()).into_owned()
}

fn check_recorded(run: &Path, at: u64, records: &[Record]) -> Result<(), Failure> {
    let place = records.partition_point(|record| record.step < at);
    if records.get(place).is_some_and(|record| record.step == at) {
        return Ok(());
    }
    let near = [place.checked_sub(1), Some(place)].into_iter().flatten();
    let near = near.filter_map(|place| records.get(place));
    let near: Vec<String> = near.map(|record| record.step.to_string()).collect();
    Err(Failure::usage(format!(
        "`{}` recorded no step {at}; the nearest is {}",
        run.display(),
        near.join(" or ")
    )))
}

/// The incident in which a step lies, or the nearest within some steps.
fn at_step(run: &Path, at: u64, found: Vec<Incident>) -> Result<Incident, Failure> {
    let distance = |incident: &Incident| {
        let before = incident.first.saturating_sub(at);
        before.max(at.saturating_sub(incident.last))
    };
    let steps: Vec<String> = found
        .iter()
        .map(|incident| incident.first.to_string())
        .collect();
    let nearest = found.into_iter().min_by_key(distance);
    if let Some(incident) = nearest.filter(|incident| distance(incident) <= NEAR) {
        return Ok(incident);
    }
    let known = match steps.as_slice() {
        [] => "nothing in it does".to_owned(),
        _ => format!("steps that do: {}", steps.join(", ")),
    };
    Err(Failure::usage(format!(
        "step {at} of `{}` and those around it need no explanation, by the definition of a spike; {known}",
        run.display()
    )))
}
