//! What a run reads: its corpus and its tasks.

use crate::error::TrainError;
use experiments_config::{Config, DataConfig, TasksConfig, TokenizerConfig};
use experiments_text::tasks::TaskMixture;
use experiments_text::{Cache, Corpus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Time between two looks at the wish to stop while a text is made.
const LOOK: Duration = Duration::from_millis(20);

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
    /// [`Text::prepare_unless`], once for all runs that read the same.
    pub(super) fn prepare_unless(
        &self,
        stop: &AtomicBool,
        config: &Config,
        cache: &Cache,
    ) -> Result<Option<Arc<Text>>, TrainError> {
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
            return Ok(Some(text.clone()));
        }
        let text = Text::prepare_unless(stop, config, cache)?;
        prepared.extend(text.iter().map(|text| (origin.clone(), text.clone())));
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

    /// [`Text::prepare`], or none where `stop` is set before it is done. Merges are learnt by a library
    /// that cannot be stopped, so the work goes on by itself then, until the process ends; what it writes
    /// to the cache is there as a whole or not at all.
    pub(super) fn prepare_unless(
        stop: &AtomicBool,
        config: &Config,
        cache: &Cache,
    ) -> Result<Option<Arc<Self>>, TrainError> {
        let (sender, receiver) = channel();
        let work = {
            let (config, cache) = (config.clone(), cache.clone());
            // Nobody receives it any more after a stop.
            move || drop(sender.send(Self::prepare(&config, &cache)))
        };
        let Ok(work) = thread::Builder::new().name("text".into()).spawn(work) else {
            return Ok(Some(Self::prepare(config, cache)?.into()));
        };
        loop {
            match receiver.recv_timeout(LOOK) {
                Ok(text) => return Ok(Some(text?.into())),
                Err(RecvTimeoutError::Timeout) if stop.load(Ordering::Relaxed) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    // A panic there is a bug of ours; it is shown, not swallowed.
                    return match work.join() {
                        Err(panic) => std::panic::resume_unwind(panic),
                        Ok(()) => Err(TrainError::BrokeOff),
                    };
                }
            }
        }
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
