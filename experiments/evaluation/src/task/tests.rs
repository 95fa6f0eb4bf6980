//! Task files: what the original's say, and what is wrong with others.

use super::*;

fn parsed(text: &str) -> Result<Task, String> {
    Task::parse(text, Path::new("own.yaml")).map_err(|error| error.to_string())
}

/// Keys as the original writes them, with hyphens and underscores.
#[test]
fn the_original_files_are_read() {
    let lambada = "name: \"LAMBADA\"\ntype: \"gen\"\nmodule: \"tasks.lambada.task.LAMBADA\"\npath: \"lambada/lambada\"\nfile-pattern:\n  test: \"**/test.jsonl\"\n  validation: \"**/validation.jsonl\"\n\nsampling_strategy: \"BeamSearchStrategy\"\nnum_beams: 16\nmax_gen_length: 5\nuse_task_mask: true\n";
    let task = parsed(lambada).unwrap();
    let groups = [
        ("test", "**/test.jsonl"),
        ("validation", "**/validation.jsonl"),
    ];
    assert_eq!(
        task.groups,
        groups.map(|(name, pattern)| (name.to_owned(), vec![pattern.to_owned()]))
    );
    let expected = Generation {
        beams: Some(16),
        length_penalty: 1.0,
        no_repeat_ngram: 3,
        min_tokens: 0,
        max_tokens: 5,
        is_lambada: true,
        stop: Vec::new(),
    };
    assert_eq!(task.kind, Kind::Generation(expected));
    assert!(task.use_task_mask && task.templates.is_none());
    let mmlu = "name: \"MMLU\"\ntype: \"mul\"\nmodule: \"tasks.mmlu.task.MMLU\"\npath: \"MMLU\"\nfile-pattern:\n  stem: \"stem/*.json\"\nno-tokenized: true\nmicro-batch-size: 8\nmax_seq-length: 896\n";
    let task = parsed(mmlu).unwrap();
    assert_eq!((task.kind, task.max_seq_length), (Kind::Choices, 896));
    let c3 = parsed("name: 'C3'\ntype: 'mul'\npath: 'CLUE/c3'\nmicro_batch_size: 2").unwrap();
    assert_eq!(
        c3.groups,
        [("all".to_owned(), vec!["**/*.json*".to_owned()])]
    );
}

#[test]
fn a_task_that_is_wrong_says_where_and_what_was_expected() {
    let mul = "name: x\ntype: mul\npath: p\n";
    for (text, said) in [
        ("type: mul\npath: p", "lacks `name`, expected a name"),
        (
            "name: x\npath: p",
            "lacks `type`, expected `mul`, `gen` or `lm`",
        ),
        (
            "name: x\ntype: other\npath: p",
            "`type` is other, expected `mul`, `gen` or `lm`",
        ),
        (
            &format!("{mul}num_beam: 4"),
            "`num_beam` is unknown; did you mean `num_beams`?",
        ),
        (
            &format!("{mul}num_beams: 4"),
            "`num_beams` is no key of a task of type `mul`",
        ),
        (
            &format!("{mul}max_seq_length: many"),
            "`max_seq_length` is \"many\", expected a whole number",
        ),
        (
            &format!("{mul}max_seq_length: 0"),
            "`max_seq_length` is 0, expected 1 or more",
        ),
        (
            &format!("{mul}max_seq_length: 5\nmax-seq-length: 6"),
            "has `max_seq_length` twice",
        ),
        (
            &format!("{mul}unidirectional: true"),
            "expected `use_task_mask: true` beside it",
        ),
        (
            &format!("{mul}module: tasks.own.Task"),
            "other modules are programs in Python",
        ),
        (
            &format!("{mul}metrics: [EM]"),
            "`metrics` is EM, expected `for_each`, which makes questions of a row",
        ),
        (
            &format!("{mul}metrics: [PPL]"),
            "`metrics` is PPL, expected `Accuracy`, `EM`, `F1a` of type `mul`",
        ),
        (
            &format!("{mul}file_pattern: [1]"),
            "`file_pattern` is [1], expected a pattern such as",
        ),
        (
            &format!("{mul}inputs: x"),
            "`inputs` with `choices` or `choice_list`",
        ),
        (&format!("{mul}shots_from: dev"), "expected `FROM=TO`"),
        (
            "name: x\ntype: gen\npath: p\nsampling_strategy: Top",
            "expected `BaseStrategy`",
        ),
        ("- a\n- b", "is no task file"),
        ("", "lacks `type`"),
    ] {
        let error = parsed(text).unwrap_err();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn shipped_tasks_are_tasks_and_others_are_files_or_typing_errors() {
    for (name, _) in SHIPPED {
        let task = shipped(name).unwrap();
        // Running text is read as it is.
        let is_text = matches!(task.kind, Kind::LanguageModel { .. });
        assert!(task.templates.is_some() || is_text, "{name}");
    }
    let error = shipped("lambda").unwrap_err().to_string();
    assert!(error.contains("did you mean `lambada`?"), "{error}");
    let error = shipped("none/here.yaml").unwrap_err().to_string();
    assert!(error.contains("cannot read `none/here.yaml`"), "{error}");
}

/// Opening a pipe would wait for somebody who writes it.
#[cfg(unix)]
#[test]
fn a_pipe_is_no_task_and_no_rows() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["pipe.yaml", "pipe.jsonl", "pipe.csv"] {
        let pipe = dir.path().join(name);
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let error = match name {
            "pipe.yaml" => Task::load(&pipe).unwrap_err(),
            _ => crate::rows::read(&pipe).unwrap_err(),
        };
        let TaskError::Read { source, .. } = error else {
            panic!("{error}");
        };
        assert!(source.to_string().contains("a pipe"), "{source}");
    }
}

#[test]
fn questions_are_judged_where_there_are_some() {
    let text = "name: x\ntype: mul\npath: p\nfor_each: ['a in b']\ninputs: x\nlabel: d\n";
    let with = |more: &str| parsed(&format!("{text}{more}"));
    let two = "choices: ['no', 'yes']\n";
    assert!(!with(two).unwrap().by_question);
    assert!(with(&format!("{two}metrics: [F1a]")).unwrap().by_question);
    let error = with("choice_list: c\nmetrics: [F1a]").unwrap_err();
    assert!(
        error.contains("`metrics` is F1a, expected `for_each`"),
        "{error}"
    );
}
