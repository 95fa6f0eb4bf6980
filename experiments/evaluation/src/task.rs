//! Tasks: files in the format of GLM-130B's evaluation (`evaluation/configs.py`), with keys of our own that make items of
//! rows as they are published.

mod error;
mod keys;
mod shipped;

pub use error::TaskError;
pub use shipped::{SHIPPED, shipped};

use keys::Keys;
use std::path::{Path, PathBuf};

/// What a task asks for, with what only this kind of task has.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `mul`: the likeliest of several choices.
    Choices,
    /// `gen`: an answer that is compared with targets.
    Generation(Generation),
    /// `lm`: how well running text is predicted.
    LanguageModel {
        /// Tokens of each window that are predicted.
        generation_length: usize,
    },
}

/// How answers are generated and judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// Beams; none takes the likeliest token each time.
    pub beams: Option<usize>,
    /// As in [`crate::Method::Beam`].
    pub length_penalty: f64,
    /// As in [`crate::Decoding`].
    pub no_repeat_ngram: usize,
    /// As in [`crate::Decoding`].
    pub min_tokens: usize,
    /// As in [`crate::Decoding`].
    pub max_tokens: usize,
    /// LAMBADA's strategy (`tasks/lambada/task.py`): no punctuation first, the first word counts.
    pub is_lambada: bool,
    /// Where an answer ends before the model ends it: at the first of these.
    pub stop: Vec<String>,
}

/// What tells of a generated answer whether it is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judge {
    /// It says the same as a target.
    Exact,
    /// Words in common with a target.
    F1,
    /// Words in common with a target in the same order.
    RougeL,
}

/// Templates (Jinja) that make an item of a row; a task without them reads rows that are items already.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Templates {
    /// The text.
    pub inputs: String,
    /// Of `mul`: the choices, a template each.
    pub choices: Vec<String>,
    /// In their place an expression that gives a list of them; of `gen` none where a row is answered in words.
    pub choice_list: Option<String>,
    /// An expression that gives the place of the right choice.
    pub label: Option<String>,
    /// In its place an expression that gives a list of what each choice is worth, 0 to 1.
    pub worth: Option<String>,
    /// Of `gen`: a template for the target.
    pub target: Option<String>,
    /// In its place an expression that gives a list of them.
    pub target_list: Option<String>,
    /// Names, and expressions that give lists: of a row an item for every entry of the first list, of each of these one for every entry
    /// of the next, and so on.
    pub for_each: Vec<(String, String)>,
    /// An expression that gives the name of a row's group.
    pub group: Option<String>,
}

/// A task.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key of a file, and says one thing"
)]
pub struct Task {
    /// As it is called in tables.
    pub name: String,
    /// The file it is written in, for messages.
    pub file: PathBuf,
    /// What its text hashes to: results of another text are not continued.
    pub text: String,
    /// What it asks for.
    pub kind: Kind,
    /// Folder of its data, below the folder of all data.
    pub path: PathBuf,
    /// Groups and the patterns of their files below `path`. Where [`Templates::group`] names groups there is one of these.
    pub groups: Vec<(String, Vec<String>)>,
    /// What groups weigh in the mean over them; all the same where it is empty.
    pub weights: Vec<(String, f64)>,
    /// Whether scores are also told between chance and all, and their mean over groups.
    pub normalised: bool,
    /// By what generated answers are judged then: of a group, or of all that are not named.
    pub judged_by: Vec<(Option<String>, Judge)>,
    /// Whether answers go behind `[gMASK]` instead of into `[MASK]`.
    pub use_task_mask: bool,
    /// Whether the text is read from left to right.
    pub unidirectional: bool,
    /// Slots at the most; fewer where the model has fewer.
    pub max_seq_length: usize,
    /// From rows to items.
    pub templates: Option<Templates>,
    /// Whether choices are also judged question by question: a question is what the last list of [`Templates::for_each`] makes items of.
    pub by_question: bool,
    /// Solved items before each.
    pub shots: usize,
    /// What stands for what in a file's path, to find the file that they are from; the file itself where it is absent.
    pub shots_from: Option<(String, String)>,
}

impl Task {
    /// The task of a file.
    ///
    /// # Errors
    /// If the file cannot be read, or says what is no task.
    pub fn load(file: &Path) -> Result<Self, TaskError> {
        let text = logs::disk::read_text(file).map_err(|source| TaskError::Read {
            path: file.to_owned(),
            source,
        })?;
        Self::parse(&text, file)
    }

    /// The task of a text; `file` is where it is from.
    ///
    /// # Errors
    /// If it says what is no task.
    pub fn parse(text: &str, file: &Path) -> Result<Self, TaskError> {
        let mut keys = Keys::parse(text, file)?;
        let kind_name: String = keys.needed("type", "`mul`, `gen` or `lm`")?;
        let module = keys.module()?;
        let kind = match kind_name.as_str() {
            "mul" => Kind::Choices,
            "gen" => Kind::Generation(generation(&mut keys, module)?),
            "lm" => Kind::LanguageModel {
                generation_length: keys.count("generation_length", 256)?,
            },
            other => {
                return Err(keys.wrong("type", other, "`mul`, `gen` or `lm`"));
            }
        };
        let use_task_mask = keys.flag("use_task_mask")?;
        let unidirectional = keys.flag("unidirectional")?;
        if unidirectional && !use_task_mask {
            return Err(keys.wrong(
                "unidirectional",
                "true",
                "`use_task_mask: true` beside it: `[MASK]` is read both ways",
            ));
        }
        if keys.flag("use_multitask_encoding")? {
            return Err(keys.wrong(
                "use_multitask_encoding",
                "true",
                "false: GLM-130B's evaluation does not support it",
            ));
        }
        let templates = keys.templates(&kind)?;
        let by_question = keys.metrics(&kind, &kind_name, templates.as_ref())?;
        let by_row = templates.as_ref().is_some_and(|t| t.group.is_some());
        let groups = keys.groups(&kind, by_row)?;
        let normalised = !matches!(kind, Kind::LanguageModel { .. }) && keys.flag("normalised")?;
        let judged_by = match kind {
            Kind::Generation(_) => keys.judged_by()?,
            Kind::Choices | Kind::LanguageModel { .. } => Vec::new(),
        };
        // Of no matter here: batches are made by size, and rows hold text in any case.
        keys.count("micro_batch_size", 1)?;
        keys.flag("no_tokenized")?;
        let task = Self {
            name: keys.needed("name", "a name")?,
            path: PathBuf::from(keys.needed::<String>("path", "a folder")?),
            weights: keys.weights(&groups, by_row)?,
            groups,
            normalised,
            judged_by,
            max_seq_length: keys.count("max_seq_length", 2048)?,
            templates,
            by_question,
            shots: keys.whole("shots", 0)?,
            shots_from: keys.shots_from()?,
            file: file.to_owned(),
            text: text.to_owned(),
            kind,
            use_task_mask,
            unidirectional,
        };
        keys.finish(&kind_name)?;
        Ok(task)
    }

    /// Whether files hold rows, and not running text.
    pub(crate) fn has_items(&self) -> bool {
        match self.kind {
            Kind::Choices | Kind::Generation(_) => true,
            Kind::LanguageModel { .. } => self.templates.is_some(),
        }
    }

    /// Whether rows name their groups.
    pub(crate) fn names_rows(&self) -> bool {
        self.templates.as_ref().is_some_and(|t| t.group.is_some())
    }

    /// By what generated answers of a group are judged.
    pub(crate) fn judge(&self, group: &str) -> Judge {
        let of = |name: Option<&str>| {
            let all = self.judged_by.iter();
            let mut all = all.filter(|(other, _)| other.as_deref() == name);
            all.next().map(|(_, judge)| *judge)
        };
        of(Some(group)).or_else(|| of(None)).unwrap_or(Judge::Exact)
    }
}

fn generation(keys: &mut Keys, is_lambada: bool) -> Result<Generation, TaskError> {
    let strategy: String = keys.or("sampling_strategy", "a strategy", "BaseStrategy".to_owned())?;
    let beams = keys.count("num_beams", 4)?;
    Ok(Generation {
        beams: match strategy.as_str() {
            "BaseStrategy" => None,
            "BeamSearchStrategy" => Some(beams),
            other => {
                let expected = "`BaseStrategy` (the likeliest token) or `BeamSearchStrategy`";
                return Err(keys.wrong("sampling_strategy", other, expected));
            }
        },
        length_penalty: keys.or("length_penalty", "a number", 1.0)?,
        no_repeat_ngram: keys.whole("no_repeat_ngram_size", 3)?,
        min_tokens: keys.whole("min_gen_length", 0)?,
        max_tokens: keys.count("max_gen_length", 128)?,
        is_lambada,
        stop: keys.stop()?,
    })
}

#[cfg(test)]
mod tests;
