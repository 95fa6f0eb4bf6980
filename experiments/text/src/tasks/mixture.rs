//! The union of all task sets, from which samples are drawn.

use super::set;
use super::set_tokens::SetTokens;
use super::source::SetSource;
use crate::cache::hash_parts;
use crate::{Cache, TextError, Tokenizer};
use experiments_config::TasksConfig;
use rand::{Rng, RngExt};
use serde::Serialize;

/// One set of a mixture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetInfo {
    /// Catalogue name or path.
    pub name: String,
    /// Rows of the file.
    pub rows: u64,
    /// Samples that the rows and prompts gave.
    pub found: u64,
    /// Samples that were left out because text or target came out empty.
    pub skipped: u64,
    /// Most samples; `None` takes all.
    pub cap: Option<u64>,
    /// Samples in the mixture.
    pub samples: usize,
}

impl SetInfo {
    /// Whether the cap left samples out.
    #[must_use]
    pub fn truncated(&self) -> bool {
        (self.samples as u64) < self.found
    }
}

/// One prompted sample. Whoever uses it cuts it to its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskSample<'a> {
    /// The prompt.
    pub text: &'a [u32],
    /// The answer, never empty.
    pub target: &'a [u32],
    /// Index into [`TaskMixture::sets`].
    pub set: usize,
    /// Its number in the set, from 0.
    pub number: usize,
}

/// Tokens of all task sets.
pub struct TaskMixture {
    sets: Vec<SetInfo>,
    tokens: Vec<SetTokens>,
    /// Samples up to and including each set.
    ends: Vec<usize>,
    hash: String,
}

impl TaskMixture {
    /// Loads, or makes and caches, the tokens of every set of the configuration; `None` where it
    /// has no sets.
    pub fn prepare(
        config: &TasksConfig,
        tokenizer: &Tokenizer,
        cache: &Cache,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Option<Self>, TextError> {
        let sources = config.sources.iter().map(SetSource::new);
        Self::of(
            sources.collect::<Result<_, _>>()?,
            tokenizer,
            cache,
            progress,
        )
    }

    pub(super) fn of(
        sources: Vec<SetSource>,
        tokenizer: &Tokenizer,
        cache: &Cache,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Option<Self>, TextError> {
        if sources.is_empty() {
            return Ok(None);
        }
        let mut named = vec!["task mixture 1".to_owned(), tokenizer.hash().to_owned()];
        let (mut sets, mut tokens, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for source in sources {
            let set = set::prepare(&source, tokenizer, cache, progress)?;
            named.push(set.digest().to_owned());
            ends.push(ends.last().unwrap_or(&0) + set.len());
            let counts = set.counts();
            sets.push(SetInfo {
                name: source.name,
                rows: counts.rows,
                found: counts.found,
                skipped: counts.skipped,
                cap: source.cap,
                samples: set.len(),
            });
            tokens.push(set);
        }
        Ok(Some(Self {
            sets,
            tokens,
            ends,
            hash: hash_parts(named),
        }))
    }

    /// BLAKE3 hash (hex) of the tokens of every set and of the tokenizer: two mixtures with the
    /// same hash draw the same samples from the same generator.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Samples of all sets, never 0.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a mixture is never empty")]
    pub fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The sets in the order of the configuration.
    #[must_use]
    pub fn sets(&self) -> &[SetInfo] {
        &self.sets
    }

    /// A sample drawn uniformly from the union of the sets after their caps (arXiv 2210.02414
    /// appendix C.1), so that a set is met in proportion to its size.
    pub fn sample(&self, rng: &mut impl Rng) -> TaskSample<'_> {
        // u64, since the draws for usize may differ between platforms.
        self.get(rng.random_range(0..self.len() as u64) as usize)
    }

    /// The sample at a position below [`TaskMixture::len`], set after set.
    fn get(&self, index: usize) -> TaskSample<'_> {
        let set = self.ends.partition_point(|end| *end <= index);
        let start = if set == 0 { 0 } else { self.ends[set - 1] };
        let number = index - start;
        let (text, target) = self.tokens[set].sample(number);
        TaskSample {
            text,
            target,
            set,
            number,
        }
    }
}

#[cfg(test)]
mod tests;
