//! The keys of a task file, taken out one by one; what is left over is unknown.

use super::error::TaskError;
use super::{Kind, Templates};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// The original's classes that are known, and whether one is LAMBADA's.
const MODULES: [(&str, bool); 5] = [
    ("evaluation.MultiChoiceTask", false),
    ("evaluation.GenerationTask", false),
    ("evaluation.LanguageModelTask", false),
    ("tasks.mmlu.task.MMLU", false),
    ("tasks.lambada.task.LAMBADA", true),
];

/// Metrics of questions that have several items.
const OF_QUESTIONS: [&str; 2] = ["EM", "F1a"];

/// Every key of any task.
const KNOWN: [&str; 29] = [
    "name",
    "type",
    "path",
    "module",
    "metrics",
    "use_task_mask",
    "use_multitask_encoding",
    "unidirectional",
    "max_seq_length",
    "file_pattern",
    "micro_batch_size",
    "no_tokenized",
    "sampling_strategy",
    "num_beams",
    "length_penalty",
    "no_repeat_ngram_size",
    "min_gen_length",
    "max_gen_length",
    "generation_length",
    "inputs",
    "choices",
    "choice_list",
    "label",
    "target",
    "target_list",
    "for_each",
    "shots",
    "shots_from",
    "source",
];

pub(super) struct Keys {
    file: PathBuf,
    map: Map<String, Value>,
}

impl Keys {
    /// Keys may be written with hyphens or underscores.
    pub(super) fn parse(text: &str, file: &Path) -> Result<Self, TaskError> {
        let syntax = |message: String| TaskError::Syntax {
            path: file.to_owned(),
            message,
        };
        let read: Map<String, Value> =
            serde_norway::from_str(text).map_err(|error| syntax(error.to_string()))?;
        let mut map = Map::new();
        for (key, value) in read {
            let plain = key.replace('-', "_");
            if map.insert(plain.clone(), value).is_some() {
                return Err(syntax(format!(
                    "has `{plain}` twice, with a hyphen and with an underscore"
                )));
            }
        }
        Ok(Self {
            file: file.to_owned(),
            map,
        })
    }

    pub(super) fn wrong(&self, key: &str, found: &str, expected: &str) -> TaskError {
        TaskError::Key {
            path: self.file.clone(),
            key: key.to_owned(),
            found: words::cut(found, 60),
            expected: expected.to_owned(),
        }
    }

    fn take<T: DeserializeOwned>(
        &mut self,
        key: &str,
        expected: &str,
    ) -> Result<Option<T>, TaskError> {
        match self.map.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let found = value.to_string();
                let value = serde_json::from_value(value);
                value
                    .map(Some)
                    .map_err(|_| self.wrong(key, &found, expected))
            }
        }
    }

    pub(super) fn or<T: DeserializeOwned>(
        &mut self,
        key: &str,
        expected: &str,
        absent: T,
    ) -> Result<T, TaskError> {
        Ok(self.take(key, expected)?.unwrap_or(absent))
    }

    pub(super) fn needed<T: DeserializeOwned>(
        &mut self,
        key: &str,
        expected: &str,
    ) -> Result<T, TaskError> {
        let found = self.take(key, expected)?;
        found.ok_or_else(|| TaskError::Missing {
            path: self.file.clone(),
            key: key.to_owned(),
            expected: expected.to_owned(),
        })
    }

    pub(super) fn flag(&mut self, key: &str) -> Result<bool, TaskError> {
        self.or(key, "true or false", false)
    }

    pub(super) fn whole(&mut self, key: &str, absent: usize) -> Result<usize, TaskError> {
        self.or(key, "a whole number", absent)
    }

    /// A whole number above 0.
    pub(super) fn count(&mut self, key: &str, absent: usize) -> Result<usize, TaskError> {
        match self.whole(key, absent)? {
            0 => Err(self.wrong(key, "0", "1 or more")),
            count => Ok(count),
        }
    }

    /// Whether the module is LAMBADA's.
    pub(super) fn module(&mut self) -> Result<bool, TaskError> {
        let Some(name) = self.take::<String>("module", "a module")? else {
            return Ok(false);
        };
        let known = MODULES.iter().find(|(known, _)| *known == name);
        known.map(|(_, is_lambada)| *is_lambada).ok_or_else(|| {
            let all = words::quoted(MODULES.map(|(name, _)| name));
            self.wrong(
                "module",
                &name,
                &format!("one of {all}; other modules are programs in Python"),
            )
        })
    }

    /// Metrics are what a kind of task has anyway, and of choices those of whole questions; others are refused. Tells whether some
    /// of questions are asked for.
    pub(super) fn metrics(
        &mut self,
        kind: &Kind,
        name: &str,
        templates: Option<&Templates>,
    ) -> Result<bool, TaskError> {
        let known: &[&str] = match kind {
            Kind::Choices => &["Accuracy", OF_QUESTIONS[0], OF_QUESTIONS[1]],
            Kind::Generation(_) => &["EM", "F1", "Accuracy"],
            Kind::LanguageModel { .. } => &["PPL", "BPB"],
        };
        let asked: Vec<String> = self.or("metrics", "a list of names", Vec::new())?;
        if let Some(other) = asked.iter().find(|asked| !known.contains(&asked.as_str())) {
            let expected = format!("{} of type `{name}`", words::quoted(known));
            return Err(self.wrong("metrics", other, &expected));
        }
        let mut of_questions = asked
            .iter()
            .filter(|asked| OF_QUESTIONS.contains(&asked.as_str()));
        let Some(asked) = of_questions.next().filter(|_| *kind == Kind::Choices) else {
            return Ok(false);
        };
        let is_fit = |t: &Templates| t.choices.len() == 2 && !t.for_each.is_empty();
        if !templates.is_some_and(is_fit) {
            let expected = "`for_each`, which makes questions of a row and items of these, and two `choices` beside it, no and yes";
            return Err(self.wrong("metrics", asked, expected));
        }
        Ok(true)
    }

    pub(super) fn groups(&mut self, kind: &Kind) -> Result<Vec<(String, String)>, TaskError> {
        let usual = match kind {
            Kind::Choices | Kind::Generation(_) => "**/*.json*",
            // Running text has no rows.
            Kind::LanguageModel { .. } => "**/*",
        };
        let expected = "a pattern such as `**/*.jsonl`, or groups with one each";
        let value: Value = self.or("file_pattern", expected, usual.into())?;
        let group = |(name, pattern): (String, Value)| {
            let pattern = pattern.as_str().map(str::to_owned);
            pattern.map(|pattern| (name, pattern))
        };
        let groups = match value {
            Value::String(pattern) => Some(vec![("all".to_owned(), pattern)]),
            Value::Object(groups) if !groups.is_empty() => groups.into_iter().map(group).collect(),
            _ => None,
        };
        groups.ok_or_else(|| self.wrong("file_pattern", "something else", expected))
    }

    /// `FROM=TO`
    pub(super) fn shots_from(&mut self) -> Result<Option<(String, String)>, TaskError> {
        let expected = "`FROM=TO`, what stands for what in the path of a file, such as `test=dev`";
        let Some(text) = self.take::<String>("shots_from", expected)? else {
            return Ok(None);
        };
        let parts = text.split_once('=').filter(|(from, _)| !from.is_empty());
        let parts = parts.map(|(from, to)| (from.to_owned(), to.to_owned()));
        parts
            .map(Some)
            .ok_or_else(|| self.wrong("shots_from", &text, expected))
    }

    /// A list of `NAME in LIST`.
    fn for_each(&mut self) -> Result<Vec<(String, String)>, TaskError> {
        let expected = "a list of `NAME in LIST`, such as `question in passage.questions`";
        let all: Vec<String> = self.or("for_each", expected, Vec::new())?;
        let part = |text: &String| {
            let parts = text.split_once(" in ");
            let parts = parts.map(|(name, list)| (name.trim().to_owned(), list.to_owned()));
            parts.ok_or_else(|| self.wrong("for_each", text, expected))
        };
        all.iter().map(part).collect()
    }

    pub(super) fn templates(&mut self, kind: &Kind) -> Result<Option<Templates>, TaskError> {
        // Where the rows are from, for readers of the file.
        self.take::<String>("source", "a text")?;
        let inputs: Option<String> = self.take("inputs", "a template")?;
        let templates = Templates {
            inputs: inputs.clone().unwrap_or_default(),
            choices: self.or("choices", "a list of templates", Vec::new())?,
            choice_list: self.take("choice_list", "an expression")?,
            label: self.take("label", "an expression")?,
            target: self.take("target", "a template")?,
            target_list: self.take("target_list", "an expression")?,
            for_each: self.for_each()?,
        };
        let has_target = templates.target.is_some() != templates.target_list.is_some();
        let no_target = templates.target.is_none() && templates.target_list.is_none();
        let has_choices = templates.choice_list.is_some() == templates.choices.is_empty();
        let has_none = templates.choice_list.is_none() && templates.choices.is_empty();
        let fits = match kind {
            Kind::Choices => has_choices && templates.label.is_some() && no_target,
            Kind::Generation(_) => has_target && templates.label.is_none() && has_none,
            Kind::LanguageModel { .. } => false,
        };
        match inputs {
            None if templates == Templates::default() => Ok(None),
            Some(_) if fits => Ok(Some(templates)),
            _ => Err(self.wrong("inputs", "incomplete", "`inputs` with `choices` or `choice_list`, and `label`, in a task of type `mul`; `inputs` with `target` or `target_list` in one of type `gen`; none of them where rows are items already")),
        }
    }

    /// Complains about what no one took.
    pub(super) fn finish(self, kind: &str) -> Result<(), TaskError> {
        let Some(key) = self.map.keys().next() else {
            return Ok(());
        };
        let problem = if KNOWN.contains(&key.as_str()) {
            format!("is no key of a task of type `{kind}`")
        } else {
            format!("is unknown{}", words::hint(key, KNOWN))
        };
        Err(TaskError::Unknown {
            path: self.file.clone(),
            key: key.clone(),
            problem,
        })
    }
}
