//! From sample numbers to sequences.

use super::Batch;
use crate::data::inject::Planted;
use crate::data::objective::{
    Kind, Sample, sample_gmask, sample_gpt, sample_mask, sample_task, sub_samples, text_len,
};
use crate::random::stream;
use experiments_config::{Config, ObjectiveMode, Position};
use experiments_text::tasks::TaskMixture;
use experiments_text::{Corpus, Split};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Draws sequences by number: sample `i` of a seed is always the same sequence.
#[derive(Clone, Copy)]
pub(crate) struct Sampler<'a> {
    pub(crate) config: &'a Config,
    pub(crate) corpus: &'a Corpus,
    /// Prompted tasks; absent in evaluation.
    pub(crate) tasks: Option<&'a TaskMixture>,
    pub(crate) split: Split,
    /// Seed of the data order.
    pub(crate) seed: u64,
    /// The step that trains on the sequences, counted from 1: what is planted in it reaches them. Absent
    /// outside training.
    pub(crate) step: Option<u64>,
}

impl Sampler<'_> {
    /// Sample number `index` and its language.
    pub(crate) fn sample(&self, index: u64) -> (Sample, Option<usize>) {
        let kind = kind(self.config, self.seed, self.tasks.is_some(), index);
        let planted = Planted::new(self.config, self.seed, self.step, index);
        let mut rng = stream(self.seed, "data", index);
        let (mut sample, language) = match (kind, self.tasks) {
            (Kind::Task, Some(tasks)) => (self.of_tasks(tasks, planted, &mut rng), None),
            (Kind::Task, None) | (Kind::Gpt | Kind::Gmask | Kind::Mask, _) => {
                let (sample, language) = self.of_text(kind, planted, &mut rng);
                (sample, Some(language))
            }
        };
        planted.targets(&mut sample);
        (self.positioned(sample), language)
    }

    /// A row of prompted tasks.
    fn of_tasks(&self, tasks: &TaskMixture, planted: Planted, rng: &mut ChaCha8Rng) -> Sample {
        let objective = &self.config.objective;
        let special = self.corpus.special();
        let tasks = (0..sub_samples(Kind::Task, objective)).map(|_| tasks.sample(rng));
        let mut tasks: Vec<_> = tasks
            .map(|task| [task.text.to_vec(), task.target.to_vec()])
            .collect();
        planted.texts(&special, tasks.iter_mut().flatten());
        let tasks: Vec<_> = tasks
            .iter()
            .map(|[text, target]| (text.as_slice(), target.as_slice()))
            .collect();
        sample_task(objective, &special, &tasks, self.config.model.seq_len)
    }

    /// A row of running text, and its language.
    fn of_text(&self, kind: Kind, planted: Planted, rng: &mut ChaCha8Rng) -> (Sample, usize) {
        let (objective, seq_len) = (&self.config.objective, self.config.model.seq_len);
        let special = self.corpus.special();
        let len = text_len(kind, objective, seq_len);
        let parts = sub_samples(kind, objective);
        let mut text = Vec::new();
        // Sub-samples are neighbours in one text, as the original cuts its records.
        let language = (self.corpus).sample(self.split, rng, len * parts, &mut text);
        planted.texts(&special, [&mut text]);
        let sample = match kind {
            Kind::Gpt => sample_gpt(&text, seq_len),
            Kind::Gmask => sample_gmask(objective, &special, &text, seq_len, rng),
            Kind::Mask | Kind::Task => {
                let texts: Vec<_> = text.chunks(len).map(<[u32]>::to_vec).collect();
                sample_mask(objective, &special, &texts, seq_len, rng)
            }
        };
        (sample, language)
    }

    /// A sample with the ids that the model's positions want.
    pub(crate) fn positioned(&self, sample: Sample) -> Sample {
        if self.config.model.positions.reads_spans() {
            sample.with_block_positions()
        } else {
            sample
        }
    }

    /// `count` samples from the place `first` on.
    pub(crate) fn batch(&self, Position(first): Position, count: usize) -> Batch {
        let (samples, languages) = (first..first + count as u64)
            .map(|i| self.sample(i))
            .unzip();
        Batch { samples, languages }
    }
}

/// The objective of sequence `index`, from a stream of its own: two runs that differ in a ratio differ
/// only in the sequences that the ratio moves.
fn kind(config: &Config, seed: u64, with_tasks: bool, index: u64) -> Kind {
    if config.objective.mode == ObjectiveMode::Gpt {
        return Kind::Gpt;
    }
    let mut rng = stream(seed, "objective", index);
    let (task, gmask) = (rng.random::<f64>(), rng.random::<f64>());
    if with_tasks && task < config.tasks.ratio {
        Kind::Task
    } else if gmask < config.objective.gmask_ratio {
        Kind::Gmask
    } else {
        Kind::Mask
    }
}

/// Seed of the held-out sequences; far from the seeds people choose.
pub(crate) const HELD_OUT_SEED: u64 = 0x4e1d_0f75;

/// The batches every evaluation uses: the same for every arm, seed and step.
pub(crate) fn held_out<'a>(sampler: &Sampler<'a>) -> impl Iterator<Item = Batch> + use<'a> {
    let sampler = Sampler {
        tasks: None,
        split: Split::HeldOut,
        seed: HELD_OUT_SEED,
        step: None,
        ..*sampler
    };
    let size = sampler.config.batch.micro_batch;
    (0..sampler.config.eval.batches)
        .map(move |index| sampler.batch(Position((index * size) as u64), size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(ratio: f64) -> Vec<Kind> {
        let mut config = Config::default();
        config.tasks.ratio = ratio;
        (0..100_000)
            .map(|index| kind(&config, 7, true, index))
            .collect()
    }

    #[test]
    fn sequences_have_the_shares_of_glm_130b() {
        // 5 % tasks, the rest 70 : 30 (2210.02414 §2.2; LargeScale `--gpt-prob 0.7`,
        // `--multitask-ratio 0.05`): 66.5 / 28.5 / 5. Five standard errors of 1e5 draws.
        let kinds = kinds(0.05);
        for (kind, share) in [
            (Kind::Gmask, 0.665),
            (Kind::Mask, 0.285),
            (Kind::Task, 0.05_f64),
        ] {
            let found = kinds.iter().filter(|k| **k == kind).count() as f64 / 1e5;
            let error = (share * (1.0 - share) / 1e5).sqrt();
            assert!((found - share).abs() < 5.0 * error, "{kind:?}: {found}");
        }
    }

    #[test]
    fn a_ratio_moves_only_the_sequences_it_has_to() {
        let (none, some, all) = (kinds(0.0), kinds(0.3), kinds(1.0));
        assert!(all.iter().all(|kind| *kind == Kind::Task));
        let changed = none.iter().zip(&some).filter(|(a, b)| a != b);
        assert!(changed.clone().all(|(_, b)| *b == Kind::Task));
        assert!((changed.count() as f64 / 1e5 - 0.3).abs() < 0.01);
        let without = |index| kind(&Config::default(), 7, false, index);
        assert!((0..1000).all(|index| without(index) == none[index as usize]));
    }
}
