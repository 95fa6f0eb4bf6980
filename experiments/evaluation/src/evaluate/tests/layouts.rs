//! Shipped tasks over files of our own in the layouts of the publishers, which the folder of published sets seldom has.

use super::*;
use crate::item::{Ask, Item};
use crate::task::shipped;

/// The items of a shipped task, group by group, and the report of a model that knows nothing.
fn asked(name: &str, files: &[(&str, &str)]) -> (Vec<Item>, Report) {
    let scratch = Scratch::new(&[]);
    for (path, text) in files {
        let path = scratch.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let task = shipped(name).unwrap();
    let options = Options {
        shots: Some(0),
        ..scratch.options()
    };
    let read = Files::read(&task, &options).unwrap_or_else(|error| panic!("{name}: {error}"));
    let items = read.all().flat_map(|file| match &file.content {
        files::Content::Items(items) => items.clone(),
        files::Content::Text(_) => Vec::new(),
    });
    let items = items.collect();
    let found = asked_of(slots(600), |asked| {
        evaluate(asked, &task, &options, &scratch.records(), &mut |_, _| true)
    });
    (items, found.unwrap().unwrap())
}

fn choices(item: &Item) -> (&str, Vec<&str>, usize) {
    let Ask::Choices { choices, label, .. } = &item.ask else {
        panic!("{item:?}")
    };
    (
        &item.inputs,
        choices.iter().map(String::as_str).collect(),
        *label,
    )
}

#[test]
fn pairs_of_chinese_sentences_are_asked_and_those_without_a_label_named() {
    let pair = |label: &str| {
        format!("{{\"sentence1\": \"一\", \"sentence2\": \"二\", \"label\": \"{label}\"}}\n")
    };
    let (items, _) = asked("afqmc", &[("clue/afqmc/dev.json", &pair("1"))]);
    let (text, _, label) = choices(&items[0]);
    assert_eq!(
        (text, label),
        ("句子一：一\n句子二：二\n这两个句子的意思相同吗？[MASK]", 1)
    );
    for (name, path) in [
        ("cmnli", "clue/cmnli/dev.json"),
        ("ocnli_50k", "clue/ocnli/dev.json"),
    ] {
        let rows = ["-", "neutral", "contradiction", "entailment"]
            .map(pair)
            .concat();
        let (items, found) = asked(name, &[(path, &rows)]);
        let labels: Vec<&str> = items[1..]
            .iter()
            .map(choices)
            .map(|(_, c, label)| c[label])
            .collect();
        assert_eq!(labels, ["无法确定", "不成立", "成立"]);
        assert_eq!(
            (found.skipped.len(), found.overall[&Metric::Accuracy].items),
            (1, 3)
        );
    }
    let wsc = r#"{"target": {"span1_index": 0, "span1_text": "猫", "span2_index": 2, "span2_text": "它"}, "text": "猫说它饿。", "label": "false"}"#;
    let (items, _) = asked("wsc1.1", &[("clue/cluewsc/dev.json", wsc)]);
    assert_eq!(
        choices(&items[0]),
        (
            "猫说它饿。\n上文中的“它”指的是“猫”吗？[MASK]",
            vec!["是", "否"],
            1
        )
    );
}

#[test]
fn questions_about_chinese_texts_are_asked() {
    let dialogue = r#"[[["男：几点？", "女：三点。"], [{"question": "几点？", "choice": ["四点", "三点"], "answer": "三点"}, {"question": "谁问？", "choice": ["男", "女", "都没"], "answer": "男"}], "1-1"]]"#;
    let text = "[\n [\n  [\"猫在树上。\"],\n  [{\"question\": \"在哪儿？\", \"choice\": [\"家里\", \"树上\"], \"answer\": \"树上\"}],\n  \"2\"\n ]\n]\n";
    let files = [
        ("clue/c3/c3-d-dev.json", dialogue),
        ("clue/c3/m-dev.json", text),
    ];
    let (items, found) = asked("c3", &files);
    assert_eq!(
        choices(&items[0]),
        (
            "男：几点？\n女：三点。\n问题：几点？\n回答：[MASK]",
            vec!["四点", "三点"],
            1
        )
    );
    assert_eq!(
        items.iter().map(|item| choices(item).2).collect::<Vec<_>>(),
        [1, 0, 1]
    );
    assert_eq!(found.groups.len(), 2);
    let squad = r#"{"version": "1", "data": [{"paragraphs": [{"context": "猫在树上。", "qas": [{"question": "猫在哪儿？", "answers": [{"text": "树上", "answer_start": 2}, {"text": "在树上", "answer_start": 1}]}]}]}]}"#;
    for (name, path, label) in [
        ("cmrc2018", "clue/cmrc2018/dev.json", "问题"),
        ("drcd", "clue/drcd/DRCD_dev.json", "問題"),
    ] {
        let (items, found) = asked(name, &[(path, squad)]);
        assert_eq!(
            items[0].ask,
            Ask::Targets(vec!["树上".to_owned(), "在树上".to_owned()])
        );
        assert!(
            items[0]
                .inputs
                .starts_with(&format!("猫在树上。\n{label}：猫在哪儿？\n"))
        );
        assert_eq!(found.overall[&Metric::Em].items, 1);
    }
}

/// Tasks of BIG-bench-lite that are answered in words.
const SPOKEN: [&str; 6] = [
    "auto_debugging",
    "conlang_translation",
    "linguistics_puzzles",
    "operators",
    "parsinlu_reading_comprehension",
    "repeat_copy_logic",
];

/// A file for every task of BIG-bench-lite: an example with choices of which one is worth a part, or two with targets.
fn bench(task: &Task) -> Vec<(String, &'static str)> {
    let chosen = r#"{"name": "x", "metrics": ["multiple_choice_grade"], "task_prefix": "Begin.", "choice_prefix": " or ", "example_output_prefix": "\n=", "examples": [{"input": "q", "target": "b", "target_scores": {"b": 1, "a": 0.5}}]}"#;
    let silent = r#"{"append_choices_to_input": false, "examples": [{"input": "q", "target_scores": {"a": 0, "b": 1}}]}"#;
    let spoken = r#"{"example_input_prefix": "\n", "examples": [{"input": "q", "target": ["x", "y"]}, {"input": "r", "target": "x"}]}"#;
    let file = |(name, patterns): &(String, Vec<String>)| {
        let path = patterns[0].replace('*', "one");
        let text = match name.as_str() {
            "winowhy" => silent,
            name if SPOKEN.contains(&name) => spoken,
            _ => chosen,
        };
        (format!("bigbench/benchmark_tasks/{path}"), text)
    };
    task.groups.iter().map(file).collect()
}

#[test]
fn tasks_of_big_bench_are_asked_together() {
    let task = shipped("bigbench-lite").unwrap();
    let files = bench(&task);
    assert_eq!(files.len(), 24);
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), *text))
        .collect();
    let (items, found) = asked("bigbench-lite", &files);
    let of = |group: &str| {
        let place = task.groups.iter().take_while(|(name, _)| name != group);
        let before = place.map(|(name, _)| {
            if SPOKEN.contains(&name.as_str()) {
                2
            } else {
                1
            }
        });
        &items[before.sum::<usize>()]
    };
    let (text, all, label) = choices(of("emoji_movie"));
    assert_eq!(
        (text, all, label),
        ("Begin.\nQ: q or a or b\n=", vec!["a", "b"], 1)
    );
    assert_eq!(choices(of("winowhy")).0, "\nQ: q\nA: ");
    let spoken = of("operators");
    assert_eq!(
        (spoken.inputs.as_str(), &spoken.ask),
        (
            "\nq\nA: ",
            &Ask::Targets(vec!["x".to_owned(), "y".to_owned()])
        )
    );
    let has = |metric: Metric| {
        let groups = found.groups.iter();
        groups
            .filter(|group| group.over_files.contains_key(&metric))
            .count()
    };
    assert_eq!(
        (has(Metric::Accuracy), has(Metric::Em), has(Metric::RougeL)),
        (18, 6, 1)
    );
    assert_eq!(has(Metric::Normalised), 24);
    let over = found.over_groups.unwrap();
    let each = found
        .groups
        .iter()
        .map(|group| group.over_files[&Metric::Normalised].average);
    let mean = each.sum::<f64>() / 24.0;
    assert!((over.metrics[&Metric::Normalised].value - mean).abs() < 1e-9);
    assert!((found.chance.unwrap() - (17.0 * 75.0 + 50.0) / 18.0).abs() < 1e-9);
}

#[test]
fn running_text_of_the_published_sets_is_read() {
    for (name, path) in [
        ("wikitext-2", "wikitext-2/wiki.test.tokens"),
        ("wikitext-103", "wikitext-103/sub/wiki.test.tokens"),
        ("ptb", "ptbdataset/ptb.test.txt"),
    ] {
        let (_, found) = asked(name, &[(path, "one two three")]);
        assert_eq!(
            found.groups[0].files[0].metrics[&Metric::Ppl].items,
            1,
            "{name}"
        );
    }
    let rows = "{\"text\": \"one two\", \"meta\": {\"pile_set_name\": \"Pile-CC\"}}\n{\"text\": \"three\", \"meta\": {\"pile_set_name\": \"Wikipedia (en)\"}}\n";
    let (_, found) = asked("pile", &[("pile/test.jsonl", rows)]);
    let over = found.over_groups.unwrap();
    assert_eq!(
        (over.absent.len(), over.unweighted),
        (17, vec!["Wikipedia (en)".to_owned()])
    );
    let own = found.groups[0].files[0].metrics[&Metric::Bpb].value;
    assert!((over.metrics[&Metric::Bpb].value - own).abs() < 1e-9);
}

#[test]
fn subjects_of_mmlu_are_told_by_their_groups() {
    let table = "question,choice0,choice1,choice2,choice3,answer\nq,a,b,c,d,2\n";
    let files = [
        "virology",
        "formal_logic",
        "anatomy",
        "astronomy",
        "sociology",
    ];
    let files = files.map(|name| (format!("mmlu/test/{name}_test.csv"), table));
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), *text))
        .collect();
    let (items, found) = asked("mmlu", &files);
    assert_eq!(
        choices(&items[0]).0,
        "q\n(A) a\n(B) b\n(C) c\n(D) d\nAnswer: ("
    );
    let groups = found.groups.iter();
    let groups: Vec<(&str, usize)> = groups
        .map(|group| (group.name.as_str(), group.files.len()))
        .collect();
    assert_eq!(
        groups,
        [
            ("STEM", 1),
            ("humanities", 1),
            ("other", 2),
            ("social sciences", 1)
        ]
    );
    assert_eq!(found.overall[&Metric::Accuracy].items, 5);
}
