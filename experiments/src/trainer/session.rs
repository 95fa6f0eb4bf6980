//! A run from its directory to its end.

use super::attempt::{Attempt, Outcome, conclude};
use super::beginning::{announce_watch, begin, is_finished, prepare};
use super::beside::{Beside, replica, with_sent};
use super::course::{Course, Turn, changes};
use super::evaluation::evaluate;
use super::memory::check_memory;
use super::request::{Ending, Request, Shared};
use crate::backend::{Device, unless_a_device_fails};
use crate::error::TrainError;
use crate::files::checkpoint::{Checkpoints, Ring};
use crate::ranks::caught;
use crate::state::{State, Trained};
use experiments_config::{Config, ProbeKind};
use logs::read::Indexer;
use logs::{Event, EventKind, RunLease, signal};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Steps in a row without a finite loss after which a run ends: weights no longer change, so
/// neither will the loss.
const NONFINITE_PATIENCE: u64 = 20;

/// Trains to the end or until told to stop. A run that is finished already is left alone.
pub fn train(request: Request) -> Result<Ending, TrainError> {
    train_in(request, None, None)
}

/// [`train`], alone, beside other runs or with other ranks. Until the attempt begins nothing of the run is changed: a start that
/// is refused leaves the directory as it was.
pub(super) fn train_in(
    mut request: Request,
    shared: Option<Shared>,
    beside: Option<Beside>,
) -> Result<Ending, TrainError> {
    let config = request.config;
    let device = Device::select(config.runtime.device)?;
    check_memory(config)?;
    let start = Instant::now();
    RunLease::check_directory(request.directory)?;
    if is_finished(&mut request)? {
        return Ok(Ending::Finished);
    }
    let texts = shared.as_ref().map(|shared| shared.texts);
    let texts = texts.or(beside.and_then(|beside| beside.texts));
    let Some(text) = prepare(&request, device, texts)? else {
        return Ok(Ending::Stopped);
    };
    announce_watch(&mut request)?;
    // Nobody need wait for passes that a probe will not ask for, nor one that may go back or change them.
    let shares = config.probe.kind == ProbeKind::Train && config.recovery.is_off();
    let pack = shared.filter(|_| shares);
    let changes = changes(config)?;
    let engine = match beside {
        None => device.engine(config, pack.map(|shared| shared.pack))?,
        Some(beside) => {
            beside.agree(&request, &text)?;
            replica(config, beside.ranks)
        }
    };
    let claim = RunLease::take(request.directory)?;
    let (mut writer, begun) = begin(&mut request, claim, &text, device, &*engine)?;
    let mut index = Indexer::new(writer.dir());
    let attempt = Attempt {
        request,
        writer: &mut writer,
        index: &mut index,
    };
    let result = unless_a_device_fails(|| match begun {
        None => attempt.probe(&text, device, engine),
        Some(trained) => caught(|| {
            let course = Course::new(config, &changes, &text, device, engine)?;
            run(attempt, &course, trained)
        }),
    });
    let result = result.flatten();
    // The next run of this process may have another shape.
    kernels::Buffer::free_pool();
    let ending = conclude(writer, result, start.elapsed().as_secs_f64());
    index.end();
    ending
}

/// The loop: step, record, and at their intervals evaluate and checkpoint.
fn run(mut attempt: Attempt, course: &Course, mut trained: Trained) -> Result<Outcome, TrainError> {
    let training = &course.base;
    let config = training.config;
    let checkpoints = Checkpoints::new(attempt.request.directory, config);
    let mut ring = Ring::open(attempt.request.directory, config);
    let mut alarms = attempt.watch(&mut trained.state)?;
    attempt.begin_branch(course, &trained.state)?;
    let mut known = attempt.known_first(trained.state.step)?;
    let mut held_out_loss = None;
    while !is_over(&trained.state, config) {
        if attempt.request.stop.load(Ordering::Relaxed) {
            return attempt.stop(&checkpoints, &mut trained, &alarms, None);
        }
        let (mut record, events) = course.step(&mut trained, None);
        let number = trained.state.step;
        let last = is_over(&trained.state, config);
        if last || due(number, config.eval.interval) {
            let found = evaluate(training, &trained.parameters);
            found.record(&mut record);
            held_out_loss = found.loss;
        }
        // Not in the step itself: other ranks of this process, and steps that are taken again, would take the readings.
        if let Some(watts) = logs::power::watts() {
            record.set(signal::MACHINE_WATTS, watts);
        }
        attempt.write(&record, &events)?;
        if let Some(known) = known.take() {
            attempt.audit(&known, &record)?;
        }
        let seen = alarms.look(&record);
        attempt.tell(&seen.news)?;
        let mut stop = seen.stop.map(|news| news.alarm.message).filter(|_| !last);
        let answer = seen.trigger.filter(|_| !last);
        match course.answer(&mut trained.state, answer.as_ref()) {
            Turn::On(events) => attempt.events(&events)?,
            Turn::Stop(why) => stop = Some(why),
            Turn::Back(back) => {
                (trained, alarms) = attempt.go_back(course, &checkpoints, back, number)?;
                held_out_loss = None;
            }
        }
        if stop.is_some() {
            return attempt.stop(&checkpoints, &mut trained, &alarms, stop);
        }
        if trained.state.step < number {
            continue;
        }
        if ring.wants(number, alarms.leads_at(number)) && !last {
            attempt.keep(&mut ring, &mut trained, &alarms)?;
        }
        if last || due(number, config.checkpoint.interval) {
            attempt.save(&checkpoints, &mut trained, &alarms)?;
        }
    }
    ring.close(&trained.state, alarms.begun())?;
    // Killed between its last checkpoint and its summary, a run has nothing left to do but this.
    if held_out_loss.is_none() {
        held_out_loss = evaluate(training, &trained.parameters).loss;
    }
    let step = trained.state.step;
    let finished = Event::now(step, EventKind::Finish, "training is finished");
    attempt.writer.event(&with_sent(finished, training))?;
    Ok(Outcome {
        ending: Ending::Finished,
        step,
        held_out_loss,
        message: what_is_amiss(&trained.state, config),
    })
}

/// What somebody should know of a run that has come to its end.
fn what_is_amiss(state: &State, config: &Config) -> Option<String> {
    let step = state.step;
    if step < config.steps {
        Some(format!("no finite loss for {NONFINITE_PATIENCE} steps"))
    } else if state.updates == 0 {
        Some(format!(
            "every update of {step} steps was skipped: nothing was trained"
        ))
    } else {
        None
    }
}

/// Whether all steps are done, or the loss stays non-finite.
fn is_over(state: &State, config: &Config) -> bool {
    state.step >= config.steps || state.nonfinite_steps >= NONFINITE_PATIENCE
}

/// Whether something done every `interval` steps is done at `step`; never for 0.
fn due(step: u64, interval: u64) -> bool {
    interval > 0 && step.is_multiple_of(interval)
}
