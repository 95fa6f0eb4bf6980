//! What is said of the spikes of real pre-training runs (`PolyPythias`, arXiv 2503.09543), from their losses alone. One seed
//! means the same batches at every size, so runs of the same seed are siblings; the others are a check that the rule knows them apart.
//!
//! The data are not part of the repository. Without the environment variable `WORKBENCH_REAL_LOGS`, the folder that holds
//! `polypythias/*.tsv.zst`, the test says that it skips. With `--nocapture` it prints the table of `docs/import.md`.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of a test, outside a test function"
)]

use logs::explain::{Answer, Explained, Kin, Known, RESTORE_WITHIN, Shape, Sibling, incidents};
use logs::import::{Attempt, Columns, Import, import};
use logs::{Record, RunReader};
use std::path::{Path, PathBuf};

struct Run {
    name: String,
    records: Vec<Record>,
    attempts: Vec<Attempt>,
}

impl Run {
    fn size_and_seed(&self) -> (&str, &str) {
        self.name.split_once('-').unwrap()
    }
}

/// The runs of the paper, without those that a seed was trained again in.
fn runs(folder: PathBuf, out: &Path) -> Vec<Run> {
    let request = Import {
        paths: vec![folder],
        given: Vec::new(),
        one_run: false,
        columns: Columns::default(),
        out: out.to_owned(),
        command: Vec::new(),
    };
    let imported = import(&request).unwrap().runs.into_iter();
    let primary = imported.filter(|run| run.imported.rival_of.is_none());
    let read = |run: logs::import::ImportedRun| Run {
        name: run.dir.file_name().unwrap().to_string_lossy().into_owned(),
        records: RunReader::open(&run.dir).unwrap().records().to_vec(),
        attempts: run.imported.attempts,
    };
    primary.map(read).collect()
}

/// Everything that happened in a run, with all other runs beside it.
fn explained(run: &Run, runs: &[Run]) -> Vec<Explained> {
    let others = runs.iter().filter(|other| other.name != run.name);
    let siblings: Vec<Sibling<'_>> = others
        .map(|other| Sibling {
            name: &other.name,
            kin: if other.size_and_seed().0 == run.size_and_seed().0 {
                Kin::SameSize
            } else {
                Kin::OtherSize
            },
            records: &other.records,
        })
        .collect();
    let known = Known {
        records: &run.records,
        attempts: &run.attempts,
        siblings: &siblings,
        restore_within: RESTORE_WITHIN,
    };
    let found = incidents(&run.records).into_iter();
    found.map(|incident| known.explain(incident)).collect()
}

fn row(run: &Run, of: &Explained) -> String {
    let share = of.facts.other_size;
    format!(
        "| `{}` | {} | {} | +{:.2} | {} of {} | {} of {} | {} |",
        run.name,
        of.incident.first,
        of.incident.shape.words(),
        of.incident.height().unwrap(),
        share.have,
        share.of,
        of.facts.others.have,
        of.facts.others.of,
        of.answer.words()
    )
}

#[test]
fn known_events_are_called_what_they_are() {
    let Some(logs) = std::env::var_os("WORKBENCH_REAL_LOGS") else {
        eprintln!("skipped: WORKBENCH_REAL_LOGS does not name a folder with real logs");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let runs = runs(
        Path::new(&logs).join("polypythias"),
        &dir.path().join("runs"),
    );
    assert_eq!(runs.len(), 15);
    let mut answers = Vec::new();
    for run in &runs {
        for of in explained(run, &runs) {
            eprintln!("{}", row(run, &of));
            for other in &of.siblings {
                let seed = other.name.split_once('-').unwrap().1;
                let same = seed == run.size_and_seed().1;
                assert_eq!(other.same_batches, same, "{} {other:?}", run.name);
            }
            answers.push((
                run.name.clone(),
                of.incident.first,
                of.incident.shape,
                of.answer,
            ));
        }
    }
    let said = |name: &str, step| {
        let found = answers
            .iter()
            .find(|(run, first, ..)| run == name && *first == step);
        found.map(|(.., shape, answer)| (*shape, *answer)).unwrap()
    };
    assert_eq!(
        said("410m-seed4", 122_002),
        (Shape::Collapse, Answer::Restore)
    );
    let excursion = |answer| (Shape::OneStep, answer);
    // The one batch that is hard for two sizes.
    assert_eq!(said("14m-seed1", 120_255), excursion(Answer::Data));
    assert_eq!(said("70m-seed1", 120_255), excursion(Answer::Data));
    // Hard for this model only.
    for (run, step) in [
        ("14m-seed2", 66_773),
        ("14m-seed5", 95_457),
        ("70m-seed1", 117_094),
    ] {
        assert_eq!(said(run, step), excursion(Answer::DataAndModel), "{run}");
    }
    // Towards the end of warm-up: no sibling has them at the same step.
    for (run, step) in [("160m-seed5", 1_457), ("70m-seed3", 1_425)] {
        let near = answers
            .iter()
            .find(|(name, first, ..)| name == run && first.abs_diff(step) <= 20);
        assert_eq!(near.unwrap().3, Answer::NotDataAlone, "{run}");
    }
}
