//! Jinja templates that make samples of rows.

use super::{Prompt, TaskError};
use crate::json_lines::listed;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use serde_json::Map;
use std::collections::BTreeMap;
use std::path::Path;

/// Names that templates have without any row.
const GLOBALS: [&str; 5] = ["loop", "range", "dict", "namespace", "debug"];

/// A list inside a row: `NAME in EXPRESSION`.
struct Each {
    name: String,
    expression: String,
}

/// The templates of one set.
pub(super) struct Prompter {
    environment: Environment<'static>,
    each: Vec<Each>,
    /// Names in the environment of the templates of input and target.
    prompts: Vec<(String, String)>,
}

/// What a row's names stand for.
type Scope = BTreeMap<String, Value>;

/// A line of a file, for messages.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) path: &'a Path,
    pub(super) line: u64,
}

impl Place<'_> {
    pub(super) fn wrong(self, message: String) -> TaskError {
        TaskError::Line {
            path: self.path.to_owned(),
            line: self.line,
            message,
        }
    }
}

impl Prompter {
    /// Compiles the templates of the set called `set`.
    pub(super) fn new(set: &str, each: &[String], prompts: &[Prompt]) -> Result<Self, TaskError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let wrong = |template: &str, message: String| TaskError::Syntax {
            set: set.to_owned(),
            template: template.to_owned(),
            message,
        };
        let mut names = Vec::new();
        for (index, prompt) in prompts.iter().enumerate() {
            let number = match prompts.len() {
                1 => String::new(),
                _ => format!(" {}", index + 1),
            };
            let (input, target) = (format!("input{number}"), format!("target{number}"));
            for (name, source) in [(&input, &prompt.input), (&target, &prompt.target)] {
                environment
                    .add_template_owned(name.clone(), source.clone())
                    .map_err(|error| wrong(name, describe(&error)))?;
            }
            names.push((input, target));
        }
        let each = each.iter().map(|text| {
            let (name, expression) = (text.split_once(" in "))
                .ok_or_else(|| wrong("each", format!("`{text}` is not `NAME in EXPRESSION`")))?;
            environment
                .compile_expression_owned(expression.to_owned())
                .map_err(|error| wrong("each", describe(&error)))?;
            Ok(Each {
                name: name.trim().to_owned(),
                expression: expression.to_owned(),
            })
        });
        let each = each.collect::<Result<_, _>>()?;
        Ok(Self {
            environment,
            each,
            prompts: names,
        })
    }

    /// Text and target of every sample of a row, also those that came out empty.
    pub(super) fn fill(
        &self,
        row: Map<String, serde_json::Value>,
        place: Place<'_>,
    ) -> Result<Vec<(String, String)>, TaskError> {
        let row = row.into_iter();
        let mut scopes: Vec<Scope> = vec![row.map(|(k, v)| (k, Value::from(Serde(v)))).collect()];
        for each in &self.each {
            let mut deeper = Vec::new();
            for scope in scopes {
                for item in self.list(each, &scope, place)? {
                    let mut scope = scope.clone();
                    scope.insert(each.name.clone(), item);
                    deeper.push(scope);
                }
            }
            scopes = deeper;
        }
        let mut samples = Vec::with_capacity(scopes.len() * self.prompts.len());
        for scope in &scopes {
            let context = Value::from(scope.clone());
            for (input, target) in &self.prompts {
                samples.push((
                    self.render(input, &context, scope, place)?,
                    self.render(target, &context, scope, place)?,
                ));
            }
        }
        Ok(samples)
    }

    fn list(&self, each: &Each, scope: &Scope, place: Place<'_>) -> Result<Vec<Value>, TaskError> {
        let context = Value::from(scope.clone());
        let expression = self.environment.compile_expression(&each.expression);
        let list = expression.and_then(|expression| expression.eval(context));
        let items = match list {
            Ok(list) if list.is_undefined() => Err("the row has no such list".to_owned()),
            Ok(list) => list.try_iter().map_err(|error| describe(&error)),
            Err(error) => Err(describe(&error)),
        };
        let items = items.map_err(|message| {
            let message = format!("`{}` gives no list: {message}", each.expression);
            failed(place, "each", &message, scope)
        })?;
        Ok(items.collect())
    }

    fn render(
        &self,
        name: &str,
        context: &Value,
        scope: &Scope,
        place: Place<'_>,
    ) -> Result<String, TaskError> {
        let template = self.environment.get_template(name);
        template
            .and_then(|template| template.render(context))
            .map(|text| text.trim().to_owned())
            .map_err(|error| {
                let message = match error.kind() {
                    ErrorKind::UndefinedError => self.missing(name, context, scope),
                    _ => format!("cannot be filled: {}", describe(&error)),
                };
                failed(place, name, &message, scope)
            })
    }

    /// What a template asks for and a row has not.
    fn missing(&self, name: &str, context: &Value, scope: &Scope) -> String {
        let asked = self.environment.get_template(name);
        let asked = asked.map_or_else(|_| Default::default(), |t| t.undeclared_variables(true));
        let mut missing: Vec<String> = (asked.into_iter())
            .filter(|path| {
                let first = path.split('.').next().unwrap_or_default();
                !has(context, path) && (scope.contains_key(first) || !GLOBALS.contains(&first))
            })
            .collect();
        missing.sort();
        match missing.first() {
            Some(first) => {
                let hint = words::hint(first, scope.keys());
                format!(
                    "needs {}, which the row has not{hint}",
                    words::quoted(&missing)
                )
            }
            None => "looks up something that is not there, such as a label that its table has not \
                     or a value beyond the end of a list"
                .to_owned(),
        }
    }
}

/// Whether a dotted path leads to a value.
fn has(context: &Value, path: &str) -> bool {
    let mut value = context.clone();
    path.split('.').all(|name| {
        value = value.get_attr(name).unwrap_or_default();
        !value.is_undefined()
    })
}

fn failed(place: Place<'_>, template: &str, message: &str, scope: &Scope) -> TaskError {
    let fields = listed(scope.keys().map(String::as_str));
    TaskError::Render {
        path: place.path.to_owned(),
        line: place.line,
        template: template.to_owned(),
        message: format!("{message} (fields of the row: {fields})"),
    }
}

/// The library's message without the name of the template.
fn describe(error: &Error) -> String {
    let kind = error.kind();
    let line = error.line().map_or_else(String::new, |line| {
        format!(" (line {line} of the template)")
    });
    match error.detail() {
        Some(detail) => format!("{kind}: {detail}{line}"),
        None => format!("{kind}{line}"),
    }
}

#[cfg(test)]
mod tests;
