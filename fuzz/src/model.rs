//! The smallest model whose weights GLM-130B's layout can hold.

use experiments_config::{Config, Override, load_preset};

/// One layer of width 4; `weights`: the file that it starts from.
#[must_use]
pub fn tiny(weights: Option<&std::path::Path>) -> Config {
    let mut changes: Vec<Override> = [
        "model.layers=1",
        "model.hidden_size=4",
        "model.num_heads=1",
        "model.ffn_hidden_size=4",
        "tokenizer.vocab_size=262",
    ]
    .map(|change| change.parse().unwrap())
    .into();
    if let Some(path) = weights {
        let value = toml::Value::String(path.display().to_string());
        changes.push(Override {
            key: "model.init.weights".to_owned(),
            value,
        });
    }
    load_preset("t0", &changes).unwrap()
}
