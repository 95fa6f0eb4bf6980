//! Text logs of Megatron-LM, Megatron-DeepSpeed, GPT-NeoX and DeepSpeed.
//!
//! A line of metrics is one of
//! - ` iteration 7000/ 159576 | consumed samples: 260912 | lm loss: 6.444662E+00 | …` (Megatron, NeoX),
//! - ` validation loss at iteration 1000 | lm loss value: 2.9E+00 | …` (Megatron),
//! - `steps: 10 loss: 6.9 iter time (s): 0.5 samples/sec: 30` (DeepSpeed's pipeline engine),
//! - `… step=10, skipped=0, lr=[1e-4], mom=[…]` (DeepSpeed).
//!
//! Any other line is something else that the job printed.

use super::collect::Log;
use super::names::{Columns, number};
use super::{Format, Source};

/// Lines of a training job's output.
#[derive(Debug)]
pub(super) struct TextLog;

impl Format for TextLog {
    fn name(&self) -> &'static str {
        "megatron"
    }

    fn recognises(&self, source: &Source, _: &Columns) -> bool {
        source.lines().any(|(line, whole)| {
            std::str::from_utf8(line).is_ok_and(|line| metrics(line, whole).is_some())
        })
    }

    fn read(&self, source: &Source, _: &Columns) -> Log {
        let mut log = Log::new(true);
        for (line, whole) in source.lines() {
            let Ok(line) = std::str::from_utf8(line) else {
                // Only a line of metrics is a record; what else a job prints may be any bytes.
                let lossy = String::from_utf8_lossy(line);
                log.damaged += u64::from(metrics(&lossy, whole).is_some());
                continue;
            };
            let Some(found) = metrics(line, whole) else {
                continue;
            };
            log.damaged += u64::from(found.unreadable > 0);
            if found.numbers.is_empty() {
                continue;
            }
            log.at(found.step);
            for (name, value) in &found.numbers {
                log.put(name, *value);
            }
        }
        log
    }
}

/// The numbers of one line.
#[derive(Debug, Default)]
struct Metrics {
    step: u64,
    numbers: Vec<(String, f64)>,
    /// Fields whose value is no number.
    unreadable: usize,
}

/// The numbers of a line, if it is one of metrics. `whole`: it has its line end.
fn metrics(line: &str, whole: bool) -> Option<Metrics> {
    piped(line, whole)
        .or_else(|| spaced(line, whole))
        .or_else(|| assigned(line))
}

/// `iteration N/ M | name: value | … |`. A field counts only with its closing bar or the line's end: a
/// number that was cut looks like another number.
fn piped(line: &str, whole: bool) -> Option<Metrics> {
    let mut fields: Vec<&str> = line.split('|').collect();
    if fields.len() < 2 {
        return None;
    }
    let (at, step) = fields
        .iter()
        .enumerate()
        .find_map(|(at, field)| Some((at, iteration(field)?)))?;
    if !whole {
        fields.pop();
    }
    let mut found = Metrics {
        step,
        ..Metrics::default()
    };
    for (place, field) in fields.iter().enumerate() {
        if place == at {
            continue;
        }
        let Some((name, value)) = field.rsplit_once(':') else {
            continue;
        };
        // A line that breaks off behind a name has no value there: the field is missing.
        if value.trim().is_empty() {
            continue;
        }
        match number(value) {
            Some(value) => found.numbers.push(renamed(name.trim(), value)),
            None => found.unreadable += 1,
        }
    }
    Some(found)
}

/// The N of `iteration N/ M` or `at iteration N`.
fn iteration(field: &str) -> Option<u64> {
    let (_, rest) = field.split_once("iteration ")?;
    let rest = rest.trim_start();
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (number, behind) = rest.split_at(digits);
    let ends = behind.starts_with('/') || behind.trim().is_empty();
    number.parse().ok().filter(|_| ends)
}

/// Megatron's milliseconds as the seconds that a record has; everything else as it is.
fn renamed(name: &str, value: f64) -> (String, f64) {
    // What stands before the name on the line, such as a rank or a date, is no part of it.
    match name {
        "elapsed time per iteration (ms)" => ("step_seconds".to_owned(), value / 1000.0),
        "elapsed time per iteration (s)" => ("step_seconds".to_owned(), value),
        name => (name.to_owned(), value),
    }
}

/// `steps: 10 loss: 6.9 iter time (s): 0.5 samples/sec: 30`.
fn spaced(line: &str, whole: bool) -> Option<Metrics> {
    let (_, rest) = line.split_once("steps: ")?;
    let (step, rest) = rest.split_once(' ')?;
    let mut found = Metrics {
        step: step.parse().ok()?,
        ..Metrics::default()
    };
    let mut words: Vec<&str> = rest.split_whitespace().collect();
    if !whole {
        words.pop();
    }
    let mut name = String::new();
    for word in words {
        match (name.strip_suffix(':'), number(word)) {
            (Some(named), Some(value)) => {
                let named = if named == "iter time (s)" {
                    "step_seconds"
                } else {
                    named
                };
                found.numbers.push((named.to_owned(), value));
                name.clear();
            }
            (Some(_), None) => {
                found.unreadable += 1;
                name.clear();
            }
            (None, _) => {
                if !name.is_empty() {
                    name.push(' ');
                }
                name.push_str(word);
            }
        }
    }
    found
        .numbers
        .iter()
        .any(|(name, _)| name == "loss")
        .then_some(found)
}

/// `step=10, skipped=0, lr=[1e-4, 1e-4], mom=[…]`: DeepSpeed's learning rate of the first group, and how many
/// steps it has skipped so far.
fn assigned(line: &str) -> Option<Metrics> {
    let (_, rest) = line.split_once("step=")?;
    let (step, rest) = rest.split_once(", skipped=")?;
    let (skipped, rest) = rest.split_once(", lr=[")?;
    let (rate, _) = rest.split_once([',', ']'])?;
    Some(Metrics {
        step: step.parse().ok()?,
        numbers: vec![
            ("skipped so far".to_owned(), number(skipped)?),
            ("lr".to_owned(), number(rate)?),
        ],
        unreadable: 0,
    })
}
