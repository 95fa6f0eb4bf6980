//! What is asked of a model, item by item, and whether a record can be what became of it.

use super::files::TaskFile;
use super::texts::Size;
use crate::item::Item;
use crate::prompt::Prompt;
use crate::record::{Outcome, Record};
use crate::rows::Whole;
use crate::sample::Sample;
use crate::score::{Choosing, Window};
use std::sync::Arc;

/// One item, laid out.
pub(super) struct Question {
    pub(super) file: String,
    pub(super) line: u64,
    pub(super) part: u64,
    /// Hash of what it asks.
    pub(super) item: String,
    /// What it is an answer to, beside others.
    pub(super) whole: Whole,
    /// Of a task whose rows name their groups.
    pub(super) group: Option<String>,
    /// Which choice, from 1, has other tokens when it is read with the text before it.
    pub(super) seam: Option<usize>,
    /// Whether its text lost its beginning.
    pub(super) cut: bool,
    pub(super) body: Body,
}

/// How it is asked.
pub(super) enum Body {
    Choices {
        choosing: Choosing,
        label: usize,
        worth: Vec<f64>,
    },
    Generation {
        prompt: Prompt,
        targets: Vec<String>,
    },
    Window {
        tokens: Arc<Vec<u32>>,
        window: Window,
        size: Size,
    },
    Skipped(String),
}

impl Question {
    /// One of which nothing else is to be said.
    pub(super) fn plain(file: &TaskFile, item: &Item, body: Body) -> Self {
        Self {
            file: file.name.clone(),
            line: item.line,
            part: item.part,
            item: item.hash(),
            whole: item.question,
            group: item.group.clone(),
            seam: None,
            cut: false,
            body,
        }
    }

    /// Rows of the model that it takes, about.
    pub(super) fn rows(&self) -> usize {
        match &self.body {
            Body::Choices { choosing, .. } => choosing.rows(),
            Body::Generation { prompt, .. } => prompt.len(),
            Body::Window { window, .. } => window.predicted.end - window.given.start,
            Body::Skipped(_) => 0,
        }
    }

    /// What a choice is worth, 0 to 1; nothing where it is none.
    pub(super) fn worth(&self, choice: usize) -> f64 {
        match &self.body {
            Body::Choices { worth, .. } => worth.get(choice).copied().unwrap_or(0.0),
            Body::Generation { .. } | Body::Window { .. } | Body::Skipped(_) => 0.0,
        }
    }

    /// What guessing is worth, 0 to 1, where there are choices.
    pub(super) fn chance(&self) -> Option<f64> {
        match &self.body {
            Body::Choices { worth, .. } => {
                Some(worth.iter().sum::<f64>() / worth.len().max(1) as f64)
            }
            Body::Generation { .. } | Body::Window { .. } | Body::Skipped(_) => None,
        }
    }

    /// What an answer may say.
    pub(super) fn targets(&self) -> &[String] {
        match &self.body {
            Body::Generation { targets, .. } => targets,
            Body::Choices { .. } | Body::Window { .. } | Body::Skipped(_) => &[],
        }
    }

    /// How long the text is that it is a window of.
    pub(super) fn size(&self) -> Option<Size> {
        match &self.body {
            Body::Window { size, .. } => Some(*size),
            Body::Choices { .. } | Body::Generation { .. } | Body::Skipped(_) => None,
        }
    }

    /// Whether this can be what became of it: a file may be damaged, or of an earlier version, which could not ask what is asked now.
    pub(super) fn fits(&self, record: &Record) -> bool {
        match (&self.body, &record.outcome) {
            (
                Body::Choices {
                    choosing, label, ..
                },
                Outcome::Choices {
                    chosen,
                    label: told,
                    ..
                },
            ) => told == label && *chosen < choosing.choices.len(),
            (Body::Generation { .. }, Outcome::Answer { exact, f1, .. }) => {
                [exact, f1].iter().all(|share| (0.0..=1.0).contains(*share))
            }
            (Body::Window { window, .. }, Outcome::Window { loss, tokens }) => {
                loss.is_finite() && *tokens == window.predicted.len() as u64
            }
            (Body::Skipped(_), Outcome::Skipped { .. }) => true,
            _ => false,
        }
    }

    pub(super) fn record(&self, (outcome, sample): Found) -> Record {
        Record {
            file: self.file.clone(),
            line: self.line,
            part: self.part,
            item: self.item.clone(),
            cut: self.cut,
            seam: self.seam,
            outcome,
            sample,
        }
    }
}

/// What became of a question, and its sample where those are logged.
pub(super) type Found = (Outcome, Option<Sample>);
