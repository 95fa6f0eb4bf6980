//! JSON lines: one object per line, with the step among its fields. Inner objects are named `outer.inner`.

use serde_json::{Map, Value};

use super::collect::Log;
use super::names::{Columns, number, step_of};
use super::{Format, Source};

/// How deep inner objects are followed.
const DEEPEST: usize = 8;

/// Objects, one per line.
#[derive(Debug)]
pub(super) struct JsonLines;

impl Format for JsonLines {
    fn name(&self) -> &'static str {
        "jsonl"
    }

    fn recognises(&self, source: &Source, columns: &Columns) -> bool {
        let mut lines = source.lines().map(|(line, _)| line).take(100);
        lines.any(|line| {
            let fields = object(line).map(|object| fields(&object));
            fields.is_some_and(|fields| place_of_step(&fields, columns).is_some())
        })
    }

    fn read(&self, source: &Source, columns: &Columns) -> Log {
        let mut log = Log::new(true);
        for (line, _) in source.lines() {
            let Some(object) = object(line) else {
                log.damaged += 1;
                continue;
            };
            let fields = fields(&object);
            // An object without a step is something else: a configuration, a summary.
            let Some(step) = place_of_step(&fields, columns) else {
                continue;
            };
            let Some(at) = step_of(fields[step].1) else {
                log.damaged += 1;
                continue;
            };
            let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
            let time = columns.time(&names);
            for place in [Some(step), time].into_iter().flatten() {
                log.key(names[place]);
            }
            log.at(at);
            for (place, (name, value)) in fields.iter().enumerate() {
                if Some(place) == time {
                    log.time(*value);
                } else if place != step {
                    log.put(name, *value);
                }
            }
        }
        log
    }
}

fn place_of_step(fields: &[(String, f64)], columns: &Columns) -> Option<usize> {
    let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    columns.step(&names)
}

/// The object of a line. Python writes `NaN` and `Infinity`, which JSON has not.
fn object(line: &[u8]) -> Option<Map<String, Value>> {
    let text = std::str::from_utf8(line).ok()?;
    if !text.trim_start().starts_with('{') {
        return None;
    }
    serde_json::from_str(text)
        .ok()
        .or_else(|| serde_json::from_str(&quote_nonfinite(text)).ok())
}

/// `NaN`, `Infinity` and `-Infinity` outside strings, each as a string.
fn quote_nonfinite(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    let (mut quoted, mut escaped) = (false, false);
    while let Some(next) = rest.chars().next() {
        let word = (!quoted)
            .then(|| {
                ["NaN", "-Infinity", "Infinity"]
                    .into_iter()
                    .find(|w| rest.starts_with(w))
            })
            .flatten();
        if let Some(word) = word {
            out.extend(["\"", word, "\""]);
            rest = &rest[word.len()..];
            continue;
        }
        quoted ^= next == '"' && !escaped;
        escaped = quoted && next == '\\' && !escaped;
        out.push(next);
        rest = &rest[next.len_utf8()..];
    }
    out
}

/// The numbers of an object, with their names. A text counts where it names a number that is not finite.
fn fields(object: &Map<String, Value>) -> Vec<(String, f64)> {
    let mut fields = Vec::new();
    flatten("", object, 0, &mut fields);
    fields
}

fn flatten(prefix: &str, object: &Map<String, Value>, depth: usize, out: &mut Vec<(String, f64)>) {
    for (key, value) in object {
        let name = format!("{prefix}{key}");
        match value {
            Value::Number(found) => out.extend(found.as_f64().map(|value| (name, value))),
            Value::String(text) => {
                let value = number(text).filter(|value| !value.is_finite());
                out.extend(value.map(|value| (name, value)));
            }
            Value::Object(inner) if depth < DEEPEST => {
                flatten(&format!("{name}."), inner, depth + 1, out);
            }
            // A switch, a list, nothing: no number of the step.
            Value::Bool(_) | Value::Array(_) | Value::Null | Value::Object(_) => {}
        }
    }
}
