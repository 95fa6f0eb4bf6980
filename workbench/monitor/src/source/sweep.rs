//! A sweep directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use logs::spike::LossSpike;
use logs::{Event, Manifest};
use sweeps::{Card, PlannedRun, RunState, SweepReader, Verdict};

use super::{bell, details};
use crate::error::MonitorError;
use crate::log::Log;
use crate::view::{Details, Judging, Revision, Run, SoFar, Source, Sweep, ended};

pub(super) struct SweepSource {
    reader: SweepReader,
    /// What is judged beside the screen, while the reader goes on.
    sweep: Arc<sweeps::Sweep>,
    card: Arc<Card>,
    view: Sweep,
}

impl SweepSource {
    pub(super) fn open(dir: &Path) -> Result<Self, MonitorError> {
        let reader = SweepReader::open(dir)?;
        let view = view(&reader);
        let sweep = reader.sweep().clone();
        Ok(Self {
            card: Arc::new(sweep.plan().card.clone()),
            sweep: Arc::new(sweep),
            reader,
            view,
        })
    }
}

impl Source for SweepSource {
    fn poll(&mut self) -> Result<bool, MonitorError> {
        let new = self.reader.poll();
        let view = view(&self.reader);
        let changed = new > 0 || view != self.view;
        self.view = view;
        Ok(changed)
    }

    fn sweep(&self) -> &Sweep {
        &self.view
    }

    fn log(&self, run: usize) -> Log<'_> {
        let reader = self.reader.reader(run);
        reader.map_or(Log::Memory(&[]), Log::Files)
    }

    fn events(&self, run: usize) -> &[Event] {
        self.reader
            .reader(run)
            .map_or(&[], |reader| reader.events())
    }

    fn revision(&self, run: usize) -> Revision {
        Some(
            self.reader
                .reader(run)
                .map_or((0, 0), |reader| (reader.revision(), reader.len())),
        )
    }

    fn details(&self, run: usize) -> Details {
        let Some(state) = self.reader.states().get(run) else {
            return Details::default();
        };
        let mut facts = vec![("run".to_owned(), state.id.clone())];
        // The table's names leave out what all arms share.
        let settings = self.reader.sweep().runs()[run].settings.iter();
        let settings =
            settings.map(|(key, value)| format!("{key} = {}", sweeps::card::label(value)));
        facts.push(("arm".to_owned(), settings.collect::<Vec<_>>().join(" · ")));
        let message = state
            .message
            .as_ref()
            .map_or(String::new(), |message| format!(": {message}"));
        facts.push((
            "state".to_owned(),
            format!("{}{message}", state.state.name()),
        ));
        if let Some(job) = &state.job {
            facts.push(("queue".to_owned(), job.to_string()));
        }
        if let Some(found) = &state.classified {
            facts.push((
                "outcome".to_owned(),
                format!("{}: {}", found.outcome.name(), found.reason),
            ));
            facts.push(("spikes".to_owned(), spikes(state)));
        }
        match self.reader.reader(run) {
            Some(reader) => details::of(reader, facts),
            None => Details {
                facts,
                ..Details::default()
            },
        }
    }

    fn directory(&self, run: usize) -> Option<&Path> {
        self.reader.reader(run).map(logs::RunReader::dir)
    }

    fn manifest(&self, run: usize) -> Option<&Manifest> {
        self.reader.reader(run)?.manifest()
    }

    fn spikes(&self, run: usize) -> &[LossSpike] {
        let state = self.reader.states().get(run);
        state.map_or(&[], |state| &state.spikes)
    }

    fn folder(&self, run: usize) -> Option<PathBuf> {
        let sweep = self.reader.sweep();
        Some(sweep.run_dir(&sweep.runs().get(run)?.id))
    }

    fn control(&self, run: usize) -> Option<usize> {
        self.reader.sweep().plan().control_of(run)
    }

    fn planned(&self, run: usize) -> Option<(&sweeps::Sweep, &PlannedRun)> {
        let sweep = self.reader.sweep();
        Some((sweep, sweep.runs().get(run)?))
    }

    fn card(&self) -> Option<Arc<Card>> {
        Some(Arc::clone(&self.card))
    }

    fn states(&self) -> Vec<RunState> {
        self.reader.states().to_vec()
    }

    fn untrained(&self) -> Option<f64> {
        self.reader.untrained()
    }

    fn judging(&self) -> Option<Judging> {
        if self.card.criteria.is_empty() {
            return None;
        }
        let sweep = Arc::clone(&self.sweep);
        let states = self.states();
        Some(Box::new(move || {
            let verdict = sweep.verdict_on(&states).ok()?;
            Some(so_far(&verdict, &states))
        }))
    }

    fn bells(&self, run: usize) -> Vec<String> {
        let reader = self.reader.reader(run);
        reader.map_or_else(Vec::new, |reader| bell::asked(reader.dir()))
    }
}

/// What a verdict comes to on runs of which some are still to come.
fn so_far(verdict: &Verdict, states: &[RunState]) -> SoFar {
    let (sentence, status) = (&verdict.sentence, verdict.status.words().to_lowercase());
    let to_come = states.iter().any(|run| !ended(run.state));
    let missing = verdict.missing_runs.len() as u64;
    let runs = words::counted(missing, "run");
    let (brief, whole) = match missing {
        0 => (status, sentence.clone()),
        _ if to_come => (
            format!("so far {status}, {runs} missing"),
            format!("so far: {sentence} · {runs} still missing"),
        ),
        _ => (
            format!("{status}, {runs} without an outcome"),
            format!("{sentence} · {runs} without an outcome"),
        ),
    };
    let findings = verdict.findings.iter();
    let findings = findings.map(sweeps::criterion::Finding::line);
    SoFar {
        brief,
        lines: std::iter::once(whole).chain(findings).collect(),
    }
}

/// `2 of the loss, the highest by 3.29 nats at step 161, before it layer 2 feed-forward ×27.3`.
fn spikes(state: &RunState) -> String {
    let spikes = state.spikes.iter();
    match (
        spikes.max_by(|a, b| a.height.total_cmp(&b.height)),
        state.spiked,
    ) {
        (Some(highest), _) => {
            let owner = highest.owner.as_ref();
            let owner = owner.map(|owner| format!(", before it {owner} ×{:.1}", owner.growth));
            format!(
                "{} of the loss, the highest by {:.2} nats at step {}{}",
                state.spikes.len(),
                highest.height,
                highest.spike.first,
                owner.unwrap_or_default()
            )
        }
        (None, Some(_)) => "none of the loss".to_owned(),
        (None, None) => "not known: the losses were too few, or were lost".to_owned(),
    }
}

fn view(reader: &SweepReader) -> Sweep {
    let card = &reader.sweep().plan().card;
    Sweep {
        name: card.name.clone(),
        title: card.title.clone(),
        runs: reader
            .states()
            .iter()
            .zip(reader.sweep().runs())
            .map(run)
            .collect(),
        eta: reader.eta_seconds(),
        warnings: warnings(reader),
    }
}

fn run((state, planned): (&RunState, &PlannedRun)) -> Run {
    Run {
        id: state.id.clone(),
        arm: state.arm.clone(),
        settings: Arc::new(planned.settings.clone()),
        seed: Some(state.seed),
        state: state.state,
        step: state.step,
        steps: state.steps,
        loss: state.loss,
        held_out: state.held_out_loss,
        outcome: state.outcome(),
        branch: None,
    }
}

/// Failures first, then damage found while reading.
fn warnings(reader: &SweepReader) -> Vec<String> {
    let states = reader.states().iter();
    let failed = states
        .filter(|run| run.state == sweeps::State::Failed)
        .filter_map(|run| {
            Some(format!(
                "{} s{}: {}",
                run.arm,
                run.seed,
                run.message.as_ref()?
            ))
        });
    let damaged = (0..reader.states().len())
        .filter_map(|index| reader.reader(index))
        .flat_map(|run| run.warnings().iter().cloned());
    failed.chain(damaged).collect()
}
