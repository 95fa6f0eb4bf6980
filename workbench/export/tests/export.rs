//! What other programs are given of a sweep, read back.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../report/tests/report/synthetic.rs"]
#[expect(dead_code, reason = "shared with the tests of the report")]
mod synthetic;

use logs::RunReader;
use logs::import::{Columns, Import, import};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use sweeps::Sweep;
use tempfile::TempDir;
use workbench_export::{ExportError, Signals, Source};

/// Two seeds of twenty arms; some losses become NaN.
fn sweep() -> (TempDir, Sweep) {
    let dir = tempfile::tempdir().unwrap();
    let sweep = synthetic::many(&dir.path().join("sweep"), 2, 60);
    (dir, sweep)
}

fn table(source: &Source) -> (Vec<String>, Vec<Vec<String>>) {
    let mut csv = Vec::new();
    workbench_export::csv(source, &mut csv).unwrap();
    let csv = String::from_utf8(csv).unwrap();
    let mut rows = csv
        .lines()
        .map(|line| line.split(',').map(str::to_owned).collect());
    (rows.next().unwrap(), rows.collect())
}

/// A row of the long table says which run and step it is, and its values are those of the run.
#[test]
fn the_long_table_has_every_step_of_every_run() {
    let (dir, sweep) = sweep();
    let source = Source::open(&dir.path().join("sweep"), Signals::All).unwrap();
    let (names, rows) = table(&source);
    let front = [
        "run",
        "arm",
        "seed",
        "outcome",
        "model.num_heads",
        "optimizer.lr",
        "step",
        "loss",
    ];
    assert_eq!(names[..8], front);
    assert_eq!(rows.len(), 40 * 60);
    let run = &sweep.runs()[39];
    let records = RunReader::open(&sweep.run_dir(&run.id)).unwrap();
    let own: Vec<&Vec<String>> = rows.iter().filter(|row| row[0] == run.id).collect();
    for (row, record) in own.iter().zip(records.records()) {
        assert_eq!(row[1], run.arm);
        assert_eq!(row[2], run.seed.to_string());
        assert_eq!(row[6], record.step.to_string());
        let loss: f64 = row[7].parse().unwrap();
        assert_eq!(loss.to_bits(), record.scalar("loss").unwrap().to_bits());
    }
    assert_eq!(own.len(), 60);
    assert!(
        rows.iter()
            .any(|row| row[7] == "nan" && row[3] == "nonfinite")
    );
}

/// Parquet holds what the CSV holds, with types: nothing recorded is null, NaN is NaN.
#[test]
fn parquet_and_csv_agree() {
    let (dir, _) = sweep();
    let source = Source::open(&dir.path().join("sweep"), Signals::All).unwrap();
    let path = dir.path().join("long.parquet");
    workbench_export::parquet(&source, &path).unwrap();
    let (names, rows) = table(&source);
    let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
    let mut count = 0;
    for (row, wanted) in reader.get_row_iter(None).unwrap().zip(&rows) {
        for ((name, field), (wanted_name, cell)) in
            row.unwrap().get_column_iter().zip(names.iter().zip(wanted))
        {
            assert_eq!(name, wanted_name);
            let found = match field {
                Field::Null => String::new(),
                Field::Str(text) => text.clone(),
                Field::Long(number) => number.to_string(),
                Field::Double(number) if number.is_nan() => "nan".to_owned(),
                Field::Double(number) if number.is_infinite() => "inf".to_owned(),
                Field::Double(number) => {
                    assert_eq!(
                        cell.parse::<f64>().unwrap().to_bits(),
                        number.to_bits(),
                        "{name}"
                    );
                    cell.clone()
                }
                other => panic!("{name}: {other:?}"),
            };
            assert_eq!(found, *cell, "{name}");
        }
        count += 1;
    }
    assert_eq!(count, rows.len());
}

/// What W&B is given is what this program reads of W&B's own files: every scalar of every step comes back.
#[test]
fn offline_runs_come_back_through_the_import() {
    let (dir, sweep) = sweep();
    let source = Source::open(&dir.path().join("sweep"), Signals::All).unwrap();
    let folders = workbench_export::wandb(&source, &dir.path().join("wandb")).unwrap();
    assert_eq!(folders.len(), 40);
    let run = &sweep.runs()[7];
    let folder = folders
        .iter()
        .find(|folder| folder.to_string_lossy().contains(&run.id))
        .unwrap();
    let file = fs::read_dir(folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let out = dir.path().join("again");
    import(&Import {
        paths: vec![file],
        given: Vec::new(),
        one_run: true,
        columns: Columns::default(),
        out: out.clone(),
        command: Vec::new(),
    })
    .unwrap();
    let values = |dir: &Path| -> BTreeMap<(u64, String), u64> {
        let reader = RunReader::open(dir).unwrap();
        let of = |record: &logs::Record| {
            let step = record.step;
            let own = record
                .scalars
                .iter()
                .map(move |(name, value)| ((step, name.to_string()), value.to_bits()));
            own.collect::<Vec<_>>()
        };
        reader.records().iter().flat_map(of).collect()
    };
    let (first, again) = (values(&sweep.run_dir(&run.id)), values(&out));
    assert!(first.len() > 300);
    for (key, value) in first {
        assert_eq!(again.get(&key), Some(&value), "{key:?}");
    }
}

/// Every run has a folder of its own, and the folder above names the hyperparameters.
#[test]
fn tensorboard_has_a_folder_for_each_run_and_their_hyperparameters() {
    let (dir, sweep) = sweep();
    let source = Source::open(&dir.path().join("sweep"), Signals::All).unwrap();
    let out = dir.path().join("tb");
    workbench_export::tensorboard(&source, &out).unwrap();
    let events = "events.out.tfevents.0000000000.workbench";
    for run in sweep.runs() {
        let bytes = fs::read(out.join(&run.id).join(events)).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("_hparams_/session_start_info") && text.contains("optimizer.lr"));
        assert!(text.contains(&run.arm), "the arm is the group");
    }
    let bytes = fs::read(out.join(events)).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    for name in [
        "_hparams_/experiment",
        "model.num_heads",
        "outcome",
        "held_out_loss",
    ] {
        assert!(text.contains(name), "{name}");
    }
}

#[test]
fn a_directory_without_steps_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let error = Source::open(dir.path(), Signals::All).unwrap_err();
    assert!(matches!(error, ExportError::Nothing { .. }));
    assert!(
        error
            .to_string()
            .contains(&dir.path().display().to_string())
    );
}
