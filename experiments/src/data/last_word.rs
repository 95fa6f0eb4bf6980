//! Last-word prediction (the task of LAMBADA, arXiv 1606.06031) on held-out passages: `eval.last_word`.
//!
//! Passages and words are those of the corpus alone, so that a bidirectional and a causal model are asked
//! for the same words after the same text, at every seed and step.

use crate::data::objective::{Sample, sample_last_word};
use crate::data::{Batch, HELD_OUT_SEED, Mean, Sampler};
use crate::random::stream;
use experiments_text::{Corpus, Split, Tokenizer};
use std::ops::Range;

/// Passages looked at for every one that is wanted: few have no word to ask for.
const TRIES: u64 = 16;

/// What a model makes of the last words.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LastWord {
    /// Mean over passages of the mean over the word's tokens, nats per token.
    pub(crate) loss: Mean,
    /// Share of passages of which every token of the word is the likeliest.
    pub(crate) accuracy: Mean,
}

/// `eval.last_word` passages, or as many as there are, in batches; none where it is 0.
pub(crate) fn passages(sampler: &Sampler) -> Vec<Batch> {
    let (config, corpus) = (sampler.config, sampler.corpus);
    let wanted = config.eval.last_word;
    let tries = 0..TRIES * wanted as u64;
    let all: Vec<_> = tries
        .filter_map(|i| passage(sampler, corpus, i))
        .take(wanted)
        .collect();
    all.chunks(config.batch.micro_batch)
        .map(|samples| Batch {
            samples: samples.to_vec(),
            languages: vec![None; samples.len()],
        })
        .collect()
}

fn passage(sampler: &Sampler, corpus: &Corpus, index: u64) -> Option<Sample> {
    let config = sampler.config;
    let seq_len = config.model.seq_len;
    let mut text = Vec::new();
    let mut rng = stream(HELD_OUT_SEED, "last word", index);
    // One token less than slots: a blank takes one.
    corpus.sample(Split::HeldOut, &mut rng, seq_len - 1, &mut text);
    let word = last_word(corpus.tokenizer(), &text)?;
    let (context, word) = (&text[..word.start], &text[word]);
    let special = corpus.special();
    let sample = sample_last_word(&config.objective, &special, context, word, seq_len);
    Some(sampler.positioned(sample))
}

/// The tokens of the last word of a text that has white space on both sides, with the space in front where
/// it is part of the first token. Where words are not parted by spaces (Chinese, Japanese): the last
/// character, with the characters that share its token. Something stands before it always.
fn last_word(tokenizer: &Tokenizer, text: &[u32]) -> Option<Range<usize>> {
    let pieces: Vec<&[u8]> = text.iter().map(|id| tokenizer.piece(*id)).collect();
    let special = tokenizer.special();
    let parts = |i: usize| text[i] >= special.mask;
    let word = spaced(&pieces, parts);
    let whole = |range: &Range<usize>| String::from_utf8(pieces[range.clone()].concat()).ok();
    match word {
        Some(word) if whole(&word).is_some_and(|word| !word.contains(is_unspaced)) => Some(word),
        _ => character(&pieces, parts),
    }
}

/// The last run of tokens between white space or ends of documents. `parts` tells the latter.
fn spaced(pieces: &[&[u8]], parts: impl Fn(usize) -> bool) -> Option<Range<usize>> {
    let white = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    let blank = |i: usize| parts(i) || pieces[i].iter().all(u8::is_ascii_whitespace);
    // Whether token i begins something new after token i - 1.
    let begins = |i: usize| white(pieces[i].first()) || blank(i - 1) || white(pieces[i - 1].last());
    let end = (1..pieces.len())
        .rev()
        .find(|i| (blank(*i) || begins(*i)) && !blank(*i - 1))?;
    let start = (1..end).rev().find(|i| begins(*i))?;
    Some(start..end)
}

/// The fewest last tokens that are whole characters.
fn character(pieces: &[&[u8]], parts: impl Fn(usize) -> bool) -> Option<Range<usize>> {
    let usable = |i: usize| !parts(i) && !pieces[i].iter().all(u8::is_ascii_whitespace);
    let whole = |start: usize, end: usize| {
        let bytes = pieces[start..end].concat();
        (start..end).all(usable) && std::str::from_utf8(&bytes).is_ok()
    };
    // A text cut inside a character ends before it; four bytes at most make one.
    let ends = (2..=pieces.len()).rev();
    let starts = |end: usize| (end.saturating_sub(4).max(1)..end).rev();
    let mut all = ends.flat_map(|end| starts(end).map(move |start| start..end));
    all.find(|range| whole(range.start, range.end))
}

/// Scripts that put no spaces between words: CJK ideographs, kana and their punctuation and full-width
/// forms.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe4f}' | '\u{ff00}'..='\u{ffef}' | '\u{20000}'..='\u{3ffff}')
}

/// Takes in what a model says of a batch of passages: logits of every target, `[t, v]`.
pub(crate) fn score(found: &mut LastWord, batch: &Batch, logits: &[f32]) {
    let tokens = batch.targets().tokens;
    let vocabulary = logits.len() / tokens.len().max(1);
    let mut each = logits.chunks_exact(vocabulary.max(1)).zip(tokens);
    for sample in &batch.samples {
        let (mut loss, mut right, count) = (0.0, true, sample.target_count());
        for (logits, token) in each.by_ref().take(count) {
            loss += cross_entropy(logits, token as usize);
            right &= likeliest(logits) == Some(token as usize);
        }
        found.loss.add(loss / count as f64);
        found.accuracy.add(f64::from(u8::from(right)));
    }
}

/// In FP64 from stored logits, nats.
fn cross_entropy(logits: &[f32], token: usize) -> f64 {
    let (largest, log_sum) = normaliser(logits);
    log_sum - f64::from(logits[token] - largest)
}

/// The largest logit, and the logarithm of the sum of the exponentials of all above it: a logit x has the
/// log-probability `x − largest − log_sum`.
pub(crate) fn normaliser(logits: &[f32]) -> (f32, f64) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|x| f64::from(x - largest).exp()).sum();
    (largest, sum.ln())
}

/// The first of the largest; none where there is no number.
fn likeliest(logits: &[f32]) -> Option<usize> {
    let numbers = logits.iter().enumerate().filter(|(_, x)| !x.is_nan());
    let best = numbers.reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::objective::Kind;

    /// One token a byte.
    fn asked(text: &str) -> Option<String> {
        let tokenizer = Tokenizer::bytes().unwrap();
        let tokens = tokenizer.encode(text).unwrap();
        let word = last_word(&tokenizer, &tokens)?;
        Some(tokenizer.decode(&tokens[word]))
    }

    #[test]
    fn the_last_word_is_the_last_that_is_whole() {
        for (text, word) in [
            ("all is well that ends we", "ends"),
            ("all is well that ends ", "ends"),
            ("all is well, that en", "that"),
            ("all is well,\nthat\nen", "that"),
            ("一行文字模型", "型"),
            ("一行 文字模型\n学", "学"),
        ] {
            assert_eq!(asked(text).as_deref(), Some(word), "{text}");
        }
        // Cut inside a character, and inside the only word.
        let tokenizer = Tokenizer::bytes().unwrap();
        let tokens = tokenizer.encode("模型学").unwrap();
        let word = last_word(&tokenizer, &tokens[..8]).unwrap();
        assert_eq!(tokenizer.decode(&tokens[word]), "型");
        assert_eq!(asked("   "), None);
    }

    /// Learnt tokens carry the space in front of a word, or are parts of it.
    #[test]
    fn words_of_several_tokens_are_taken_whole() {
        let pieces: [&[u8]; 6] = [b"ab", b" so", b"me", b" wo", b"rd", b" x"];
        assert_eq!(spaced(&pieces, |_| false), Some(3..5));
        assert_eq!(spaced(&pieces[..5], |_| false), Some(1..3));
        assert_eq!(spaced(&pieces[..3], |_| false), None, "nothing before it");
        // An end of a document parts words like a space.
        assert_eq!(spaced(&pieces[..5], |i| i == 4), Some(3..4));
    }

    #[test]
    fn a_word_counts_when_all_its_tokens_are_the_likeliest() {
        let sample = |targets: &[_]| Sample::with_targets(Kind::Gmask, targets);
        let batch = Batch {
            samples: vec![
                sample(&[None, Some(0), Some(1)]),
                sample(&[None, None, Some(1)]),
            ],
            languages: vec![None; 2],
        };
        let sure = 30.0_f32;
        let mut found = LastWord::default();
        score(&mut found, &batch, &[sure, 0.0, 0.0, sure, sure, 0.0]);
        assert_eq!(found.accuracy.value(), Some(0.5));
        // Right twice costs nothing, wrong once all of the difference.
        let loss = found.loss.value().unwrap();
        assert!((loss - f64::from(sure) / 2.0).abs() < 1e-6, "{loss}");
        let mut found = LastWord::default();
        score(&mut found, &batch, &[f32::NAN; 6]);
        assert_eq!(found.accuracy.value(), Some(0.0));
        assert!(found.loss.value().unwrap().is_nan());
    }
}
