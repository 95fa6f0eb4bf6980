//! The checks for a terminal.

use super::{Preflight, Verdict};
use std::fmt::Write as _;

/// Columns of the terminal.
const WIDTH: usize = 110;

impl Verdict {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Go => "go",
            Self::Warn => "warn",
            Self::NoGo => "NO-GO",
        }
    }
}

impl Preflight {
    /// A table of the checks and the verdict.
    #[must_use]
    pub fn text(&self) -> String {
        let names = self.checks.iter().map(|check| check.name.chars().count());
        let name_width = names.max().unwrap_or(0);
        let indent = 2 + 7 + name_width + 2;
        let mut text = String::new();
        for check in &self.checks {
            let _ = write!(
                text,
                "  {:<7}{:<name_width$}  ",
                check.verdict.name(),
                check.name
            );
            wrap(&mut text, &check.reason, indent);
            if let Some(fix) = &check.fix {
                let _ = write!(text, "{:indent$}", "");
                wrap(&mut text, &format!("→ {fix}"), indent);
            }
        }
        let count = |verdict| {
            self.checks
                .iter()
                .filter(|check| check.verdict == verdict)
                .count()
        };
        let (against, warnings) = (count(Verdict::NoGo), count(Verdict::Warn));
        let _ = writeln!(
            text,
            "\n{}: {} checks, {against} against, {warnings} to look at",
            match self.verdict {
                Verdict::NoGo => "NO-GO",
                Verdict::Go | Verdict::Warn => "GO",
            },
            self.checks.len(),
        );
        text
    }
}

/// Writes words from column `indent` on, breaking lines at [`WIDTH`]; ends the line.
fn wrap(text: &mut String, words: &str, indent: usize) {
    let mut column = indent;
    for (index, word) in words.split(' ').enumerate() {
        let width = word.chars().count();
        if index > 0 && column + 1 + width > WIDTH {
            let _ = write!(text, "\n{:indent$}", "");
            column = indent;
        } else if index > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text.push('\n');
}
