//! Passes by burn's tensor operations and their autodiff graph, [`crate::layers::network::graph`], on any device.
//!
//! A pass may serve several runs at once, each with weights, a batch and a loss scale of its own, so
//! that small models fill a large device. Nothing flows between the runs.

mod resident;

use crate::arithmetic::Arithmetic;
use crate::arithmetic::block::{Layouts, Share, gather, own};
use crate::arithmetic::device::{DeviceArithmetic, tensor};
use crate::arithmetic::host::HostArithmetic;
use crate::arithmetic::orders::Desk;
use crate::data::{Batch, Losses, Mean, Targets};
use crate::later::{Later, Waiting};
use crate::layers::context::graph::{Context, scale_runs};
use crate::layers::input::{Input, narrow};
use crate::layers::network::graph::Glm;
use crate::layers::tables::Tables;
use crate::layers::tap::{Seen, Tap};
use crate::layers::weights::graph::{Resident, Weights, collect};
use crate::numerics::dropout::Dropout;
use crate::numerics::precision::Precision;
use crate::parameters::Parameters;
use crate::pass::{Begun, Engine, Note, Report, Run, TrainPass};
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use experiments_config::Config;
use kernels::{Kernels, RangeCount, Ranges, Summary, bus};
use resident::{OnDevice, Reads, settled};
use std::borrow::Cow;

/// The graph on a device of backend `B`.
pub(crate) struct Graph<B: AutodiffBackend> {
    device: B::Device,
    /// Of training passes, and of those without gradients.
    tables: Tables<B>,
    plain_tables: Tables<B::InnerBackend>,
    /// Name of the backend, and of a device that is not the CPU.
    backend: String,
    /// Where the arrays of a run stay between its passes; absent for the host.
    resident: Option<DeviceArithmetic<B::InnerBackend>>,
    /// Of the runs of a pack.
    layouts: Layouts,
}

impl<B> Engine for Graph<B>
where
    B: AutodiffBackend + Kernels,
    B::InnerBackend: Kernels,
{
    fn name(&self) -> &'static str {
        "graph"
    }

    fn kernels(&self) -> &str {
        &self.backend
    }

    fn counts_range(&self) -> bool {
        B::InnerBackend::COUNTS_RANGE
    }

    fn arithmetic(&self) -> &dyn Arithmetic {
        match &self.resident {
            Some(device) => device,
            None => &HostArithmetic,
        }
    }

    fn begin(&self, run: Run, scale: f64, dropout: Dropout, note: Note) -> Begun {
        let (runs, scales, dropout) = ([run], [scale], vec![dropout]);
        if let Some(device) = &self.resident {
            let (own, mut reports) = self.begin_resident(device, &runs, &scales, dropout, note);
            return own.begun(reports.pop().expect("one report for one run"));
        }
        let mut passes = self.train_all(&runs, &scales, dropout, note);
        passes.pop().expect("one pass for one run").into()
    }

    fn evaluate(&self, run: Run) -> Losses {
        let mut losses = self.evaluate_all(&[run]);
        losses.pop().expect("one result for one run")
    }

    fn logits(&self, run: Run) -> Vec<f32> {
        self.watched_logits(run, Vec::new()).0
    }

    fn watch(&self, run: Run, tap: Tap) -> Tap {
        let (_, mut taps) = self.watched_logits(run, vec![tap]);
        taps.pop().unwrap_or_default()
    }
}

impl<B> Graph<B>
where
    B: AutodiffBackend + Kernels,
    B::InnerBackend: Kernels,
{
    /// Logits of one run, and what its tap saw, where it has one.
    fn watched_logits(&self, run: Run, taps: Vec<Tap>) -> (Vec<f32>, Vec<Tap>) {
        let Run {
            config, precision, ..
        } = run;
        let runs = [run.parameters];
        let mut weights = Weights::new(&runs, precision, &self.device, false)
            .resident(self.weights(&runs, precision));
        let model = Glm::<B::InnerBackend>::new(config, &mut weights);
        let mut context = Context {
            taps,
            ..Context::plain(config, precision)
        };
        let targets = run.batch.targets();
        let half = precision.half();
        let input = Input::beside(&self.plain_tables, run.batch, &targets, &config.model, half);
        let logits = model.logits(&input, &mut context);
        let [t, v] = logits.dims();
        (settled(precision, logits.reshape([t * v])), context.taps)
    }

    /// `resident`: whether the runs' arrays stay on the device.
    pub(crate) fn new(device: B::Device, backend: String, resident: bool) -> Self {
        let resident = resident.then(|| DeviceArithmetic {
            device: device.clone(),
            waiting: Waiting::default(),
        });
        Self {
            tables: Tables::new(device.clone()),
            plain_tables: Tables::new(device.clone()),
            device,
            backend,
            resident,
            layouts: Layouts::default(),
        }
    }

    /// Where the arithmetic of a pack is done; absent for the host.
    pub(crate) fn desk(&self) -> Option<Desk<'_, B::InnerBackend>> {
        let DeviceArithmetic { device, waiting } = self.resident.as_ref()?;
        Some(Desk {
            device,
            waiting,
            layouts: &self.layouts,
        })
    }

    /// The master weights of all runs on the device, and what lies where.
    fn master(&self, runs: &[&Parameters]) -> (Tensor<B::InnerBackend, 1>, Ranges) {
        let arrays: Vec<_> = runs.iter().map(|run| run.array()).collect();
        if let [array] = arrays[..]
            && array.copy_elsewhere::<Share<B::InnerBackend>>().is_none()
        {
            return (
                array.on::<B::InnerBackend>(&self.device),
                runs[0].ranges().clone(),
            );
        }
        let lens: Vec<_> = runs[0].ranges().iter().map(|range| range.len()).collect();
        let layout = self.layouts.get(&lens, runs.len());
        (
            gather(&arrays, &layout, &self.device),
            layout.ranges.clone(),
        )
    }

    /// The weights of the runs, where they stay on the device.
    fn weights(
        &self,
        runs: &[&Parameters],
        precision: &Precision,
    ) -> Option<Resident<B::InnerBackend>> {
        self.resident.as_ref()?;
        let (master, ranges) = self.master(runs);
        Some(Resident::new(master, &ranges, runs[0].table(), precision))
    }

    fn taps(&self, note: Note, runs: usize) -> Vec<Tap> {
        let tap = match &self.resident {
            Some(_) => note.tap().waiting(),
            None => note.tap(),
        };
        vec![tap; runs]
    }

    /// [`Engine::train`] for several runs at once, at least one, with a scale and masks for each. All have the
    /// same [`Config::pack_key`] and as many sequences, and share the first one's precision. Only a pass of one
    /// run can be captured.
    pub(crate) fn train_all(
        &self,
        runs: &[Run],
        scales: &[f64],
        dropout: Vec<Dropout>,
        note: Note,
    ) -> Vec<TrainPass> {
        let precision = runs[0].precision;
        let parameters: Vec<_> = runs.iter().map(|run| run.parameters).collect();
        let mut weights = Weights::new(&parameters, precision, &self.device, true);
        let mut passed = self.pass(&mut weights, runs, scales, dropout, note);
        let gradients = collect(
            weights.into_leaves(),
            &mut passed.grads,
            &parameters,
            precision,
        );
        let read = passed.reads.read();
        let taps = passed.taps.into_iter().zip(runs);
        let reports = taps.enumerate().map(|(index, (tap, run))| {
            let own = |values: &[f32]| values[index * values.len() / runs.len()..].to_vec();
            report(tap, run.batch, [own(&read[0]), own(&read[1])], &[])
        });
        precision.settle(&RangeCount::all(&read[3]));
        let both = reports.zip(gradients);
        let all = both.map(|(report, gradients)| TrainPass {
            losses: report.losses,
            gradients,
            tap: report.tap,
        });
        all.collect()
    }

    /// [`Engine::begin`] for several runs at once, on the terms of [`Graph::train_all`].
    pub(crate) fn begin_all(
        &self,
        runs: &[Run],
        scales: &[f64],
        dropout: Vec<Dropout>,
        note: Note,
    ) -> Vec<Begun> {
        let Some(device) = &self.resident else {
            let passes = self.train_all(runs, scales, dropout, note).into_iter();
            return passes.map(Begun::from).collect();
        };
        let (own, reports) = self.begin_resident(device, runs, scales, dropout, note);
        own.divided(reports, &self.layouts, runs[0].parameters.table())
    }

    /// A pass of runs whose arrays stay on the device, and what is to be read of each.
    fn begin_resident(
        &self,
        device: &DeviceArithmetic<B::InnerBackend>,
        runs: &[Run],
        scales: &[f64],
        dropout: Vec<Dropout>,
        note: Note,
    ) -> (OnDevice<B::InnerBackend>, Vec<Later<Report>>) {
        let (precision, table) = (runs[0].precision, runs[0].parameters.table());
        let parameters: Vec<_> = runs.iter().map(|run| run.parameters).collect();
        let (master, ranges) = self.master(&parameters);
        let resident = Resident::new(master, &ranges, table, precision);
        let mut weights = Weights::new(&parameters, precision, &self.device, true)
            .resident(Some(resident.constant()));
        let mut passed = self.pass(&mut weights, runs, scales, dropout, note);
        let (leaves, layout) = (weights.into_leaves(), (table, &ranges));
        let grads = &mut passed.grads;
        let flat = OnDevice::collect(leaves, grads, layout, precision, &self.device);
        passed.reads.add(flat.lost.iter().cloned());
        let read = passed.reads.later(&device.waiting).divide(runs.len());
        let (all, parameters) = (runs.len(), table.len());
        let taps = read.into_iter().zip(passed.taps).zip(runs).enumerate();
        let reports = taps.map(|(index, ((read, tap), run))| {
            let batch = run.batch.clone();
            Later::new(move || own_report(&read.get(), [index, all], tap, &batch, parameters))
        });
        (flat, reports.collect())
    }

    /// Forward and backward of all runs. What is to be read: losses, z-losses, what taps wait for, and counts.
    fn pass(
        &self,
        weights: &mut Weights<B>,
        runs: &[Run],
        scales: &[f64],
        dropout: Vec<Dropout>,
        note: Note,
    ) -> Passed<B> {
        let Run {
            config, precision, ..
        } = runs[0];
        let model = Glm::<B>::new(config, weights);
        let mut context = Context {
            dropout,
            taps: self.taps(note, runs.len()),
            ..Context::new(configs(runs), precision)
        };
        let targets = stacked_targets(runs, config.model.seq_len);
        let entropy = forward(&self.tables, &model, runs, &targets, &mut context);
        let Loss { loss, z_loss } =
            entropy.loss(runs.len(), targets.weights, config.objective.z_loss);
        let grads = scale_runs(loss, scales).sum().backward();
        let mut reads = Reads::new();
        reads.add([entropy.losses_t.inner()]);
        reads.add(z_loss.map(Tensor::inner));
        let taps = context.taps;
        let pending = taps.iter().take(1).flat_map(Tap::pending);
        reads.add(pending.map(|summary| summary.on::<B>(&self.device).inner()));
        let counted = B::InnerBackend::take_counts(precision.tally());
        reads.add(counted.map(tensor::<B::InnerBackend>));
        Passed { grads, taps, reads }
    }

    /// [`Engine::evaluate`] for several runs at once, on the terms of [`Graph::train_all`].
    pub(crate) fn evaluate_all(&self, runs: &[Run]) -> Vec<Losses> {
        let Run {
            config, precision, ..
        } = runs[0];
        let parameters: Vec<_> = runs.iter().map(|run| run.parameters).collect();
        let mut weights = Weights::new(&parameters, precision, &self.device, false)
            .resident(self.weights(&parameters, precision));
        let model = Glm::<B::InnerBackend>::new(config, &mut weights);
        let mut context = Context::new(configs(runs), precision);
        let targets = stacked_targets(runs, config.model.seq_len);
        let entropy = forward(&self.plain_tables, &model, runs, &targets, &mut context);
        losses(runs, &settled(precision, entropy.losses_t))
    }
}

/// What a pass leaves on the device.
struct Passed<B: AutodiffBackend> {
    grads: B::Gradients,
    taps: Vec<Tap>,
    reads: Reads<B::InnerBackend>,
}

/// What a pass says of one of `all` runs, from what was read of it.
fn own_report(
    [losses, z_loss, pending, counts, lost]: &[Vec<f32>; 5],
    [index, all]: [usize; 2],
    tap: Tap,
    batch: &Batch,
    parameters: usize,
) -> Report {
    let part = |values: &[f32]| {
        let each = values.len() / all;
        values[index * each..(index + 1) * each].to_vec()
    };
    let pending = own(pending, Summary::WIDTH, index, all);
    Report {
        lost: resident::lost(parameters, &own(&RangeCount::all(lost), 1, index, all)),
        counts: own(&RangeCount::all(counts), 1, index, all),
        ..report(tap, batch, [part(losses), part(z_loss)], &pending)
    }
}

/// What a pass says of one run, from its losses and z-losses and what its tap waited for.
fn report(mut tap: Tap, batch: &Batch, [losses, z_loss]: [Vec<f32>; 2], pending: &[f32]) -> Report {
    tap.settle(pending);
    let mut losses = batch.losses(&losses);
    if let Some(z_loss) = z_loss.first() {
        losses.z_loss = Mean::of((*z_loss).into());
    }
    Report {
        losses,
        lost: Vec::new(),
        tap,
        counts: Vec::new(),
    }
}

fn configs<'a>(runs: &[Run<'a>]) -> Vec<&'a Config> {
    runs.iter().map(|run| run.config).collect()
}

/// All runs' targets, as many for each: where a run has fewer than another, its last one is repeated
/// with weight 0. A repeated row holds what a real one holds, so it is finite where that one is, and
/// its gradients are zeros.
fn stacked_targets(runs: &[Run], seq_len: usize) -> Targets {
    let mut own: Vec<_> = runs.iter().map(|run| run.batch.targets()).collect();
    let longest = own.iter().map(|targets| targets.slots.len()).max();
    let mut stacked = Targets::default();
    let mut first_slot = 0;
    for (run, targets) in runs.iter().zip(&mut own) {
        for values in [&mut targets.slots, &mut targets.tokens] {
            let last = values.last().copied().unwrap_or(0);
            values.resize(longest.unwrap_or(0), last);
        }
        targets.weights.resize(targets.slots.len(), 0.0);
        let slots = targets.slots.iter().map(|slot| first_slot + slot);
        stacked.slots.extend(slots);
        stacked.tokens.append(&mut targets.tokens);
        stacked.weights.append(&mut targets.weights);
        first_slot += (run.batch.samples.len() * seq_len) as i64;
    }
    stacked
}

/// Of every target, in FP32 from the logits as they are stored.
struct CrossEntropy<B: Backend> {
    /// In nats, `[r·t]`.
    losses_t: Tensor<B, 1>,
    /// Logarithm of the softmax's denominator, `[r·t]`.
    log_z_t: Tensor<B, 1>,
}

impl<B: Kernels> CrossEntropy<B> {
    /// Of each of `runs` runs, from the `weights` of all targets.
    fn loss(&self, runs: usize, weights: Vec<f32>, z_coefficient: f64) -> Loss<B> {
        let t = weights.len();
        let weights_t = bus::send_repeated::<B>(weights, &self.losses_t.device());
        let sum = |x: Tensor<B, 1>| -> Tensor<B, 2> { x.reshape([runs, t / runs]).sum_dim(1) };
        let loss = sum(self.losses_t.clone() * weights_t.clone());
        if z_coefficient > 0.0 {
            let z_t = self.log_z_t.clone();
            let z_loss = sum(z_t.clone() * z_t * weights_t) * z_coefficient;
            Loss {
                loss: loss + z_loss.clone(),
                z_loss: Some(z_loss.reshape([runs])),
            }
        } else {
            Loss { loss, z_loss: None }
        }
    }
}

/// What a training pass differentiates.
struct Loss<B: Backend> {
    /// With the z-loss, `[r, 1]`.
    loss: Tensor<B, 2>,
    /// The z-loss by itself, `[r]`; absent where its coefficient is 0.
    z_loss: Option<Tensor<B, 1>>,
}

fn forward<B: Kernels>(
    tables: &Tables<B>,
    model: &Glm<B>,
    runs: &[Run],
    targets: &Targets,
    context: &mut Context,
) -> CrossEntropy<B> {
    let half = context.precision.half();
    let batch = match runs {
        [run] => Cow::Borrowed(run.batch),
        _ => Cow::Owned(Batch::stack(runs.iter().map(|run| run.batch))),
    };
    let input = Input::beside(tables, &batch, targets, &context.config.model, half);
    let mut sent = bus::send_sequences::<B>(&[narrow(&targets.tokens)], tables.device());
    let tokens_t = sent.pop().expect("targets of some slots");
    let [losses_t, log_z_t] = model.entropy(tokens_t, &input, context);
    context.see(Seen::Losses, 0, &losses_t);
    CrossEntropy { losses_t, log_z_t }
}

/// Every run's losses; what its padding lost is left out.
fn losses(runs: &[Run], losses: &[f32]) -> Vec<Losses> {
    let own = losses.chunks_exact(losses.len() / runs.len());
    let both = runs.iter().zip(own);
    both.map(|(run, own)| run.batch.losses(own)).collect()
}

#[cfg(test)]
mod tests;
