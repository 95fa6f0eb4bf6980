//! Answers to one question, judged together.

use super::*;

/// Four questions of two rows, with their answers in three outcomes; one answer cannot be asked.
const ROWS: &str = r#"{"t": "one", "q": [{"a": [["x", 1], ["y", 0]]}, {"a": [["z", 1]]}]}
{"t": "two", "q": [{"a": [["x", 0], ["y", 0], ["z", 1]]}, {"a": [["x", 1], ["[MASK] [MASK]", 0]]}]}"#;

const TASK: &str = "name: M\ntype: mul\npath: own\nfor_each: ['q in q', 'a in q.a']\ninputs: '{{ t }} {{ a[0] }}?'\nchoices: ['No', 'Yes']\nlabel: 'a[1]'\nmetrics: [Accuracy, EM, F1a]\n";

/// Writes down what was chosen of every item, as if a model had.
fn choose(scratch: &Scratch, chosen: &[(u64, u64, usize, usize)]) {
    let line = |(line, part, chosen, label): &(u64, u64, usize, usize)| {
        format!(
            "{{\"file\":\"a.jsonl\",\"line\":{line},\"part\":{part},\"kind\":\"choices\",\"log_probabilities\":[-1,-2],\"chosen\":{chosen},\"label\":{label}}}\n"
        )
    };
    let text: String = chosen.iter().map(line).collect();
    fs::write(scratch.records(), text).unwrap();
}

#[test]
fn answers_to_one_question_are_judged_together() {
    let scratch = Scratch::new(&[("a.jsonl", ROWS)]);
    choose(
        &scratch,
        &[
            (1, 1, 1, 1),
            (1, 2, 0, 0),
            (1, 3, 0, 1),
            (2, 1, 1, 0),
            (2, 2, 0, 0),
            (2, 3, 1, 1),
            (2, 4, 1, 1),
        ],
    );
    let found = report(slots(60), &scratch, TASK, &scratch.options()).unwrap();
    let value = |metric: Metric| {
        let estimate = found.overall[&metric];
        (estimate.value, estimate.items)
    };
    assert_eq!(value(Metric::Accuracy), (500.0 / 7.0, 7));
    // Of three questions whose answers were all asked the first is right.
    assert_eq!(value(Metric::Em), (100.0 / 3.0, 3));
    // Three found of four held to be right and four that are.
    assert_eq!(value(Metric::F1a), (75.0, 4));
    let [low, high] = found.overall[&Metric::F1a].interval.unwrap();
    assert!((0.0..75.0).contains(&low) && high == 100.0, "{low} {high}");
    let chance = found.question_chance.unwrap();
    assert_eq!(chance.em, 100.0 * (0.25 + 0.5 + 0.125) / 3.0);
    let share = 4.0 / 7.0;
    assert!((chance.f1a - 100.0 * share / (share + 0.5)).abs() < 1e-9);
    assert_eq!(found.groups[0].files[0].metrics, found.overall);
    // A limit may cut a question, which is then in no EM.
    let options = Options {
        limit: Some(5),
        ..scratch.options()
    };
    let found = report(slots(60), &scratch, TASK, &options).unwrap();
    assert_eq!(found.overall[&Metric::Em].items, 2);
    assert_eq!(found.overall[&Metric::F1a].items, 3);
}

#[test]
fn nothing_found_is_no_success_and_not_certain() {
    let rows = r#"{"t": "one", "q": [{"a": [["x", 0]]}, {"a": [["y", 1]]}]}"#;
    let scratch = Scratch::new(&[("a.jsonl", rows)]);
    choose(&scratch, &[(1, 1, 0, 0), (1, 2, 0, 1)]);
    let found = report(slots(60), &scratch, TASK, &scratch.options()).unwrap();
    assert_eq!(found.overall[&Metric::F1a].value, 0.0);
    assert_eq!(found.overall[&Metric::F1a].interval, None);
    assert_eq!(found.overall[&Metric::Em].value, 50.0);
    let plain = TASK.replace("metrics: [Accuracy, EM, F1a]\n", "");
    let found = report(slots(60), &scratch, &plain, &scratch.options()).unwrap();
    assert_eq!(
        found.overall.keys().collect::<Vec<_>>(),
        [&Metric::Accuracy]
    );
    assert_eq!(found.question_chance, None);
}
