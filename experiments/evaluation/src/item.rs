//! What a model is asked, made of rows.

use crate::model::largest;
use crate::rows::{BARE, Row, Whole};
use crate::task::{Kind, Task, TaskError, Templates};
use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{Environment, UndefinedBehavior};
use std::collections::BTreeMap;
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
    /// What the task's `group` says of it.
    pub(crate) group: Option<String>,
    pub(crate) inputs: String,
    pub(crate) ask: Ask,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ask {
    /// Which of several.
    Choices {
        choices: Vec<String>,
        /// Place of the right one, or of the first of those that are worth most.
        label: usize,
        /// What each is worth, 0 to 1.
        worth: Vec<f64>,
    },
    /// Anything that one of these says.
    Targets(Vec<String>),
    /// Its text is what is predicted.
    Text,
    /// Nothing, since the row does not tell what is right.
    Nothing(String),
}

impl Item {
    /// A short name for what is asked and what is right.
    pub(crate) fn hash(&self) -> String {
        let (texts, label): (&[String], _) = match &self.ask {
            Ask::Choices { choices, label, .. } => (choices, Some(*label)),
            Ask::Targets(targets) => (targets, None),
            Ask::Text | Ask::Nothing(_) => (&[], None),
        };
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        short_hash(&[&[self.inputs.as_str(), &format!("{label:?}")], &texts[..]].concat())
    }

    /// The text with its right answer: an example for others. None of what has no answer.
    pub(crate) fn solved(&self) -> Option<String> {
        let answer = match &self.ask {
            Ask::Choices { choices, label, .. } => choices.get(*label),
            Ask::Targets(targets) => targets.first(),
            Ask::Text | Ask::Nothing(_) => None,
        }?;
        Some(match self.inputs.split_once("[MASK]") {
            Some((before, after)) => format!("{before}{answer}{after}"),
            None => format!("{}{answer}", self.inputs),
        })
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
            ("worth", &templates.worth),
            ("target_list", &templates.target_list),
            ("group", &templates.group),
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

    /// The items of a file's rows, as many as that at the most: of a large file the others are not even made.
    pub(crate) fn of(
        &self,
        file: &Path,
        rows: Vec<Row>,
        most: usize,
    ) -> Result<Vec<Item>, TaskError> {
        let mut all = Vec::new();
        for row in rows {
            let left = most - all.len();
            if left == 0 {
                break;
            }
            let line = row.line;
            let items = match &self.task.templates {
                Some(templates) => self.parts(templates, file, row).and_then(|parts| {
                    let parts = parts.into_iter().take(left);
                    let filled = parts.map(|part| self.filled(templates, &part));
                    filled.collect()
                }),
                None => self.ready(&row).map(|item| vec![item]),
            };
            let items: Vec<Item> = items.map_err(|problem| TaskError::Row {
                path: file.to_owned(),
                line,
                problem,
            })?;
            all.extend(items);
        }
        Ok(all)
    }

    /// What `for_each` makes of a row. All share the fields of the row, which may be a whole file.
    fn parts(&self, templates: &Templates, file: &Path, row: Row) -> Result<Vec<Made>, String> {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let fields = row.fields.into_iter();
        let fields = fields.map(|(name, value)| (name, Value::from(Serde(value))));
        let mut scope: Scope = fields.collect();
        scope.insert("file_stem".to_owned(), Value::from(stem.into_owned()));
        let mut parts = vec![Made {
            line: row.line,
            part: row.part,
            question: row.question,
            scope,
        }];
        for (name, list) in &templates.for_each {
            let mut longer = Vec::new();
            for part in parts {
                let found = self.value("for_each", list, &part.scope())?;
                let found: Vec<Value> = entries("for_each", &found)?.collect();
                let question = Whole {
                    number: part.part,
                    items: found.len(),
                };
                for entry in found {
                    let mut scope = part.scope.clone();
                    scope.insert(name.clone(), entry);
                    longer.push(Made {
                        line: part.line,
                        part: longer.len() as u64 + 1,
                        question,
                        scope,
                    });
                }
            }
            parts = longer;
        }
        Ok(parts)
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
            group: None,
            inputs,
            ask,
        })
    }

    fn filled(&self, templates: &Templates, part: &Made) -> Result<Item, String> {
        let scope = part.scope();
        let inputs = self.text("inputs", &templates.inputs, &scope)?;
        let group = templates.group.as_deref();
        let group = group.map(|group| self.group(group, &scope)).transpose()?;
        let ask = match &self.task.kind {
            Kind::LanguageModel { .. } => Ask::Text,
            Kind::Choices | Kind::Generation(_) => match self.choices(templates, &scope)? {
                Some(choices) => self.right(templates, &scope, choices)?,
                None => Ask::Targets(self.targets(templates, &scope)?),
            },
        };
        Ok(Item {
            line: part.line,
            part: part.part,
            question: part.question,
            group,
            inputs,
            ask,
        })
    }

    fn text(&self, name: &str, template: &str, scope: &Value) -> Result<String, String> {
        let text = self.environment.render_str(template, scope.clone());
        text.map_err(|error| format!("does not fill `{name}`: {error}"))
    }

    fn list(&self, name: &str, expression: &str, scope: &Value) -> Result<Vec<String>, String> {
        let found = self.value(name, expression, scope)?;
        let texts = entries(name, &found)?;
        Ok(texts.map(|text| text.to_string()).collect())
    }

    /// The name of the group that a row belongs to.
    fn group(&self, expression: &str, scope: &Value) -> Result<String, String> {
        let found = self.value("group", expression, scope)?;
        match found.kind() {
            ValueKind::String | ValueKind::Number => Ok(found.to_string()),
            kind => Err(format!("`group` is {kind}, expected a name")),
        }
    }

    /// None of a row that is answered in words.
    fn choices(&self, templates: &Templates, scope: &Value) -> Result<Option<Vec<String>>, String> {
        let Some(expression) = &templates.choice_list else {
            let choices = templates.choices.iter();
            let choices = choices.map(|choice| self.text("choices", choice, scope));
            let choices: Vec<String> = choices.collect::<Result<_, _>>()?;
            return Ok((!choices.is_empty()).then_some(choices));
        };
        let is_mixed = matches!(self.task.kind, Kind::Generation(_));
        if is_mixed && self.value("choice_list", expression, scope)?.is_none() {
            return Ok(None);
        }
        self.list("choice_list", expression, scope).map(Some)
    }

    /// Which of the choices is right, or what each is worth.
    fn right(
        &self,
        templates: &Templates,
        scope: &Value,
        choices: Vec<String>,
    ) -> Result<Ask, String> {
        if let Some(worth) = &templates.worth {
            let found = self.value("worth", worth, scope)?;
            let worth: Vec<Value> = entries("worth", &found)?.collect();
            return valued(choices, &worth);
        }
        let label = templates.label.as_deref().unwrap_or("none");
        let label = self.value("label", label, scope)?;
        if label.is_none() {
            return Ok(Ask::Nothing(
                "does not tell which choice is right: `label` is none".to_owned(),
            ));
        }
        let place = match label.as_str() {
            Some(text) => choices.iter().position(|choice| choice == text),
            None => usize::try_from(label.clone()).ok(),
        };
        let place = place.ok_or_else(|| {
            format!("`label` is {label}, expected the place of a choice, from 0, or its text")
        })?;
        checked(choices, place)
    }

    fn targets(&self, templates: &Templates, scope: &Value) -> Result<Vec<String>, String> {
        if let Some(target) = &templates.target {
            return Ok(vec![self.text("target", target, scope)?]);
        }
        let targets = templates.target_list.as_deref().unwrap_or("[]");
        let targets = self.list("target_list", targets, scope)?;
        if targets.is_empty() {
            return Err("has no target: `target_list` is empty".to_owned());
        }
        Ok(targets)
    }
}

/// What templates and expressions see.
type Scope = BTreeMap<String, Value>;

/// One of what `for_each` makes of a row.
struct Made {
    line: u64,
    part: u64,
    question: Whole,
    scope: Scope,
}

impl Made {
    /// Values share what they hold.
    fn scope(&self) -> Value {
        Value::from(self.scope.clone())
    }
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
    let worth = (0..choices.len()).map(|place| f64::from(u8::from(place == label)));
    let worth = worth.collect();
    Ok(distinct(choices, label, worth))
}

/// Choices each of which is worth something, or nothing.
fn valued(choices: Vec<String>, worth: &[Value]) -> Result<Ask, String> {
    let expected = "expected what each choice is worth, 0 to 1";
    if worth.len() != choices.len() {
        return Err(format!(
            "`worth` has {} entries for {} choices, {expected}",
            worth.len(),
            choices.len()
        ));
    }
    let number = |value: &Value| {
        let number = f64::try_from(value.clone()).ok();
        let number = number.filter(|number| (0.0..=1.0).contains(number));
        number.ok_or_else(|| format!("`worth` has {value}, {expected}"))
    };
    let worth: Vec<f64> = worth.iter().map(number).collect::<Result<_, _>>()?;
    let Some(label) = largest(worth.iter().copied()).filter(|place| worth[*place] > 0.0) else {
        return Ok(Ask::Nothing(
            "has no choice that is worth anything".to_owned(),
        ));
    };
    Ok(distinct(choices, label, worth))
}

/// A choice that is there twice cannot be told from itself.
fn distinct(choices: Vec<String>, label: usize, worth: Vec<f64>) -> Ask {
    let mut known: Vec<&str> = choices.iter().map(String::as_str).collect();
    known.sort_unstable();
    if let Some([twice, ..]) = known.windows(2).find(|pair| pair[0] == pair[1]) {
        return Ask::Nothing(format!(
            "has the choice `{}` twice, so that none of them can be right",
            words::cut(twice, 60)
        ));
    }
    Ask::Choices {
        choices,
        label,
        worth,
    }
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
            } else if row.fields.keys().eq([BARE]) {
                format!(
                    "; `inputs` in the task makes items of what is no object, which it sees as `{BARE}`"
                )
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
