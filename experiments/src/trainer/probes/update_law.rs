//! How far one step moves the model (`DeepNet`, arXiv 2203.00555 §4): the change of the logits by one
//! sign step on the weights of the blocks, at initialisation.
//!
//! Adam's first step with ε → 0 is `lr · sign(g)`. Theorem 4.2 bounds its effect by the sum of
//! `√(v² + w²)/α · ‖Δθ‖` over sub-layers, v and w being the scales of the two matrices of a sub-layer.
//! So matrices move, and nothing else: a bias or a norm's b would add `‖Δθ‖/α`, or `‖Δθ‖`, without a
//! weight in front, which no gain makes small and which is another law.

use crate::data::{Batch, held_out};
use crate::error::TrainError;
use crate::parameters::{Parameter, Parameters};
use crate::pass::Setting;
use crate::state::Trained;
use crate::trainer::gradient::{accumulate, unscale};
use crate::trainer::signals::Recorder;
use crate::trainer::training::Training;
use experiments_config::Position;
use experiments_text::Split;
use logs::{Record, signal};

/// One record, of step 1.
pub(super) fn measure(training: &Training) -> Result<Record, TrainError> {
    let trained = Trained::fresh(training.config)?;
    let config = &training.config.at(trained.state.progress());
    let sampler = training.sampler(config, Split::Train);
    let fetch = |position| sampler.batch(position, config.batch.micro_batch);
    // `eval.batches` is checked to be at least 1.
    let probe = held_out(&training.sampler(config, Split::HeldOut)).next();
    let probe = probe.expect("a held-out batch");
    let setting = training.setting(config);
    Ok(record(&setting, fetch, trained, &probe))
}

/// Gradient on what `fetch` gives, step, and the change of the logits on `probe`.
pub(super) fn record(
    setting: &Setting,
    fetch: impl Fn(Position) -> Batch,
    mut trained: Trained,
    probe: &Batch,
) -> Record {
    let config = setting.config;
    let (scale, lr) = (trained.state.scaler.scale, config.optimizer.lr);
    let sum = accumulate(setting, fetch, &mut trained, false, None);
    let (sum, norms) = unscale(sum, setting, &trained.parameters, scale, None);
    let logits = |trained: &Trained| {
        setting
            .engine
            .logits(setting.run(&trained.parameters, probe))
    };
    let before = logits(&trained);
    sign_step(&mut trained.parameters, &sum.flat, lr as f32);
    let after = logits(&trained);

    let mut recorder = Recorder {
        table: trained.parameters.table(),
        layers: config.model.layers,
        with_layers: false,
        record: Record::new(1),
    };
    recorder.losses(&sum.losses);
    recorder.gradients(&norms, None);
    let mut record = recorder.record;
    record.set(signal::LR, lr);
    record.set(signal::LOGIT_UPDATE_RMS, rms_of_difference(&before, &after));
    record
}

/// Whether the step moves it.
fn moves(parameter: &Parameter) -> bool {
    parameter.layer.is_some() && parameter.shape.len() == 2
}

/// `w -= lr · sign(g)` on the matrices of the blocks; where the gradient is 0 nothing moves, and where it
/// is NaN the weight becomes NaN, so that the result says so.
pub(super) fn sign_step(parameters: &mut Parameters, gradient: &[f32], lr: f32) {
    let (table, weights) = parameters.split_mut();
    for parameter in table.iter().filter(|parameter| moves(parameter)) {
        let range = parameter.range.clone();
        for (w, g) in weights[range.clone()].iter_mut().zip(&gradient[range]) {
            if *g != 0.0 {
                *w -= lr * g.signum();
            }
        }
    }
}

/// The difference of two FP32 logits is taken in FP64, where it is exact.
fn rms_of_difference(before: &[f32], after: &[f32]) -> f64 {
    let both = before.iter().zip(after);
    let squares = both.map(|(a, b)| (f64::from(*b) - f64::from(*a)).powi(2));
    (squares.sum::<f64>() / before.len() as f64).sqrt()
}
