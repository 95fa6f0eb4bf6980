//! Bounds of `[tokenizer]` and `[data]`.

use crate::validate::Checks;
use crate::{Config, Source};
use std::path::PathBuf;

/// Smallest vocabulary: 256 bytes and six special tokens.
const MIN_VOCAB: usize = 262;

/// Far beyond any vocabulary.
const MAX_VOCAB: usize = 1 << 28;

impl Config {
    pub(crate) fn check_data(&self, checks: &mut Checks) {
        checks.require(
            (MIN_VOCAB..=MAX_VOCAB).contains(&self.tokenizer.vocab_size),
            "tokenizer.vocab_size",
            format!(
                "is {}, must be at least {MIN_VOCAB} (256 bytes and six special tokens) and at most {MAX_VOCAB}",
                self.tokenizer.vocab_size
            ),
        );
        checks.positive(self.tokenizer.sample_bytes, "tokenizer.sample_bytes");
        checks.require(
            !self.data.sources.is_empty(),
            "data.sources",
            "needs at least one source",
        );
        for (index, source) in self.data.sources.iter().enumerate() {
            check_source(source, &format!("data.sources[{index}]"), checks);
        }
        checks.require(
            self.data.held_out > 0.0 && self.data.held_out <= 0.5,
            "data.held_out",
            format!(
                "is {}, must lie in (0, 0.5]",
                words::number(self.data.held_out)
            ),
        );
    }
}

fn check_source(source: &Source, key: &str, checks: &mut Checks) {
    let is_empty = |path: &PathBuf| path.as_os_str().is_empty();
    checks.require(
        !source.path.as_ref().is_some_and(is_empty),
        &format!("{key}.path"),
        "is empty; expected a file",
    );
    checks.require(
        source.name.is_some() != source.path.is_some(),
        key,
        "needs exactly one of `name` (catalogue) and `path` (a file of yours)",
    );
    check_content(source.path.is_some(), source.blake3.as_deref(), key, checks);
    checks.require(
        !source.language.is_empty(),
        &format!("{key}.language"),
        "is missing; write for example `language = \"en\"`",
    );
    checks.above_zero(source.weight, &format!("{key}.weight"));
}

/// The hash of a file's content stands beside the file's path.
pub(crate) fn check_content(has_path: bool, blake3: Option<&str>, key: &str, checks: &mut Checks) {
    let key = format!("{key}.blake3");
    let Some(hash) = blake3 else { return };
    checks.require(has_path, &key, "belongs to a `path`");
    let digits = hash
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    checks.require(
        digits && hash.len() == 64,
        &key,
        "must be 64 hexadecimal digits in lower case, as `b3sum` prints them",
    );
}
