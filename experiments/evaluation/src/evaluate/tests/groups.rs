//! Groups that files or rows name, their weights, and scores between chance and all.

use super::*;

fn parse(text: &str) -> Result<Task, String> {
    Task::parse(text, Path::new("own.yaml")).map_err(|error| error.to_string())
}

const LM: &str =
    "name: L\ntype: lm\npath: own\ngeneration_length: 7\ninputs: '{{ text }}'\ngroup: meta.set\n";

const TEXTS: &str = r#"{"text": "one two three four five six", "meta": {"set": "a"}}
{"text": "seven eight", "meta": {"set": "b"}}
{"text": "nine", "meta": {"set": "a"}}
{"text": "x", "meta": {"set": "a"}}
{"text": "ten eleven", "meta": {"set": "c"}}
"#;

/// Nats and bytes of the rows of a group, by hand.
fn bits_per_byte(scratch: &Scratch, rows: &[u64]) -> f64 {
    let texts: Vec<&str> = TEXTS.lines().collect();
    let (mut loss, mut bytes) = (0.0, 0.0);
    for row in rows {
        let text: serde_json::Value = serde_json::from_str(texts[*row as usize - 1]).unwrap();
        bytes += text["text"].as_str().unwrap().len() as f64;
        let of_row = lines(scratch).into_iter();
        let of_row = of_row.filter(|record| record["line"] == *row);
        loss += of_row
            .map(|record| record["loss"].as_f64().unwrap())
            .sum::<f64>();
    }
    loss / bytes / std::f64::consts::LN_2
}

#[test]
fn rows_of_text_are_told_by_the_group_that_they_name_and_weighed() {
    let scratch = Scratch::new(&[("a.jsonl", TEXTS)]);
    let task = format!("{LM}weights: {{b: 3, a: 1.5, absent: 2}}\n");
    let found = report(slots(20), &scratch, &task, &scratch.options()).unwrap();
    let groups: Vec<&str> = found
        .groups
        .iter()
        .map(|group| group.name.as_str())
        .collect();
    assert_eq!(groups, ["a", "b", "c"]);
    let of = |group: &GroupReport| group.files[0].metrics[&Metric::Bpb];
    let expected = [&[1, 3][..], &[2], &[5]].map(|rows| bits_per_byte(&scratch, rows));
    for (group, expected) in found.groups.iter().zip(expected) {
        assert!((of(group).value - expected).abs() < 1e-9, "{}", group.name);
    }
    assert_eq!(of(&found.groups[0]).items, 2, "a text is an item");
    let windows = lines(&scratch).iter().filter(|r| r["line"] == 1).count();
    assert!(windows > 1, "one of several windows");
    let over = found.over_groups.unwrap();
    let mean = (1.5 * expected[0] + 3.0 * expected[1]) / 4.5;
    assert!((over.metrics[&Metric::Bpb].value - mean).abs() < 1e-9);
    assert_eq!(
        (over.absent, over.unweighted),
        (vec!["absent".to_owned()], vec!["c".to_owned()])
    );
    assert_eq!(
        (found.skipped.len(), found.skipped[0].line),
        (1, 4),
        "a byte that is given"
    );
    let again = report(slots(20), &scratch, &task, &scratch.options()).unwrap();
    assert_eq!(again.groups, found.groups);
    // The first text of every group.
    let options = Options {
        limit: Some(1),
        ..scratch.options()
    };
    let found = report(slots(20), &scratch, &task, &options).unwrap();
    let items = found
        .groups
        .iter()
        .map(|group| group.files[0].file.as_str());
    assert_eq!(items.count(), 3);
    let expected = bits_per_byte(&scratch, &[1]);
    assert!((of(&found.groups[0]).value - expected).abs() < 1e-9);
}

#[test]
fn groups_of_files_are_weighed_for_every_kind_of_task() {
    let first = ITEMS.lines().next().unwrap();
    let scratch = Scratch::new(&[("a.jsonl", ITEMS), ("b.jsonl", first)]);
    let task = "name: Own\ntype: mul\npath: own\nfile_pattern:\n  one: [a.jsonl, 'a*']\n  two: b.jsonl\nweights: {one: 1, two: 3}\n";
    let found = report(slots(60), &scratch, task, &scratch.options()).unwrap();
    let [one, two] = &found.groups[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        one.files.len(),
        1,
        "a file that two patterns find is there once"
    );
    let average = |group: &GroupReport| group.over_files[&Metric::Accuracy].average;
    let over = found.over_groups.unwrap();
    let mean = over.metrics[&Metric::Accuracy];
    assert_eq!(
        mean.value,
        f64::midpoint(average(two), f64::midpoint(average(one), average(two)))
    );
    assert_eq!(mean.items, 3);
    let [low, high] = mean.interval.unwrap();
    assert!(low < mean.value || high > mean.value);
}

/// Questions with choices, of which some are worth a part, and one in words, as BIG-bench has them.
const BENCH: &str = r#"{
  "prefix": "Q: ",
  "examples": [
    {"input": "one", "target_scores": {"a": 1, "b": 0.5, "c": 0, "d": 0}},
    {"input": "two", "target": ["x"], "target_scores": {"e": 0, "f": 1}},
    {"input": "three", "target": "x"}
  ]
}
"#;

const BENCH_TASK: &str = "name: B\ntype: gen\npath: own\nnormalised: true\nmax_gen_length: 3\nfor_each: ['e in examples']\ninputs: '{{ prefix }}{{ e.input }}'\nchoice_list: \"e.target_scores | list if 'target_scores' in e else none\"\nworth: \"e.target_scores | items | map('last') | list\"\ntarget_list: '[e.target] if e.target is string else e.target'\n";

#[test]
fn scores_are_told_between_chance_and_all() {
    let scratch = Scratch::new(&[("a.json", BENCH)]);
    for (first, second, words) in [(0, 1_u8, true), (1, 0, false), (2, 1, false)] {
        let exact = u8::from(words);
        let records = format!(
            "{{\"file\":\"a.json\",\"line\":1,\"part\":1,\"kind\":\"choices\",\"log_probabilities\":[],\"chosen\":{first},\"label\":0}}\n\
             {{\"file\":\"a.json\",\"line\":1,\"part\":2,\"kind\":\"choices\",\"log_probabilities\":[],\"chosen\":{second},\"label\":1}}\n\
             {{\"file\":\"a.json\",\"line\":1,\"part\":3,\"kind\":\"answer\",\"answer\":\"\",\"exact\":{exact},\"f1\":0}}\n"
        );
        fs::write(scratch.records(), records).unwrap();
        let found = report(slots(60), &scratch, BENCH_TASK, &scratch.options()).unwrap();
        let choices = [1.0, 0.5, 0.0][first] + f64::from(second);
        let low = (1.5 / 4.0 + 0.5) / 3.0;
        let score = (choices + f64::from(exact)) / 3.0;
        let metrics = &found.groups[0].files[0].metrics;
        let normalised = metrics[&Metric::Normalised];
        assert!((normalised.value - 100.0 * (score - low) / (1.0 - low)).abs() < 1e-9);
        let over = found.over_groups.unwrap().metrics;
        assert_eq!(over.keys().collect::<Vec<_>>(), [&Metric::Normalised]);
        assert!((over[&Metric::Normalised].value - normalised.value).abs() < 1e-9);
        assert_eq!(metrics[&Metric::Accuracy].value, 50.0 * choices);
        assert_eq!(
            (metrics[&Metric::Accuracy].items, metrics[&Metric::Em].items),
            (2, 1)
        );
        assert!((found.chance.unwrap() - 100.0 * (1.5 / 4.0 + 0.5) / 2.0).abs() < 1e-9);
        assert!(!found.overall.contains_key(&Metric::Normalised));
    }
    let judged = format!("{BENCH_TASK}judged_by: {{all: ROUGE-L}}\nstop: [x]\n");
    let found = report(slots(60), &scratch, &judged, &scratch.options()).unwrap();
    assert_eq!(found.overall[&Metric::RougeL].items, 1);
}

#[test]
fn an_answer_ends_where_the_task_says() {
    let text = r#"{"inputs_pretokenized": "say", "targets_pretokenized": "x"}"#;
    let scratch = Scratch::new(&[("a.jsonl", text)]);
    let task = "name: G\ntype: gen\npath: own\nmax_gen_length: 9\n";
    report(slots(60), &scratch, task, &scratch.options()).unwrap();
    let whole = lines(&scratch)[0]["answer"].as_str().unwrap().to_owned();
    let end = whole.chars().nth(2).unwrap();
    fs::remove_file(scratch.records()).unwrap();
    let stop = serde_json::to_string(&[end.to_string()]).unwrap();
    report(
        slots(60),
        &scratch,
        &format!("{task}stop: {stop}\n"),
        &scratch.options(),
    )
    .unwrap();
    let told = lines(&scratch)[0]["answer"].as_str().unwrap().to_owned();
    assert_eq!(told, whole.split(end).next().unwrap().trim());
}

/// Rows without an answer are named and counted, and are no solved example.
#[test]
fn a_row_that_does_not_tell_what_is_right_is_not_asked() {
    let rows = r#"{"q": "one", "a": "yes"}
{"q": "two", "a": "-"}
{"q": "three", "a": "no"}
"#;
    let scratch = Scratch::new(&[("a.jsonl", rows)]);
    let task = "name: S\ntype: mul\npath: own\nshots: 1\ninputs: '{{ q }} '\nchoices: [\"no\", \"yes\"]\nlabel: \"none if a == '-' else a\"\n";
    let found = report(slots(60), &scratch, task, &scratch.options()).unwrap();
    assert_eq!(found.overall[&Metric::Accuracy].items, 2);
    let [skipped] = &found.skipped[..] else {
        panic!("{:?}", found.skipped)
    };
    assert_eq!(
        (skipped.line, skipped.reason.as_str()),
        (2, "does not tell which choice is right: `label` is none")
    );
    let many = Options {
        shots: Some(2),
        ..scratch.options()
    };
    let error = report(slots(60), &scratch, task, &many).unwrap_err();
    assert!(error.contains("has 1 solved items for 2 shots"), "{error}");
}

const MUL: &str = "name: x\ntype: mul\npath: own\n";
const ITEM: &str = "inputs: x\nchoices: ['a', 'b']\n";

#[test]
fn keys_of_groups_weights_and_judges_that_cannot_be_used_are_named() {
    let (mul, item) = (MUL, ITEM);
    for (text, said) in [
        (
            format!("{mul}weights: {{all: 0}}"),
            "`weights` is all: 0, expected groups with a number above 0 each",
        ),
        (
            format!("{mul}weights: {{al: 1}}"),
            "`weights` is `al`, expected a group of `file_pattern`: `all`; did you mean `all`?",
        ),
        (
            format!("{mul}weights: 3"),
            "`weights` is 3, expected groups with a number above 0 each",
        ),
        (format!("{mul}group: x"), "`inputs` is incomplete"),
        (
            format!("{mul}{item}label: '0'\ngroup: x\nfile_pattern: {{a: b}}"),
            "or a list of them: `group` names the groups",
        ),
        (
            format!("{mul}file_pattern: {{a: []}}"),
            "or groups with one or a list each",
        ),
        (
            format!("{mul}{item}label: '0'\nworth: '[1, 0]'"),
            "and `label` or `worth`",
        ),
        (
            format!("{mul}judged_by: EM"),
            "`judged_by` is no key of a task of type `mul`",
        ),
        (
            "name: x\ntype: gen\npath: p\njudged_by: ROUGE".to_owned(),
            "`judged_by` is \"ROUGE\", expected `EM`, `F1`, `ROUGE-L`, or groups with one each",
        ),
        (
            "name: x\ntype: gen\npath: p\nstop: ['']".to_owned(),
            "expected a list of texts, none of them empty",
        ),
        (
            "name: x\ntype: lm\npath: p\nnormalised: true".to_owned(),
            "`normalised` is no key of a task of type `lm`",
        ),
        (
            "name: x\ntype: lm\npath: p\ninputs: t\nfor_each: ['a in b']".to_owned(),
            "`inputs` alone, and `group`, in one of type `lm`",
        ),
    ] {
        let error = parse(&text).unwrap_err();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn rows_whose_group_label_or_worth_cannot_be_used_are_named() {
    let (mul, item) = (MUL, ITEM);
    for (keys, said) in [
        (
            "label: '0'\ngroup: g",
            "`group` is undefined, expected a name",
        ),
        (
            "label: \"'c'\"",
            "`label` is c, expected the place of a choice, from 0, or its text",
        ),
        ("worth: '[1]'", "`worth` has 1 entries for 2 choices"),
        (
            "worth: '[1, 2]'",
            "`worth` has 2, expected what each choice is worth, 0 to 1",
        ),
        ("worth: '3'", "`worth` is number, expected a list"),
    ] {
        let scratch = Scratch::new(&[("a.jsonl", "{}")]);
        let error = report(
            slots(60),
            &scratch,
            &format!("{mul}{item}{keys}\n"),
            &scratch.options(),
        );
        let error = error.unwrap_err();
        assert!(error.contains(said), "{keys}: {error}");
    }
    let scratch = Scratch::new(&[("a.jsonl", "{}")]);
    let task = format!("{mul}{item}worth: '[0, 0]'\n");
    let found = report(slots(60), &scratch, &task, &scratch.options()).unwrap();
    assert_eq!(
        found.skipped[0].reason,
        "has no choice that is worth anything"
    );
}

/// A file may have fifty thousand examples, and a look takes a few of them; solved ones are drawn from all.
#[test]
fn what_stands_behind_a_limit_is_not_even_made() {
    let rows = "[{\"q\": [1, 2, \"x\"]}, {\"q\": [\"x\"]}]";
    let scratch = Scratch::new(&[("a.json", rows)]);
    let task = "name: S\ntype: mul\npath: own\nfor_each: ['n in q']\ninputs: 'x '\nchoices: ['a', 'b', 'c']\nlabel: n\n";
    let with = |limit: usize, shots: usize| {
        let options = Options {
            limit: Some(limit),
            shots: Some(shots),
            ..scratch.options()
        };
        report(slots(60), &scratch, task, &options).map(|found| found.overall[&Metric::Accuracy])
    };
    assert_eq!(with(2, 0).unwrap().items, 2);
    for (limit, shots) in [(3, 0), (2, 1)] {
        let error = with(limit, shots).unwrap_err();
        assert!(error.contains("line 1: `label` is x"), "{error}");
    }
}
