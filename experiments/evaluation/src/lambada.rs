//! LAMBADA's strategy (`tasks/lambada/task.py` of GLM-130B): an answer does not begin with punctuation, and of all beams that one
//! counts whose first word is followed by punctuation, else the best. The original looks at words between spaces, as its tokenizer
//! puts them around punctuation too; here a word ends where white space or punctuation begins.

use experiments_text::Tokenizer;

/// Tokens that begin with punctuation.
pub(crate) fn never_first(tokenizer: &Tokenizer) -> Vec<u32> {
    let begins = |id: &u32| {
        let text = tokenizer.piece(*id).trim_ascii_start();
        text.first().is_some_and(u8::is_ascii_punctuation)
    };
    (0..tokenizer.special().mask).filter(begins).collect()
}

/// The word of the beam that counts.
pub(crate) fn word(beams: &[String]) -> &str {
    let mut words = beams.iter().map(|text| first_word(text));
    let best = words.clone().next().map_or("", |(word, _)| word);
    words
        .find(|(_, is_closed)| *is_closed)
        .map_or(best, |(word, _)| word)
}

/// The first word, and whether punctuation follows.
fn first_word(text: &str) -> (&str, bool) {
    let text = text.trim_start();
    let ends =
        |c: char| c.is_whitespace() || (c.is_ascii_punctuation() && !matches!(c, '\'' | '-'));
    let end = text.find(ends).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    (
        word,
        rest.trim_start()
            .starts_with(|c: char| c.is_ascii_punctuation()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_beam_counts_whose_word_is_closed() {
        let beams = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(word(&beams(&[" sign and", " Shane , he", "x."])), "Shane");
        assert_eq!(word(&beams(&[" sign and", " Shane"])), "sign");
        assert_eq!(word(&beams(&["don't.", "x."])), "don't");
        assert_eq!(word(&[]), "");
    }

    #[test]
    fn no_answer_begins_with_punctuation() {
        let tokenizer = Tokenizer::bytes().unwrap();
        let banned = never_first(&tokenizer);
        assert!(banned.contains(&u32::from(b'.')) && banned.contains(&u32::from(b'\'')));
        assert!(!banned.contains(&u32::from(b'a')) && !banned.contains(&u32::from(b' ')));
        assert_eq!(banned.len(), 32);
    }
}
