//! What a trainer's argument parser takes, as data with its source, and the check against it.

use crate::HandoverError;
use crate::{Argument, Target};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// One argument as the trainer's parser declares it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArgumentSpec {
    /// All spellings.
    pub names: Vec<String>,
    /// `store`, `store_true` or `store_false`.
    pub action: String,
    /// `int`, `float`, `str`, `enum`; absent means a string.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// `*`, `+` or a count; absent means one value.
    pub nargs: Option<Value>,
    /// Accepted values.
    pub choices: Option<Vec<String>>,
    /// Value without the argument.
    pub default: Value,
}

/// The arguments of one trainer that hand-overs use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
        if self.action != "store" {
            return (!values.is_empty()).then(|| "it is a switch and takes no value".to_owned());
        }
        self.count_problem(values.len())
            .or_else(|| values.iter().find_map(|value| self.value_problem(value)))
    }

    fn count_problem(&self, count: usize) -> Option<String> {
        let (right, expected) = match &self.nargs {
            None => (count == 1, "1 value".to_owned()),
            Some(Value::String(any)) if any == "*" => (true, String::new()),
            Some(Value::String(_)) => (count > 0, "at least 1 value".to_owned()),
            Some(exact) => (
                exact.as_u64() == Some(count as u64),
                format!("{exact} values"),
            ),
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
        let expected = match self.kind.as_deref() {
            Some("int") if value.parse::<i64>().is_err() => "a whole number",
            Some("float") if number.is_none() => "a finite number",
            _ => "",
        };
        if !expected.is_empty() {
            return Some(format!("`{value}` is not {expected}"));
        }
        match &self.choices {
            Some(choices) if !choices.iter().any(|choice| choice == value) => {
                Some(format!("`{value}` is not one of {}", choices.join(", ")))
            }
            _ => None,
        }
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
                assert!(["store", "store_true", "store_false"].contains(&spec.action.as_str()));
                let known = [None, Some("int"), Some("float"), Some("str"), Some("enum")];
                assert!(known.contains(&spec.kind.as_deref()), "{spec:?}");
            }
        }
    }
}
