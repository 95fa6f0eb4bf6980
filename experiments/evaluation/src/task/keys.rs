//! The keys of a task file, taken out one by one; what is left over is unknown.

use super::error::TaskError;
use super::{Judge, Kind, Templates};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// The original's classes that are known, and whether one is LAMBADA's.
const MODULES: [(&str, bool); 6] = [
    ("evaluation.MultiChoiceTask", false),
    ("evaluation.GenerationTask", false),
    ("evaluation.LanguageModelTask", false),
    ("tasks.language-modeling.pile.Pile", false),
    ("tasks.mmlu.task.MMLU", false),
    ("tasks.lambada.task.LAMBADA", true),
];

/// By what a generated answer can be judged.
const JUDGES: [(&str, Judge); 3] = [
    ("EM", Judge::Exact),
    ("F1", Judge::F1),
    ("ROUGE-L", Judge::RougeL),
];

/// Metrics of questions that have several items.
const OF_QUESTIONS: [&str; 2] = ["EM", "F1a"];

/// Every key of any task.
const KNOWN: [&str; 35] = [
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
    "worth",
    "target",
    "target_list",
    "for_each",
    "group",
    "weights",
    "normalised",
    "judged_by",
    "stop",
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

    /// Groups of files; where rows name their groups there is one pattern, or one list.
    pub(super) fn groups(
        &mut self,
        kind: &Kind,
        by_row: bool,
    ) -> Result<Vec<(String, Vec<String>)>, TaskError> {
        let usual = match kind {
            Kind::Choices | Kind::Generation(_) => "**/*.json*",
            // Running text has no rows.
            Kind::LanguageModel { .. } if by_row => "**/*.json*",
            Kind::LanguageModel { .. } => "**/*",
        };
        let expected = if by_row {
            "a pattern such as `**/*.jsonl`, or a list of them: `group` names the groups"
        } else {
            "a pattern such as `**/*.jsonl`, or a list of them, or groups with one or a list each"
        };
        let value: Value = self.or("file_pattern", expected, usual.into())?;
        let patterns = |value: &Value| -> Option<Vec<String>> {
            let one = value.as_str().map(|pattern| vec![pattern.to_owned()]);
            one.or_else(|| {
                let list = value.as_array().filter(|list| !list.is_empty())?;
                list.iter().map(|p| p.as_str().map(str::to_owned)).collect()
            })
        };
        let groups = match &value {
            Value::Object(groups) if !groups.is_empty() && !by_row => {
                let groups = groups.iter();
                let groups = groups.map(|(name, value)| Some((name.clone(), patterns(value)?)));
                groups.collect()
            }
            other => patterns(other).map(|patterns| vec![("all".to_owned(), patterns)]),
        };
        groups.ok_or_else(|| self.wrong("file_pattern", &value.to_string(), expected))
    }

    /// What groups weigh. The names of groups of files are known.
    pub(super) fn weights(
        &mut self,
        groups: &[(String, Vec<String>)],
        by_row: bool,
    ) -> Result<Vec<(String, f64)>, TaskError> {
        let expected = "groups with a number above 0 each";
        let weights: Map<String, Value> = self.or("weights", expected, Map::new())?;
        let mut all = Vec::new();
        for (name, value) in weights {
            let weight = value
                .as_f64()
                .filter(|weight| *weight > 0.0 && weight.is_finite());
            let Some(weight) = weight else {
                return Err(self.wrong("weights", &format!("{name}: {value}"), expected));
            };
            let known = groups.iter().map(|(known, _)| known.as_str());
            if !by_row && !known.clone().any(|known| known == name) {
                let names = words::quoted(known.clone());
                let expected = format!(
                    "a group of `file_pattern`: {names}{}",
                    words::hint(&name, known)
                );
                return Err(self.wrong("weights", &format!("`{name}`"), &expected));
            }
            all.push((name, weight));
        }
        Ok(all)
    }

    /// One for all answers, or groups with one each.
    pub(super) fn judged_by(&mut self) -> Result<Vec<(Option<String>, Judge)>, TaskError> {
        let names = JUDGES.map(|(name, _)| name);
        let expected = format!("{}, or groups with one each", words::quoted(names));
        let value: Value = self.or("judged_by", &expected, Value::Null)?;
        let judge = |value: &Value| {
            let name = value.as_str()?;
            JUDGES
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, judge)| *judge)
        };
        let all = match &value {
            Value::Null => Some(Vec::new()),
            Value::Object(groups) => {
                let groups = groups.iter();
                let groups = groups.map(|(name, value)| Some((Some(name.clone()), judge(value)?)));
                groups.collect()
            }
            other => judge(other).map(|judge| vec![(None, judge)]),
        };
        all.ok_or_else(|| self.wrong("judged_by", &value.to_string(), &expected))
    }

    /// Texts at which an answer ends.
    pub(super) fn stop(&mut self) -> Result<Vec<String>, TaskError> {
        let expected = "a list of texts, none of them empty";
        let all: Vec<String> = self.or("stop", expected, Vec::new())?;
        if all.iter().any(String::is_empty) {
            return Err(self.wrong("stop", "\"\"", expected));
        }
        Ok(all)
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
            worth: self.take("worth", "an expression")?,
            target: self.take("target", "a template")?,
            target_list: self.take("target_list", "an expression")?,
            for_each: self.for_each()?,
            group: self.take("group", "an expression")?,
        };
        let has_target = templates.target.is_some() != templates.target_list.is_some();
        let no_target = templates.target.is_none() && templates.target_list.is_none();
        let has_choices = templates.choice_list.is_some() == templates.choices.is_empty();
        let has_none = templates.choice_list.is_none() && templates.choices.is_empty();
        // Which choice is right.
        let has_right = templates.label.is_some() != templates.worth.is_some();
        let no_right = templates.label.is_none() && templates.worth.is_none();
        let fits = match kind {
            Kind::Choices => has_choices && has_right && no_target,
            Kind::Generation(_) => {
                // Of some rows, where the list is none of the others.
                let of_some = templates.choice_list.is_some() && has_choices && has_right;
                has_target && ((no_right && has_none) || of_some)
            }
            Kind::LanguageModel { .. } => {
                no_right && no_target && has_none && templates.for_each.is_empty()
            }
        };
        match inputs {
            None if templates == Templates::default() => Ok(None),
            Some(_) if fits => Ok(Some(templates)),
            _ => Err(self.wrong("inputs", "incomplete", "`inputs` with `choices` or `choice_list`, and `label` or `worth`, in a task of type `mul`; `inputs` with `target` or `target_list` in one of type `gen`, where `choice_list` with `label` or `worth` may ask some rows with choices; `inputs` alone, and `group`, in one of type `lm`; none of them where rows are items already")),
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
