//! What a trainer's argument parser takes, as data with its source, and the check against it.

use crate::HandoverError;
use crate::{Argument, Target};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use words::counted;

/// One argument as the trainer's parser declares it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArgumentSpec {
    /// All spellings.
    pub names: Vec<String>,
    /// What it does.
    pub action: Action,
    /// What its values must be; absent means a string.
    #[serde(rename = "type")]
    pub kind: Option<Kind>,
    /// How many values it takes; absent means one.
    pub nargs: Option<Nargs>,
    /// Accepted values.
    pub choices: Option<Vec<String>>,
    /// Value without the argument.
    pub default: Value,
}

/// What the parser does with an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Keeps its values.
    Store,
    /// A switch that turns something on.
    StoreTrue,
    /// A switch that turns something off.
    StoreFalse,
}

/// What the parser reads a value as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// Text, which `choices` may limit.
    Str,
    /// One of `choices`.
    Enum,
}

/// How many values the parser takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Nargs {
    /// So many.
    Exactly(usize),
    /// As many as there are.
    Open(OpenNargs),
}

/// Any number of values, or one at the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum OpenNargs {
    /// None is enough.
    #[serde(rename = "*")]
    Any,
    /// One is enough.
    #[serde(rename = "+")]
    Some,
}

/// The arguments of one trainer that hand-overs use.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArgumentTable {
    /// The trainer.
    pub trainer: String,
    /// Where the arguments were read.
    pub source: String,
    /// Commit they were read at.
    pub commit: String,
    /// The arguments.
    pub arguments: Vec<ArgumentSpec>,
    #[serde(skip)]
    target: String,
}

impl ArgumentTable {
    pub(crate) fn parse(target: Target, text: &str) -> Result<Self, HandoverError> {
        let mut table: Self = serde_json::from_str(text).map_err(|error| HandoverError::Table {
            file: format!("{target}.json"),
            line: error.line(),
            problem: error.to_string(),
        })?;
        target.name().clone_into(&mut table.target);
        Ok(table)
    }

    /// The declaration of `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&ArgumentSpec> {
        let mut specs = self.arguments.iter();
        specs.find(|spec| spec.names.iter().any(|n| n == name))
    }

    /// Refuses what the parser would refuse, and what it would silently read otherwise than meant.
    pub fn check<'a>(
        &self,
        arguments: impl IntoIterator<Item = &'a Argument>,
    ) -> Result<(), HandoverError> {
        let mut seen = BTreeSet::new();
        for argument in arguments {
            let problem = match self.find(&argument.name) {
                None => Some(self.unknown(&argument.name)),
                Some(spec) if !seen.insert(spec.names[0].clone()) => {
                    Some("it is given twice".to_owned())
                }
                Some(spec) => spec.problem(argument),
            };
            if let Some(problem) = problem {
                let words = argument.values.iter().map(|value| format!(" {value}"));
                return Err(HandoverError::Argument {
                    target: self.target.clone(),
                    argument: format!("{}{}", argument.name, words.collect::<String>()),
                    problem,
                });
            }
        }
        Ok(())
    }

    fn unknown(&self, name: &str) -> String {
        let names = self.arguments.iter().flat_map(|spec| &spec.names);
        format!(
            "no such argument at {}{}",
            self.commit,
            words::hint(name, names)
        )
    }
}

impl ArgumentSpec {
    fn problem(&self, argument: &Argument) -> Option<String> {
        let values = &argument.values;
        match self.action {
            Action::StoreTrue | Action::StoreFalse => {
                (!values.is_empty()).then(|| "it is a switch and takes no value".to_owned())
            }
            Action::Store => self
                .count_problem(values.len())
                .or_else(|| values.iter().find_map(|value| self.value_problem(value))),
        }
    }

    fn count_problem(&self, count: usize) -> Option<String> {
        let (right, expected) = match self.nargs {
            Some(Nargs::Open(OpenNargs::Any)) => return None,
            Some(Nargs::Open(OpenNargs::Some)) => (count > 0, "at least 1 value".to_owned()),
            Some(Nargs::Exactly(exact)) => (count == exact, counted(exact as u64, "value")),
            None => (count == 1, counted(1, "value")),
        };
        (!right).then(|| format!("{count} values, expected {expected}"))
    }

    fn value_problem(&self, value: &str) -> Option<String> {
        let number = value.parse::<f64>().ok().filter(|n| n.is_finite());
        if value.starts_with('-') && number.is_none() {
            return Some(format!("`{value}` would be read as another argument"));
        }
        if value.contains(['\n', '\r', '\0']) {
            return Some("a value must be one line".to_owned());
        }
        let (right, expected) = match self.kind {
            Some(Kind::Int) => (value.parse::<i64>().is_ok(), "a whole number"),
            Some(Kind::Float) => (number.is_some(), "a finite number"),
            Some(Kind::Enum) => (self.choices.is_some(), "listed: the table has no choices"),
            Some(Kind::Str) | None => (true, "text"),
        };
        if !right {
            return Some(format!("`{value}` is not {expected}"));
        }
        let choices = self.choices.as_ref()?;
        let listed = choices.iter().any(|choice| choice == value);
        (!listed).then(|| format!("`{value}` is not one of {}", choices.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(target: Target, name: &str, values: &[&str]) -> Option<String> {
        let argument = Argument {
            name: name.to_owned(),
            values: values.iter().map(|&v| v.to_owned()).collect(),
        };
        let checked = target.table().unwrap().check([&argument]);
        checked.err().map(|error| error.to_string())
    }

    #[test]
    fn what_the_parser_takes_passes_and_everything_else_is_named() {
        let fork = Target::MegatronDeepspeed;
        for (name, values) in [
            ("--num-layers", &["70"][..]),
            ("--deepnorm", &[]),
            ("--rampup-batch-size", &["192", "24", "5493164"]),
            ("--position-embedding-type", &["rotary"]),
            ("--lr", &["8e-5"]),
        ] {
            assert_eq!(problem(fork, name, values), None);
        }
        for (name, values, says) in [
            ("--num-layer", &["70"][..], "did you mean `--num-layers`?"),
            ("--num-layers", &["7.5"], "not a whole number"),
            ("--num-layers", &[], "expected 1 value"),
            ("--deepnorm", &["true"], "switch"),
            ("--lr", &["NaN"], "not a finite number"),
            ("--position-embedding-type", &["rope"], "not one of rotary"),
            ("--save", &["--load"], "another argument"),
            ("--skip-train-iteration-range", &[], "at least 1"),
        ] {
            let text = problem(fork, name, values).unwrap();
            assert!(text.contains(says) && text.contains(name), "{text}");
        }
        let ramp = problem(Target::MegatronCore, "--rampup-batch-size", &["192", "24"]);
        assert!(ramp.unwrap().contains("expected 3 values"));
    }

    #[test]
    fn twice_is_once_too_often() {
        let argument = Argument {
            name: "--deepnorm".to_owned(),
            values: Vec::new(),
        };
        let table = Target::MegatronDeepspeed.table().unwrap();
        let error = table.check([&argument, &argument]).unwrap_err();
        assert!(error.to_string().contains("twice"), "{error}");
    }

    #[test]
    fn tables_say_where_they_come_from() {
        for target in Target::ALL {
            let table = target.table().unwrap();
            assert!(!table.source.is_empty() && !table.commit.is_empty());
            for spec in &table.arguments {
                let listed = spec.kind != Some(Kind::Enum) || spec.choices.is_some();
                assert!(listed, "{spec:?}");
            }
        }
    }

    /// What this program does not know how to check is refused, not taken for text.
    #[test]
    fn an_action_a_type_or_a_count_that_nobody_knows_is_no_table() {
        let table = |action: &str, kind: &str, nargs: &str| {
            let text = format!(
                r#"{{"trainer": "t", "source": "s", "commit": "c", "arguments": [{{"names": ["--a"],
                    "action": "{action}", "type": {kind}, "nargs": {nargs}, "choices": null, "default": null}}]}}"#
            );
            ArgumentTable::parse(Target::MegatronCore, &text)
        };
        assert!(table("store", "\"int\"", "\"+\"").is_ok());
        for (action, kind, nargs) in [
            ("append", "null", "null"),
            ("store", "\"complex\"", "null"),
            ("store", "null", "\"?\""),
            ("store", "null", "-1"),
        ] {
            assert!(
                table(action, kind, nargs).is_err(),
                "{action} {kind} {nargs}"
            );
        }
    }
}
