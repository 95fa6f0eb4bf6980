//! Command-line arguments as they are collected.

use serde::Serialize;
use std::fmt::{Display, Write as _};

/// One argument with its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Argument {
    /// With its dashes.
    pub name: String,
    /// As strings, in order.
    pub values: Vec<String>,
}

/// Arguments that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// Topic.
    pub title: String,
    /// The arguments.
    pub arguments: Vec<Argument>,
}

/// Collects arguments by topic.
#[derive(Default)]
pub(crate) struct Arguments(Vec<Section>);

impl Arguments {
    /// What follows belongs to `title`.
    pub(crate) fn section(&mut self, title: &str) {
        self.0.push(Section {
            title: title.to_owned(),
            arguments: Vec::new(),
        });
    }

    /// A switch.
    pub(crate) fn flag(&mut self, name: &str) {
        self.push(name, Vec::new());
    }

    /// A switch, if `on`.
    pub(crate) fn flag_if(&mut self, on: bool, name: &str) {
        if on {
            self.flag(name);
        }
    }

    /// An argument with one value.
    pub(crate) fn one(&mut self, name: &str, value: impl Display) {
        self.push(name, vec![value.to_string()]);
    }

    /// An argument with a decimal number.
    pub(crate) fn number(&mut self, name: &str, value: f64) {
        self.push(name, vec![words::number(value)]);
    }

    /// An argument with several values.
    pub(crate) fn many(&mut self, name: &str, values: impl IntoIterator<Item = impl Display>) {
        self.push(name, values.into_iter().map(|v| v.to_string()).collect());
    }

    pub(crate) fn into_sections(self) -> Vec<Section> {
        let filled = |section: &Section| !section.arguments.is_empty();
        self.0.into_iter().filter(filled).collect()
    }

    fn push(&mut self, name: &str, values: Vec<String>) {
        if self.0.is_empty() {
            self.section("general");
        }
        if let Some(section) = self.0.last_mut() {
            section.arguments.push(Argument {
                name: name.to_owned(),
                values,
            });
        }
    }
}

/// The argument file: one argument with its values per line, quoted for the shell, topics as
/// comments.
pub(crate) fn render(sections: &[Section]) -> String {
    let mut text = String::new();
    for section in sections {
        let _ = writeln!(text, "# {}", section.title);
        for argument in &section.arguments {
            text.push_str(&argument.name);
            for value in &argument.values {
                text.push(' ');
                text.push_str(&words::shell_word(value));
            }
            text.push('\n');
        }
    }
    text
}
