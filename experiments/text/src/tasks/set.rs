//! The tokens of one set, made once and cached.

use super::set_tokens::SetTokens;
use super::source::SetSource;
use crate::cache::hash_parts;
use crate::tokens::Ids;
use crate::{Cache, TextError, Tokenizer};

/// Samples that are tokenised at once.
const BATCH: usize = 512;

/// Loads the tokens of a set, or makes and caches them.
pub(super) fn prepare(
    source: &SetSource,
    tokenizer: &Tokenizer,
    cache: &Cache,
    progress: &mut dyn FnMut(&str),
) -> Result<SetTokens, TextError> {
    let file = source.file_hash()?;
    let key = hash_parts(["task set 1", tokenizer.hash(), &source.identity(file)]);
    let path = cache.path("tasks", &format!("{key}.bin"));
    if let Some(tokens) = SetTokens::load(&path) {
        return Ok(tokens);
    }
    let _lock = cache.lock("tasks", progress)?;
    if let Some(tokens) = SetTokens::load(&path) {
        return Ok(tokens);
    }
    progress(&format!("tokenising the task set {}", source.name));
    let tokens = tokenise(source, tokenizer, file.as_bytes())?;
    let replaced = tokens.counts().replaced;
    if replaced > 0 {
        let name = &source.name;
        progress(&format!(
            "`{name}`: {replaced} lone surrogates, which no text can hold, replaced by U+FFFD"
        ));
    }
    if source.file_hash()? != file {
        return Err(TextError::Changed {
            path: source.path.clone(),
        });
    }
    cache.write(&path, &tokens.to_bytes())?;
    Ok(tokens)
}

/// The file is read twice where there is a cap: how many samples it has decides which are kept.
fn tokenise(
    source: &SetSource,
    tokenizer: &Tokenizer,
    seed: &[u8; 32],
) -> Result<SetTokens, TextError> {
    let kept = match source.cap {
        Some(cap) => kept(source.read(|_, _| Ok(()))?.found, cap, seed),
        None => None,
    };
    let mut batch: Vec<String> = Vec::new();
    let (mut ids, mut ends) = (Vec::new(), Vec::new());
    let mut flush = |batch: &mut Vec<String>| -> Result<(), TextError> {
        let documents: Vec<&str> = batch.iter().map(String::as_str).collect();
        let mut tokens = Ids::new(usize::MAX);
        tokenizer.encode_documents(&documents, &mut tokens)?;
        let eos = tokenizer.special().eos;
        let mut flat = Vec::with_capacity(tokens.len());
        tokens.copy(0..tokens.len(), &mut flat);
        // Text never encodes to a special token, so every `<eos>` ends a document.
        for id in flat {
            if id == eos {
                ends.push(ids.len() as u64);
            } else {
                ids.push(id);
            }
        }
        batch.clear();
        Ok(())
    };
    let mut index = 0;
    let counts = source.read(|text, target| {
        let keep = kept
            .as_ref()
            .is_none_or(|kept| kept.binary_search(&index).is_ok());
        index += 1;
        if keep {
            batch.extend([text, target]);
            if batch.len() >= 2 * BATCH {
                flush(&mut batch)?;
            }
        }
        Ok(())
    })?;
    flush(&mut batch)?;
    Ok(SetTokens::new(counts, ends, ids))
}

/// Positions, in order, of the samples that are kept; `None` keeps all. They are the first `cap`
/// of a pseudo-random order that depends on nothing but the file (every sample gets the BLAKE3
/// hash, keyed by the file's, of its position), so a smaller cap takes a subset of a larger one's
/// samples and neither the order of a file nor the number of prompts can bias the choice.
fn kept(found: u64, cap: u64, seed: &[u8; 32]) -> Option<Vec<u64>> {
    if found <= cap {
        return None;
    }
    let rank = |index: u64| {
        let hash = blake3::keyed_hash(seed, &index.to_le_bytes());
        let (first, _) = hash.as_bytes().split_first_chunk::<8>()?;
        Some((u64::from_le_bytes(*first), index))
    };
    let mut order: Vec<(u64, u64)> = (0..found).filter_map(rank).collect();
    order.select_nth_unstable(cap as usize);
    order.truncate(cap as usize);
    let mut kept: Vec<u64> = order.into_iter().map(|(_, index)| index).collect();
    kept.sort_unstable();
    Some(kept)
}

#[cfg(test)]
mod tests;
