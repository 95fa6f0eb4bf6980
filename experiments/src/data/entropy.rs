//! The loss of a model that has learnt token frequencies and nothing else.

use crate::data::objective::{Kind, Sample};
use crate::data::{Sampler, held_out};
use experiments_config::Config;
use experiments_text::{Corpus, Split};
use std::collections::BTreeMap;

/// What a unigram model of the training text loses, in nats per target token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnigramLoss {
    /// On the run's own held-out batches, with frequencies conditional on language and objective: a
    /// glance at the prefix shows both, so this is the level at which a model is *stuck*
    /// (`stability-science` D, trap 0). Model and level are measured on the same sequences, so an
    /// accident of the sample, say more Chinese than English, moves both alike.
    pub conditional: f64,
    /// The entropy of the whole training mixture, for comparison.
    pub mixture: f64,
}

/// Training sequences counted; with some 20 targets each, frequencies are known well enough.
const SEQUENCES: u64 = 4096;

/// Weight added to every token's count, about that of one target: a token that only occurs in the
/// held-out text must not cost an infinite loss.
const SMOOTHING: f64 = 0.05;

/// A language and whether spans are filled.
type Level = (Option<usize>, bool);

/// Token weights of one language and objective.
type Counts = BTreeMap<Level, Vec<f64>>;

/// Measures the level. The sequences do not depend on the run's seed, so all arms share one line.
#[must_use]
pub fn unigram_loss(config: &Config, corpus: &Corpus) -> UnigramLoss {
    let sampler = Sampler {
        config,
        corpus,
        tasks: None,
        split: Split::Train,
        seed: 0,
        step: None,
    };
    let vocabulary = corpus.vocab_size();
    let mut counts = Counts::new();
    let mut mixture = vec![0.0; vocabulary];
    for index in 0..SEQUENCES {
        let (sample, language) = sampler.sample(index);
        let own = counts
            .entry(key(&sample, language))
            .or_insert_with(|| vec![0.0; vocabulary]);
        let weight = 1.0 / sample.target_count() as f64;
        for target in sample.targets.iter().flatten() {
            own[*target as usize] += weight;
            mixture[*target as usize] += weight;
        }
    }
    UnigramLoss {
        conditional: held_out_loss(&sampler, &counts, &mixture),
        mixture: entropy(&mixture),
    }
}

fn key(sample: &Sample, language: Option<usize>) -> Level {
    (language, sample.kind == Kind::Mask)
}

/// Mean over the held-out sequences of the mean over their targets, as the loss is.
fn held_out_loss(sampler: &Sampler, counts: &Counts, mixture: &[f64]) -> f64 {
    let (mut total, mut sequences) = (0.0, 0.0);
    for batch in held_out(sampler) {
        for (sample, language) in batch.samples.iter().zip(&batch.languages) {
            // A language and objective that no training sequence had: only the mixture is known.
            let own = counts
                .get(&key(sample, *language))
                .map_or(mixture, Vec::as_slice);
            let sum = own.iter().sum::<f64>() + SMOOTHING * own.len() as f64;
            let loss = |target: u32| -((own[target as usize] + SMOOTHING) / sum).ln();
            let losses = sample.targets.iter().flatten().map(|target| loss(*target));
            total += losses.sum::<f64>() / sample.target_count() as f64;
            sequences += 1.0;
        }
    }
    total / sequences
}

/// Entropy of the distribution proportional to `weights`, in nats.
fn entropy(weights: &[f64]) -> f64 {
    let total: f64 = weights.iter().sum();
    let shares = weights.iter().map(|w| w / total).filter(|p| *p > 0.0);
    -shares.map(|p| p * p.ln()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_of_known_distributions() {
        assert!((entropy(&[2.0; 8]) - 8.0_f64.ln()).abs() < 1e-12);
        assert_eq!(entropy(&[3.0, 0.0]), 0.0);
    }
}
