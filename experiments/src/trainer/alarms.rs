//! Detectors at work while a run trains.

use crate::error::TrainError;
use crate::state::State;
use experiments_config::{AlarmAction, Config};
use logs::{Event, LogError, News, Record, RollBack, Watch};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The detectors of a run, and what it has told of them before.
pub(super) struct Alarms {
    directory: PathBuf,
    watch: Watch,
    /// What attempts told that were ahead of the checkpoint from which this one goes on: its steps are trained again,
    /// and raise the same.
    told: HashSet<Key>,
    /// Steps at which an alarm began.
    begun: Vec<u64>,
    /// Step of the last alarm that began in another signal than a loss, and so may lead to a spike.
    leading: Option<u64>,
    action: AlarmAction,
    /// Detectors whose alarms a policy answers.
    triggers: Vec<String>,
}

/// What the detectors make of a step.
#[derive(Default)]
pub(super) struct Seen {
    /// What is to be told.
    pub(super) news: Vec<News>,
    /// What the run is to stop for.
    pub(super) stop: Option<News>,
    /// What a policy answers.
    pub(super) trigger: Option<News>,
}

/// What makes two pieces of news one: step, signal and rules.
type Key = (u64, String, Vec<String>);

fn key(news: &News) -> Key {
    let News { alarm, rules, .. } = news;
    (alarm.step, alarm.signal.clone(), rules.clone())
}

/// The detectors that `[alarm]` chooses.
fn watch(config: &Config) -> Watch {
    Watch::new(&config.alarm.entries())
}

/// The first event of an attempt, with the names of its detectors.
pub(super) fn with_detectors(event: Event, config: &Config) -> Event {
    logs::alarm::watched_by(event, &watch(config).names())
}

impl Alarms {
    /// Goes on from the state of a checkpoint; one of an earlier version holds nothing of the detectors. Also returns
    /// what the user should know.
    pub(super) fn begin(
        directory: &Path,
        config: &Config,
        state: &mut State,
    ) -> Result<(Self, Vec<String>), TrainError> {
        let mut watch = watch(config);
        let saved = state.alarms.take();
        let missing = saved.is_none() && state.step > 0;
        let anew = watch.restore(saved.unwrap_or_default());
        let events = logs::read::events(directory)?;
        let since = first_attempt(&events, state.branch());
        let ahead = events.iter().filter(|event| event.step > state.step);
        let ahead = ahead.filter(|event| event.attempt >= since);
        let told = ahead.filter_map(News::of).map(|news| key(&news)).collect();
        let behind = events.iter().filter(|event| event.step <= state.step);
        let begun = behind.filter_map(News::of).filter(News::begins);
        let begun = begun.map(|news| news.alarm.step).collect();
        let alarms = Self {
            directory: directory.to_owned(),
            watch,
            told,
            begun,
            leading: None,
            action: config.alarm.action,
            triggers: match config.recovery.is_off() {
                true => Vec::new(),
                false => config.recovery.detectors.clone(),
            },
        };
        Ok((alarms, notices(state.step, missing, &anew)))
    }

    /// Takes a step.
    pub(super) fn look(&mut self, record: &Record) -> Seen {
        let news = self.watch.news(record);
        for alarm in news.iter().filter(|news| news.begins()) {
            self.begun.push(record.step);
            let leads = !alarm.alarm.signal.contains("loss");
            self.leading = leads.then_some(record.step).or(self.leading);
        }
        let stop = news
            .iter()
            .find(|news| self.action == AlarmAction::Stop && news.begins())
            .cloned();
        let triggers = |news: &&News| news.rules.iter().any(|rule| self.triggers.contains(rule));
        let trigger = news.iter().find(triggers).cloned();
        let is_new = |news: &News| !self.told.contains(&key(news));
        Seen {
            news: news.into_iter().filter(is_new).collect(),
            stop,
            trigger,
        }
    }

    /// What was told of other steps with the same numbers is nothing to a new branch.
    pub(super) fn begin_branch(&mut self) {
        self.told.clear();
        self.leading = None;
    }

    /// The steps at which alarms began, in order.
    pub(super) fn begun(&self) -> &[u64] {
        &self.begun
    }

    /// Whether an alarm began at `step` that may lead to a spike.
    pub(super) fn leads_at(&self, step: u64) -> bool {
        self.leading == Some(step)
    }

    /// Puts what the detectors have seen into the state that a checkpoint saves.
    pub(super) fn keep(&self, state: &mut State) -> Result<(), TrainError> {
        let saved = self.watch.state().map_err(|source| LogError::Encode {
            path: self.directory.clone(),
            source,
        })?;
        state.alarms = Some(saved);
        Ok(())
    }
}

/// The attempt with which a branch began; one that has told of nothing yet where its first event is lost.
fn first_attempt(events: &[Event], branch: u64) -> u32 {
    let mut begun = events.iter().rev().filter_map(RollBack::of);
    match (branch, begun.find(|back| back.branch == branch)) {
        (0, _) => 0,
        (_, Some(back)) => back.attempt,
        (_, None) => u32::MAX,
    }
}

fn notices(step: u64, missing: bool, anew: &[&str]) -> Vec<String> {
    let mut notices = Vec::new();
    if missing {
        notices.push(format!(
            "the checkpoint of step {step} holds no detectors, as an earlier version wrote it: they begin anew"
        ));
    }
    if !anew.is_empty() {
        notices.push(format!(
            "detectors begin anew at step {step}, since their threshold or their form has changed: {}",
            anew.join(", ")
        ));
    }
    notices
}
