//! What stays the same over all steps of a run.

use super::text::Text;
use crate::data::Sampler;
use crate::numerics::precision::Precision;
use crate::pass::{Engine, Setting};
use experiments_config::Config;
use experiments_text::tasks::TaskMixture;
use experiments_text::{Corpus, Split};

/// A run's data, and what computes its passes.
pub(crate) struct Training<'a> {
    /// With the values that scheduled keys have at the start.
    pub(crate) config: &'a Config,
    corpus: &'a Corpus,
    tasks: Option<&'a TaskMixture>,
    precision: Precision,
    engine: Box<dyn Engine>,
}

impl<'a> Training<'a> {
    pub(crate) fn new(config: &'a Config, text: &'a Text, engine: Box<dyn Engine>) -> Self {
        Self {
            config,
            corpus: &text.corpus,
            tasks: text.tasks.as_ref(),
            precision: Precision::new(&config.precision, config.model.layers),
            engine,
        }
    }

    /// Sequences for the values that `config` has now.
    pub(crate) fn sampler<'s>(&'s self, config: &'s Config, split: Split) -> Sampler<'s> {
        Sampler {
            config,
            corpus: self.corpus,
            tasks: self.tasks,
            split,
            seed: config.seed,
            step: None,
        }
    }

    /// What computes the passes.
    pub(crate) fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    /// Passes for the values that `config` has now.
    pub(crate) fn setting<'s>(&'s self, config: &'s Config) -> Setting<'s> {
        Setting {
            config,
            precision: &self.precision,
            engine: &*self.engine,
        }
    }
}
