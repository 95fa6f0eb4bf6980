//! The steps of a run under its policies: which passes they take, and what follows an alarm.
//!
//! Policies look at nothing but the detectors and the state, and all they know is part of the state, so a run that was
//! killed does what an undisturbed one does. That holds for going back as well: whatever checkpoints there are, the run
//! goes back by exactly the configured number of steps, from the nearest checkpoint by its own steps.

use super::alarms::Alarms;
use super::beside::replica;
use super::step::step;
use super::text::Text;
use super::training::Training;
use crate::backend::Device;
use crate::error::TrainError;
use crate::files::checkpoint::Nearby;
use crate::files::parity::ParityFile;
use crate::numerics::loss_scaler::LossScaler;
use crate::optimizer::clipping::Clipper;
use crate::pass::Engine;
use crate::pass::replica::Replica;
use crate::state::{Action, Choice, Passing, Recovered, State, Trained};
use experiments_config::{AtLimit, Config, ConfigError, Policy, PolicyKind, Position};
use logs::{Event, EventKind, Manifest, News, Record, RollBack};
use std::path::Path;

/// The passes of a run, and those of every policy that changes keys.
pub(super) struct Course<'a> {
    pub(super) base: Training<'a>,
    /// In the order of the policies.
    changed: Vec<Option<Training<'a>>>,
}

/// What follows a step.
pub(super) enum Turn {
    /// The next one, with what a policy did.
    On(Vec<Event>),
    /// The end of the attempt, for this reason.
    Stop(String),
    /// An earlier state.
    Back(Back),
}

/// How a run goes back.
pub(super) struct Back {
    /// As the state of before has it, with all that is to be remembered of it.
    recovered: Recovered,
    /// Position in the data behind all that is passed over.
    position: Position,
    /// Finished steps to which it goes.
    to: u64,
}

/// The configurations of the policies that change keys, in the order of the policies.
pub(super) fn changes(config: &Config) -> Result<Vec<Option<Config>>, TrainError> {
    let changed = |policy: &Policy| match policy.kind {
        PolicyKind::Change => config.changed_by(policy).map(Some),
        PolicyKind::None | PolicyKind::Skip | PolicyKind::CutLr | PolicyKind::RollbackSkip => {
            Ok(None)
        }
    };
    let all: Result<_, _> = config.recovery.policy.iter().map(changed).collect();
    all.map_err(|complaints| {
        let origin = "`[recovery]`".to_owned();
        ConfigError::Invalid { origin, complaints }.into()
    })
}

impl<'a> Course<'a> {
    /// `changes` are those of `config`, `engine` computes its own passes.
    pub(super) fn new(
        config: &'a Config,
        changes: &'a [Option<Config>],
        text: &'a Text,
        device: Device,
        engine: Box<dyn Engine>,
    ) -> Result<Self, TrainError> {
        let ranks = engine.replica().map(Replica::ranks).cloned();
        let training = |config: &'a Option<Config>| {
            let config = config.as_ref()?;
            let engine = match &ranks {
                Some(ranks) => Ok(replica(config, ranks)),
                None => device.engine(config, None),
            };
            Some(engine.map(|engine| Training::new(config, text, engine)))
        };
        let changed = changes.iter().map(training).map(Option::transpose);
        Ok(Self {
            base: Training::new(config, text, engine),
            changed: changed.collect::<Result<_, _>>()?,
        })
    }

    /// What computes the next step.
    pub(super) fn training(&self, state: &State) -> &Training<'a> {
        let recovery = &self.base.config.recovery;
        let done = state.recovered.as_ref();
        let place = done.and_then(|done| done.passing(recovery, PolicyKind::Change));
        let changed = place.and_then(|place| self.changed.get(place)?.as_ref());
        changed.unwrap_or(&self.base)
    }

    /// The next step.
    pub(super) fn step(
        &self,
        trained: &mut Trained,
        parity: Option<&mut ParityFile>,
    ) -> (Record, Vec<Event>) {
        let training = self.training(&trained.state);
        step(training, trained, parity)
    }

    /// The next step as the run took it, and what followed; nothing is written.
    pub(super) fn again(&self, trained: &mut Trained, alarms: &mut Alarms) -> (Record, Turn) {
        let (record, _) = self.step(trained, None);
        let turn = self.followed(trained, alarms, &record);
        (record, turn)
    }

    /// What followed a step that was taken again.
    pub(super) fn followed(
        &self,
        trained: &mut Trained,
        alarms: &mut Alarms,
        record: &Record,
    ) -> Turn {
        let seen = alarms.look(record);
        self.answer(&mut trained.state, seen.trigger.as_ref())
    }

    /// Ends what has run its time, and answers an alarm of the step that was finished last.
    pub(super) fn answer(&self, state: &mut State, alarm: Option<&News>) -> Turn {
        let mut events = Vec::from_iter(self.pass(state));
        let recovery = &self.base.config.recovery;
        let (Some(done), Some(news)) = (state.recovered.as_ref(), alarm) else {
            return Turn::On(events);
        };
        match done.choose(recovery, state.step) {
            Choice::Wait => {}
            Choice::Limit if recovery.at_limit == AtLimit::GoOn => {}
            Choice::Limit => {
                let (why, limit) = (&news.alarm.message, recovery.limit);
                return Turn::Stop(format!("{why}; `recovery.limit` = {limit} is reached"));
            }
            Choice::Policy(place) if recovery.policy[place].kind == PolicyKind::RollbackSkip => {
                return Turn::Back(self.back(state, place, news));
            }
            Choice::Policy(place) => events.push(self.act(state, place, news)),
        }
        Turn::On(events)
    }

    /// Ends a change whose steps are over.
    fn pass(&self, state: &mut State) -> Option<Event> {
        let step = state.step;
        let done = state.recovered.as_mut()?;
        done.passing.as_ref().filter(|now| now.until <= step)?;
        let place = done.passing.as_ref()?.policy;
        end_passing(state);
        let kind = self.base.config.recovery.policy.get(place)?.kind.name();
        let text = format!("the change by the policy `{kind}` ends after step {step}");
        Some(Event::now(step, EventKind::Intervention, text).with("policy", kind))
    }

    /// Does what does not go back.
    fn act(&self, state: &mut State, place: usize, news: &News) -> Event {
        let config = self.base.config;
        let policy = &config.recovery.policy[place];
        end_passing(state);
        let action = note(state, place, news, state.step);
        match policy.kind {
            // Such an entry is dropped where a configuration is read, and the other kind goes back.
            PolicyKind::None | PolicyKind::RollbackSkip => {}
            PolicyKind::Skip => {
                let samples = config.at(state.progress()).samples_per_step();
                state.position = passed(state.position, policy, samples);
                if let Some(done) = &mut state.recovered {
                    done.ahead = done.ahead.saturating_add(policy.skip_steps);
                }
            }
            PolicyKind::CutLr | PolicyKind::Change => self.begin_passing(state, place),
        }
        let done = state.recovered.as_ref().map_or(0, |done| done.actions);
        told(policy, &action, done, state.step)
    }

    /// From the next step on the policy at `place` changes something.
    fn begin_passing(&self, state: &mut State, place: usize) {
        let config = self.base.config;
        let until = state
            .step
            .saturating_add(config.recovery.policy[place].steps);
        let changed = self.changed.get(place).and_then(Option::as_ref);
        let (scaler, clipper) = match changed {
            Some(changed) => exchange(state, config, changed.config),
            None => (None, None),
        };
        if let Some(done) = &mut state.recovered {
            done.passing = Some(Passing {
                policy: place,
                until,
                scaler,
                clipper,
            });
        }
    }

    /// What is to become of a state that is left.
    fn back(&self, state: &State, place: usize, news: &News) -> Back {
        let config = self.base.config;
        let policy = &config.recovery.policy[place];
        let to = state.step.saturating_sub(policy.rollback_steps);
        let mut left = state.clone();
        note(&mut left, place, news, to);
        let samples = config.at(state.progress()).samples_per_step();
        Back {
            recovered: left.recovered.unwrap_or_default(),
            position: passed(state.position, policy, samples),
            to,
        }
    }

    /// The state to which a run goes back from `from` finished steps, the first of a branch, and its detectors.
    pub(super) fn go_back(
        &self,
        directory: &Path,
        back: Back,
        from: u64,
    ) -> Result<(Trained, Alarms), TrainError> {
        let config = self.base.config;
        let forked = Manifest::load(directory)?.and_then(|manifest| manifest.forked_at);
        // A fork has nothing of what lies before it.
        let to = back.to.max(forked.unwrap_or(0));
        let mut trained = Trained::nearest(config, &Nearby::list(directory, config)?, to)?;
        let (mut alarms, _) = Alarms::begin(directory, config, &mut trained.state)?;
        while trained.state.step < to {
            if let (record, Turn::Back(_)) = self.again(&mut trained, &mut alarms) {
                return Err(went_back(directory, record.step, to));
            }
        }
        let mut recovered = back.recovered;
        let passing = trained.state.recovered.take().and_then(|done| done.passing);
        let policy = recovered.last.as_ref().map_or(0, |last| last.policy);
        let skipped = config.recovery.policy[policy].skip_steps;
        recovered.branches += 1;
        let since = from.saturating_sub(to).saturating_add(skipped);
        recovered.ahead = recovered.ahead.saturating_add(since);
        recovered.reached = recovered.reached.max(from);
        recovered.passing = passing;
        recovered.last = recovered.last.map(|last| Action { from: to, ..last });
        trained.state.recovered = Some(recovered);
        trained.state.position = back.position;
        alarms.begin_branch();
        Ok((trained, alarms))
    }

    /// How the branch that a state is on began; none on the way that the run began with, or where something followed.
    pub(super) fn branch_event(&self, state: &State) -> Option<Event> {
        let done = state.recovered.as_ref().filter(|done| done.branches > 0)?;
        let action = done.last.as_ref()?;
        let policy = self.base.config.recovery.policy.get(action.policy)?;
        if policy.kind != PolicyKind::RollbackSkip || action.from != state.step {
            return None;
        }
        let event = told(policy, action, done.actions, state.step);
        Some(RollBack::told_by(event, done.branches, action.alarm))
    }
}

/// Why a state cannot be reached: the run left the way there.
pub(super) fn went_back(directory: &Path, at: u64, to: u64) -> TrainError {
    TrainError::Fork {
        path: directory.to_owned(),
        problem: format!(
            "went back at step {at}, and no checkpoint of the branch that leads to step {to} is left"
        ),
    }
}

/// The position in the data behind what `policy` passes over, with steps of `samples` sequences.
fn passed(position: Position, policy: &Policy, samples: u64) -> Position {
    Position(
        position
            .0
            .saturating_add(policy.skip_steps.saturating_mul(samples)),
    )
}

/// Counts an action, and says what of it is remembered.
fn note(state: &mut State, policy: usize, news: &News, from: u64) -> Action {
    let action = Action {
        policy,
        alarm: state.step,
        from,
        why: news.alarm.message.clone(),
        rules: news.rules.clone(),
    };
    let done = state.recovered.get_or_insert_default();
    done.actions += 1;
    done.last = Some(action.clone());
    action
}

/// The event of an action.
fn told(policy: &Policy, action: &Action, number: u64, step: u64) -> Event {
    let kind = policy.kind.name();
    let alarm = action.alarm;
    let last = step.saturating_add(policy.steps);
    let what = match policy.kind {
        PolicyKind::None => "nothing is done".to_owned(),
        PolicyKind::Skip => {
            let steps = words::counted(policy.skip_steps, "step");
            format!("the data of the next {steps} are passed over")
        }
        PolicyKind::CutLr => {
            let factor = policy.factor;
            format!("the learning rate is multiplied by {factor} up to step {last}")
        }
        PolicyKind::RollbackSkip => {
            let steps = words::counted(policy.skip_steps, "step");
            format!(
                "back from step {alarm} to step {step}; the data since and of {steps} behind are passed over"
            )
        }
        PolicyKind::Change => format!("{} up to step {last}", policy.set.join(", ")),
    };
    let text = format!("{kind}: {what}. Alarm at step {alarm}: {}", action.why);
    let event = Event::now(step, EventKind::Intervention, text)
        .with("policy", kind)
        .with("action", number)
        .with("alarm_step", alarm)
        .with("rules", action.rules.clone());
    match policy.kind {
        PolicyKind::CutLr | PolicyKind::Change => event.with("until", last),
        PolicyKind::None | PolicyKind::Skip | PolicyKind::RollbackSkip => event,
    }
}

/// Puts the loss scaler and the clipper of `now` in the place of those of `before` where they are others, and returns what
/// stood there.
pub(super) fn exchange(
    state: &mut State,
    before: &Config,
    now: &Config,
) -> (Option<LossScaler>, Option<Clipper>) {
    let scaled = |config: &Config| {
        let scale = &config.precision.loss_scale;
        (config.precision.format, scale.mode, scale.initial)
    };
    let tensors = now.model.tensors(now.tokenizer.vocab_size).len();
    let fresh = State::new(now, tensors);
    let scaler =
        (scaled(before) != scaled(now)).then(|| std::mem::replace(&mut state.scaler, fresh.scaler));
    let clipper = (before.optimizer.clip_mode != now.optimizer.clip_mode)
        .then(|| std::mem::replace(&mut state.clipper, fresh.clipper));
    (scaler, clipper)
}

/// Brings back what a change that passes has replaced.
pub(super) fn end_passing(state: &mut State) {
    let done = state.recovered.as_mut();
    let Some(passing) = done.and_then(|done| done.passing.take()) else {
        return;
    };
    if let Some(scaler) = passing.scaler {
        state.scaler = scaler;
    }
    if let Some(clipper) = passing.clipper {
        state.clipper = clipper;
    }
}
