//! Sequences of one forward pass, and where their losses are taken.

use super::losses::Losses;
use crate::data::objective::{Kind, Sample};

/// Several sequences of one forward pass, `B` sequences of `S` slots.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    /// The sequences.
    pub(crate) samples: Vec<Sample>,
    /// Language of each sequence, an index into [`experiments_text::Corpus::languages`]; tasks have none.
    pub(crate) languages: Vec<Option<usize>>,
}

impl Batch {
    /// Several batches, one after another.
    #[must_use]
    pub(crate) fn stack<'a>(batches: impl Iterator<Item = &'a Self>) -> Self {
        let (mut samples, mut languages) = (Vec::new(), Vec::new());
        for batch in batches {
            samples.extend_from_slice(&batch.samples);
            languages.extend_from_slice(&batch.languages);
        }
        Self { samples, languages }
    }

    /// One of `parts` equal parts of its sequences.
    pub(crate) fn part(&self, index: usize, parts: usize) -> Self {
        let len = self.samples.len() / parts;
        let own = index * len..(index + 1) * len;
        Self {
            samples: self.samples[own.clone()].to_vec(),
            languages: self.languages[own].to_vec(),
        }
    }

    /// Slots with a target as flat indices `sequence · S + slot`, their targets, and the weight
    /// of each in the mean over sequences: every sequence weighs equally, whatever its number of
    /// targets (`LargeScale` `gpt_model.py`, micro-batches of one).
    #[must_use]
    pub(crate) fn targets(&self) -> Targets {
        let mut targets = Targets::default();
        let share = 1.0 / self.samples.len() as f64;
        for (sequence, sample) in self.samples.iter().enumerate() {
            let weight = share / sample.target_count() as f64;
            for (slot, target) in sample.targets.iter().enumerate() {
                if let Some(target) = target {
                    targets
                        .slots
                        .push((sequence * sample.tokens.len() + slot) as i64);
                    targets.tokens.push(i64::from(*target));
                    targets.weights.push(weight as f32);
                }
            }
        }
        targets
    }

    /// The mean over sequences of the mean over targets, of all sequences and per objective. Losses
    /// beyond those of the batch's targets are left out.
    #[must_use]
    pub(crate) fn losses(&self, token_losses: &[f32]) -> Losses {
        let mut rest = token_losses;
        let mut losses = Losses::default();
        for sample in &self.samples {
            let (own, after) = rest.split_at(sample.target_count());
            rest = after;
            let mean = own.iter().map(|l| f64::from(*l)).sum::<f64>() / own.len() as f64;
            losses.all.add(mean);
            match sample.kind {
                Kind::Gmask => losses.gmask.add(mean),
                Kind::Mask => losses.mask.add(mean),
                Kind::Task => losses.task.add(mean),
                Kind::Gpt => {}
            }
        }
        losses
    }
}

/// Where the loss is taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Targets {
    /// Flat slot indices, `[T]`.
    pub(crate) slots: Vec<i64>,
    /// Target tokens, `[T]`.
    pub(crate) tokens: Vec<i64>,
    /// Weights summing to 1, `[T]`.
    pub(crate) weights: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sequence_weighs_equally() {
        let batch = Batch {
            samples: vec![
                Sample::with_targets(Kind::Gmask, &[None, Some(1), Some(2), Some(3)]),
                Sample::with_targets(Kind::Mask, &[None, None, None, Some(4)]),
            ],
            languages: vec![Some(0), Some(0)],
        };
        let targets = batch.targets();
        assert_eq!(targets.slots, [1, 2, 3, 7]);
        assert_eq!(targets.weights, [1.0 / 6.0, 1.0 / 6.0, 1.0 / 6.0, 0.5]);
        let losses = batch.losses(&[1.0, 2.0, 3.0, 6.0]);
        assert_eq!(losses.all.value(), Some(4.0));
        assert_eq!(
            (losses.gmask.value(), losses.mask.value()),
            (Some(2.0), Some(6.0))
        );
    }
}
