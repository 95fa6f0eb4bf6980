//! One attempt at a run: what it writes to the run directory, and how it ends there.

use super::alarms::{Alarms, with_detectors};
use super::course::{Back, Course};
use super::doctor;
use super::identity::with_engine;
use super::probes;
use super::request::{Ending, Request};
use super::text::Text;
use super::training::Training;
use crate::backend::Device;
use crate::error::TrainError;
use crate::files::checkpoint::{Checkpoints, Ring};
use crate::pass::Engine;
use crate::state::{State, Trained};
use logs::read::Indexer;
use logs::{
    Event, EventKind, Manifest, News, Record, RollBack, RunReader, RunWriter, Status, Summary,
    signal,
};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Where a run stands when its process is done with it.
pub(super) struct Outcome {
    pub(super) ending: Ending,
    pub(super) step: u64,
    pub(super) held_out_loss: Option<f64>,
    pub(super) message: Option<String>,
}

/// The request and the open run directory.
pub(super) struct Attempt<'a, 'w> {
    pub(super) request: Request<'a>,
    pub(super) writer: &'w mut RunWriter,
    pub(super) index: &'w mut Indexer,
}

impl Attempt<'_, '_> {
    /// What `probe.kind` asks for, from the start.
    pub(super) fn probe(
        mut self,
        text: &Text,
        device: Device,
        engine: Box<dyn Engine>,
    ) -> Result<Outcome, TrainError> {
        let config = self.request.config;
        let name = config.probe.kind.name();
        let begun = format!("the probe `{name}` starts");
        let event = Event::now(0, EventKind::Start, begun);
        self.writer.event(&with_engine(event, &*engine))?;
        let mut step = 0;
        let mut since = Instant::now();
        let mut keep = |record: &Record, events: &[Event]| -> Result<bool, TrainError> {
            let mut record = record.clone();
            record.set(signal::STEP_SECONDS, since.elapsed().as_secs_f64());
            self.write(&record, events)?;
            since = Instant::now();
            step = record.step;
            Ok(!self.request.stop.load(Ordering::Relaxed))
        };
        let training = Training::new(config, text, engine);
        probes::run(&training, device, &mut keep)?;
        let (ending, kind, text) = if step < config.steps {
            let text = "stopped on request; a probe starts over";
            (Ending::Stopped, EventKind::Stop, text)
        } else {
            (Ending::Finished, EventKind::Finish, "the probe is finished")
        };
        self.writer.event(&Event::now(step, kind, text))?;
        Ok(Outcome {
            ending,
            step,
            held_out_loss: None,
            message: None,
        })
    }

    /// Detectors that go on from the state of a checkpoint.
    pub(super) fn watch(&mut self, state: &mut State) -> Result<Alarms, TrainError> {
        let (directory, config) = (self.request.directory, self.request.config);
        let (alarms, notices) = Alarms::begin(directory, config, state)?;
        for notice in notices {
            let event = Event::now(state.step, EventKind::Integrity, notice.as_str());
            self.writer.event(&event)?;
            (self.request.on_notice)(&notice);
        }
        Ok(alarms)
    }

    /// A step's events and record.
    pub(super) fn write(&mut self, record: &Record, events: &[Event]) -> Result<(), TrainError> {
        self.events(events)?;
        self.writer.step(record)?;
        self.index.recorded();
        (self.request.on_step)(record);
        Ok(())
    }

    pub(super) fn events(&mut self, events: &[Event]) -> Result<(), TrainError> {
        for event in events {
            self.writer.event(event)?;
        }
        Ok(())
    }

    /// Goes on from an earlier state, as another attempt. From the moment at which the checkpoint of that state has its
    /// name, the run is on the new branch, whoever goes on with it.
    pub(super) fn go_back(
        &mut self,
        course: &Course,
        checkpoints: &Checkpoints,
        back: Back,
        from: u64,
    ) -> Result<(Trained, Alarms), TrainError> {
        let (mut trained, alarms) = course.go_back(self.request.directory, back, from)?;
        self.put(checkpoints, &mut trained, &alarms)?;
        self.writer.next_attempt()?;
        self.begin_branch(course, &trained.state)?;
        self.checkpoint_event(trained.state.step)?;
        Ok((trained, alarms))
    }

    /// Tells how the branch that `state` begins has begun, unless an attempt before has told it.
    pub(super) fn begin_branch(
        &mut self,
        course: &Course,
        state: &State,
    ) -> Result<(), TrainError> {
        let Some(event) = course.branch_event(state) else {
            return Ok(());
        };
        let events = logs::read::events(self.request.directory)?;
        let mut told = events.iter().filter_map(RollBack::of);
        if told.any(|back| back.branch == state.branch()) {
            return Ok(());
        }
        (self.request.on_notice)(&event.message);
        let event = with_detectors(event, self.request.config);
        let event = with_engine(event, course.base.engine());
        Ok(self.writer.event(&event)?)
    }

    fn checkpoint_event(&mut self, step: u64) -> Result<(), TrainError> {
        let text = format!("checkpoint of step {step}");
        Ok(self
            .writer
            .event(&Event::now(step, EventKind::Checkpoint, text))?)
    }

    /// An alarm is in the run's events before anybody hears of it.
    pub(super) fn tell(&mut self, news: &[News]) -> Result<(), TrainError> {
        for news in news {
            self.writer.event(&news.event())?;
            (self.request.on_alarm)(news);
        }
        Ok(())
    }

    pub(super) fn save(
        &mut self,
        checkpoints: &Checkpoints,
        trained: &mut Trained,
        alarms: &Alarms,
    ) -> Result<(), TrainError> {
        self.put(checkpoints, trained, alarms)?;
        self.checkpoint_event(trained.state.step)
    }

    /// Writes a checkpoint, and nothing of it into the events.
    fn put(
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
        )
    }

    /// The scalars of the step that this attempt takes first, where an attempt before has recorded it.
    pub(super) fn known_first(&self, step: u64) -> Result<Option<Record>, TrainError> {
        if step == 0 {
            return Ok(None);
        }
        let reader = RunReader::open_scalars(self.request.directory)?;
        Ok(Record::at(reader.records(), step + 1).cloned())
    }

    /// Says so where the first step of a continued attempt is not what was recorded before: the state was restored wrong,
    /// or is computed otherwise now.
    pub(super) fn audit(&mut self, known: &Record, record: &Record) -> Result<(), TrainError> {
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
    pub(super) fn keep(
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
        ring.close(state, begun)
    }

    /// Ends an attempt after a checkpoint: on request, or because of an alarm.
    pub(super) fn stop(
        mut self,
        checkpoints: &Checkpoints,
        trained: &mut Trained,
        alarms: &Alarms,
        alarm: Option<String>,
    ) -> Result<Outcome, TrainError> {
        self.save(checkpoints, trained, alarms)?;
        let step = trained.state.step;
        let message = alarm.map(|why| format!("stopped by an alarm: {why}"));
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

/// Says in the run directory how the attempt ended.
pub(super) fn conclude(
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
            if !logs::is_machine_failure(&error) && !matches!(error, TrainError::Ranks(_)) {
                let mut summary = Summary::new(Status::Failed, step, attempt, seconds);
                summary.message = Some(error.to_string());
                let _ = writer.finish(&summary);
            }
            Err(error)
        }
    }
}
