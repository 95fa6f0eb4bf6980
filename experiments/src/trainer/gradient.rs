//! The gradient of a step, from micro-batches to unscaled sums.

use crate::data::{Batch, Losses};
use crate::files::parity::ParityFile;
use crate::layers::gradients::{Gradients, Paths};
use crate::layers::tap::Readings;
use crate::numerics::dropout::Dropout;
use crate::numerics::precision::Precision;
use crate::optimizer::adamw::{PIECE, sum_of_squares};
use crate::parameters::{Parameters, Role};
use crate::pass::{Note, Setting, TrainPass};
use crate::state::Trained;
use crate::trainer::signals::GradientNorms;
use experiments_config::{Format, Position};
use kernels::Pass::Backward;
use kernels::slices::rows::add;
use kernels::{Buffer, RangeCount};
use rayon::prelude::*;

/// Gradients summed over the micro-batches of a step.
pub(crate) struct Accumulated {
    pub(crate) losses: Losses,
    /// In the layout of the parameters.
    pub(crate) flat: Buffer,
    /// Sums of both paths into tied embeddings, FP32: for norms and the parity file only.
    pub(crate) paths: Option<Paths>,
    /// Range losses of the weight gradients, per parameter.
    pub(crate) lost: Vec<RangeCount>,
    pub(crate) readings: Option<Readings>,
}

impl From<TrainPass> for Accumulated {
    fn from(pass: TrainPass) -> Self {
        let Gradients { flat, paths, lost } = pass.gradients;
        Self {
            losses: pass.losses,
            flat,
            paths,
            lost,
            readings: pass.tap.readings,
        }
    }
}

impl Accumulated {
    /// Takes in another micro-batch.
    fn add(&mut self, pass: &TrainPass) {
        let gradients = &pass.gradients;
        self.losses.join(&pass.losses);
        add(&mut self.flat, &gradients.flat);
        if let (Some(ours), Some(theirs)) = (&mut self.paths, &gradients.paths) {
            ours.add(theirs);
        }
        for (ours, theirs) in self.lost.iter_mut().zip(&gradients.lost) {
            *ours += *theirs;
        }
        if let (Some(ours), Some(theirs)) = (&mut self.readings, &pass.tap.readings) {
            ours.join(theirs);
        }
    }

    /// Stores the sums as the gradients of a pass are stored.
    fn round(&mut self, parameters: &Parameters, precision: &Precision) {
        let (weight, head) = (precision.weight_gradient(), precision.head_gradient());
        for (parameter, lost) in parameters.table().iter().zip(&mut self.lost) {
            let rounding = match parameter.role {
                Role::Norm => &None,
                Role::Embedding if self.paths.is_some() => &head,
                Role::Head => &head,
                Role::Embedding | Role::Position | Role::Attention | Role::Ffn => &weight,
            };
            if let Some(rounding) = rounding {
                *lost += rounding.round(&mut self.flat[parameter.range.clone()], Backward);
            }
        }
    }
}

/// Forward and backward over all micro-batches, gradients summed in the configured format. `fetch`
/// gives the micro-batch at a position in the data.
pub(crate) fn accumulate(
    setting: &Setting,
    fetch: impl Fn(Position) -> Batch,
    trained: &mut Trained,
    with_layers: bool,
    mut parity: Option<&mut ParityFile>,
) -> Accumulated {
    let config = setting.config;
    let micro_batches = config.batch.gradient_accumulation as u64;
    let in_half = config.precision.grad_accumulation != Format::Fp32;
    let note = Note {
        probe: with_layers,
        capture: parity.is_some(),
    };
    let scale = trained.state.scaler.scale / micro_batches as f64;
    let mut sum: Option<Accumulated> = None;
    for micro in 0..micro_batches {
        let batch = fetch(trained.state.position);
        // Masks are numbered by step and micro-batch; a ramp may change how many there are.
        let dropout = Dropout::new(config.seed, (trained.state.step << 20) + micro);
        let run = setting.run(&trained.parameters, &batch);
        let mut pass = setting.engine.train(run, scale, dropout, note);
        trained.state.position += config.batch.micro_batch as u64;
        if let Some(parity) = &mut parity {
            parity.micro_batch(&batch, pass.tap.kept.take());
        }
        match &mut sum {
            None => sum = Some(pass.into()),
            Some(sum) => {
                sum.add(&pass);
                if in_half {
                    sum.round(&trained.parameters, setting.precision);
                }
            }
        }
    }
    // `batch.gradient_accumulation` is checked to be at least 1.
    sum.expect("at least one micro-batch")
}

/// Divides by the loss scale in FP32 and takes norms.
pub(crate) fn unscale(
    sum: &mut Accumulated,
    parameters: &Parameters,
    scale: f64,
    mut parity: Option<&mut ParityFile>,
) -> GradientNorms {
    let table = parameters.table();
    let inverse = 1.0 / scale;
    if let Some(parity) = &mut parity {
        if let Some(paths) = &sum.paths {
            parity.embedding_paths(&table[Parameters::EMBEDDING], paths);
        }
        parity.group("gradients_scaled", table, &sum.flat);
    }
    let mut rest = &mut *sum.flat;
    let parts: Vec<&mut [f32]> = table
        .iter()
        .filter_map(|p| rest.split_off_mut(..p.range.len()))
        .collect();
    let (squared, largest): (Vec<f64>, Vec<f32>) = parts
        .into_par_iter()
        .map(|part| kernels::slices::unscale(part, inverse as f32))
        .unzip();
    if let Some(parity) = parity {
        parity.group("gradients", table, &sum.flat);
    }
    let squares = |values: &[f32]| {
        // Parts of one size, summed in order: as many threads as there are change no bit.
        let parts: Vec<f64> = values.par_chunks(PIECE).map(sum_of_squares).collect();
        parts.iter().sum::<f64>() * inverse * inverse
    };
    let paths = sum.paths.as_ref();
    let paths = paths.map(|paths| [squares(&paths.input), squares(&paths.logit)]);
    GradientNorms::new(squared, paths, &largest)
}
