//! What a run reads: its corpus and its tasks.

use crate::error::TrainError;
use experiments_config::Config;
use experiments_text::tasks::TaskMixture;
use experiments_text::{Cache, Corpus};

/// Text and tasks, tokenised alike.
pub(crate) struct Text {
    pub(super) corpus: Corpus,
    /// With `tasks.sources`.
    pub(super) tasks: Option<TaskMixture>,
}

impl Text {
    pub(crate) fn prepare(config: &Config, cache: &Cache) -> Result<Self, TrainError> {
        let corpus = Corpus::prepare(config, cache, &mut |_| {})?;
        let (found, expected) = (corpus.vocab_size(), config.tokenizer.vocab_size);
        if found > expected {
            return Err(TrainError::Vocabulary { found, expected });
        }
        let tokenizer = corpus.tokenizer();
        let tasks = TaskMixture::prepare(&config.tasks, tokenizer, cache, &mut |_| {})?;
        Ok(Self { corpus, tasks })
    }

    /// Hash of everything that sequences are made from.
    pub(super) fn hash(&self) -> String {
        match &self.tasks {
            None => self.corpus.hash().to_owned(),
            Some(tasks) => {
                let both = format!("{} {}", self.corpus.hash(), tasks.hash());
                blake3::hash(both.as_bytes()).to_hex().to_string()
            }
        }
    }
}
