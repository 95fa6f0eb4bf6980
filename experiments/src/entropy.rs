//! The loss of a model that has learnt token frequencies and nothing else.

use crate::data::Sampler;
use crate::objective::Kind;
use experiments_config::Config;
use experiments_text::{Corpus, Split};
use std::collections::HashMap;

/// Entropies of the objective's target tokens in nats, measured on the mixture itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnigramEntropy {
    /// Conditional on language and objective: a glance at the prefix shows both, so this is the
    /// level at which a model is *stuck* (`stability-science` D, trap 0).
    pub conditional: f64,
    /// Of the whole mixture.
    pub mixture: f64,
}

/// Sequences sampled. With some 20 targets each the error of the mean is below 0.01 nat.
const SEQUENCES: u64 = 4096;

/// Measures the entropy over sampled training sequences, each sequence with the same weight as in
/// the loss. The sample does not depend on the run's seed, so that all arms share one line.
#[must_use]
pub fn unigram_entropy(config: &Config, corpus: &Corpus) -> UnigramEntropy {
    let sampler = Sampler {
        config,
        corpus,
        split: Split::Train,
        seed: 0,
    };
    let vocabulary = corpus.vocab_size();
    let mut groups: HashMap<(usize, Kind), Vec<f64>> = HashMap::new();
    for index in 0..SEQUENCES {
        let (sample, language) = sampler.sample(index);
        let counts = groups
            .entry((language, sample.kind))
            .or_insert_with(|| vec![0.0; vocabulary]);
        let weight = 1.0 / sample.target_count() as f64;
        for target in sample.targets.iter().flatten() {
            counts[*target as usize] += weight;
        }
    }
    // HashMap order is random; sums of floats must not be.
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|((language, kind), _)| (*language, *kind == Kind::Mask));
    let mut mixture = vec![0.0; vocabulary];
    let mut conditional = 0.0;
    for (_, counts) in &groups {
        let share = counts.iter().sum::<f64>() / SEQUENCES as f64;
        conditional += share * entropy(counts);
        mixture
            .iter_mut()
            .zip(counts)
            .for_each(|(sum, count)| *sum += count);
    }
    UnigramEntropy {
        conditional,
        mixture: entropy(&mixture),
    }
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
