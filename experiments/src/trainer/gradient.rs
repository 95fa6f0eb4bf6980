//! The gradient of a step, from micro-batches to unscaled sums.

use crate::arithmetic::Arithmetic;
use crate::array::Gradient;
use crate::data::{Batch, Losses};
use crate::files::parity::ParityFile;
use crate::later::Later;
use crate::layers::gradients::Paths;
use crate::layers::tap::Readings;
use crate::numerics::dropout::Dropout;
use crate::numerics::precision::Precision;
use crate::parameters::Parameters;
use crate::pass::{Begun, Note, Report, Setting};
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
    /// Takes in another micro-batch.
    fn add(&mut self, begun: Begun, arithmetic: &dyn Arithmetic) {
        arithmetic.add(&mut self.flat, &begun.flat);
        if let (Some(ours), Some(theirs)) = (&mut self.paths, &begun.paths) {
            arithmetic.add(&mut ours.input, &theirs.input);
            arithmetic.add(&mut ours.logit, &theirs.logit);
        }
        self.reports.push(begun.report);
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
            sum.note_lost(report.lost);
            match (&mut sum.readings, report.tap.readings) {
                (Some(ours), Some(theirs)) => ours.join(&theirs),
                (ours, theirs) => *ours = theirs,
            }
        }
        for lost in self.lost {
            sum.note_lost(lost.get());
        }
        sum
    }
}

impl Accumulated {
    fn note_lost(&mut self, lost: Vec<RangeCount>) {
        self.lost
            .resize(lost.len().max(self.lost.len()), RangeCount::default());
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
) -> Sum {
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
