//! The gradient of a step, from micro-batches to unscaled sums.

use crate::arithmetic::Arithmetic;
use crate::array::Gradient;
use crate::data::{Batch, Losses};
use crate::files::parity::ParityFile;
use crate::layers::gradients::{Gradients, Paths};
use crate::layers::tap::Readings;
use crate::numerics::dropout::Dropout;
use crate::parameters::Parameters;
use crate::pass::replica::Replica;
use crate::pass::{Note, Setting, TrainPass};
use crate::ranks::Division;
use crate::state::Trained;
use crate::trainer::signals::GradientNorms;
use experiments_config::{Format, Position};
use kernels::RangeCount;

/// Gradients summed over the micro-batches of a step.
pub(crate) struct Accumulated {
    pub(crate) losses: Losses,
    /// In the layout of the parameters.
    pub(crate) flat: Gradient,
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
    fn add(&mut self, pass: &TrainPass, arithmetic: &dyn Arithmetic) {
        let gradients = &pass.gradients;
        self.losses.join(&pass.losses);
        arithmetic.add(&mut self.flat, &gradients.flat);
        if let (Some(ours), Some(theirs)) = (&mut self.paths, &gradients.paths) {
            arithmetic.add(&mut ours.input, &theirs.input);
            arithmetic.add(&mut ours.logit, &theirs.logit);
        }
        for (ours, theirs) in self.lost.iter_mut().zip(&gradients.lost) {
            *ours += *theirs;
        }
        if let (Some(ours), Some(theirs)) = (&mut self.readings, &pass.tap.readings) {
            ours.join(theirs);
        }
    }

    /// Stores the sums as the gradients of a pass are stored.
    fn round(&mut self, parameters: &Parameters, setting: &Setting) {
        let table = parameters.table();
        let roundings = setting.precision.gradients(table, self.paths.is_some());
        let arithmetic = setting.engine.arithmetic();
        let lost = arithmetic.round(&mut self.flat, &parameters.ranges(), &roundings);
        for (sum, lost) in self.lost.iter_mut().zip(lost) {
            *sum += lost;
        }
    }
}

/// What this rank passes of a step; everything where it is alone.
fn division(setting: &Setting) -> Division {
    let ranks = setting.engine.replica().map(Replica::ranks);
    let [count, rank] = ranks.map_or([1, 0], |ranks| [ranks.count(), ranks.rank()]);
    Division::new(setting.config.batch.gradient_accumulation, count, rank)
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
    let replica = setting.engine.replica();
    let division = division(setting);
    let size = config.batch.micro_batch as u64;
    let in_half = config.precision.grad_accumulation != Format::Fp32;
    let note = Note {
        probe: with_layers,
        capture: parity.is_some(),
    };
    let passes = config.batch.gradient_accumulation * division.parts;
    let scale = trained.state.scaler.scale / passes as f64;
    let mut sum: Option<Accumulated> = None;
    for round in 0..division.rounds {
        let (micro, part) = division.unit(round);
        let mut batch = fetch(Position(trained.state.position.0 + micro * size));
        let mut dropout = Dropout::of_micro_batch(config.seed, trained.state.step, micro);
        if division.parts > 1 {
            batch = batch.part(part, division.parts);
            dropout = dropout.of_sequence(part, division.parts);
        }
        let run = setting.run(&trained.parameters, &batch);
        let mut pass = setting.engine.train(run, scale, dropout, note);
        if let Some(parity) = &mut parity {
            parity.micro_batch(&batch, pass.tap.kept.take());
        }
        let passes = match replica {
            Some(replica) => replica.exchange(pass),
            None => vec![pass],
        };
        for pass in passes {
            match &mut sum {
                None => sum = Some(pass.into()),
                Some(sum) => {
                    sum.add(&pass, setting.engine.arithmetic());
                    if in_half {
                        sum.round(&trained.parameters, setting);
                    }
                }
            }
        }
    }
    trained.state.position += config.batch.gradient_accumulation as u64 * size;
    // `batch.gradient_accumulation` is checked to be at least 1.
    sum.expect("at least one micro-batch")
}

/// Divides by the loss scale in FP32 and takes norms.
pub(crate) fn unscale(
    sum: &mut Accumulated,
    arithmetic: &dyn Arithmetic,
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
    let sizes = arithmetic.scale(&mut sum.flat, &parameters.ranges(), inverse as f32);
    if let Some(parity) = parity {
        parity.group("gradients", table, &sum.flat);
    }
    let squares = |gradient| arithmetic.squares(gradient) * inverse * inverse;
    let paths = sum.paths.as_ref();
    let paths = paths.map(|paths| [squares(&paths.input), squares(&paths.logit)]);
    GradientNorms::new(&sizes, paths)
}
