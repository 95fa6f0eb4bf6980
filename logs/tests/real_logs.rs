//! Logs of real pre-training runs, in the folder that `WORKBENCH_REAL_LOGS` names: `polypythias/` (W&B exports
//! of `EleutherAI/pythia`) and `algoperf-wmt/` (event files of `mlcommons/submissions_algorithms` beside CSV
//! files of the same values). Without it these tests say that they skip.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use logs::RunReader;
use logs::import::{Columns, Done, Import, import};

/// A folder of the real logs.
fn real(folder: &str) -> Option<PathBuf> {
    let Some(logs) = std::env::var_os("WORKBENCH_REAL_LOGS") else {
        eprintln!("skipped: WORKBENCH_REAL_LOGS names no folder of real logs");
        return None;
    };
    Some(Path::new(&logs).join(folder))
}

fn imported(paths: Vec<PathBuf>, out: &Path) -> Done {
    let request = Import {
        paths,
        given: Vec::new(),
        one_run: false,
        columns: Columns::default(),
        out: out.to_owned(),
        command: Vec::new(),
    };
    import(&request).unwrap()
}

#[test]
fn fifteen_runs_of_polypythias_are_whole_and_their_rivals_apart() {
    let Some(folder) = real("polypythias") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let done = imported(vec![folder], &dir.path().join("runs"));
    let primary: Vec<_> = done
        .runs
        .iter()
        .filter(|run| run.imported.rival_of.is_none())
        .collect();
    assert_eq!(primary.len(), 15);
    for run in &primary {
        assert_eq!(
            (run.steps, run.range),
            (143_000, (1, 143_000)),
            "{}",
            run.dir.display()
        );
    }
    let rivals: Vec<_> = done
        .runs
        .iter()
        .filter_map(|run| run.imported.rival_of.as_deref())
        .collect();
    for seed in [1, 2, 3, 4, 9] {
        assert!(
            rivals.contains(&format!("70m-seed{seed}").as_str()),
            "{rivals:?}"
        );
    }
    assert!(
        rivals.iter().all(|name| name.starts_with("70m-")),
        "{rivals:?}"
    );
    let of = |name: &str| primary.iter().find(|run| run.dir.ends_with(name)).unwrap();
    let [source] = of("70m-seed1").imported.sources.as_slice() else {
        panic!("70M seed 1 is one file")
    };
    assert!(source.file.contains("jzi01nuy"), "{}", source.file);
    // The collapse at the second step after a resume, where the later attempt wins from its first step.
    let reader = RunReader::open(&of("410m-seed4").dir).unwrap();
    assert!(reader.warnings().is_empty(), "{:?}", reader.warnings());
    let loss: BTreeMap<u64, f64> = reader.series("loss").into_iter().collect();
    assert_eq!(loss.len(), 143_000);
    assert!(loss[&122_001] < 2.3 && loss[&122_002] > 10.9);
}

#[test]
fn event_files_give_the_values_of_their_tables() {
    let Some(folder) = real("algoperf-wmt") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let mut compared = 0;
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let trial = entry.unwrap().path();
        let Ok(entries) = std::fs::read_dir(&trial) else {
            continue;
        };
        let inside: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        let named = |part: &str| {
            let name = |path: &&PathBuf| {
                path.file_name()
                    .unwrap()
                    .to_string_lossy()
                    .starts_with(part)
            };
            inside.iter().find(name).unwrap().clone()
        };
        let name = trial.file_name().unwrap().to_string_lossy().into_owned();
        let (events, table) = (
            dir.path().join(&name),
            dir.path().join(name.clone() + "-table"),
        );
        imported(vec![named("events.")], &events);
        files += 1;
        if name.contains("stub") {
            continue;
        }
        imported(vec![named("measurements.")], &table);
        let (events, table) = (
            RunReader::open(&events).unwrap(),
            RunReader::open(&table).unwrap(),
        );
        let by_step: BTreeMap<u64, &logs::Record> =
            events.records().iter().map(|r| (r.step, r)).collect();
        for record in table.records() {
            let found = by_step
                .get(&record.step)
                .unwrap_or_else(|| panic!("{name}: no step {}", record.step));
            for (signal, value) in &record.scalars {
                // As TensorBoard stores it.
                let own = found.scalar(signal).map(|value| value as f32);
                assert_eq!(
                    own,
                    Some(*value as f32),
                    "{name}: `{signal}` at step {}",
                    record.step
                );
                compared += 1;
            }
        }
    }
    assert_eq!(files, 21);
    assert!(compared > 20_000, "only {compared} values");
    eprintln!("{compared} values of {files} event files compared");
}
