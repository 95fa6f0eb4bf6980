//! Learning merges from a bounded sample of the training text.

use super::{Merge, failed};
use crate::source_text::SourceText;
use crate::{SPECIAL, TextError};
use experiments_config::TokenizerConfig;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, Trainer};

/// Slices of a source that the sample is made of, spread evenly over it.
const SLICES: usize = 64;

/// Longest word that merges are learnt from, bytes; a longer one counts as several. Each merge moves
/// the rest of its word, so that the time grows with the square of its length: 400 kB without a
/// space took two minutes.
const LONGEST_WORD: usize = 2048;

/// Merges in the order in which they were learnt, so many that the vocabulary is full or no pair
/// occurs twice.
pub(super) fn merges(
    config: &TokenizerConfig,
    texts: &mut [SourceText],
) -> Result<Vec<Merge>, TextError> {
    let mut sample = Vec::new();
    let languages: Vec<String> = texts
        .iter()
        .map(|text| text.language().to_owned())
        .collect();
    for text in texts.iter_mut() {
        let of_language = languages.iter().filter(|l| *l == text.language()).count();
        let (documents, _) = text.split()?;
        sample.extend(slices(&documents, config.sample_bytes / of_language));
    }
    let byte_level = ByteLevel::new(false, true, true);
    let words = |text: &str| {
        let mut words = PreTokenizedString::from(text);
        byte_level.pre_tokenize(&mut words)?;
        let splits = words.get_splits(OffsetReferential::Original, OffsetType::None);
        Ok(splits
            .into_iter()
            .flat_map(|(word, _, _)| cut(word))
            .collect())
    };
    let mut trainer = BpeTrainer::builder()
        .show_progress(false)
        .vocab_size(config.vocab_size - SPECIAL.len())
        .min_frequency(2)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    trainer
        .feed(sample.iter(), words)
        .map_err(failed("trained"))?;
    let mut model = BPE::default();
    trainer.train(&mut model).map_err(failed("trained"))?;
    // The merges are private to the model; its JSON form, a stable file format, has them.
    let mut json = serde_json::to_value(&model).map_err(|e| failed("trained")(e.into()))?;
    serde_json::from_value(json["merges"].take()).map_err(|e| failed("trained")(e.into()))
}

/// A word, in the alphabet of one character a byte, in parts of [`LONGEST_WORD`].
fn cut(word: &str) -> Vec<String> {
    if word.len() <= LONGEST_WORD {
        return vec![word.to_owned()];
    }
    let characters: Vec<char> = word.chars().collect();
    let parts = characters.chunks(LONGEST_WORD);
    parts.map(|part| part.iter().collect()).collect()
}

/// About `budget` bytes of the documents: all, or evenly spaced slices.
fn slices(documents: &[&str], budget: usize) -> Vec<String> {
    let total: usize = documents.iter().map(|document| document.len()).sum();
    if total <= budget {
        return documents
            .iter()
            .map(|document| (*document).to_owned())
            .collect();
    }
    let whole = documents.join("\n");
    (0..SLICES)
        .map(|index| {
            let start = whole.floor_char_boundary(whole.len() / SLICES * index);
            let end = whole.floor_char_boundary(start + budget / SLICES);
            whole[start..end].to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_WORD, cut, slices};

    /// A file without spaces must not take minutes, and words of any language stay whole.
    #[test]
    fn long_words_are_cut_and_nothing_is_lost() {
        let word = "åb".repeat(LONGEST_WORD);
        let parts = cut(&word);
        assert_eq!(parts.concat(), word);
        let longest = parts.iter().map(|part| part.chars().count()).max();
        assert_eq!(longest, Some(LONGEST_WORD));
        assert_eq!(cut(&word[..30]), [&word[..30]]);
    }

    /// The sample must be bounded, or training takes minutes, and come from everywhere.
    #[test]
    fn samples_are_bounded_and_spread() {
        let documents = ["天".repeat(5_000), "b".repeat(15_000)];
        let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
        let sample = slices(&documents, 2_000).concat();
        assert!(sample.len() <= 2_000 && sample.len() > 1_700);
        assert!(sample.contains('天') && sample.contains('b'));
        assert_eq!(slices(&documents, 40_000), documents);
    }
}
