//! A run from its directory to its end.

use super::alarms::Alarms;
use super::beginning::{Prepared, announce_watch, begin, is_finished};
use super::doctor;
use super::identity::{check_memory, engine, with_engine};
use super::step::{Trained, Training, evaluate, step};
use super::text::{Text, Texts};
use crate::backend::{Device, Work};
use crate::error::TrainError;
use crate::files::checkpoint::{Checkpoints, Ring, State};
use crate::numerics::precision::Precision;
use crate::pass::pack::Seat;
use crate::trainer::probes;
use burn::tensor::backend::AutodiffBackend;
use experiments_config::Config;
use experiments_text::Cache;
use kernels::Kernels;
use logs::{
    Event, EventKind, Manifest, News, Record, RunLease, RunReader, RunWriter, Status, Summary,
    signal,
};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Steps in a row without a finite loss after which a run ends: weights no longer change, so
/// neither will the loss.
const NONFINITE_PATIENCE: u64 = 20;

/// What to train, where, and who asks.
pub struct Request<'a> {
    /// Run directory; made if missing, continued if it holds a checkpoint.
    pub directory: &'a Path,
    /// Resolved configuration.
    pub config: &'a Config,
    /// Text and token cache.
    pub cache: &'a Cache,
    /// Version of the program, its commit and whether the tree was changed.
    pub program: (&'a str, Option<&'a str>, Option<bool>),
    /// Languages the corpus was meant to have and lacks.
    pub missing_languages: &'a [String],
    /// Set from outside to stop after the current step.
    pub stop: &'a AtomicBool,
    /// Called with every record.
    pub on_step: &'a mut dyn FnMut(&Record),
    /// Called with what the detectors see, once it is in the run's events.
    pub on_alarm: &'a mut dyn FnMut(&News),
    /// Called with what the user should know, a sentence at a time.
    pub on_notice: &'a mut dyn FnMut(&str),
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All steps are done, or the loss stayed non-finite.
    Finished,
    /// Stopped on request after a checkpoint, or before anything was written; the same request continues.
    Stopped,
    /// The same because of an alarm, with `alarm.action = "stop"`.
    Alarmed,
}

/// Trains to the end or until told to stop. A run that is finished already is left alone.
pub fn train(request: Request) -> Result<Ending, TrainError> {
    train_in(request, None)
}

/// What a run shares with the others of its process.
pub(super) struct Company<'a> {
    /// Where its passes are done together with theirs.
    pub(super) seat: Seat,
    pub(super) texts: &'a Texts,
}

/// [`train`], in company or alone. Until the attempt begins nothing of the run is changed: a start that
/// is refused leaves the directory as it was.
pub(super) fn train_in(
    mut request: Request,
    company: Option<Company>,
) -> Result<Ending, TrainError> {
    let device = Device::select(&request.config.runtime.device)?;
    check_memory(request.config)?;
    let start = Instant::now();
    RunLease::check_directory(request.directory)?;
    if is_finished(&mut request)? {
        return Ok(Ending::Finished);
    }
    let Some(prepared) = Prepared::new(&request, device, company)? else {
        return Ok(Ending::Stopped);
    };
    announce_watch(&mut request)?;
    let claim = RunLease::take(request.directory)?;
    let engine = engine(request.config, device);
    let (mut writer, begun) = begin(&mut request, claim, &prepared.text, device, &engine)?;
    let session = Session {
        run: Run {
            engine,
            request,
            writer: &mut writer,
        },
        prepared,
        begun,
    };
    let result = device.run(session);
    // The next run of this process may have another shape.
    kernels::Buffer::free_pool();
    conclude(writer, result, start.elapsed().as_secs_f64())
}

/// Says in the run directory how the attempt ended.
fn conclude(
    mut writer: RunWriter,
    result: Result<Outcome, TrainError>,
    seconds: f64,
) -> Result<Ending, TrainError> {
    let attempt = writer.attempt();
    match result {
        Ok(outcome) => {
            let status = match outcome.ending {
                Ending::Finished => Status::Finished,
                Ending::Stopped | Ending::Alarmed => Status::Stopped,
            };
            let mut summary = Summary::new(status, outcome.step, attempt, seconds);
            summary.held_out_loss = outcome.held_out_loss;
            summary.message = outcome.message;
            // A fork records no step of its parent's.
            let forked_at = Manifest::load(writer.dir())?.and_then(|manifest| manifest.forked_at);
            summary.records = forked_at.map(|before| outcome.step.saturating_sub(before));
            writer.finish(&summary)?;
            Ok(outcome.ending)
        }
        Err(error) => {
            // The disk may be full or the run another's: whatever can still be said is said, the
            // first error wins.
            let reader = RunReader::open_scalars(writer.dir()).ok();
            let latest = reader.as_ref().and_then(RunReader::latest);
            let step = latest.map_or(0, |record| record.step);
            let _ = writer.event(&Event::now(step, EventKind::Fail, error.to_string()));
            // Without a summary the run reads as interrupted, and goes on with the next command: it has
            // not failed where the machine could not go on.
            if !logs::is_machine_failure(&error) {
                let mut summary = Summary::new(Status::Failed, step, attempt, seconds);
                summary.message = Some(error.to_string());
                let _ = writer.finish(&summary);
            }
            Err(error)
        }
    }
}

/// Where a run stands when its process is done with it.
pub(crate) struct Outcome {
    ending: Ending,
    step: u64,
    held_out_loss: Option<f64>,
    message: Option<String>,
}

/// A run with its files and text, before a backend is chosen.
struct Session<'a, 'w> {
    run: Run<'a, 'w>,
    prepared: Prepared,
    /// Where training goes on; none for a probe.
    begun: Option<Trained>,
}

/// The request and the open run directory.
struct Run<'a, 'w> {
    request: Request<'a>,
    writer: &'w mut RunWriter,
    engine: logs::Engine,
}

impl Work for Session<'_, '_> {
    type Output = Outcome;

    /// The loop: step, record, and at their intervals evaluate and checkpoint.
    fn run<B>(self, device: &B::Device) -> Result<Outcome, TrainError>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        let Self {
            mut run,
            prepared: Prepared { text, seat },
            begun,
        } = self;
        let config = run.request.config;
        let Some(mut trained) = begun else {
            // Nobody need wait for passes that will not come.
            drop(seat);
            return run.probe::<B>(&text, device);
        };
        let precision = Precision::new(&config.precision, config.model.layers);
        let training = Training::<B>::new(config, &text, &precision, device, seat.as_ref());
        let checkpoints = Checkpoints::new(run.request.directory, config);
        let mut ring = Ring::open(run.request.directory, config);
        let mut alarms = run.watch(&mut trained.state)?;

        let mut known = run.known_first(trained.state.step)?;
        let mut held_out_loss = None;
        while !is_over(&trained.state, config) {
            if run.request.stop.load(Ordering::Relaxed) {
                return run.stop(&checkpoints, &mut trained, &alarms, None);
            }
            let (mut record, events) = step(&training, &mut trained, None);
            let number = trained.state.step;
            let last = is_over(&trained.state, config);
            if last || due(number, config.eval.interval) {
                let found = evaluate(&training, &trained.parameters);
                found.record(&mut record);
                held_out_loss = found.loss;
            }
            for event in &events {
                run.writer.event(event)?;
            }
            run.writer.step(&record)?;
            (run.request.on_step)(&record);
            if let Some(known) = known.take() {
                run.audit(&known, &record)?;
            }
            let (news, stop) = alarms.look(&record);
            run.tell(&news)?;
            let stop = stop.filter(|_| !last);
            if stop.is_some() {
                return run.stop(&checkpoints, &mut trained, &alarms, stop);
            }
            if ring.wants(number, alarms.leads_at(number)) && !last {
                run.keep(&mut ring, &mut trained, &alarms)?;
            }
            if last || due(number, config.checkpoint.interval) {
                run.save(&checkpoints, &mut trained, &alarms)?;
            }
        }
        ring.close(trained.state.step, alarms.begun())?;
        // Killed between its last checkpoint and its summary, a run has nothing left to do but this.
        if held_out_loss.is_none() {
            held_out_loss = evaluate(&training, &trained.parameters).loss;
        }
        let step = trained.state.step;
        let message = if step < config.steps {
            Some(format!("no finite loss for {NONFINITE_PATIENCE} steps"))
        } else if trained.state.updates == 0 {
            Some(format!(
                "every update of {step} steps was skipped: nothing was trained"
            ))
        } else {
            None
        };
        run.writer
            .event(&Event::now(step, EventKind::Finish, "training is finished"))?;
        Ok(Outcome {
            ending: Ending::Finished,
            step,
            held_out_loss,
            message,
        })
    }
}

/// Whether all steps are done, or the loss stays non-finite.
fn is_over(state: &State, config: &Config) -> bool {
    state.step >= config.steps || state.nonfinite_steps >= NONFINITE_PATIENCE
}

impl Run<'_, '_> {
    /// What `probe.kind` asks for, from the start.
    fn probe<B>(self, text: &Text, device: &B::Device) -> Result<Outcome, TrainError>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        let Self {
            request,
            writer,
            engine,
        } = self;
        let config = request.config;
        let name = config.probe.kind.name();
        let begun = format!("the probe `{name}` starts");
        let event = Event::now(0, EventKind::Start, begun);
        writer.event(&with_engine(event, engine))?;
        let mut step = 0;
        let mut since = Instant::now();
        let mut keep = |record: &Record, events: &[Event]| -> Result<bool, TrainError> {
            let mut record = record.clone();
            record.set(signal::STEP_SECONDS, since.elapsed().as_secs_f64());
            for event in events {
                writer.event(event)?;
            }
            writer.step(&record)?;
            (request.on_step)(&record);
            since = Instant::now();
            step = record.step;
            Ok(!request.stop.load(Ordering::Relaxed))
        };
        probes::run::<B>(config, text, device, &mut keep)?;
        let (ending, kind, text) = if step < config.steps {
            let text = "stopped on request; a probe starts over";
            (Ending::Stopped, EventKind::Stop, text)
        } else {
            (Ending::Finished, EventKind::Finish, "the probe is finished")
        };
        writer.event(&Event::now(step, kind, text))?;
        Ok(Outcome {
            ending,
            step,
            held_out_loss: None,
            message: None,
        })
    }

    /// Detectors that go on from the state of a checkpoint.
    fn watch(&mut self, state: &mut State) -> Result<Alarms, TrainError> {
        let (directory, config) = (self.request.directory, self.request.config);
        let (alarms, notices) = Alarms::begin(directory, config, state)?;
        for notice in notices {
            let event = Event::now(state.step, EventKind::Integrity, notice.as_str());
            self.writer.event(&event)?;
            (self.request.on_notice)(&notice);
        }
        Ok(alarms)
    }

    /// An alarm is in the run's events before anybody hears of it.
    fn tell(&mut self, news: &[News]) -> Result<(), TrainError> {
        for news in news {
            self.writer.event(&news.event())?;
            (self.request.on_alarm)(news);
        }
        Ok(())
    }

    fn save(
        &mut self,
        checkpoints: &Checkpoints,
        trained: &mut Trained,
        alarms: &Alarms,
    ) -> Result<(), TrainError> {
        alarms.keep(&mut trained.state)?;
        // Records first: a checkpoint must never be ahead of what is on disk about its steps.
        self.writer.sync()?;
        checkpoints.save(
            &trained.state,
            &trained.parameters,
            &trained.adam,
            self.writer,
        )?;
        let text = format!("checkpoint of step {}", trained.state.step);
        self.writer
            .event(&Event::now(trained.state.step, EventKind::Checkpoint, text))?;
        Ok(())
    }

    /// The scalars of the step that this attempt takes first, where an attempt before has recorded it.
    fn known_first(&self, step: u64) -> Result<Option<Record>, TrainError> {
        if step == 0 {
            return Ok(None);
        }
        let reader = RunReader::open_scalars(self.request.directory)?;
        let mut records = reader.records().iter();
        Ok(records.find(|record| record.step == step + 1).cloned())
    }

    /// Says so where the first step of a continued attempt is not what was recorded before: the state was restored wrong,
    /// or is computed otherwise now.
    fn audit(&mut self, known: &Record, record: &Record) -> Result<(), TrainError> {
        let mut now = record.clone();
        now.layers.clear();
        let differing = known.differing(&now);
        if differing.is_empty() {
            return Ok(());
        }
        let notice = format!(
            "step {}, the first of this attempt, was recorded otherwise before: {} differ, which points at {}, or at other kernels or another machine; `workbench doctor` looks into the checkpoints",
            record.step,
            doctor::some(&differing),
            doctor::suspect(&differing)
        );
        self.writer.event(&Event::now(
            record.step,
            EventKind::Integrity,
            notice.as_str(),
        ))?;
        (self.request.on_notice)(&notice);
        Ok(())
    }

    /// Takes the state into the ring. A run that has no room for it goes on without.
    fn keep(
        &mut self,
        ring: &mut Ring,
        trained: &mut Trained,
        alarms: &Alarms,
    ) -> Result<(), TrainError> {
        alarms.keep(&mut trained.state)?;
        let Trained {
            parameters,
            adam,
            state,
        } = trained;
        let begun = alarms.begun();
        let error = match ring.save(state, parameters, adam, begun, self.writer) {
            Err(error) if logs::is_machine_failure(&error) => error,
            other => return other,
        };
        let notice = format!(
            "{error}: from step {} on the run keeps no ring of checkpoints",
            state.step
        );
        self.writer.event(&Event::now(
            state.step,
            EventKind::Integrity,
            notice.as_str(),
        ))?;
        (self.request.on_notice)(&notice);
        ring.close(state.step, begun)
    }

    /// Ends an attempt after a checkpoint: on request, or because of an alarm.
    fn stop(
        mut self,
        checkpoints: &Checkpoints,
        trained: &mut Trained,
        alarms: &Alarms,
        alarm: Option<News>,
    ) -> Result<Outcome, TrainError> {
        self.save(checkpoints, trained, alarms)?;
        let step = trained.state.step;
        let message = alarm.map(|news| format!("stopped by an alarm: {}", news.alarm.message));
        let text = message.as_deref().unwrap_or("stopped on request");
        self.writer
            .event(&Event::now(step, EventKind::Stop, text))?;
        Ok(Outcome {
            ending: if message.is_some() {
                Ending::Alarmed
            } else {
                Ending::Stopped
            },
            step,
            held_out_loss: None,
            message,
        })
    }
}

/// Whether something done every `interval` steps is done at `step`; never for 0.
fn due(step: u64, interval: u64) -> bool {
    interval > 0 && step.is_multiple_of(interval)
}
