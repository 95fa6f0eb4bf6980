//! Text of files, cards, messages and paths, made safe to print.
//!
//! A terminal obeys some characters instead of showing them: an escape sequence in a metric's name or a
//! card's title can hide, forge or recolour what stands beside it. This is the one place that knows which
//! characters these are.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

/// `text` with every character that a terminal would obey written as `\u001b`: control characters but the
/// line feed and the tab, and the marks that turn the direction of writing.
///
/// The form is the escape of JSON and of TOML's basic strings: a document of either holds the same values
/// as before.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    replace(text, |c| is_obeyed(c) && c != '\n' && c != '\t')
}

/// [`printable`], for a cell of a table: line feeds and tabs are written as `\u000a` and `\u0009` too.
#[must_use]
pub fn printable_line(text: &str) -> Cow<'_, str> {
    replace(text, is_obeyed)
}

/// A path on one line, made safe to print. What is not UTF-8 in it becomes U+FFFD.
#[must_use]
pub fn printable_path(path: &Path) -> String {
    printable_line(&path.to_string_lossy()).into_owned()
}

/// C0 with DEL, C1 (of which U+009B alone begins a sequence), and the embeddings, overrides and isolates
/// of the Unicode Bidirectional Algorithm (UAX 9, table of explicit formatting characters).
fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn replace(text: &str, hide: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&hide) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hide(c) {
            // All of them have at most four digits. Writing to a string does not fail.
            let _ = write!(shown, "\\u{:04x}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        let evil = "a\u{1b}[31mred\u{7}\r\u{9b}2J\u{7f}\u{202e}";
        assert_eq!(
            printable(evil),
            "a\\u001b[31mred\\u0007\\u000d\\u009b2J\\u007f\\u202e"
        );
        let good = "Größe 学习 → 3·10⁻⁵\n\tnext line";
        assert!(matches!(printable(good), Cow::Borrowed(text) if text == good));
        assert_eq!(printable_line("a\nb\tc"), "a\\u000ab\\u0009c");
        assert_eq!(printable_path(Path::new("a\nb.log")), "a\\u000ab.log");
    }

    #[test]
    fn a_json_document_keeps_its_values() {
        let value = "\\\u{1b}\u{9b}\u{202e}\\";
        // serde_json escapes only what is below U+0020.
        let text = serde_json::to_string(value).unwrap();
        assert!(text.contains('\u{9b}'));
        let shown = printable(&text);
        assert!(!shown.contains('\u{9b}'));
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), value);
    }
}
