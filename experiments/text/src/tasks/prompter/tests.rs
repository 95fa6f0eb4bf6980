use super::*;
use crate::tasks::{catalogue, find};
use serde_json::json;
use std::collections::BTreeSet;

fn fill(
    each: &[&str],
    prompts: &[(&str, &str)],
    row: &serde_json::Value,
) -> Result<Vec<(String, String)>, TaskError> {
    let each: Vec<String> = each.iter().map(|e| (*e).to_owned()).collect();
    let prompts: Vec<Prompt> = prompts
        .iter()
        .map(|(input, target)| Prompt {
            input: (*input).to_owned(),
            target: (*target).to_owned(),
        })
        .collect();
    let place = Place {
        path: Path::new("rows.jsonl"),
        line: 7,
    };
    let prompter = Prompter::new("mine", &each, &prompts)?;
    prompter.fill(row.as_object().unwrap().clone(), place)
}

/// Who writes templates for ten files must see which one, where and what is misspelt.
#[test]
fn a_missing_field_is_named_with_file_line_template_and_fields() {
    let row = json!({"premise": "p", "passage": {"text": "t"}, "label": 3});
    let text = |input, target| fill(&[], &[(input, target)], &row).unwrap_err().to_string();
    assert_eq!(
        text("{{ premis }}", "x"),
        "`rows.jsonl` line 7: the template `input` needs `premis`, which the row has not; did you \
         mean `premise`? (fields of the row: `label`, `passage`, `premise`)"
    );
    assert!(text("x", "{{ passage.txt }}").contains("`target` needs `passage.txt`, which"));
    assert!(text("x", "{% for a in b %}{{ loop.index }}{% endfor %}").contains("needs `b`, which"));
    // A silent empty target would drop rows, an unknown label make wrong ones.
    assert!(text("x", "{{ ['a', 'b'][label] }}").contains("beyond the end of a list"));
    assert!(text("x", "{{ {1: 'a'}[label] }}").contains("a label that its table has not"));
    assert!(text("x", "{{ label | join }}").contains("cannot be filled: "));
}

/// A template is checked before any row is read.
#[test]
fn a_template_that_is_no_jinja_is_refused() {
    let text = |each: &[&str], input| {
        let error = fill(each, &[("a", "b"), (input, "b")], &json!({})).unwrap_err();
        error.to_string()
    };
    let error = text(&[], "a\n{{ b");
    assert!(error.starts_with("the template `input 2` of the task set `mine` is wrong: syntax"));
    assert!(error.contains("line 2 of the template"), "{error}");
    assert!(text(&["a of b"], "a").contains("`a of b` is not `NAME in EXPRESSION`"));
    assert!(text(&["a in b["], "a").contains("`each`"));
}

/// `each` walks nested lists in order and every prompt fills every value.
#[test]
fn nested_rows_give_a_sample_per_value_and_prompt() {
    let row = json!({"q": [{"n": 1, "a": ["x", "y"]}, {"n": 2, "a": []}, {"n": 3, "a": ["z"]}]});
    let samples = fill(
        &["question in q", "answer in question.a"],
        &[
            (" {{ question.n }} ", "{{ answer }}"),
            ("-", "{{ answer | upper }}\n"),
        ],
        &row,
    );
    let expected = [
        ("1", "x"),
        ("-", "X"),
        ("1", "y"),
        ("-", "Y"),
        ("3", "z"),
        ("-", "Z"),
    ];
    assert_eq!(
        samples.unwrap(),
        expected.map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
    let error = fill(&["a in nothing"], &[("a", "b")], &row)
        .unwrap_err()
        .to_string();
    assert!(error.contains("`each` `nothing` gives no list"), "{error}");
}

/// A minimal row of each set and the targets that its prompts must make of it: the real files are
/// not at hand in most builds.
#[test]
fn every_built_in_prompt_fills_a_row_of_its_schema() {
    let mut seen = BTreeSet::new();
    for line in include_str!("rows.jsonl").lines() {
        let Example { set, row, targets } = serde_json::from_str(line).unwrap();
        let built_in = find(&set).unwrap().built_in.as_ref().unwrap();
        let prompter = Prompter::new(&set, &built_in.each, &built_in.prompts).unwrap();
        let place = Place {
            path: Path::new(&set),
            line: 1,
        };
        let samples = prompter.fill(row, place).unwrap();
        let made: Vec<&str> = samples.iter().map(|(_, target)| target.as_str()).collect();
        assert_eq!(made, targets, "{set}");
        for (text, _) in samples {
            assert!(!text.is_empty() && !text.contains("@highlight") && !text.contains("{{"));
        }
        seen.insert(set);
    }
    let built_in = catalogue().iter().filter(|entry| entry.built_in.is_some());
    assert_eq!(built_in.count(), seen.len());
}

/// A line of `rows.jsonl`: a row made by hand in the schema of the set's real file.
#[derive(serde::Deserialize)]
struct Example {
    set: String,
    row: Map<String, serde_json::Value>,
    targets: Vec<String>,
}
