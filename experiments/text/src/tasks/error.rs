//! Errors of task sets.

use crate::json_lines::listed;
use std::path::PathBuf;

/// Why a set of prompted tasks cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// A source has neither a name nor a path, or both.
    #[error(
        "`tasks.sources` needs exactly one of `name` (see `workbench tasks list`) and `path` (a file of yours)"
    )]
    NameOrPath,
    /// A source has one template, or has templates beside a catalogue name.
    #[error("`tasks.sources`: `{set}` {message}")]
    Templates {
        /// Name or path.
        set: String,
        /// What is wrong.
        message: &'static str,
    },
    /// A source names no catalogue entry.
    #[error(
        "the task catalogue has no set `{name}` (`workbench tasks list` shows all {count}){hint}"
    )]
    UnknownName {
        /// What was asked for.
        name: String,
        /// `; did you mean ...?` or empty.
        hint: String,
        /// Entries of the catalogue.
        count: usize,
    },
    /// The files of a catalogue entry are not known to the program.
    #[error("the data of the task set `{name}` do not come with the workbench: {how}")]
    NotSupplied {
        /// Catalogue name.
        name: String,
        /// How to supply them.
        how: String,
    },
    /// No folder of task data is known.
    #[error(
        "the task set `{name}` is read from `{file}` in your folder of task data: set WORKBENCH_EVAL_DATA to that folder"
    )]
    NoFolder {
        /// Catalogue name.
        name: String,
        /// Path below the folder.
        file: String,
    },
    /// The file of a catalogue entry is not in the folder.
    #[error(
        "the task set `{name}` has no file `{}` (the folder is that of WORKBENCH_EVAL_DATA); put its training split there", path.display()
    )]
    NoFile {
        /// Catalogue name.
        name: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A path leads to an evaluation split.
    #[error(
        "`{}` is an evaluation split: of the data in WORKBENCH_EVAL_DATA only files called `train*` may be trained on", path.display()
    )]
    EvaluationSplit {
        /// The file.
        path: PathBuf,
    },
    /// A task file has an unknown ending.
    #[error("`{}` is not a task file; expected .jsonl or .json with one object per line, each also as .gz or .zst", path.display())]
    FileKind {
        /// The file.
        path: PathBuf,
    },
    /// A line of a task file is not what it should be.
    #[error("`{}` line {line}: {message}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: u64,
        /// What is wrong and what was expected.
        message: String,
    },
    /// A template is no Jinja.
    #[error("the template `{template}` of the task set `{set}` is wrong: {message}")]
    Syntax {
        /// Name or path of the set.
        set: String,
        /// `input`, `target`, with a number where there are several.
        template: String,
        /// The library's message.
        message: String,
    },
    /// A template cannot be filled from a row.
    #[error("`{}` line {line}: the template `{template}` {message}", path.display())]
    Render {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: u64,
        /// `input`, `target` or `each`, with a number where there are several.
        template: String,
        /// What is missing, and the fields of the row.
        message: String,
    },
    /// A set has no sample.
    #[error(
        "the task set `{set}` has no sample: `{}` has {rows} rows, none with a text and a target", path.display()
    )]
    Empty {
        /// Name or path of the set.
        set: String,
        /// The file.
        path: PathBuf,
        /// Rows of the file.
        rows: u64,
    },
}

impl TaskError {
    /// The error about a row, with the fields of that row which could not be read.
    pub(super) fn beside(mut self, unreadable: &[String]) -> Self {
        if let Self::Line { message, .. } | Self::Render { message, .. } = &mut self
            && !unreadable.is_empty()
        {
            let names = listed(unreadable.iter().map(String::as_str));
            *message = format!("{message}; no JSON, so left out: {names}");
        }
        self
    }
}
