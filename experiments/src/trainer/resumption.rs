//! Where a run goes on.

use crate::error::TrainError;
use crate::files::checkpoint::{Checkpoints, Loaded, Nearby};
use crate::files::weights::initial_weights;
use crate::state::{State, Trained};
use experiments_config::Config;
use logs::{Event, EventKind, RollBack, RunReader};
use std::path::Path;

impl Trained {
    /// Where training begins.
    pub(crate) fn fresh(config: &Config) -> Result<Self, TrainError> {
        Ok(Self::new(config, initial_weights(config)?))
    }

    /// The newest state of at most `step` finished steps that is at hand, or the beginning.
    pub(super) fn nearest(config: &Config, near: &Nearby, step: u64) -> Result<Self, TrainError> {
        let mut trained = Self::fresh(config)?;
        let found = near.load(step, &mut trained.parameters, &mut trained.adam)?;
        match found {
            Some(state) => Ok(Self { state, ..trained }),
            None => Self::fresh(config),
        }
    }

    /// The newest usable checkpoint of at most `step` finished steps and what was found about it, or a
    /// fresh start.
    pub(super) fn load(
        config: &Config,
        checkpoints: &Checkpoints,
        step: u64,
    ) -> Result<(Self, Option<Loaded>), TrainError> {
        let mut trained = Self::fresh(config)?;
        let loaded = checkpoints.load(step, &mut trained.parameters, &mut trained.adam)?;
        if let Some(loaded) = &loaded {
            trained.state = loaded.state.clone();
        }
        Ok((trained, loaded))
    }
}

/// A run as its newest usable checkpoint left it, or fresh.
pub(super) struct Resumption {
    pub(super) trained: Trained,
    /// Where it was loaded from; none for a fresh run.
    loaded: Option<Loaded>,
    /// What the user should know, a sentence each.
    pub(super) notices: Vec<String>,
}

impl Resumption {
    /// Reads the checkpoints of the run in `directory`; changes nothing.
    pub(super) fn load(directory: &Path, config: &Config) -> Result<Self, TrainError> {
        let checkpoints = Checkpoints::new(directory, config);
        let (trained, loaded) = Trained::load(config, &checkpoints, u64::MAX)?;
        let mut notices = checkpoints.strays()?;
        if loaded.is_some() {
            notices.extend(lost_events(directory, &trained.state)?);
        }
        Ok(Self {
            trained,
            loaded,
            notices,
        })
    }

    /// Sets aside what could not be used, and says in sentences what is not as it should be.
    pub(super) fn set_aside(&self) -> Result<Vec<String>, TrainError> {
        let step = self.trained.state.step;
        let mut notices = Vec::new();
        for unfit in self.loaded.iter().flat_map(|loaded| &loaded.unfit) {
            let what = unfit.set_aside()?;
            notices.push(format!("{what}; training goes on from step {step}"));
        }
        if self.loaded.as_ref().is_some_and(|loaded| !loaded.verified) {
            notices.push(format!(
                "the checkpoint of step {step} has no checksums, as an earlier version wrote it: it was not verified"
            ));
        }
        Ok(notices)
    }

    /// The beginning of the attempt; `program` is its version, commit and whether the tree was changed.
    pub(super) fn event(&self, program: (&str, Option<&str>, Option<bool>)) -> Event {
        let step = self.trained.state.step;
        if self.loaded.is_none() {
            return Event::now(step, EventKind::Start, "training starts");
        }
        let (version, commit, _) = program;
        let commit = commit.unwrap_or("unknown");
        let text = format!(
            "continued from the checkpoint of step {step} by version {version}, commit {commit}"
        );
        Event::now(step, EventKind::Resume, text)
    }
}

/// Says so where events were lost from the end of their file: what was written before the checkpoint of
/// `state` is not written again. With the first checkpoint of a branch the run is on it before any event says so. The event of a checkpoint follows it, so only a run that was killed just then
/// is without: it has no later record, and the event of the attempt that goes on stands for it from then on.
fn lost_events(directory: &Path, state: &State) -> Result<Option<String>, TrainError> {
    let (events, step) = (logs::read::events(directory)?, state.step);
    let mut backs = events.iter().filter_map(RollBack::of);
    if state.branch() > 0 && !backs.any(|back| back.branch == state.branch()) {
        return Ok(None);
    }
    let of_checkpoint = |event: &Event| {
        matches!(event.kind, EventKind::Checkpoint | EventKind::Resume) && event.step == step
    };
    if events.iter().any(of_checkpoint) {
        return Ok(None);
    }
    let reader = RunReader::open_scalars(directory)?;
    let later = reader.records().last().is_some_and(|last| last.step > step);
    Ok(later.then(|| {
        format!(
            "`{}` does not reach the checkpoint of step {step}: its last events before that are lost",
            logs::run::EVENTS_FILE
        )
    }))
}
