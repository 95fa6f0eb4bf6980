//! Forward and backward over one micro-batch: the pure part of a step.
//!
//! An [`Engine`] computes all passes of a run. It is chosen once, when the run begins
//! (`crate::backend::Device::engine`): [`fused`], [`graph`] or [`packed`]; [`replica`] on one of several ranks. [`incremental`] reads text row by row and trains
//! nothing.

pub(crate) mod fused;
pub(crate) mod graph;
pub(crate) mod incremental;
pub(crate) mod packed;
pub(crate) mod replica;

use crate::arithmetic::Arithmetic;
use crate::arithmetic::host::HostArithmetic;
use crate::array::Gradient;
use crate::data::{Batch, Losses};
use crate::later::Later;
use crate::layers::gradients::{Gradients, Paths};
use crate::layers::tap::Tap;
use crate::numerics::dropout::Dropout;
use crate::numerics::precision::Precision;
use crate::parameters::Parameters;
use experiments_config::Config;
use kernels::RangeCount;
use replica::Replica;

/// What a pass of one run reads.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    /// With the values that scheduled keys have at this step.
    pub(crate) config: &'a Config,
    /// Counts what its roundings lose.
    pub(crate) precision: &'a Precision,
    pub(crate) parameters: &'a Parameters,
    pub(crate) batch: &'a Batch,
}

/// What computes the passes of a run.
pub(crate) trait Engine {
    /// Name for the manifest.
    fn name(&self) -> &'static str;

    /// Whose operations it uses, and their version, for the manifest.
    fn kernels(&self) -> &str;

    /// Whether [`Run::precision`] counts what this run's activations lose.
    fn counts_range(&self) -> bool;

    /// Where the arrays of a run lie between its passes.
    fn arithmetic(&self) -> &dyn Arithmetic {
        &HostArithmetic
    }

    /// This rank among those that train the run, where there are several.
    fn replica(&self) -> Option<&Replica> {
        None
    }

    /// Forward and backward. The gradients are those of `scale` times the mean loss over sequences.
    fn train(&self, run: Run, scale: f64, dropout: Dropout, note: Note) -> TrainPass {
        self.begin(run, scale, dropout, note).end(run.precision)
    }

    /// [`Engine::train`], of which a device may still compute what is reported.
    fn begin(&self, run: Run, scale: f64, dropout: Dropout, note: Note) -> Begun;

    /// Forward only, without dropout.
    fn evaluate(&self, run: Run) -> Losses;

    /// Logits of the slots with a target as they are stored, `[t, v]`, forward only and without dropout.
    fn logits(&self, run: Run) -> Vec<f32>;

    /// Shows a pass to a tap, forward only through all layers and without dropout.
    fn watch(&self, run: Run, tap: Tap) -> Tap;
}

/// What all passes of a step share.
#[derive(Clone, Copy)]
pub(crate) struct Setting<'a> {
    /// With the values that scheduled keys have at this step.
    pub(crate) config: &'a Config,
    pub(crate) precision: &'a Precision,
    pub(crate) engine: &'a dyn Engine,
}

impl<'a> Setting<'a> {
    /// What a pass over `batch` reads.
    pub(crate) fn run(&self, parameters: &'a Parameters, batch: &'a Batch) -> Run<'a> {
        Run {
            config: self.config,
            precision: self.precision,
            parameters,
            batch,
        }
    }

    /// Losses over several batches, without dropout.
    pub(crate) fn losses(self, parameters: &'a Parameters, batches: &'a [Batch]) -> Losses {
        let mut losses = Losses::default();
        for batch in batches {
            losses.join(&self.engine.evaluate(self.run(parameters, batch)));
        }
        losses
    }
}

/// What a training pass is asked to note.
#[derive(Clone, Copy)]
pub(crate) struct Note {
    /// Per-layer signals.
    pub(crate) probe: bool,
    /// Everything a parity file holds.
    pub(crate) capture: bool,
}

impl Note {
    fn tap(self) -> Tap {
        Tap::new(self.probe, self.capture)
    }
}

/// Result of one training pass.
pub(crate) struct TrainPass {
    pub(crate) losses: Losses,
    pub(crate) gradients: Gradients,
    pub(crate) tap: Tap,
}

/// What a training pass says beside its gradients.
pub(crate) struct Report {
    pub(crate) losses: Losses,
    /// As [`Gradients::lost`].
    pub(crate) lost: Vec<RangeCount>,
    pub(crate) tap: Tap,
    /// For [`Precision::settle`].
    pub(crate) counts: Vec<RangeCount>,
}

/// A training pass that is computed, or will be before anybody can read what it gives.
pub(crate) struct Begun {
    pub(crate) flat: Gradient,
    pub(crate) paths: Option<Paths>,
    pub(crate) report: Later<Report>,
}

impl Begun {
    /// Waits for the report; `precision` takes in what a device counted.
    fn end(self, precision: &Precision) -> TrainPass {
        let report = self.report.get();
        precision.settle(&report.counts);
        TrainPass {
            losses: report.losses,
            gradients: Gradients {
                flat: self.flat,
                paths: self.paths,
                lost: report.lost,
            },
            tap: report.tap,
        }
    }
}

impl From<TrainPass> for Begun {
    fn from(pass: TrainPass) -> Self {
        let Gradients { flat, paths, lost } = pass.gradients;
        let report = Report {
            losses: pass.losses,
            lost,
            tap: pass.tap,
            counts: Vec::new(),
        };
        Self {
            flat,
            paths,
            report: Later::now(report),
        }
    }
}
