//! The gradient of a step, from micro-batches to unscaled sums.

use crate::arithmetic::Arithmetic;
use crate::array::Gradient;
use crate::data::{Batch, Losses};
use crate::files::parity::ParityFile;
use crate::layers::gradients::{Gradients, Paths};
use crate::layers::tap::Readings;
use crate::numerics::dropout::Dropout;
use crate::parameters::Parameters;
use crate::pass::replica::{Replica, Work};
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
    /// Gradients that come without what else a pass finds.
    fn of(gradients: Gradients, parameters: &Parameters) -> Self {
        let Gradients {
            flat,
            paths,
            mut lost,
        } = gradients;
        lost.resize(parameters.table().len(), RangeCount::default());
        Self {
            losses: Losses::default(),
            flat,
            paths,
            lost,
            readings: None,
        }
    }

    /// Takes in another micro-batch.
    fn add(&mut self, pass: &TrainPass, arithmetic: &dyn Arithmetic) {
        self.losses.join(&pass.losses);
        self.add_gradients(&pass.gradients, arithmetic);
        if let (Some(ours), Some(theirs)) = (&mut self.readings, &pass.tap.readings) {
            ours.join(theirs);
        }
    }

    fn add_gradients(&mut self, gradients: &Gradients, arithmetic: &dyn Arithmetic) {
        arithmetic.add(&mut self.flat, &gradients.flat);
        if let (Some(ours), Some(theirs)) = (&mut self.paths, &gradients.paths) {
            arithmetic.add(&mut ours.input, &theirs.input);
            arithmetic.add(&mut ours.logit, &theirs.logit);
        }
        for (ours, theirs) in self.lost.iter_mut().zip(&gradients.lost) {
            *ours += *theirs;
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

/// Forward and backward over all micro-batches, gradients summed in the configured format. `fetch`
/// gives the micro-batch at a position in the data.
pub(crate) fn accumulate(
    setting: &Setting,
    fetch: impl Fn(Position) -> Batch,
    trained: &mut Trained,
    with_layers: bool,
    mut parity: Option<&mut ParityFile>,
) -> Accumulated {
    if let Some(replica) = setting.engine.replica() {
        return beside(setting, replica, fetch, trained, with_layers);
    }
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
        let dropout = Dropout::of_micro_batch(config.seed, trained.state.step, micro);
        let run = setting.run(&trained.parameters, &batch);
        let mut pass = setting.engine.train(run, scale, dropout, note);
        trained.state.position += config.batch.micro_batch as u64;
        if let Some(parity) = &mut parity {
            parity.micro_batch(&batch, pass.tap.kept.take());
        }
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
    // `batch.gradient_accumulation` is checked to be at least 1.
    sum.expect("at least one micro-batch")
}

/// [`accumulate`] beside other ranks: the sums are those of this rank's parameters.
fn beside(
    setting: &Setting,
    replica: &Replica,
    fetch: impl Fn(Position) -> Batch,
    trained: &mut Trained,
    with_layers: bool,
) -> Accumulated {
    let config = setting.config;
    let (position, step) = (trained.state.position, trained.state.step);
    let size = config.batch.micro_batch as u64;
    let [_, place] = replica.ranks().place();
    let replicas = replica.ranks().degrees().data;
    let division = Division::new(config.batch.gradient_accumulation, replicas, place);
    let work = (0..division.rounds).map(|round| {
        let (micro, part) = division.unit(round);
        let batch = fetch(Position(position.0 + micro * size));
        let dropout = Dropout::of_micro_batch(config.seed, step, micro);
        if division.parts == 1 {
            return Work { batch, dropout };
        }
        Work {
            batch: batch.part(part, division.parts),
            dropout: dropout.of_sequence(part, division.parts),
        }
    });
    let work: Vec<Work> = work.collect();
    let passes = config.batch.gradient_accumulation * division.parts;
    let note = Note {
        probe: with_layers,
        capture: false,
    };
    let how = (trained.state.scaler.scale / passes as f64, note);
    let in_half = config.precision.grad_accumulation != Format::Fp32;
    let mut sum: Option<Accumulated> = None;
    let parameters = &trained.parameters;
    let found = replica.train_all(
        setting,
        parameters,
        &work,
        how,
        |gradients| match &mut sum {
            None => sum = Some(Accumulated::of(gradients, parameters)),
            Some(sum) => {
                sum.add_gradients(&gradients, setting.engine.arithmetic());
                if in_half {
                    sum.round(parameters, setting);
                }
            }
        },
    );
    trained.state.position += config.batch.gradient_accumulation as u64 * size;
    let sum = sum.expect("at least one micro-batch");
    // What was rounded here, and what in the passes.
    let mut lost = replica.join_lost(&sum.lost);
    for (sum, lost) in lost.iter_mut().zip(found.lost) {
        *sum += lost;
    }
    Accumulated {
        losses: found.losses,
        readings: found.readings,
        lost,
        ..sum
    }
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
