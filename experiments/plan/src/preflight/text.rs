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
            let name = &check.name;
            let head = format!("  {:<7}{name:<name_width$}  ", check.verdict.name());
            text.push_str(&words::hanging(&head, &check.reason, indent, WIDTH));
            if let Some(fix) = &check.fix {
                let head = format!("{:indent$}→ ", "");
                text.push_str(&words::hanging(&head, fix, indent, WIDTH));
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
