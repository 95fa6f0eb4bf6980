//! Choices that have other tokens where they stand than apart.
//!
//! A choice is made tokens of its own, behind those of the text. A text that is read whole may be parted elsewhere, within a word or between
//! a word and the space before it, and that is what a model has seen while it was trained. Nothing is changed for that, but it is told.

use experiments_text::{TextError, Tokenizer};

/// The first choice, from 1, that has other tokens when it is read with the text before it, which is asked for up to its blank.
pub(super) fn seam(
    tokenizer: &Tokenizer,
    text: &str,
    choices: &[String],
    tokens: &[Vec<u32>],
) -> Result<Option<usize>, TextError> {
    let end = text.find(experiments_text::SPECIAL[0]);
    let before = last_word(&text[..end.unwrap_or(text.len())]);
    if before.is_empty() {
        return Ok(None);
    }
    let apart = tokenizer.encode(before)?;
    for (number, (choice, tokens)) in (1..).zip(choices.iter().zip(tokens)) {
        let joined = tokenizer.encode(&format!("{before}{choice}"))?;
        if !joined.iter().eq(apart.iter().chain(tokens)) {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

/// The end of a text from the white space before its last word: no token reaches over where letters end and white space begins.
fn last_word(text: &str) -> &str {
    let words = text.trim_end();
    let begin = words.rfind(char::is_whitespace).unwrap_or(0);
    &text[words[..begin].trim_end().len()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_text_begins_before_the_space_of_its_last_word() {
        for (text, end) in [
            ("one two  three", "  three"),
            ("one two \n", " two \n"),
            ("one", "one"),
            ("  ", "  "),
            ("", ""),
            ("问：\n这是什么？", "\n这是什么？"),
        ] {
            assert_eq!(last_word(text), end, "{text:?}");
        }
    }
}
