//! The tokenised mixture that a run trains on and is evaluated on.

use crate::cache::hash_parts;
use crate::source_text::SourceText;
use crate::tokens::Tokens;
use crate::{Cache, SpecialIds, TextError, Tokenizer};
use experiments_config::Config;
use rand::{Rng, RngExt};

/// Sequences that each part of each source must be able to give without overlap.
const MIN_SEQUENCES: usize = 4;

/// The part of every source that is sampled from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// The first `1 - data.held_out` of the text.
    Train,
    /// The rest, never trained on, neither by the model nor by the tokenizer.
    HeldOut,
}

/// A place in the text of a corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// Index into the sources of the configuration.
    pub source: usize,
    /// Its first token, counted from the beginning of the split.
    pub start: usize,
}

/// One source, tokenised.
struct Part {
    /// Index into [`Corpus::languages`].
    language: usize,
    weight: f64,
    tokens: Tokens,
}

/// Tokens of all sources with the tokenizer that made them.
pub struct Corpus {
    parts: Vec<Part>,
    languages: Vec<String>,
    tokenizer: Tokenizer,
    hash: String,
}

impl Corpus {
    /// Loads, or makes and caches, the tokenizer and the tokens of every source. Catalogue texts
    /// must have been got before ([`crate::resolve_sources`]); nothing is fetched here.
    pub fn prepare(
        config: &Config,
        cache: &Cache,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self, TextError> {
        if config.data.sources.is_empty() {
            return Err(TextError::NoText { notes: Vec::new() });
        }
        let held_out = config.data.held_out;
        let mut texts = (config.data.sources.iter())
            .map(|source| SourceText::identify(source, held_out, cache, progress))
            .collect::<Result<Vec<_>, _>>()?;
        let tokenizer = Tokenizer::prepare(&config.tokenizer, &mut texts, cache, progress)?;
        let mut languages: Vec<String> = Vec::new();
        let mut parts = Vec::new();
        for (text, source) in texts.iter_mut().zip(&config.data.sources) {
            let tokens = Tokens::prepare(text, &tokenizer, cache, progress)?;
            text.forget();
            check_length(&tokens, text.origin(), config.model.seq_len)?;
            let known = languages.iter().position(|l| *l == source.language);
            let language = known.unwrap_or_else(|| {
                languages.push(source.language.clone());
                languages.len() - 1
            });
            parts.push(Part {
                language,
                weight: source.weight,
                tokens,
            });
        }
        Ok(Self::from_parts(parts, languages, tokenizer))
    }

    fn from_parts(parts: Vec<Part>, languages: Vec<String>, tokenizer: Tokenizer) -> Self {
        let mut named = vec!["corpus 1".to_owned(), tokenizer.hash().to_owned()];
        for part in &parts {
            named.push(languages[part.language].clone());
            named.push(part.weight.to_bits().to_string());
            named.push(part.tokens.digest().to_owned());
        }
        Self {
            hash: hash_parts(named),
            parts,
            languages,
            tokenizer,
        }
    }

    /// BLAKE3 hash (hex) of the tokens, weights, languages and tokenizer: two runs with the same
    /// hash and seed see the same sequences.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// BLAKE3 hash (hex) of the vocabulary and its merges.
    #[must_use]
    pub fn tokenizer_hash(&self) -> &str {
        self.tokenizer.hash()
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Ids of the special tokens.
    #[must_use]
    pub fn special(&self) -> SpecialIds {
        self.tokenizer.special()
    }

    /// Language codes in the order of their first source.
    #[must_use]
    pub fn languages(&self) -> &[String] {
        &self.languages
    }

    /// Ids of the vocabulary, special tokens included.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.tokenizer.vocab_size()
    }

    /// Tokens of one split over all sources.
    #[must_use]
    pub fn token_count(&self, split: Split) -> usize {
        self.parts.iter().map(|p| p.tokens.range(split).len()).sum()
    }

    /// Fills `out` with exactly `len` consecutive tokens of one source, documents separated by
    /// `<eos>`, and returns the index of its language. The source is drawn by weight, the offset
    /// uniformly. A `len` beyond the whole split (more than `model.seq_len`, for which
    /// [`Corpus::prepare`] made sure) starts over at its beginning.
    pub fn sample(
        &self,
        split: Split,
        rng: &mut impl Rng,
        len: usize,
        out: &mut Vec<u32>,
    ) -> usize {
        let Passage { source, start } = self.passage(split, rng, len);
        let part = &self.parts[source];
        let range = part.tokens.range(split);
        out.clear();
        while out.len() < len {
            let from = range.start + (start + out.len()) % range.len();
            let to = range.end.min(from + len - out.len());
            part.tokens.copy(from..to, out);
        }
        part.language
    }

    /// Where [`Self::sample`] takes its tokens from, by the same draws.
    pub fn passage(&self, split: Split, rng: &mut impl Rng, len: usize) -> Passage {
        let source = self.draw(rng);
        let range = self.parts[source].tokens.range(split);
        // u64, since the draws for usize may differ between platforms.
        let last = range.len().saturating_sub(len) as u64;
        let start = rng.random_range(0..=last) as usize;
        Passage { source, start }
    }

    /// A source with a probability in proportion to its weight.
    fn draw(&self, rng: &mut impl Rng) -> usize {
        let total: f64 = self.parts.iter().map(|part| part.weight).sum();
        let mut left = rng.random::<f64>() * total;
        for (source, part) in self.parts.iter().enumerate() {
            left -= part.weight;
            if left < 0.0 {
                return source;
            }
        }
        // Rounding can leave a positive remainder; `parts` is never empty.
        self.parts.len() - 1
    }

    /// The tokens as text; see [`Tokenizer::decode`].
    #[must_use]
    pub fn decode(&self, tokens: &[u32]) -> String {
        self.tokenizer.decode(tokens)
    }
}

fn check_length(tokens: &Tokens, origin: &str, seq_len: usize) -> Result<(), TextError> {
    let needed = MIN_SEQUENCES * seq_len;
    for (split, name, hint) in [
        (Split::Train, "training", ""),
        (Split::HeldOut, "held-out", " or a larger `data.held_out`"),
    ] {
        let found = tokens.range(split).len();
        if found < needed {
            return Err(TextError::TooShort {
                origin: format!("`{origin}`"),
                split: name,
                tokens: found,
                needed,
                hint,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
