//! A task from its files to what is told of it.

mod ask;
mod files;
mod groups;
mod question;
mod questions;
mod report;
mod seam;
mod texts;
mod values;

pub use groups::OverGroups;
pub use questions::QuestionChance;
pub use report::{FileReport, GroupReport, Report, Seams, Skipped};
pub use values::Metric;

use crate::error::NotFinite;
use crate::item::short_hash;
use crate::model::Model;
use crate::prompt::Layout;
use crate::record::{Record, Records};
use crate::task::{Task, TaskError};
use ask::Asker;
use experiments_text::{TextError, Tokenizer};
use files::Files;
use question::Question;
use std::io;
use std::path::{Path, PathBuf};

/// Rows that go through the model together, where there are as many.
const BATCH_ROWS: usize = 1024;

/// A model, and how texts become rows of it.
pub struct Asked<'a> {
    /// The model.
    pub model: &'a mut dyn Model,
    /// Its tokens.
    pub tokenizer: &'a Tokenizer,
    /// How it was shown texts.
    pub layout: Layout,
}

/// How a task is asked.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Folder of all data.
    pub data: &'a Path,
    /// Items of each file at the most, or of each group that its rows name: the first ones.
    pub limit: Option<usize>,
    /// Solved items before each; the task says where none are given.
    pub shots: Option<usize>,
    /// By which solved items are drawn.
    pub seed: u64,
    /// Whether the file of records also has what was read of each item, and the log-probability of every token of its answers.
    pub log_samples: bool,
}

impl Options<'_> {
    /// A short name for everything that results depend on, with a hash of the weights.
    #[must_use]
    pub fn key(&self, task: &Task, weights: &str) -> String {
        let data = self.data.canonicalize();
        let data = data.unwrap_or_else(|_| self.data.to_owned());
        let mut rest = format!("{:?} {:?} {}", self.limit, self.shots, self.seed);
        if self.log_samples {
            rest += " samples";
        }
        short_hash(&[weights, &task.text, &rest, &*data.to_string_lossy()])
    }
}

/// Why an evaluation did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// The task or its data.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The model.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
    /// A text cannot be written in tokens.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The file of records.
    #[error("cannot write `{}`: {source}", path.display())]
    Records {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Asks all items of a task. What became of each is written to the file `records`, and not asked again where it is there. `on_item` is told how many are done, and how many there are; false stops, and none is returned.
///
/// # Errors
/// If the task or its data cannot be used, the model's predictions are no numbers, or results cannot be written.
pub fn evaluate(
    asked: &mut Asked,
    task: &Task,
    options: &Options,
    records: &Path,
    on_item: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Option<Report>, EvaluateError> {
    let written = |source| EvaluateError::Records {
        path: records.to_owned(),
        source,
    };
    let files = Files::read(task, options)?;
    let mut records = Records::open(records).map_err(written)?;
    let log_samples = options.log_samples;
    let mut asker = Asker {
        asked,
        task,
        log_samples,
    };
    let questions = asker.questions(&files)?;
    if questions.is_empty() {
        return Err(files.nothing(task).into());
    }
    let (mut done, total) = (0, questions.len());
    let mut open: Vec<&Question> = Vec::new();
    for question in &questions {
        let known = records.get(&question.file, question.line, question.part);
        // What could not be asked by an earlier version is asked now.
        let is_known = |record: &Record| record.is_of(&question.item) && question.fits(record);
        if known.is_some_and(is_known) {
            done += 1;
        } else {
            open.push(question);
        }
    }
    if !on_item(done, total) {
        return Ok(None);
    }
    let mut rest = open.as_slice();
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(batch_len(rest));
        rest = after;
        for record in asker.answer(batch)? {
            records.append(record).map_err(written)?;
        }
        done += batch.len();
        if !on_item(done, total) {
            return Ok(None);
        }
    }
    Ok(Some(Report::of(
        task, options, &files, &questions, &records,
    )))
}

/// Questions of the next batch: one at least, and as many as have few enough rows.
fn batch_len(questions: &[&Question]) -> usize {
    let mut rows = 0;
    let fitting = questions.iter().take_while(|question| {
        rows += question.rows();
        rows <= BATCH_ROWS
    });
    fitting.count().max(1)
}

#[cfg(test)]
mod tests;
