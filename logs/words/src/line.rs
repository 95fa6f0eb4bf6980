//! Parts of a sentence, and breaking one into lines.

use crate::thousands;
use unicode_width::UnicodeWidthStr;

/// `1 run`, `2 runs`, `1,024 micro-batches`.
#[must_use]
pub fn counted(count: u64, noun: &str) -> String {
    let ending = match noun {
        _ if count == 1 => "",
        noun if ["ch", "sh", "s", "x"].iter().any(|end| noun.ends_with(end)) => "es",
        _ => "s",
    };
    format!("{} {noun}{ending}", thousands(count))
}

/// `` `a`, `b` ``.
pub fn quoted<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let names = names.into_iter().map(|name| format!("`{}`", name.as_ref()));
    names.collect::<Vec<_>>().join(", ")
}

/// At most `most` characters, the last of them `…` where something is left out.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept = text.chars().take(most.saturating_sub(1));
    kept.chain(['…']).collect()
}

/// At most `most` columns, the last of them `…` where something is left out.
#[must_use]
pub fn cut_columns(text: &str, most: usize) -> String {
    if text.width() <= most {
        return text.to_owned();
    }
    let mut kept = String::new();
    for letter in text.chars() {
        kept.push(letter);
        if kept.width() >= most {
            kept.pop();
            break;
        }
    }
    kept.push('…');
    kept
}

/// `head` and `words`, broken into lines of at most `width` columns of which all but the first are
/// indented by `indent`. Every line is ended. A word that is wider stands alone.
#[must_use]
pub fn hanging(head: &str, words: &str, indent: usize, width: usize) -> String {
    let mut text = head.to_owned();
    let mut column = head.width();
    for (index, word) in words.split(' ').enumerate() {
        if index > 0 && column + 1 + word.width() > width {
            text.push('\n');
            text.push_str(&" ".repeat(indent));
            column = indent;
        } else if index > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += word.width();
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_the_rest_is_plural() {
        assert_eq!(
            [0, 1, 2].map(|count| counted(count, "run")),
            ["0 runs", "1 run", "2 runs"]
        );
        assert_eq!(counted(1024, "micro-batch"), "1,024 micro-batches");
        assert_eq!(counted(2, "recorded pass"), "2 recorded passes");
    }

    #[test]
    fn lists_and_long_texts() {
        assert_eq!(quoted(["a", "b"]), "`a`, `b`");
        assert_eq!(cut("Größe", 5), "Größe");
        assert_eq!(cut("Größen", 5), "Größ…");
        assert_eq!(cut("any", 0), "…");
        // Two columns each.
        assert_eq!(cut_columns("学习率", 6), "学习率");
        assert_eq!(cut_columns("学习率", 5), "学习…");
        assert_eq!(cut_columns("学习率", 4), "学…");
    }

    #[test]
    fn lines_are_broken_by_columns_not_by_letters() {
        assert_eq!(
            hanging("- ", "one two three", 4, 9),
            "- one two\n    three\n"
        );
        // Eight columns each.
        assert_eq!(
            hanging("", "学习学习 学习学习", 0, 16),
            "学习学习\n学习学习\n"
        );
        assert_eq!(hanging("", "wide", 0, 2), "wide\n");
    }
}
