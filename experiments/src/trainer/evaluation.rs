//! What a model makes of text it does not train on.

use super::training::Training;
use crate::data::last_word::{self, LastWord};
use crate::data::{Losses, held_out};
use crate::parameters::Parameters;
use experiments_text::Split;
use logs::{Record, signal};

/// What an evaluation finds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Evaluation {
    /// Mean loss over fixed held-out batches.
    pub(super) loss: Option<f64>,
    /// With `eval.last_word`.
    last_word: LastWord,
}

impl Evaluation {
    pub(super) fn record(&self, record: &mut Record) {
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
    for batch in held_out(&sampler) {
        losses.join(&setting.engine.evaluate(setting.run(parameters, &batch)));
    }
    let mut last_word = LastWord::default();
    for batch in last_word::passages(&sampler) {
        let logits = setting.engine.logits(setting.run(parameters, &batch));
        last_word::score(&mut last_word, &batch, &logits);
    }
    // Evaluation rounds too; its range losses belong to no step.
    setting.precision.take_report();
    Evaluation {
        loss: losses.all.value(),
        last_word,
    }
}
