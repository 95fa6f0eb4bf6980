//! Byte-level BPE. Its merges are the whole of it: ids 0..256 are the bytes, then one id per
//! merge, ids that too little text left unused, and last the six special tokens.

mod alphabet;
mod train;

use crate::cache::hash_parts;
use crate::source_text::SourceText;
use crate::tokens::Ids;
use crate::{Cache, SPECIAL, SpecialIds, TextError};
use experiments_config::TokenizerConfig;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

/// Text is encoded in pieces of about this size, a batch of pieces at once on all threads.
const PIECE_BYTES: usize = 32 * 1024;
const BATCH: usize = 64;

/// Two tokens, in the byte-level alphabet, that become one.
type Merge = (String, String);

/// A trained tokenizer. Encoding takes every text literally: a `[MASK]` in it becomes ordinary
/// tokens, never the special one.
pub struct Tokenizer {
    vocab_size: usize,
    /// The bytes of every id; empty for unused ids.
    pieces: Vec<Vec<u8>>,
    model: tokenizers::Tokenizer,
    has_merges: bool,
    hash: String,
}

impl Tokenizer {
    /// The tokenizer of 256 bytes and six special tokens.
    pub fn bytes() -> Result<Self, TextError> {
        Self::from_merges(256 + SPECIAL.len(), Vec::new())
    }

    /// Loads the tokenizer of these texts, or trains and caches it. Without room for merges there
    /// is nothing to train and the texts do not matter.
    pub(crate) fn prepare(
        config: &TokenizerConfig,
        texts: &mut [SourceText],
        cache: &Cache,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self, TextError> {
        if config.vocab_size <= 256 + SPECIAL.len() {
            return Self::bytes();
        }
        let mut named = vec![
            "tokenizer 2".to_owned(),
            config.vocab_size.to_string(),
            config.sample_bytes.to_string(),
        ];
        // Weights are not named: two mixtures of the same texts share a tokenizer, so that a
        // sweep over weights changes one thing.
        named.extend(
            texts
                .iter()
                .flat_map(|t| [t.language().to_owned(), t.identity()]),
        );
        let key = hash_parts(named);
        let path = cache.path("tokenizers", &format!("{key}.json"));
        if let Some(tokenizer) = Self::load(&path, config.vocab_size) {
            return Ok(tokenizer);
        }
        let _lock = cache.lock("tokenizers", progress)?;
        if let Some(tokenizer) = Self::load(&path, config.vocab_size) {
            return Ok(tokenizer);
        }
        progress(&format!(
            "training a tokenizer of {} tokens",
            config.vocab_size
        ));
        let merges = train::merges(config, texts)?;
        let learnt = merges.len();
        let tokenizer = Self::from_merges(config.vocab_size, merges)?;
        let wanted = config.vocab_size - 256 - SPECIAL.len();
        if learnt < wanted {
            progress(&format!(
                "the text is too short for {wanted} merges: {learnt} were learnt, the other ids stay unused"
            ));
        }
        cache.write(&path, tokenizer.to_json()?.as_bytes())?;
        Ok(tokenizer)
    }

    /// `None` for a file that is absent or damaged.
    fn load(path: &Path, vocab_size: usize) -> Option<Self> {
        let json: serde_json::Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        let merges = serde_json::from_value(json.get("model")?.get("merges")?.clone()).ok()?;
        Self::from_merges(vocab_size, merges).ok()
    }

    fn from_merges(vocab_size: usize, mut merges: Vec<Merge>) -> Result<Self, TextError> {
        let special = SpecialIds::of(vocab_size);
        let mut ids: HashMap<String, u32> = (0..=255)
            .map(|byte| (alphabet::character(byte).to_string(), u32::from(byte)))
            .collect();
        let mut pieces: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
        merges.retain(|(left, right)| {
            let product = format!("{left}{right}");
            let usable = ids.contains_key(left)
                && ids.contains_key(right)
                && pieces.len() < special.mask as usize;
            if usable && !ids.contains_key(&product) {
                pieces.push(alphabet::bytes(&product));
                ids.insert(product, pieces.len() as u32 - 1);
            }
            usable
        });
        // No merge can spell these, since the space is not in the byte-level alphabet, nor a
        // special token, since the pre-tokenizer parts letters from brackets.
        for unused in pieces.len() as u32..special.mask {
            ids.insert(format!("<unused {unused}>"), unused);
            pieces.push(Vec::new());
        }
        pieces.extend(SPECIAL.map(|name| name.as_bytes().to_vec()));
        let mut named = vec!["bpe 1".to_owned(), vocab_size.to_string()];
        named.extend(merges.iter().map(|(left, right)| format!("{left} {right}")));
        let has_merges = !merges.is_empty();
        let model = BPE::builder()
            .vocab_and_merges(
                ids.into_iter().collect::<tokenizers::models::bpe::Vocab>(),
                merges,
            )
            .build()
            .map_err(failed("read"))?;
        let mut model = tokenizers::Tokenizer::new(model);
        let byte_level = ByteLevel::new(false, true, true);
        model
            .with_pre_tokenizer(Some(byte_level))
            .with_decoder(Some(byte_level));
        Ok(Self {
            vocab_size,
            pieces,
            model,
            has_merges,
            hash: hash_parts(named),
        })
    }

    /// BLAKE3 hash (hex) of vocabulary size and merges.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Ids, special and unused ones included.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Ids of the special tokens.
    #[must_use]
    pub fn special(&self) -> SpecialIds {
        SpecialIds::of(self.vocab_size)
    }

    /// The tokenizer as a `tokenizer.json` of the Hugging Face libraries.
    pub fn to_json(&self) -> Result<String, TextError> {
        let mut model = self.model.clone();
        let added = SPECIAL.map(|name| tokenizers::AddedToken::from(name, true));
        model.add_special_tokens(&added);
        model.to_string(false).map_err(failed("written"))
    }

    /// The tokens of a text. [`Tokenizer::decode`] gives back exactly this text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TextError> {
        let mut ids = Ids::new(usize::MAX);
        self.encode_documents(&[text], &mut ids)?;
        let mut tokens = Vec::new();
        ids.copy(0..ids.len() - 1, &mut tokens);
        Ok(tokens)
    }

    /// Appends the tokens of each document and `<eos>` after it.
    pub(crate) fn encode_documents(
        &self,
        documents: &[&str],
        ids: &mut Ids,
    ) -> Result<(), TextError> {
        let eos = self.special().eos;
        if !self.has_merges {
            for document in documents {
                ids.extend(document.bytes().map(u32::from).chain([eos]));
            }
            return Ok(());
        }
        let pieces: Vec<(&str, bool)> = documents.iter().flat_map(|d| pieces(d)).collect();
        for batch in pieces.chunks(BATCH) {
            let texts: Vec<&str> = batch.iter().map(|(text, _)| *text).collect();
            let encodings = self
                .model
                .encode_batch_fast(texts, false)
                .map_err(failed("used"))?;
            for (encoding, (_, ends)) in encodings.iter().zip(batch) {
                ids.extend(
                    encoding
                        .get_ids()
                        .iter()
                        .copied()
                        .chain(ends.then_some(eos)),
                );
            }
        }
        Ok(())
    }

    /// The bytes of a token: the name of a special one, nothing for an id outside the vocabulary.
    #[must_use]
    pub fn piece(&self, id: u32) -> &[u8] {
        self.pieces.get(id as usize).map_or(&[], Vec::as_slice)
    }

    /// The text of tokens. Special tokens are shown by name; a sequence cut inside a character
    /// has U+FFFD there, as has an id outside the vocabulary.
    #[must_use]
    pub fn decode(&self, tokens: &[u32]) -> String {
        let unknown = '\u{fffd}'.to_string().into_bytes();
        let bytes: Vec<u8> = tokens
            .iter()
            .flat_map(|id| self.pieces.get(*id as usize).unwrap_or(&unknown))
            .copied()
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// One token as text. Bytes that are no whole letter, as a merge may end within one, stand as `\xe5`.
    #[must_use]
    pub fn token_text(&self, token: u32) -> String {
        let mut text = String::new();
        for chunk in self.piece(token).utf8_chunks() {
            text += chunk.valid();
            for byte in chunk.invalid() {
                // Writing to a string does not fail.
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
        text
    }
}

/// Cuts a document after line ends, or inside long lines, and marks the last piece.
fn pieces(document: &str) -> Vec<(&str, bool)> {
    let mut pieces = Vec::new();
    let mut rest = document;
    while rest.len() > PIECE_BYTES {
        let line_end = rest.as_bytes()[..PIECE_BYTES]
            .iter()
            .rposition(|b| *b == b'\n');
        let cut = line_end.map_or_else(|| rest.floor_char_boundary(PIECE_BYTES), |at| at + 1);
        let (piece, tail) = rest.split_at(cut);
        pieces.push((piece, false));
        rest = tail;
    }
    pieces.push((rest, true));
    pieces
}

/// For `map_err` on the library's errors.
fn failed(action: &'static str) -> impl Fn(tokenizers::Error) -> TextError {
    move |error| TextError::Tokenizer {
        action,
        message: error.to_string(),
    }
}

#[cfg(test)]
mod tests;
