//! What is asked of the trainer, and how it ends.

use super::text::Texts;
use crate::pass::packed::PackHandle;
use experiments_config::Config;
use experiments_text::Cache;
use logs::{News, Record};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// What to train, where, and who asks.
pub struct Request<'a> {
    /// Run directory; made if missing, continued if it holds a checkpoint.
    pub directory: &'a Path,
    /// Resolved configuration.
    pub config: &'a Config,
    /// Text and token cache.
    pub cache: &'a Cache,
    /// Version of the program, its commit and whether the tree was changed.
    pub program: (&'a str, Option<&'a str>, Option<bool>),
    /// Languages the corpus was meant to have and lacks.
    pub missing_languages: &'a [String],
    /// Set from outside to stop after the current step.
    pub stop: &'a AtomicBool,
    /// Called with every record.
    pub on_step: &'a mut dyn FnMut(&Record),
    /// Called with what the detectors see, once it is in the run's events.
    pub on_alarm: &'a mut dyn FnMut(&News),
    /// Called with what the user should know, a sentence at a time.
    pub on_notice: &'a mut dyn FnMut(&str),
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All steps are done, or the loss stayed non-finite.
    Finished,
    /// Stopped on request after a checkpoint, or before anything was written; the same request continues.
    Stopped,
    /// The same because of an alarm, with `alarm.action = "stop"`.
    Alarmed,
}

/// What a run shares with the others of its process.
pub(super) struct Shared<'a> {
    /// For passes that are done together.
    pub(super) pack: PackHandle,
    pub(super) texts: &'a Texts,
}
