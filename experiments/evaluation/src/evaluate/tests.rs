//! Tasks over items of our own; and, where `WORKBENCH_EVAL_DATA` names a folder, over published sets.

use super::*;
use crate::prompt::layout_for_tests;
use crate::summary::OverFiles;
use crate::toy::Toy;
use experiments_config::ObjectiveMode;
use std::fs;

mod changed;
mod groups;
mod layouts;
mod published;
mod questions;
mod seams;

const CHOICES: &str =
    "name: Own\ntype: mul\npath: own\nfile-pattern:\n  one: a.jsonl\n  both: '*.jsonl'\n";
const ITEMS: &str = r#"{"inputs_pretokenized": "is it [MASK]?", "choices_pretokenized": ["yes", "no"], "label": 0}

{"inputs_pretokenized": "so it is", "choices_pretokenized": ["a", "b", "c", "d"], "label": 2}
"#;

struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("own")).unwrap();
        for (name, text) in files {
            fs::write(dir.path().join("own").join(name), text).unwrap();
        }
        Self(dir)
    }

    fn options(&self) -> Options<'_> {
        Options {
            data: self.0.path(),
            limit: None,
            shots: None,
            seed: 1,
            log_samples: false,
        }
    }

    fn records(&self) -> PathBuf {
        self.0.path().join("items.jsonl")
    }
}

fn asked_of<T>(layout: Layout, ask: impl FnOnce(&mut Asked) -> T) -> T {
    let tokenizer = Tokenizer::bytes().unwrap();
    let mut model = Toy::new(262, layout.slots);
    ask(&mut Asked {
        model: &mut model,
        tokenizer: &tokenizer,
        layout,
    })
}

fn slots(slots: usize) -> Layout {
    let mut layout = layout_for_tests();
    layout.slots = slots;
    layout
}

fn report(
    layout: Layout,
    scratch: &Scratch,
    task: &str,
    options: &Options,
) -> Result<Report, String> {
    let task = Task::parse(task, Path::new("own.yaml")).unwrap();
    let found = asked_of(layout, |asked| {
        evaluate(asked, &task, options, &scratch.records(), &mut |_, _| true)
    });
    found.map(Option::unwrap).map_err(|error| error.to_string())
}

fn lines(scratch: &Scratch) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(scratch.records()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_likeliest_choice_counts_and_files_are_compared() {
    let scratch = Scratch::new(&[
        ("a.jsonl", ITEMS),
        ("b.jsonl", ITEMS.lines().next().unwrap()),
    ]);
    let found = report(slots(60), &scratch, CHOICES, &scratch.options()).unwrap();
    let all = lines(&scratch);
    assert_eq!(all.len(), 3, "a file in two groups is asked once");
    let mut right = Vec::new();
    for record in &all {
        let scores = record["log_probabilities"].as_array().unwrap();
        let best = scores
            .iter()
            .map(|s| s.as_f64().unwrap())
            .fold(f64::MIN, f64::max);
        let chosen = record["chosen"].as_u64().unwrap() as usize;
        assert_eq!(scores[chosen].as_f64().unwrap(), best);
        right.push(if record["chosen"] == record["label"] {
            100.0
        } else {
            0.0
        });
    }
    let [one, both] = &found.groups[..] else {
        panic!("{found:?}")
    };
    assert_eq!((one.name.as_str(), both.files.len()), ("one", 2));
    let accuracy = |group: &GroupReport| group.over_files[&Metric::Accuracy];
    let (a, b) = (f64::midpoint(right[0], right[1]), right[2]);
    assert_eq!(accuracy(one).average, a);
    let expected = OverFiles {
        max: a.max(b),
        median: f64::midpoint(a, b),
        average: (2.0 * a + b) / 3.0,
    };
    assert_eq!(accuracy(both), expected);
    // Two, four and two choices; a file in two groups is told of twice but is no second sample.
    assert!((found.chance.unwrap() - (50.0 + 25.0 + 50.0) / 3.0).abs() < 1e-9);
    assert_eq!(found.overall[&Metric::Accuracy].items, 3);
}

#[test]
fn an_evaluation_that_was_stopped_continues_and_gives_the_same() {
    let scratch = Scratch::new(&[("a.jsonl", &ITEMS.repeat(40))]);
    let whole = report(slots(60), &scratch, CHOICES, &scratch.options()).unwrap();
    let written = fs::read_to_string(scratch.records()).unwrap();
    let begun: Vec<&str> = written.lines().take(30).collect();
    let begun = begun.join("\n") + "\n";
    fs::write(scratch.records(), format!("{begun}{{\"file\":\"a.js")).unwrap();
    let task = Task::parse(CHOICES, Path::new("own.yaml")).unwrap();
    let mut told = Vec::new();
    let stopped = asked_of(slots(60), |asked| {
        evaluate(
            asked,
            &task,
            &scratch.options(),
            &scratch.records(),
            &mut |done, total| {
                told.push((done, total));
                false
            },
        )
    });
    assert_eq!(stopped.unwrap(), None);
    assert_eq!(told, [(30, 80)]);
    assert_eq!(
        report(slots(60), &scratch, CHOICES, &scratch.options()).unwrap(),
        whole
    );
    let again: Vec<String> = fs::read_to_string(scratch.records())
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(
        again.len(),
        81,
        "30, the line that was cut off, and 50 more"
    );
}

#[test]
fn what_cannot_be_asked_is_named_and_counted() {
    let items = r#"{"inputs_pretokenized": "0123456789012345678901234567890123456789 [MASK] x", "choices_pretokenized": ["yes", "no"], "label": 0}
{"inputs_pretokenized": "one [MASK] two [MASK]", "choices_pretokenized": ["yes", "no"], "label": 0}
{"inputs_pretokenized": "x", "choices_pretokenized": ["yes", ""], "label": 0}
{"inputs_pretokenized": "x", "choices_pretokenized": ["yes", "0123456789012345678901234567890123456789"], "label": 0}
{"inputs_pretokenized": "x", "choices_pretokenized": ["no", "yes", "no"], "label": 1}
"#;
    let scratch = Scratch::new(&[("a.jsonl", items)]);
    let found = report(slots(20), &scratch, CHOICES, &scratch.options()).unwrap();
    assert_eq!(found.cut, 1);
    let reasons: Vec<(u64, &str)> = found
        .skipped
        .iter()
        .map(|s| (s.line, s.reason.as_str()))
        .collect();
    assert_eq!(
        reasons,
        [
            (2, "has 2 blanks"),
            (3, "choice 2 is empty"),
            (
                4,
                "needs 41 slots without what is before its blank, and there are 20"
            ),
            (
                5,
                "has the choice `no` twice, so that none of them can be right"
            ),
        ]
    );
    assert_eq!(found.overall[&Metric::Accuracy].items, 1);
    let mut gpt = slots(60);
    gpt.mode = ObjectiveMode::Gpt;
    fs::remove_file(scratch.records()).unwrap();
    let found = report(gpt, &scratch, CHOICES, &scratch.options()).unwrap();
    assert_eq!(
        found.skipped[0].reason,
        "has a blank inside, which a run in GPT mode does not know"
    );
}

/// A shipped task's text ends with `[MASK]`; GPT runs were asked none of these items.
#[test]
fn in_gpt_mode_a_text_goes_on_where_its_last_blank_is() {
    let items = r#"{"inputs_pretokenized": "is it? [MASK]", "choices_pretokenized": ["yes", "no"], "label": 0}
{"inputs_pretokenized": "is it?", "choices_pretokenized": [" yes", " no"], "label": 0}
{"inputs_pretokenized": "[MASK] is [MASK]", "choices_pretokenized": ["yes", "no"], "label": 0}
"#;
    let scratch = Scratch::new(&[("a.jsonl", items)]);
    let skipped = r#"{"file":"a.jsonl","line":1,"kind":"skipped","reason":"of old"}"#;
    fs::write(scratch.records(), format!("{skipped}\n")).unwrap();
    let mut gpt = slots(60);
    gpt.mode = ObjectiveMode::Gpt;
    let found = report(gpt, &scratch, CHOICES, &scratch.options()).unwrap();
    assert_eq!(found.skipped.len(), 1, "{:?}", found.skipped);
    assert_eq!(found.overall[&Metric::Accuracy].items, 2);
    let all = lines(&scratch);
    assert_eq!(all[1]["log_probabilities"], all[2]["log_probabilities"]);
}

#[test]
fn samples_have_the_tokens_and_log_probabilities_that_make_up_the_result() {
    for (task, items) in [
        (CHOICES.to_owned(), ITEMS),
        (
            "name: G\ntype: gen\npath: own\nsampling_strategy: BeamSearchStrategy\nmax_gen_length: 4\n".to_owned(),
            r#"{"inputs_pretokenized": "say", "targets_pretokenized": "x"}"#,
        ),
        ("name: L\ntype: lm\npath: own\n".to_owned(), "one two three"),
    ] {
        let scratch = Scratch::new(&[("a.jsonl", items)]);
        let plain = report(slots(60), &scratch, &task, &scratch.options()).unwrap();
        let without = lines(&scratch);
        fs::remove_file(scratch.records()).unwrap();
        let options = Options {
            log_samples: true,
            ..scratch.options()
        };
        assert_eq!(report(slots(60), &scratch, &task, &options).unwrap(), plain);
        for (mut record, without) in lines(&scratch).into_iter().zip(without) {
            let sample = record.as_object_mut().unwrap().remove("sample").unwrap();
            assert_eq!(record, without, "all else is the same");
            for answer in sample["answers"].as_array().unwrap() {
                let bytes: Vec<u8> = serde_json::from_value(answer["tokens"].clone()).unwrap();
                assert_eq!(String::from_utf8_lossy(&bytes), answer["text"].as_str().unwrap());
                let Some(each) = answer.get("token_log_probabilities") else {
                    continue;
                };
                let each: Vec<f64> = serde_json::from_value(each.clone()).unwrap();
                assert_eq!(each.len(), bytes.len());
                assert_eq!(answer["log_probability"], each.iter().sum::<f64>());
            }
            if let Some(sums) = record.get("log_probabilities") {
                let answers = sample["answers"].as_array().unwrap().iter();
                let found: Vec<_> = answers.map(|a| a["log_probability"].clone()).collect();
                assert_eq!(sums, &serde_json::Value::from(found));
            }
            assert!(sample["text"].as_str().unwrap().contains("[MASK]"), "{sample}");
        }
    }
}

/// As in `MultiRC`, a row with questions that have answers.
#[test]
fn a_row_that_makes_several_items_is_asked_each_once() {
    let rows = r#"{"t": "one", "q": [{"a": ["x", "y"]}, {"a": ["z"]}]}
{"t": "two", "q": []}
{"t": "[MASK] three [MASK]", "q": [{"a": ["x"]}]}"#;
    let task = "name: M\ntype: mul\npath: own\nfor_each: ['q in q', 'a in q.a']\ninputs: '{{ t }} {{ a }}?'\nchoices: ['Yes', 'No']\nlabel: '0'\n";
    let scratch = Scratch::new(&[("a.jsonl", rows)]);
    let found = report(slots(60), &scratch, task, &scratch.options()).unwrap();
    assert_eq!(found.overall[&Metric::Accuracy].items, 3);
    let parts: Vec<_> = lines(&scratch)
        .iter()
        .map(|record| (record["line"].clone(), record["part"].clone()))
        .collect();
    assert_eq!(
        parts,
        [(1, 1), (1, 2), (1, 3), (3, 1)].map(|(a, b)| (a.into(), b.into()))
    );
    assert_eq!((found.skipped[0].line, found.skipped[0].part), (3, 1));
    let again = report(slots(60), &scratch, task, &scratch.options()).unwrap();
    assert_eq!((again, lines(&scratch).len()), (found, 4), "none twice");
    for (key, said) in [
        ("for_each: ['q']", "expected a list of `NAME in LIST`"),
        (
            "for_each: ['q in missing']",
            "`for_each` is undefined, expected a list",
        ),
        (
            "for_each: ['q in t']",
            "`for_each` is string, expected a list",
        ),
        ("for_each: ['q in t.x.y']", "does not fill `for_each`"),
        (
            "for_each: ['q in (']",
            "the template `for_each` cannot be read",
        ),
    ] {
        let task = task.replace("for_each: ['q in q', 'a in q.a']", key);
        let error = match Task::parse(&task, Path::new("own.yaml")) {
            Err(error) => error.to_string(),
            Ok(_) => report(slots(60), &scratch, &task, &scratch.options()).unwrap_err(),
        };
        assert!(error.contains(said), "{key}: {error}");
    }
}

#[test]
fn the_best_of_all_listed_targets_counts() {
    let rows = r#"{"t": "say", "names": ["The y.", "z"]}
"#;
    let task =
        "name: G\ntype: gen\npath: own\nmax_gen_length: 4\ninputs: '{{ t }}'\ntarget_list: names\n";
    let scratch = Scratch::new(&[("a.jsonl", rows)]);
    let found = report(slots(60), &scratch, task, &scratch.options()).unwrap();
    assert_eq!(found.overall[&Metric::Em].items, 1);
    fs::write(
        scratch.0.path().join("own/a.jsonl"),
        r#"{"t": "say", "names": []}"#,
    )
    .unwrap();
    let error = report(slots(60), &scratch, task, &scratch.options()).unwrap_err();
    assert!(error.contains("`target_list` is empty"), "{error}");
}

#[test]
fn rows_that_are_no_items_are_errors_with_their_line() {
    for (items, said) in [
        ("{\"a\": 1}\nnonsense\n", "line 2: is no JSON value"),
        (
            "[[1], 2]",
            "line 1: has no `inputs_pretokenized`; `inputs` in the task makes items of what is no object, which it sees as `row`",
        ),
        (
            r#"{"inputs": [1, 2], "choices": [[3], [4]], "label": 0}"#,
            "`inputs` holds token ids of another vocabulary",
        ),
        (
            r#"{"input_pretokenized": "x", "choices_pretokenized": ["a"], "label": 0}"#,
            "did you mean `input_pretokenized`?",
        ),
        (
            r#"{"inputs_pretokenized": "x", "choices_pretokenized": ["a", "b"], "label": 2}"#,
            "has the label 2, expected one of 0 to 1: there are 2 choices",
        ),
        (
            r#"{"inputs_pretokenized": "x", "choices_pretokenized": ["a", 7], "label": 1}"#,
            "something that is no text",
        ),
        (
            r#"{"inputs_pretokenized": "x", "choices_pretokenized": ["a", "b"], "label": "0"}"#,
            "has no `label` that is a whole number",
        ),
    ] {
        let scratch = Scratch::new(&[("a.jsonl", items)]);
        let error = report(slots(60), &scratch, CHOICES, &scratch.options()).unwrap_err();
        assert!(error.contains(said), "{items}: {error}");
    }
    let scratch = Scratch::new(&[]);
    let error = report(slots(60), &scratch, CHOICES, &scratch.options()).unwrap_err();
    assert!(error.contains("is like `a.jsonl`"), "{error}");
}

#[test]
fn answers_are_generated_and_compared_with_the_nearest_target() {
    let items = r#"{"inputs_pretokenized": "say", "targets_pretokenized": ["x", "The y."]}"#;
    let scratch = Scratch::new(&[("a.jsonl", items)]);
    let task = "name: G\ntype: gen\npath: own\nmax_gen_length: 4\nuse_task_mask: true\n";
    let found = report(slots(60), &scratch, task, &scratch.options()).unwrap();
    assert_eq!(
        found.overall.keys().copied().collect::<Vec<_>>(),
        [Metric::Em, Metric::F1]
    );
    let record = &lines(&scratch)[0];
    assert!(record["answer"].as_str().unwrap().chars().count() <= 4);
    assert_eq!(found.chance, None);
}

#[test]
fn running_text_has_perplexity_per_word_and_bits_per_byte() {
    let text = "one two three four five six seven eight nine ten";
    let scratch = Scratch::new(&[("text.txt", text)]);
    let task = "name: L\ntype: lm\npath: own\nuse_task_mask: true\ngeneration_length: 7\n";
    let found = report(slots(20), &scratch, task, &scratch.options()).unwrap();
    let records = lines(&scratch);
    let sum: f64 = records
        .iter()
        .map(|record| record["loss"].as_f64().unwrap())
        .sum();
    let tokens: u64 = records
        .iter()
        .map(|record| record["tokens"].as_u64().unwrap())
        .sum();
    assert_eq!(
        tokens as usize,
        text.len() - 1,
        "a token a byte, the first is given"
    );
    let metrics = &found.groups[0].files[0].metrics;
    let close = |metric: Metric, expected: f64| {
        let found = metrics[&metric].value;
        assert!(
            (found / expected - 1.0).abs() < 1e-9,
            "{metric:?}: {found} for {expected}"
        );
    };
    close(
        Metric::Bpb,
        sum / text.len() as f64 / std::f64::consts::LN_2,
    );
    close(Metric::Ppl, (sum / 10.0).min(20.0).exp());
    assert!(found.overall.is_empty());
}

#[test]
fn shots_are_drawn_by_seed_and_never_the_item_itself() {
    let row = |i: usize| format!("{{\"q\": \"q{i}\", \"a\": {}}}", i % 2);
    let rows = (0..6).map(row).collect::<Vec<_>>().join("\n");
    let scratch = Scratch::new(&[
        ("test.jsonl", &rows),
        ("dev.jsonl", "{\"q\": \"other\", \"a\": 1}\n"),
    ]);
    let text = "name: S\ntype: mul\npath: own\nfile_pattern: test.jsonl\nshots: 5\ninputs: \"{{ q }}: \"\nchoices: [\"no\", \"yes\"]\nlabel: a\n";
    let task = Task::parse(text, Path::new("own.yaml")).unwrap();
    let inputs = |task: &Task, seed: u64, shots: Option<usize>| -> Result<Vec<String>, String> {
        let options = Options {
            shots,
            seed,
            ..scratch.options()
        };
        let files = Files::read(task, &options).map_err(|error| error.to_string())?;
        let all = files.all().flat_map(|file| match &file.content {
            files::Content::Items(items) => items
                .iter()
                .map(|item| item.inputs.clone())
                .collect::<Vec<_>>(),
            files::Content::Text(_) => Vec::new(),
        });
        Ok(all.collect())
    };
    let first = inputs(&task, 1, None).unwrap();
    assert_eq!(first, inputs(&task, 1, None).unwrap());
    assert_ne!(first, inputs(&task, 2, None).unwrap());
    for (number, text) in first.iter().enumerate() {
        let mut parts: Vec<&str> = text.split("\n\n").collect();
        assert_eq!(parts.pop(), Some(format!("q{number}: ").as_str()));
        parts.sort_unstable();
        let others = (0..6).filter(|other| *other != number);
        let expected: Vec<String> = others
            .map(|i| format!("q{i}: {}", ["no", "yes"][i % 2]))
            .collect();
        assert_eq!(parts, expected, "all others, each once");
    }
    let error = inputs(&task, 1, Some(6)).unwrap_err();
    assert!(error.contains("has 5 solved items for 6 shots"), "{error}");
    let dev = format!("{text}shots_from: test=dev\n");
    let dev = Task::parse(&dev, Path::new("own.yaml")).unwrap();
    assert_eq!(inputs(&dev, 1, Some(1)).unwrap()[0], "other: yes\n\nq0: ");
}
