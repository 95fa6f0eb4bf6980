//! Data that is changed between two evaluations, and data that there is none of.

use super::*;

#[test]
fn an_item_that_was_changed_is_asked_again_and_only_that() {
    let scratch = Scratch::new(&[("a.jsonl", ITEMS)]);
    report(slots(60), &scratch, CHOICES, &scratch.options()).unwrap();
    let path = scratch.0.path().join("own/a.jsonl");
    for (from, to, asked) in [
        ("is it", "was it", 3),
        ("\"label\": 2", "\"label\": 1", 4),
        ("\"d\"", "\"e\"", 5),
        ("[MASK]?", "[MASK]? ", 6),
    ] {
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let found = report(slots(60), &scratch, CHOICES, &scratch.options()).unwrap();
        assert_eq!(lines(&scratch).len(), asked, "{from} to {to}");
        assert_eq!(found.overall[&Metric::Accuracy].items, 2);
    }
    let fresh = scratch.0.path().join("fresh.jsonl");
    let task = Task::parse(CHOICES, Path::new("own.yaml")).unwrap();
    let whole = asked_of(slots(60), |asked| {
        evaluate(asked, &task, &scratch.options(), &fresh, &mut |_, _| true)
    });
    let again = report(slots(60), &scratch, CHOICES, &scratch.options()).unwrap();
    assert_eq!(whole.unwrap().unwrap(), again);
}

/// Of another kind, of a choice that there is not, of another label, and of no number.
#[test]
fn a_record_that_cannot_be_of_its_item_is_none() {
    let scratch = Scratch::new(&[("a.jsonl", ITEMS)]);
    let whole = report(slots(60), &scratch, CHOICES, &scratch.options()).unwrap();
    for outcome in [
        r#""kind":"answer","answer":"","exact":1,"f1":1"#,
        r#""kind":"window","loss":1,"tokens":1"#,
        r#""kind":"skipped","reason":"of old""#,
        r#""kind":"choices","log_probabilities":[],"chosen":9,"label":0"#,
        r#""kind":"choices","log_probabilities":[],"chosen":0,"label":1"#,
    ] {
        let line = format!("{{\"file\":\"a.jsonl\",\"line\":1,{outcome}}}\n");
        fs::write(scratch.records(), line).unwrap();
        let found = report(slots(60), &scratch, CHOICES, &scratch.options()).unwrap();
        assert_eq!(found, whole, "{outcome}");
    }
}

#[test]
fn running_text_that_was_changed_is_read_again() {
    let scratch = Scratch::new(&[("text.txt", "one two three")]);
    let task = "name: L\ntype: lm\npath: own\n";
    let first = report(slots(60), &scratch, task, &scratch.options()).unwrap();
    fs::write(scratch.0.path().join("own/text.txt"), "one two four!").unwrap();
    let second = report(slots(60), &scratch, task, &scratch.options()).unwrap();
    assert_ne!(first.groups, second.groups);
}

#[test]
fn nothing_to_ask_is_an_error() {
    for (task, text) in [
        (CHOICES.to_owned(), ""),
        (CHOICES.to_owned(), "\n\n"),
        ("name: L\ntype: lm\npath: own\n".to_owned(), ""),
    ] {
        let scratch = Scratch::new(&[("a.jsonl", text)]);
        let error = report(slots(60), &scratch, &task, &scratch.options()).unwrap_err();
        assert!(
            error.contains("there is nothing to ask in `a.jsonl`"),
            "{error}"
        );
    }
}
