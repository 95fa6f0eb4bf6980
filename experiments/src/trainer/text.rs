//! What a run reads: its corpus and its tasks.

use crate::error::TrainError;
use experiments_config::{Config, DataConfig, TasksConfig, TokenizerConfig};
use experiments_text::tasks::TaskMixture;
use experiments_text::{Cache, Corpus};
use std::sync::{Arc, Mutex, PoisonError};

/// Text and tasks, tokenised alike.
pub(crate) struct Text {
    pub(crate) corpus: Corpus,
    /// With `tasks.sources`.
    pub(super) tasks: Option<TaskMixture>,
}

/// What a text is made from.
type Origin = (DataConfig, TokenizerConfig, TasksConfig, usize);

/// Texts that runs of one process share, so that many runs hold one copy.
#[derive(Default)]
pub(super) struct Texts {
    prepared: Mutex<Vec<(Origin, Arc<Text>)>>,
}

impl Texts {
    /// [`Text::prepare`], once for all runs that read the same.
    pub(super) fn prepare(&self, config: &Config, cache: &Cache) -> Result<Arc<Text>, TrainError> {
        let origin = (
            config.data.clone(),
            config.tokenizer.clone(),
            config.tasks.clone(),
            // Decides whether a text is long enough.
            config.model.seq_len,
        );
        // Held while a text is made: the others wait for it instead of making it again.
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, text)) = prepared.iter().find(|(known, _)| *known == origin) {
            return Ok(text.clone());
        }
        let text = Arc::new(Text::prepare(config, cache)?);
        prepared.push((origin, text.clone()));
        Ok(text)
    }
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
