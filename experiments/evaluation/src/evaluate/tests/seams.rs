//! Choices and the text before them, with a tokenizer that has words; and answers that it has never seen.

use super::*;
use experiments_config::{Config, Source};
use experiments_text::{Cache, Corpus};

/// A tokenizer that was made of one sentence, so that ` yes` and ` no` are words of it.
fn corpus(dir: &Path, config: &mut Config) -> Corpus {
    let text = dir.join("text.txt");
    fs::write(&text, "is it? yes or no, yes and no. ".repeat(800)).unwrap();
    config.tokenizer.vocab_size = 300;
    config.model.seq_len = 60;
    config.data.sources = vec![Source {
        path: Some(text),
        language: "en".to_owned(),
        weight: 1.0,
        ..Source::default()
    }];
    let cache = Cache::locate(Some(dir.join("cache"))).unwrap();
    Corpus::prepare(config, &cache, &mut |_| ()).unwrap()
}

fn found(scratch: &Scratch, mode: ObjectiveMode) -> Report {
    let mut config = Config::default();
    let corpus = corpus(scratch.0.path(), &mut config);
    let mut layout = Layout::of(&config);
    layout.mode = mode;
    let mut model = Toy::new(300, 60);
    let mut asked = Asked {
        model: &mut model,
        tokenizer: corpus.tokenizer(),
        layout,
    };
    let task = Task::parse(CHOICES, Path::new("own.yaml")).unwrap();
    let (options, records) = (scratch.options(), scratch.records());
    let report = evaluate(&mut asked, &task, &options, &records, &mut |_, _| true);
    report.unwrap().unwrap()
}

#[test]
fn a_choice_that_has_other_tokens_behind_its_text_is_counted_and_named() {
    let items = r#"{"inputs_pretokenized": "is it?[MASK]", "choices_pretokenized": [" yes", " no"], "label": 0}
{"inputs_pretokenized": "is it? [MASK]", "choices_pretokenized": ["-", "yes"], "label": 0}
{"inputs_pretokenized": "is it? ye[MASK]", "choices_pretokenized": ["s", "x"], "label": 0}
"#;
    let scratch = Scratch::new(&[("a.jsonl", items)]);
    let report = found(&scratch, ObjectiveMode::Glm);
    let seams = report.seams.unwrap();
    assert_eq!(
        (seams.items, seams.line, seams.choice),
        (2, 2, 2),
        "{seams:?}"
    );
    assert_eq!(report.overall[&Metric::Accuracy].items, 3, "they are asked");
    let told = lines(&scratch);
    let told: Vec<Option<u64>> = told.iter().map(|record| record["seam"].as_u64()).collect();
    assert_eq!(told, [None, Some(2), Some(1)]);
    fs::remove_file(scratch.records()).unwrap();
    // In GPT mode the space before a blank belongs to the answer.
    let report = found(&scratch, ObjectiveMode::Gpt);
    let seams = report.seams.unwrap();
    assert_eq!(
        (seams.items, seams.line, seams.choice),
        (1, 3, 1),
        "{seams:?}"
    );
}

/// Every byte is a token, so that there is no vocabulary here that cannot spell an answer: one that it has never seen is longer, and asked.
#[test]
fn every_answer_can_be_spelled() {
    let odd = ["龘", "\u{1f600}\u{0}", "\u{fffd}ß"];
    let item = serde_json::json!({
        "inputs_pretokenized": "is it?", "choices_pretokenized": odd, "label": 2
    });
    let scratch = Scratch::new(&[("a.jsonl", &item.to_string())]);
    let mut config = Config::default();
    let corpus = corpus(scratch.0.path(), &mut config);
    for answer in odd {
        let tokens = corpus.tokenizer().encode(answer).unwrap();
        assert_eq!(tokens.len(), answer.len(), "a token a byte");
        assert_eq!(corpus.tokenizer().decode(&tokens), answer);
    }
    let report = found(&scratch, ObjectiveMode::Glm);
    assert!(report.skipped.is_empty(), "{:?}", report.skipped);
    assert_eq!(report.overall[&Metric::Accuracy].items, 1);
}
