//! GLM-130B's model, whose run some defaults are taken from.

use experiments_config::{Config, load_preset};

/// The configuration that this program ships of it.
pub(crate) fn preset() -> Option<Config> {
    load_preset("glm-130b", &[]).ok()
}

/// Whether a configuration has this model's shape.
#[must_use]
pub fn is_glm_130b(config: &Config) -> bool {
    preset().is_some_and(|known| {
        let mut model = config.model.clone();
        model.init = known.model.init.clone();
        model == known.model && config.tokenizer.vocab_size == known.tokenizer.vocab_size
    })
}
