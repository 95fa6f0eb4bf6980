//! The gradient of a step, from micro-batches to unscaled sums.

use crate::arithmetic::Arithmetic;
use crate::array::Gradient;
use crate::data::{Batch, Losses};
use crate::files::parity::ParityFile;
use crate::later::Later;
use crate::layers::gradients::{Gradients, Paths};
use crate::layers::tap::{Readings, Tap};
use crate::numerics::dropout::Dropout;
use crate::numerics::precision::Precision;
use crate::parameters::Parameters;
use crate::pass::replica::{Replica, Work};
use crate::pass::{Begun, Note, Report, Setting};
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

/// Gradients that are being summed. What else is known of their passes may still wait on a device.
pub(crate) struct Sum {
    flat: Gradient,
    paths: Option<Paths>,
    /// One for each micro-batch.
    reports: Vec<Later<Report>>,
    /// What storing the sums lost, per parameter.
    lost: Vec<Later<Vec<RangeCount>>>,
}

impl From<Begun> for Sum {
    fn from(begun: Begun) -> Self {
        Self {
            flat: begun.flat,
            paths: begun.paths,
            reports: vec![begun.report],
            lost: Vec::new(),
        }
    }
}

impl Sum {
    /// Gradients that come without what else a pass finds.
    fn of(gradients: Gradients) -> Self {
        Self {
            flat: gradients.flat,
            paths: gradients.paths,
            reports: Vec::new(),
            lost: Vec::new(),
        }
    }

    /// Takes in another micro-batch.
    fn add(&mut self, begun: Begun, arithmetic: &dyn Arithmetic) {
        self.add_gradients(&begun.flat, begun.paths.as_ref(), arithmetic);
        self.reports.push(begun.report);
    }

    fn add_gradients(
        &mut self,
        flat: &Gradient,
        paths: Option<&Paths>,
        arithmetic: &dyn Arithmetic,
    ) {
        arithmetic.add(&mut self.flat, flat);
        if let (Some(ours), Some(theirs)) = (&mut self.paths, paths) {
            arithmetic.add(&mut ours.input, &theirs.input);
            arithmetic.add(&mut ours.logit, &theirs.logit);
        }
    }

    /// Stores the sums as the gradients of a pass are stored.
    fn round(&mut self, parameters: &Parameters, setting: &Setting) {
        let table = parameters.table();
        let roundings = setting.precision.gradients(table, self.paths.is_some());
        let arithmetic = setting.engine.arithmetic();
        let lost = arithmetic.round(&mut self.flat, parameters.ranges(), &roundings);
        self.lost.push(lost);
    }

    /// Waits for what is known of the passes; `precision` takes in what a device counted.
    pub(crate) fn end(self, precision: &Precision) -> Accumulated {
        let mut sum = Accumulated {
            losses: Losses::default(),
            flat: self.flat,
            paths: self.paths,
            lost: Vec::new(),
            readings: None,
        };
        for report in self.reports {
            let report = report.get();
            precision.settle(&report.counts);
            sum.losses.join(&report.losses);
            sum.note_lost(&report.lost);
            match (&mut sum.readings, report.tap.readings) {
                (Some(ours), Some(theirs)) => ours.join(&theirs),
                (ours, theirs) => *ours = theirs,
            }
        }
        for lost in self.lost {
            sum.note_lost(&lost.get());
        }
        sum
    }
}

impl Accumulated {
    fn note_lost(&mut self, lost: &[RangeCount]) {
        self.lost
            .resize(lost.len().max(self.lost.len()), RangeCount::default());
        add_lost(&mut self.lost, lost);
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
) -> Sum {
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
    let mut sum: Option<Sum> = None;
    for micro in 0..micro_batches {
        let batch = fetch(trained.state.position);
        let dropout = Dropout::of_micro_batch(config.seed, trained.state.step, micro);
        let run = setting.run(&trained.parameters, &batch);
        let mut begun = setting.engine.begin(run, scale, dropout, note);
        trained.state.position += config.batch.micro_batch as u64;
        if let Some(parity) = &mut parity {
            let mut report = begun.report.get();
            parity.micro_batch(&batch, report.tap.kept.take());
            begun.report = Later::now(report);
        }
        match &mut sum {
            None => sum = Some(begun.into()),
            Some(sum) => {
                sum.add(begun, setting.engine.arithmetic());
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
) -> Sum {
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
    let parameters = &trained.parameters;
    let mut own = vec![RangeCount::default(); parameters.table().len()];
    let mut sum: Option<Sum> = None;
    let found = replica.train_all(setting, parameters, &work, how, |gradients| {
        add_lost(&mut own, &gradients.lost);
        match &mut sum {
            None => sum = Some(Sum::of(gradients)),
            Some(sum) => {
                let (flat, paths) = (&gradients.flat, gradients.paths.as_ref());
                sum.add_gradients(flat, paths, setting.engine.arithmetic());
                if in_half {
                    sum.round(parameters, setting);
                }
            }
        }
    });
    trained.state.position += config.batch.gradient_accumulation as u64 * size;
    let mut sum = sum.expect("at least one micro-batch");
    for lost in sum.lost.drain(..) {
        add_lost(&mut own, &lost.get());
    }
    sum.lost.push(Later::now(replica.join_lost(&own)));
    let mut tap = Tap::default();
    tap.readings = found.readings;
    sum.reports.push(Later::now(Report {
        losses: found.losses,
        lost: found.lost,
        tap,
        counts: Vec::new(),
    }));
    sum
}

/// Adds up what was lost, per parameter.
fn add_lost(sum: &mut [RangeCount], lost: &[RangeCount]) {
    for (sum, lost) in sum.iter_mut().zip(lost) {
        *sum += *lost;
    }
}

/// Divides by the loss scale in FP32 and takes norms. Where a device has computed the passes, this is the one time that a
/// step waits for it before it decides.
pub(crate) fn unscale(
    mut sum: Sum,
    setting: &Setting,
    parameters: &Parameters,
    scale: f64,
    mut parity: Option<&mut ParityFile>,
) -> (Accumulated, GradientNorms) {
    let (table, arithmetic) = (parameters.table(), setting.engine.arithmetic());
    let inverse = 1.0 / scale;
    if let Some(parity) = &mut parity {
        if let Some(paths) = &sum.paths {
            parity.embedding_paths(&table[Parameters::EMBEDDING], paths);
        }
        parity.group("gradients_scaled", table, &sum.flat);
    }
    let sizes = arithmetic.scale(&mut sum.flat, parameters.ranges(), inverse as f32);
    let paths = sum.paths.as_ref();
    let squares =
        paths.map(|paths| [&paths.input, &paths.logit].map(|path| arithmetic.squares(path)));
    let squares = squares.map(|both| both.map(|squares| squares.get() * inverse * inverse));
    let norms = GradientNorms::new(&sizes.get(), squares);
    let sum = sum.end(setting.precision);
    if let Some(parity) = parity {
        parity.group("gradients", table, &sum.flat);
    }
    (sum, norms)
}
