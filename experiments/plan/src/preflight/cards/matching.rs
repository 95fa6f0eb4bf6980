//! When an arm is like a configuration.

use super::{ArmResult, CardResult};
use experiments_config::Config;
use serde_json::Value;
use std::collections::BTreeMap;

/// Keys whose choice is what stability cards are about.
const CHOICES: [&str; 16] = [
    "model.norm",
    "model.embedding_norm",
    "model.qk_norm",
    "model.init.qk_gain",
    "egs.alpha",
    "egs.path",
    "optimizer.warmup_samples",
    "optimizer.clip_mode",
    "optimizer.update_clipping",
    "objective.z_loss",
    "precision.format",
    "precision.softmax",
    "precision.grad_accumulation",
    "precision.query_key_layer_scaling",
    "precision.pb_relax.attention",
    "precision.pb_relax.norm",
];

/// Keys without any bearing.
const INDIFFERENT: [&str; 8] = [
    "seed",
    "steps",
    "eval",
    "checkpoint",
    "record",
    "runtime",
    "alarm",
    "probe",
];

/// A configuration's values by dotted key.
pub(super) struct Values(BTreeMap<String, Value>);

impl Values {
    pub(super) fn of(config: &Config) -> Self {
        fn walk(prefix: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
            let Value::Object(table) = value else {
                into.insert(prefix.to_owned(), value.clone());
                return;
            };
            for (key, value) in table {
                let dotted = if prefix.is_empty() {
                    key.clone()
                } else {
                    format!("{prefix}.{key}")
                };
                walk(&dotted, value, into);
            }
        }
        let mut values = BTreeMap::new();
        // A plain struct of numbers, strings and lists is representable in JSON.
        let tree = serde_json::to_value(config).unwrap_or_default();
        walk("", &tree, &mut values);
        // Left out where it is its default.
        let gain = config.model.init.qk_gain.unwrap_or(1.0);
        values.insert("model.init.qk_gain".to_owned(), gain.into());
        Self(values)
    }

    /// The differing keys of scale, if all choices are alike and there is one at all.
    pub(super) fn compare(&self, card: &CardResult, arm: &ArmResult) -> Option<Vec<String>> {
        let mut choices = 0;
        let mut differing = Vec::new();
        let fixed = card
            .fixed
            .iter()
            .filter(|(key, _)| !arm.axis_values.contains_key(*key));
        for (key, theirs) in fixed.chain(&arm.axis_values) {
            let ours = self.0.get(key);
            let same = ours.is_some_and(|ours| alike(key, ours, theirs));
            if CHOICES.contains(&key.as_str()) {
                // Where the gradient is not shrunk, its path is no choice.
                if key == "egs.path" && self.is_whole("egs.alpha") {
                    continue;
                }
                if !same {
                    return None;
                }
                choices += 1;
            } else if !same
                && !INDIFFERENT
                    .iter()
                    .any(|name| key.split('.').next() == Some(name))
            {
                differing.push(key.clone());
            }
        }
        (choices > 0).then_some(differing)
    }

    fn is_whole(&self, key: &str) -> bool {
        self.0.get(key).and_then(Value::as_f64) == Some(1.0)
    }
}

/// Values alike in what matters: warm-up or none, shrink or none, else equal.
fn alike(key: &str, a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => match key {
            "optimizer.warmup_samples" | "objective.z_loss" => (a > 0.0) == (b > 0.0),
            "egs.alpha" => (a < 1.0) == (b < 1.0),
            _ => a == b,
        },
        _ => a == b,
    }
}

/// `model.norm = post, model.layers = 24`.
pub(super) fn words(values: &BTreeMap<String, Value>) -> String {
    let word = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let pairs = values
        .iter()
        .map(|(key, value)| format!("{key} = {}", word(value)));
    pairs.collect::<Vec<_>>().join(", ")
}
