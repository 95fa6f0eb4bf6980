//! What a model is asked, made of rows.

use crate::rows::{Row, Whole};
use crate::task::{Kind, Task, TaskError, Templates};
use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{Environment, UndefinedBehavior};
use std::path::Path;

/// One question.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    /// Line of its file, from 1.
    pub(crate) line: u64,
    /// As in [`Row`].
    pub(crate) part: u64,
    /// As in [`Row`].
    pub(crate) question: Whole,
    pub(crate) inputs: String,
    pub(crate) ask: Ask,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ask {
    /// Which of several.
    Choices {
        choices: Vec<String>,
        /// Place of the right one.
        label: usize,
    },
    /// Anything that one of these says.
    Targets(Vec<String>),
}

impl Item {
    /// A short name for what is asked and what is right.
    pub(crate) fn hash(&self) -> String {
        let (texts, label) = match &self.ask {
            Ask::Choices { choices, label } => (choices, Some(*label)),
            Ask::Targets(targets) => (targets, None),
        };
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        short_hash(&[&[self.inputs.as_str(), &format!("{label:?}")], &texts[..]].concat())
    }

    /// The text with its right answer: an example for others.
    pub(crate) fn solved(&self) -> String {
        let answer = match &self.ask {
            Ask::Choices { choices, label } => choices.get(*label),
            Ask::Targets(targets) => targets.first(),
        };
        let answer = answer.map(String::as_str).unwrap_or_default();
        match self.inputs.split_once("[MASK]") {
            Some((before, after)) => format!("{before}{answer}{after}"),
            None => format!("{}{answer}", self.inputs),
        }
    }
}

/// Of texts, none of which runs into the next.
pub(crate) fn short_hash(texts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for text in texts {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().to_hex()[..8].to_owned()
}

/// From rows to items.
pub(crate) struct Items<'a> {
    task: &'a Task,
    environment: Environment<'static>,
}

impl<'a> Items<'a> {
    pub(crate) fn new(task: &'a Task) -> Result<Self, TaskError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.add_filter("last_word", |text: &str| last_word(text).1.to_owned());
        environment.add_filter("but_last_word", |text: &str| last_word(text).0.to_owned());
        let items = Self { task, environment };
        for (name, template) in items.templates() {
            items
                .environment
                .template_from_str(template)
                .map_err(|error| items.wrong(&name, &error))?;
        }
        for (name, expression) in items.expressions() {
            items
                .environment
                .compile_expression(expression)
                .map_err(|error| items.wrong(name, &error))?;
        }
        Ok(items)
    }

    fn templates(&self) -> Vec<(String, &str)> {
        let Some(Templates {
            inputs,
            choices,
            target,
            ..
        }) = &self.task.templates
        else {
            return Vec::new();
        };
        let mut all = vec![("inputs".to_owned(), inputs.as_str())];
        all.extend(
            (1..)
                .zip(choices)
                .map(|(number, text)| (format!("choices {number}"), text.as_str())),
        );
        all.extend(
            target
                .iter()
                .map(|text| ("target".to_owned(), text.as_str())),
        );
        all
    }

    fn expressions(&self) -> Vec<(&'static str, &str)> {
        let Some(templates) = &self.task.templates else {
            return Vec::new();
        };
        let named = [
            ("choice_list", &templates.choice_list),
            ("label", &templates.label),
            ("target_list", &templates.target_list),
        ];
        let named = named
            .into_iter()
            .filter_map(|(name, text)| Some((name, text.as_deref()?)));
        let lists = templates.for_each.iter();
        let lists = lists.map(|(_, list)| ("for_each", list.as_str()));
        named.chain(lists).collect()
    }

    fn wrong(&self, template: &str, error: &minijinja::Error) -> TaskError {
        TaskError::Template {
            path: self.task.file.clone(),
            template: template.to_owned(),
            problem: format!("cannot be read: {error}"),
        }
    }

    /// The items of a file's rows.
    pub(crate) fn of(&self, file: &Path, rows: Vec<Row>) -> Result<Vec<Item>, TaskError> {
        let items = |row: Row| {
            let line = row.line;
            let items = match &self.task.templates {
                Some(templates) => self.parts(templates, row).and_then(|rows| {
                    let filled = rows
                        .into_iter()
                        .map(|row| self.filled(templates, file, row));
                    filled.collect()
                }),
                None => self.ready(&row).map(|item| vec![item]),
            };
            items.map_err(|problem| TaskError::Row {
                path: file.to_owned(),
                line,
                problem,
            })
        };
        let all: Vec<Vec<Item>> = rows.into_iter().map(items).collect::<Result<_, _>>()?;
        Ok(all.into_iter().flatten().collect())
    }

    /// The rows that `for_each` makes of one.
    fn parts(&self, templates: &Templates, row: Row) -> Result<Vec<Row>, String> {
        let mut rows = vec![row];
        for (name, list) in &templates.for_each {
            let mut longer = Vec::new();
            for row in rows {
                let found = self.value("for_each", list, &scope(&row.fields))?;
                let found: Vec<Value> = entries("for_each", &found)?.collect();
                let question = Whole {
                    number: row.part,
                    items: found.len(),
                };
                for entry in found {
                    let entry = serde_json::to_value(entry);
                    let entry =
                        entry.map_err(|error| format!("does not fill `for_each`: {error}"))?;
                    let mut row = row.clone();
                    row.fields.insert(name.clone(), entry);
                    row.part = longer.len() as u64 + 1;
                    row.question = question;
                    longer.push(row);
                }
            }
            rows = longer;
        }
        Ok(rows)
    }

    /// What an expression comes to.
    fn value(&self, name: &str, expression: &str, scope: &Value) -> Result<Value, String> {
        let value = self
            .environment
            .compile_expression(expression)
            .and_then(|e| e.eval(scope.clone()));
        value.map_err(|error| format!("does not fill `{name}`: {error}"))
    }

    /// A row that is an item already.
    fn ready(&self, row: &Row) -> Result<Item, String> {
        let inputs = string(row, "inputs_pretokenized")?;
        let ask = match self.task.kind {
            Kind::Choices => {
                let choices = strings(row, "choices_pretokenized")?;
                let label = row.fields.get("label").and_then(serde_json::Value::as_u64);
                let label = label.ok_or("has no `label` that is a whole number")?;
                checked(choices, label as usize)?
            }
            Kind::Generation(_) | Kind::LanguageModel { .. } => {
                Ask::Targets(strings(row, "targets_pretokenized")?)
            }
        };
        Ok(Item {
            line: row.line,
            part: row.part,
            question: row.question,
            inputs,
            ask,
        })
    }

    fn filled(&self, templates: &Templates, file: &Path, row: Row) -> Result<Item, String> {
        let (line, part, question) = (row.line, row.part, row.question);
        let stem = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut fields = row.fields;
        fields.insert("file_stem".to_owned(), stem.into());
        let scope = scope(&fields);
        let text = |name: &str, template: &str| {
            let text = self.environment.render_str(template, scope.clone());
            text.map_err(|error| format!("does not fill `{name}`: {error}"))
        };
        let inputs = text("inputs", &templates.inputs)?;
        let list = |name: &str, expression: &str| -> Result<Vec<String>, String> {
            let found = self.value(name, expression, &scope)?;
            let texts = entries(name, &found)?;
            Ok(texts.map(|text| text.to_string()).collect())
        };
        let ask = if let Some(target) = &templates.target {
            Ask::Targets(vec![text("target", target)?])
        } else if let Some(targets) = &templates.target_list {
            let targets = list("target_list", targets)?;
            if targets.is_empty() {
                return Err("has no target: `target_list` is empty".to_owned());
            }
            Ask::Targets(targets)
        } else {
            let choices = match &templates.choice_list {
                Some(choices) => list("choice_list", choices)?,
                None => templates
                    .choices
                    .iter()
                    .map(|choice| text("choices", choice))
                    .collect::<Result<_, _>>()?,
            };
            let label = templates.label.as_deref().unwrap_or("none");
            let label = self.value("label", label, &scope)?;
            let label: usize = label.clone().try_into().map_err(|_| {
                format!("`label` is {label}, expected the place of a choice, from 0")
            })?;
            checked(choices, label)?
        };
        Ok(Item {
            line,
            part,
            question,
            inputs,
            ask,
        })
    }
}

/// What templates and expressions see of a row.
fn scope(fields: &serde_json::Map<String, serde_json::Value>) -> Value {
    let fields = fields.iter();
    let named = fields.map(|(name, value)| (name.clone(), Value::from(Serde(value.clone()))));
    Value::from(named.collect::<std::collections::BTreeMap<String, Value>>())
}

/// The entries of a list; what is missing, or no list, is not one without entries.
fn entries(name: &str, list: &Value) -> Result<impl Iterator<Item = Value>, String> {
    if !matches!(list.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Err(format!("`{name}` is {}, expected a list", list.kind()));
    }
    let entries = list.try_iter();
    entries.map_err(|error| format!("`{name}` is no list: {error}"))
}

/// Choices among which there is one right answer.
fn checked(choices: Vec<String>, label: usize) -> Result<Ask, String> {
    if label >= choices.len() {
        return Err(format!(
            "has the label {label}, expected one of 0 to {}: there are {} choices",
            choices.len().saturating_sub(1),
            choices.len()
        ));
    }
    let mut known = choices.clone();
    known.sort_unstable();
    if let Some([twice, ..]) = known.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!(
            "has the choice `{}` twice, so that none of them can be right",
            words::cut(twice, 60)
        ));
    }
    Ok(Ask::Choices { choices, label })
}

fn string(row: &Row, key: &str) -> Result<String, String> {
    match row.fields.get(key) {
        Some(serde_json::Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(format!(
            "has `{key}` = {}, expected a text",
            words::cut(&other.to_string(), 60)
        )),
        None => {
            let ids = key.trim_end_matches("_pretokenized");
            let problem = if row.fields.contains_key(ids) {
                format!("; `{ids}` holds token ids of another vocabulary")
            } else {
                words::hint(key, row.fields.keys())
            };
            Err(format!("has no `{key}`{problem}"))
        }
    }
}

/// A list of texts, or one text.
fn strings(row: &Row, key: &str) -> Result<Vec<String>, String> {
    let Some(serde_json::Value::Array(list)) = row.fields.get(key) else {
        return Ok(vec![string(row, key)?]);
    };
    let texts = list.iter().map(|text| text.as_str().map(str::to_owned));
    let texts: Option<Vec<String>> = texts.collect();
    texts.ok_or_else(|| format!("has `{key}` with something that is no text"))
}

/// A text before its last word, and the word; white space between them is dropped.
fn last_word(text: &str) -> (&str, &str) {
    let text = text.trim_end();
    text.rfind(char::is_whitespace).map_or(("", text), |at| {
        (text[..at].trim_end(), text[at..].trim_start())
    })
}
