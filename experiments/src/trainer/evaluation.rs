//! What a model makes of text it does not train on.

use super::quantized::{Lost, measure};
use super::training::Training;
use crate::data::last_word::{self, LastWord};
use crate::data::{Batch, Losses, Sampler, held_out};
use crate::parameters::Parameters;
use crate::ranks::Order;
use experiments_text::Split;
use logs::{Record, signal};

/// What an evaluation finds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Evaluation {
    /// Mean loss over fixed held-out batches.
    pub(super) loss: Option<f64>,
    /// With `eval.last_word`.
    last_word: LastWord,
    /// With `eval.quantized`.
    quantized: Option<Lost>,
}

impl Evaluation {
    pub(super) fn record(&self, record: &mut Record) {
        if let Some(lost) = &self.quantized {
            lost.record(record);
        }
        let named = [
            (signal::HELD_OUT_LOSS, self.loss),
            (signal::LAST_WORD_LOSS, self.last_word.loss.value()),
            (signal::LAST_WORD_ACCURACY, self.last_word.accuracy.value()),
        ];
        for (signal, value) in named {
            if let Some(value) = value {
                record.set(signal, value);
            }
        }
    }
}

/// Fixed held-out batches and passages: the same for every arm, seed and step.
pub(super) fn evaluate(training: &Training, parameters: &Parameters) -> Evaluation {
    let setting = training.setting(training.config);
    let sampler = training.sampler(training.config, Split::HeldOut);
    let mut losses = Losses::default();
    for found in each_held_out(training, &sampler, parameters) {
        losses.join(&found);
    }
    let mut last_word = LastWord::default();
    let passages = is_recorded(training).then(|| last_word::passages(&sampler));
    for batch in passages.into_iter().flatten() {
        let logits = setting.engine.logits(setting.run(parameters, &batch));
        last_word::score(&mut last_word, &batch, &logits);
    }
    let is_quantized = training.config.eval.quantized && is_recorded(training);
    let quantized = is_quantized.then(|| measure(training, &sampler, parameters));
    // Evaluation rounds too; its range losses belong to no step.
    setting.precision.take_report();
    Evaluation {
        loss: losses.all.value(),
        last_word,
        quantized,
    }
}

/// Losses of the held-out batches in their order, each computed by one of the ranks where there are several.
fn each_held_out(training: &Training, sampler: &Sampler, parameters: &Parameters) -> Vec<Losses> {
    let setting = training.setting(training.config);
    let evaluate = |batch: &Batch| setting.engine.evaluate(setting.run(parameters, batch));
    let replica = setting.engine.replica();
    let Some(replica) = replica.filter(|replica| replica.ranks().have_begun()) else {
        return held_out(sampler).map(|batch| evaluate(&batch)).collect();
    };
    if is_recorded(training) {
        replica.ranks().order(&Order::Evaluate);
    }
    let batches: Vec<Batch> = held_out(sampler).collect();
    replica.each(batches.len(), |index| evaluate(&batches[index]))
}

/// Whether this process records what is found: of several ranks, the first.
fn is_recorded(training: &Training) -> bool {
    let replica = training.engine().replica();
    replica.is_none_or(|replica| replica.ranks().rank() == 0)
}
