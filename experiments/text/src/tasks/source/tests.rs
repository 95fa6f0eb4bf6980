use super::*;
use std::fs;

fn own(path: PathBuf) -> TaskSource {
    TaskSource {
        path: Some(path),
        ..TaskSource::default()
    }
}

/// The samples of a file of this name and content.
fn samples(name: &str, content: &[u8]) -> Result<(Counts, Vec<(String, String)>), String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    let mut samples = Vec::new();
    let counts = SetSource::new_in(&own(path), None).and_then(|source| {
        source.read(|text, target| {
            samples.push((text, target));
            Ok(())
        })
    });
    counts.map(|counts| (counts, samples)).map_err(|error| {
        error
            .to_string()
            .replace(&dir.path().display().to_string(), "D")
    })
}

fn failure(content: &str) -> String {
    samples("a.jsonl", content.as_bytes()).unwrap_err()
}

/// Plain rows are taken literally, the first of several targets counts, and what has no target is
/// counted instead of becoming a sample that teaches silence.
#[test]
fn plain_rows_give_one_sample_each() {
    let content = "\u{feff}{\"text\": \" a \", \"targets\": \"b\", \"id\": 1}\n\n\
                   {\"text\": \"c\", \"targets\": [\"d\", \"e\"]}\r\n\
                   {\"text\": \"f\", \"targets\": \" \"}\n{\"text\": \"g\", \"targets\": []}\n\
                   {\"text\": \"\", \"targets\": \"h\"}";
    let expected = Counts {
        rows: 5,
        found: 2,
        skipped: 3,
        replaced: 0,
    };
    let pairs = [(" a ", "b"), ("c", "d")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    let packed = zstd::encode_all(content.as_bytes(), 0).unwrap();
    for (name, bytes) in [("a.jsonl", content.as_bytes()), ("A.JSON.zst", &packed)] {
        assert_eq!(
            samples(name, bytes).unwrap(),
            (expected, pairs.to_vec()),
            "{name}"
        );
    }
}

/// One damaged line of a million must be found.
#[test]
fn damage_is_named_with_file_and_line() {
    let good = "{\"text\": \"a\", \"targets\": \"b\"}\n";
    let error = failure(&format!("{good}\n{{\"text\": "));
    assert!(
        error.starts_with("`D/a.jsonl` line 3: it is not JSON: "),
        "{error}"
    );
    assert!(
        failure(&format!("{good}3")).contains("line 2: it is not an object; expected one JSON")
    );
    assert!(failure("[\n{}]").contains("the file is one JSON list"));
    let error = failure("{\"text\": \"a\", \"target\": \"b\"}");
    assert!(
        error.contains("line 1: no field `targets` (fields: `text`, `target`)"),
        "{error}"
    );
    assert!(failure("{\"text\": 3, \"targets\": \"b\"}").contains("`text` is not a string"));
    assert!(failure("{\"text\": \"a\", \"targets\": [3]}").contains("`targets` holds no string"));
    assert!(
        samples("a.jsonl", b"{\"text\": \"\xff\"}")
            .unwrap_err()
            .contains("line 1")
    );
    assert!(failure("").contains("has 0 rows, none with a text and a target"));
    assert!(
        samples("a.csv", b"")
            .unwrap_err()
            .contains("expected .jsonl or .json")
    );
}

/// What nothing asks for need not be sound; what a template or the program asks for is named.
#[test]
fn fields_that_are_no_json_matter_only_where_they_are_used() {
    let row = "{\"score\": NaN, \"text\": \"a\\ud800\", \"targets\": \"b\"}";
    let (counts, found) = samples("a.jsonl", row.as_bytes()).unwrap();
    assert_eq!(found, [("a\u{fffd}".to_owned(), "b".to_owned())]);
    assert_eq!((counts.found, counts.replaced), (1, 1));
    let error = failure("{\"text\": \"a\", \"targets\": NaN}");
    assert!(
        error.contains("no field `targets`")
            && error.ends_with("; no JSON, so left out: `targets`"),
        "{error}"
    );
}

/// What cannot be used must be refused before a run starts, with the way out.
#[test]
fn sources_that_cannot_be_used_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let root = Some(dir.path());
    let named = |name: &str| TaskSource {
        name: Some(name.to_owned()),
        ..TaskSource::default()
    };
    let failure =
        |source: &TaskSource, root| SetSource::new_in(source, root).err().unwrap().to_string();
    assert!(failure(&TaskSource::default(), root).contains("exactly one of `name`"));
    assert!(failure(&named("xsum"), root).contains("max_samples = 100000"));
    assert!(failure(&named("deepstruct/kelm"), None).contains("max_samples = 500000"));
    assert!(failure(&named("super_glue/rte"), None).contains("set WORKBENCH_EVAL_DATA"));
    let error = failure(&named("super_glue/rte"), root);
    assert!(error.contains("superglue/RTE/train.jsonl") && error.contains("training split"));
    assert!(failure(&own(dir.path().join("train.jsonl")), root).contains("cannot read"));
    let half = TaskSource {
        input: Some("a".to_owned()),
        ..own(dir.path().join("train.jsonl"))
    };
    assert!(failure(&half, root).contains("needs both templates"));
    let both = TaskSource {
        input: Some("a".to_owned()),
        ..named("super_glue/rte")
    };
    assert!(failure(&both, root).contains("has its own templates"));
}

/// A held-out result means nothing if its data were trained on.
#[test]
fn evaluation_splits_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    for name in ["train.jsonl", "val.jsonl", "dev32.jsonl"] {
        fs::write(dir.path().join(name), "{}").unwrap();
        fs::write(elsewhere.path().join(name), "{}").unwrap();
    }
    let refused = |path: PathBuf| match SetSource::new_in(&own(path), Some(dir.path())) {
        Ok(_) => false,
        Err(TextError::Task(TaskError::EvaluationSplit { .. })) => true,
        Err(error) => panic!("{error}"),
    };
    assert!(!refused(dir.path().join("train.jsonl")));
    assert!(refused(dir.path().join("val.jsonl")) && refused(dir.path().join("dev32.jsonl")));
    assert!(!refused(elsewhere.path().join("val.jsonl")));
    #[cfg(unix)]
    {
        let link = elsewhere.path().join("train-link.jsonl");
        std::os::unix::fs::symlink(dir.path().join("val.jsonl"), &link).unwrap();
        assert!(refused(link));
    }
}
