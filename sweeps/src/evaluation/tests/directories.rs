//! Run directories: which are judged, by which labels, and what is said of those that are not.

use super::*;

/// A run directory of that name with a loss of 3 and one of 6 at these steps.
fn directory(root: &std::path::Path, name: &str, spikes: &[u64]) -> PathBuf {
    let dir = root.join(name);
    std::fs::create_dir_all(&dir).unwrap();
    let line = |step: u64| {
        let mut record = Record::new(step);
        record.set_named("loss", if spikes.contains(&step) { 6.0 } else { 3.0 });
        record.to_line() + "\n"
    };
    let text: String = (1..=400).map(line).collect();
    std::fs::write(dir.join("metrics-0001.jsonl"), text).unwrap();
    dir
}

#[test]
fn runs_are_found_in_folders_and_only_once() {
    let root = tempfile::tempdir().unwrap();
    let first = directory(root.path(), "a", &[]);
    directory(root.path(), "b", &[]);
    std::fs::write(root.path().join("notes.txt"), "").unwrap();
    // A sweep whose card this program cannot read, with a run that has not begun.
    let sweep = root.path().join("sweep");
    std::fs::create_dir_all(sweep.join("runs/pending")).unwrap();
    std::fs::write(sweep.join("sweep.json"), "{}").unwrap();
    directory(&sweep, "runs/c", &[]);
    let of_sweep = run_directories(std::slice::from_ref(&sweep)).unwrap();
    assert_eq!(of_sweep, [sweep.join("runs/c")]);
    let both = run_directories(&[root.path().to_owned(), first.clone()]).unwrap();
    assert_eq!(both.len(), 3);
    for (path, problem) in [
        ("none", "does not exist"),
        ("notes.txt", "is a file"),
        ("empty", "holds no run"),
    ] {
        std::fs::create_dir_all(root.path().join("empty")).unwrap();
        let error = run_directories(&[root.path().join(path)])
            .unwrap_err()
            .to_string();
        assert!(error.contains(path) && error.contains(problem), "{error}");
    }
}

#[test]
fn a_label_is_found_where_the_user_says_and_misspelled_ones_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let dirs = vec![
        directory(root.path(), "noisy-s1", &[200]),
        directory(root.path(), "b2", &[300]),
    ];
    let file = root.path().join("labels.toml");
    let read = |text: &str| {
        std::fs::write(&file, text).unwrap();
        Labels::read(&file, &dirs)
    };
    let text = "found_by = [\"olmo-core-128/6\"]\n[[event]]\nrun = \"noisy-s1\"\nstep = 198\ntolerance = 5\n\
                [[unclear]]\nrun = \"b2\"\nstep = 300\n";
    let labels = read(text).unwrap();
    let runs: Vec<LabelledRun> = dirs.iter().map(|dir| examine(dir, &labels)).collect();
    let evaluation = evaluate(&runs, &labels, 1.0);
    assert_eq!(evaluation.events, 1);
    let of = |name: &str| {
        evaluation
            .detectors
            .iter()
            .find(|d| d.name == name)
            .unwrap()
    };
    let robust = of("robust-loss").default.clone().unwrap();
    assert_eq!((robust.found, robust.false_alarms), (1, 0));
    assert_eq!(robust.lead.unwrap().median, -2.0);
    assert!(!of("olmo-core-128/6").ranked && of("robust-loss").ranked);
    // Behind the last record, before the first, and with a tolerance that reaches a record from outside.
    for outside in [
        "step = 401",
        "step = 0",
        "step = 405\ntolerance = 20",
        "step = 0\ntolerance = 3",
    ] {
        let labels = read(&format!("[[event]]\nrun = \"noisy-s1\"\n{outside}\n")).unwrap();
        let run = examine(&dirs[0], &labels);
        assert!(run.measured.unwrap().events.is_empty(), "{outside}");
        assert!(
            run.note.unwrap().contains("outside steps 1 to 400"),
            "{outside}"
        );
    }
    for (text, expected) in [
        (
            "[[event]]\nrun = \"noisy-s11\"\nstep = 1\n",
            "did you mean `noisy-s1`",
        ),
        ("found_by = [\"robust-los\"]", "did you mean `robust-loss`"),
        ("[[event]]\nrun = \"noisy-s1\"\nstep = -1\n", "line 3"),
        (
            "[[evnt]]\nrun = \"noisy-s1\"\nstep = 1\n",
            "unknown field `evnt`",
        ),
        (
            "[[event]]\nrun = \"noisy-s1\"\nstep = 9\n[[event]]\nrun = \"noisy-s1\"\nstep = 12\ntolerance = 3",
            "9 and 12 overlap",
        ),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(
            error.contains("labels.toml") && error.contains(expected),
            "{error}"
        );
    }
}

/// What is planted in a run is known from its configuration, and an event is counted from there on.
#[test]
fn planted_causes_come_from_the_configuration_of_the_run() {
    let root = tempfile::tempdir().unwrap();
    let dir = directory(root.path(), "a", &[203]);
    let planted = "[[inject]]\nkind = \"noise\"\nstep = 200\nsteps = 2\n[[inject]]\nkind = \"weight\"\nstep = 300\n\
                   [[inject]]\nkind = \"noise\"\nstep = 4000\n";
    std::fs::write(dir.join("run.toml"), planted).unwrap();
    let run = examine(&dir, &Labels::Rule).measured.unwrap();
    assert_eq!(
        run.planted,
        ["noise", "weight"],
        "what lies beyond the last step was not planted"
    );
    assert_eq!(run.events, [(203, 3)]);
    let unforeseeable = planted.replace("200", "203");
    std::fs::write(dir.join("run.toml"), unforeseeable).unwrap();
    let run = examine(&dir, &Labels::Rule);
    assert_eq!(run.measured.as_ref().unwrap().events, [(203, 0)]);
    let evaluation = evaluate(&[run], &Labels::Rule, 1.0);
    assert_eq!(
        (
            evaluation.detectors[0].events,
            evaluation.detectors[0].warnable
        ),
        (1, 0)
    );
    assert!(evaluation.finding.starts_with("No event can be warned of"));
    std::fs::write(dir.join("run.toml"), planted).unwrap();
    let evaluation = evaluate(&[examine(&dir, &Labels::Rule)], &Labels::Rule, 1.0);
    assert!(
        evaluation.text().contains("noise 1 of 1, weight 0 of 1"),
        "{}",
        evaluation.text()
    );
    std::fs::write(dir.join("run.toml"), "[[inject").unwrap();
    let note = examine(&dir, &Labels::Rule).note.unwrap();
    assert!(
        note.contains("`a` is left out") && note.contains("run.toml"),
        "{note}"
    );
}

#[test]
fn a_run_that_cannot_be_judged_says_why() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("no-loss");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("metrics-0001.jsonl"), "").unwrap();
    let note = |dir: &PathBuf| examine(dir, &Labels::Rule).note.unwrap();
    assert!(note(&dir).contains("no records"));
    let mut record = Record::new(1);
    record.set_named("grad_norm", 1.0);
    std::fs::write(dir.join("metrics-0001.jsonl"), record.to_line() + "\n").unwrap();
    assert!(note(&dir).contains("no `loss`"));
    let damaged = directory(root.path(), "damaged", &[]);
    let file = damaged.join("metrics-0001.jsonl");
    let text = std::fs::read_to_string(&file)
        .unwrap()
        .replacen("3.0", "4.0", 1);
    std::fs::write(&file, text).unwrap();
    assert!(note(&damaged).contains("damaged"), "{}", note(&damaged));
}

/// Between two attempts of an imported run steps may be missing: nothing can be found there, but a tolerance may
/// reach what was recorded.
#[test]
fn a_label_in_a_gap_of_the_records_is_left_out() {
    let records: Vec<Record> = (1..=10).chain(21..=30).map(Record::new).collect();
    let event = |first: u64, tolerance: u64| Event {
        first,
        from: first - tolerance,
        to: first + tolerance,
        end: first + tolerance,
    };
    let mut truth = Truth {
        events: vec![event(5, 0), event(13, 2), event(17, 4), event(30, 0)],
        ..Truth::default()
    };
    let note = runs::without_unrecorded(&mut truth, &records).unwrap();
    assert!(note.starts_with("1 of 4 labelled events"), "{note}");
    let kept: Vec<u64> = truth.events.iter().map(|event| event.first).collect();
    assert_eq!(kept, [5, 17, 30]);
}
