//! Token files: the tokens of one source, training part first.
//!
//! Layout, little-endian: 8 bytes of magic and version, bytes per token (u64: 2 or 4), number of
//! training tokens (u64), number of held-out tokens (u64), BLAKE3 hash of header and tokens
//! (32 bytes), tokens. A file that does not fit its hash is made anew.
//!
//! Files are mapped, not read: all processes of a sweep share one copy of the tokens.

use crate::cache::hash_parts;
use crate::source_text::SourceText;
use crate::{Cache, Split, TextError, Tokenizer};
use memmap2::Mmap;
use std::fs::File;
use std::ops::Range;
use std::path::Path;

const MAGIC: &[u8; 8] = b"WBTOKEN1";
const HEADER: usize = 32;
const HASH: usize = 32;

/// Two bytes per token where the vocabulary allows it.
#[derive(Debug)]
pub(crate) enum Ids {
    Narrow(Vec<u16>),
    Wide(Vec<u32>),
    /// A whole token file whose tokens have two or four bytes, in the byte order of this machine.
    Mapped {
        file: Mmap,
        wide: bool,
    },
}

/// Ids as they lie in memory.
enum Slice<'a> {
    Narrow(&'a [u16]),
    Wide(&'a [u32]),
}

impl Ids {
    pub(crate) fn new(vocab_size: usize) -> Self {
        if vocab_size <= 1 << 16 {
            Self::Narrow(Vec::new())
        } else {
            Self::Wide(Vec::new())
        }
    }

    fn slice(&self) -> Slice<'_> {
        match self {
            Self::Narrow(ids) => Slice::Narrow(ids),
            Self::Wide(ids) => Slice::Wide(ids),
            // Header and hash take 64 bytes and maps begin at a page, so ids are aligned.
            Self::Mapped { file, wide: false } => {
                Slice::Narrow(bytemuck::cast_slice(&file[HEADER + HASH..]))
            }
            Self::Mapped { file, wide: true } => {
                Slice::Wide(bytemuck::cast_slice(&file[HEADER + HASH..]))
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self.slice() {
            Slice::Narrow(ids) => ids.len(),
            Slice::Wide(ids) => ids.len(),
        }
    }

    /// Appends ids, all below the vocabulary size given to [`Ids::new`].
    pub(crate) fn extend(&mut self, more: impl IntoIterator<Item = u32>) {
        match self {
            Self::Narrow(ids) => ids.extend(more.into_iter().map(|id| id as u16)),
            Self::Wide(ids) => ids.extend(more),
            Self::Mapped { .. } => unreachable!("only ids that are being made grow"),
        }
    }

    /// Appends the ids at these positions to `out`.
    pub(crate) fn copy(&self, range: Range<usize>, out: &mut Vec<u32>) {
        match self.slice() {
            Slice::Narrow(ids) => out.extend(ids[range].iter().map(|id| u32::from(*id))),
            Slice::Wide(ids) => out.extend_from_slice(&ids[range]),
        }
    }
}

/// The tokens of one source.
#[derive(Debug)]
pub(crate) struct Tokens {
    ids: Ids,
    train: usize,
    digest: String,
}

impl Tokens {
    /// `ids` whose first `train` are the training part.
    pub(crate) fn new(ids: Ids, train: usize) -> Self {
        let mut tokens = Self {
            ids,
            train,
            digest: String::new(),
        };
        let (_, digest) = tokens.to_bytes();
        tokens.digest = digest;
        tokens
    }

    /// Loads the tokens of a text, or makes and caches them.
    pub(crate) fn prepare(
        text: &mut SourceText,
        tokenizer: &Tokenizer,
        cache: &Cache,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self, TextError> {
        let key = hash_parts(["tokens 1", tokenizer.hash(), &text.identity()]);
        let path = cache.path("tokens", &format!("{key}.bin"));
        if let Some(tokens) = Self::load(&path) {
            return Ok(tokens);
        }
        let _lock = cache.lock("tokens", progress)?;
        if let Some(tokens) = Self::load(&path) {
            return Ok(tokens);
        }
        progress(&format!("tokenising {}", text.origin()));
        let (train, held_out) = text.split()?;
        let mut ids = Ids::new(tokenizer.vocab_size());
        tokenizer.encode_documents(&train, &mut ids)?;
        let train = ids.len();
        tokenizer.encode_documents(&held_out, &mut ids)?;
        let tokens = Self::new(ids, train);
        cache.write(&path, &tokens.to_bytes().0)?;
        Ok(tokens)
    }

    /// BLAKE3 hash (hex) of the tokens and their split.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// Positions of one split.
    pub(crate) fn range(&self, split: Split) -> Range<usize> {
        match split {
            Split::Train => 0..self.train,
            Split::HeldOut => self.train..self.ids.len(),
        }
    }

    /// Appends the tokens at these positions to `out`.
    pub(crate) fn copy(&self, range: Range<usize>, out: &mut Vec<u32>) {
        self.ids.copy(range, out);
    }

    fn to_bytes(&self) -> (Vec<u8>, String) {
        let width = match self.ids.slice() {
            Slice::Narrow(_) => 2,
            Slice::Wide(_) => 4,
        };
        let mut bytes = Vec::with_capacity(HEADER + HASH + width * self.ids.len());
        bytes.extend_from_slice(MAGIC);
        for number in [width, self.train, self.ids.len() - self.train] {
            bytes.extend_from_slice(&(number as u64).to_le_bytes());
        }
        bytes.extend_from_slice(&[0; HASH]);
        match self.ids.slice() {
            Slice::Narrow(ids) => bytes.extend(ids.iter().flat_map(|id| id.to_le_bytes())),
            Slice::Wide(ids) => bytes.extend(ids.iter().flat_map(|id| id.to_le_bytes())),
        }
        let hash = hash_of(&bytes);
        bytes[HEADER..HEADER + HASH].copy_from_slice(hash.as_bytes());
        (bytes, hash.to_hex().to_string())
    }

    /// `None` where there is no whole, undamaged token file.
    fn load(path: &Path) -> Option<Self> {
        const {
            assert!(
                cfg!(target_endian = "little"),
                "token files are little-endian"
            );
        }
        let file = File::open(path).ok()?;
        // SAFETY: the cache writes a file under another name and moves it into place, and never writes
        // into it again, so what is mapped does not change.
        #[expect(unsafe_code, reason = "a map is only as constant as its file")]
        let file = unsafe { Mmap::map(&file) }.ok()?;
        let header = Header::of(&file)?;
        Some(Self {
            ids: Ids::Mapped {
                wide: header.wide,
                file,
            },
            train: header.train,
            digest: header.digest,
        })
    }
}

/// What a token file says of itself.
struct Header {
    wide: bool,
    train: usize,
    digest: String,
}

impl Header {
    /// `None` for bytes that are not a whole, undamaged token file.
    fn of(bytes: &[u8]) -> Option<Self> {
        let header = bytes.strip_prefix(MAGIC)?;
        let number = |index: usize| -> Option<usize> {
            let bytes = header.get(8 * index..8 * index + 8)?;
            usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok()
        };
        let (width, train, held_out) = (number(0)?, number(1)?, number(2)?);
        let hash = bytes.get(HEADER..HEADER + HASH)?;
        let length = train.checked_add(held_out)?.checked_mul(width)?;
        let found = hash_of(bytes);
        let whole = bytes.len() - HEADER - HASH == length && matches!(width, 2 | 4);
        (whole && found.as_bytes() == hash).then(|| Self {
            wide: width == 4,
            train,
            digest: found.to_hex().to_string(),
        })
    }
}

/// Hash of everything but the hash itself.
fn hash_of(bytes: &[u8]) -> blake3::Hash {
    blake3::Hasher::new()
        .update(&bytes[..HEADER])
        .update(&bytes[HEADER + HASH..])
        .finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What is written is read, in both widths, and any cut or changed byte is noticed:
        /// damaged tokens would silently be other data.
        #[test]
        fn prop_files_round_trip_and_damage_is_noticed(
            ids in prop::collection::vec(0u32..60_000, 1..50),
            wide: bool,
            train in 0usize..50,
            at in 0usize..1000,
        ) {
            let mut kept = Ids::new(if wide { 1 << 17 } else { 1 << 16 });
            kept.extend(ids.iter().copied());
            let train = train.min(ids.len());
            let tokens = Tokens::new(kept, train);
            let (bytes, _) = tokens.to_bytes();
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &bytes).unwrap();
            let read = Tokens::load(file.path()).unwrap();
            let mut found = Vec::new();
            read.copy(0..ids.len(), &mut found);
            prop_assert_eq!(found, ids);
            prop_assert_eq!((read.train, read.digest()), (train, tokens.digest()));
            let at = at % bytes.len();
            prop_assert!(Header::of(&bytes[..at]).is_none());
            let mut changed = bytes;
            changed[at] ^= 1;
            prop_assert!(Header::of(&changed).is_none());
        }
    }
}
