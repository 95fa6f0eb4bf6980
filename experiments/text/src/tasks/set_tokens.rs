//! Files of task tokens: the samples of one set.
//!
//! Layout, little-endian: 8 bytes of magic and version, BLAKE3 hash of the rest (32 bytes), then
//! u64 each: rows of the file, samples before the cap, skipped samples, samples n, tokens t; then
//! 2n ends (u64: of the first text, its target, the second text …) and t tokens (u32). A file that
//! does not fit its hash is made anew.

use super::source::Counts;
use std::fs;
use std::path::Path;

const MAGIC: &[u8; 8] = b"WBTASKS1";
const NUMBERS: usize = 5;

/// Text and target of every sample of one set, one after another.
#[derive(Debug, PartialEq)]
pub(super) struct SetTokens {
    counts: Counts,
    /// Ends in `ids` of text and target in turn.
    ends: Vec<u64>,
    ids: Vec<u32>,
    digest: String,
}

impl SetTokens {
    pub(super) fn new(counts: Counts, ends: Vec<u64>, ids: Vec<u32>) -> Self {
        let mut tokens = Self {
            counts,
            ends,
            ids,
            digest: String::new(),
        };
        tokens.digest = blake3::hash(&tokens.payload()).to_hex().to_string();
        tokens
    }

    /// What became of the rows.
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// BLAKE3 hash (hex) of the samples and counts.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// Samples.
    pub(super) fn len(&self) -> usize {
        self.ends.len() / 2
    }

    /// Text and target of a sample below [`SetTokens::len`].
    pub(super) fn sample(&self, index: usize) -> (&[u32], &[u32]) {
        let end = |i: usize| self.ends[i] as usize;
        let start = if index == 0 { 0 } else { end(2 * index - 1) };
        let (middle, stop) = (end(2 * index), end(2 * index + 1));
        (&self.ids[start..middle], &self.ids[middle..stop])
    }

    fn payload(&self) -> Vec<u8> {
        let size = 8 * (NUMBERS + self.ends.len()) + 4 * self.ids.len();
        let mut bytes = Vec::with_capacity(size);
        for number in [
            self.counts.rows,
            self.counts.found,
            self.counts.skipped,
            self.len() as u64,
            self.ids.len() as u64,
        ] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend(self.ends.iter().flat_map(|end| end.to_le_bytes()));
        bytes.extend(self.ids.iter().flat_map(|id| id.to_le_bytes()));
        bytes
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let payload = self.payload();
        let hash = blake3::hash(&payload);
        [&MAGIC[..], hash.as_bytes(), &payload].concat()
    }

    pub(super) fn load(path: &Path) -> Option<Self> {
        Self::from_bytes(&fs::read(path).ok()?)
    }

    /// `None` for bytes that are not a whole, undamaged file of task tokens.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (hash, payload) = bytes.strip_prefix(MAGIC)?.split_at_checked(32)?;
        let found = blake3::hash(payload);
        if found.as_bytes() != hash {
            return None;
        }
        let (numbers, rest) = payload.split_at_checked(8 * NUMBERS)?;
        let (numbers, _) = numbers.as_chunks();
        let [rows, total, skipped, samples, tokens]: [u64; NUMBERS] = numbers
            .iter()
            .map(|bytes| u64::from_le_bytes(*bytes))
            .collect::<Vec<_>>()
            .try_into()
            .ok()?;
        let (ends, ids) = rest.split_at_checked(usize::try_from(samples).ok()?.checked_mul(16)?)?;
        if ids.len() as u64 != tokens.checked_mul(4)? {
            return None;
        }
        let ends: Vec<u64> = (ends.as_chunks().0.iter())
            .map(|bytes| u64::from_le_bytes(*bytes))
            .collect();
        if !ends.is_sorted() || ends.last().copied().unwrap_or(0) != tokens {
            return None;
        }
        let ids = ids.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b));
        Some(Self {
            counts: Counts {
                rows,
                found: total,
                skipped,
                replaced: 0,
            },
            ids: ids.collect(),
            ends,
            digest: found.to_hex().to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What is written is read, and any cut or changed byte is noticed: damaged tokens would
        /// silently be other data.
        #[test]
        fn prop_files_round_trip_and_damage_is_noticed(
            samples in prop::collection::vec(
                (prop::collection::vec(any::<u32>(), 0..9), prop::collection::vec(any::<u32>(), 0..9)),
                0..9,
            ),
            at in 0usize..1000,
        ) {
            let (mut ends, mut ids) = (Vec::new(), Vec::new());
            for part in samples.iter().flat_map(|(text, target)| [text, target]) {
                ids.extend(part);
                ends.push(ids.len() as u64);
            }
            let tokens = SetTokens::new(Counts { rows: 7, found: 6, skipped: 5, replaced: 0 }, ends, ids);
            prop_assert_eq!(tokens.len(), samples.len());
            for (index, (text, target)) in samples.iter().enumerate() {
                prop_assert_eq!(tokens.sample(index), (&text[..], &target[..]));
            }
            let bytes = tokens.to_bytes();
            prop_assert_eq!(SetTokens::from_bytes(&bytes), Some(tokens));
            let at = at % bytes.len();
            prop_assert!(SetTokens::from_bytes(&bytes[..at]).is_none());
            let mut changed = bytes;
            changed[at] ^= 1;
            prop_assert!(SetTokens::from_bytes(&changed).is_none());
        }
    }
}
