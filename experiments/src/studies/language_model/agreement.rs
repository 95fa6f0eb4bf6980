//! Log-likelihoods against `transformers`: `tests/agreement/agree.py` asked it the items of `tests/agreement/golden`, of an export of
//! the weights that lie there.

use super::*;
use crate::files::checkpoint::read_weights;
use crate::parameters::Parameters;
use experiments_evaluation::{Choosing, choice_log_probabilities};
use serde::Deserialize;

/// Nats. Single tokens are the harder test: sums of several can make up for one another.
const MOST: f64 = 1e-5;

#[derive(Deserialize)]
struct Golden {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    text: String,
    tokens: Vec<u32>,
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    text: String,
    tokens: Vec<u32>,
    token_log_probabilities: Vec<f64>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/agreement/golden")
}

/// Tokens, positions, masks of several answers in one pass, Pre-LN, exact GELU, learned positions, the tied head: an error in any of
/// them moves these numbers.
#[test]
fn tokens_are_as_likely_as_transformers_says() {
    let config = experiments_config::load_file(&folder().join("config.toml"), &[]).unwrap();
    let table = Parameter::table(&config.model, config.tokenizer.vocab_size);
    let mut parameters = Parameters::zeros(table);
    read_weights(&folder().join("weights.safetensors"), &mut parameters).unwrap();
    let golden = std::fs::read(folder().join("items.json")).unwrap();
    let golden: Golden = serde_json::from_slice(&golden).unwrap();
    let tokenizer = Tokenizer::bytes().unwrap();
    let layout = Layout::of(&config);
    let item = |item: &Item| {
        assert_eq!(tokenizer.encode(&item.text).unwrap(), item.tokens);
        for answer in &item.answers {
            assert_eq!(tokenizer.encode(&answer.text).unwrap(), answer.tokens);
        }
        Choosing {
            prompt: layout.left_to_right(&item.tokens),
            choices: item.answers.iter().map(|a| a.tokens.clone()).collect(),
        }
    };
    let items: Vec<Choosing> = golden.items.iter().map(item).collect();
    let precision = Precision::new(&config.precision, config.model.layers);
    let values = Arc::new(Weights::new(&parameters, &config.model, &precision));
    let packed = PackedMaps::new();
    let mut model = Incremental::new(&config, &precision, &values, &packed);
    let found = choice_log_probabilities(&mut model, &items).unwrap();
    let expected = golden.items.iter().map(|item| {
        let answers = item.answers.iter();
        answers.map(|answer| &answer.token_log_probabilities)
    });
    let mut count = 0;
    for (found, expected) in found.iter().flatten().zip(expected.flatten()) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < MOST, "{found} for {expected}");
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
}
