//! What the monitor shows of a sweep, and the one trait through which it gets it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use logs::lease::Holder;
use logs::run::LEASE_FILE;
use logs::spike::LossSpike;
use logs::{Event, Lease, Manifest};
use sweeps::{Card, Outcome, PlannedRun, RunState, Settings, State};
use toml::Table;

use crate::error::MonitorError;
use crate::files;
use crate::log::Log;
use crate::machine::Reading;

/// Where a sweep is read from: a directory on disk, or fixed data in a test.
pub(crate) trait Source {
    /// Reads what is new. `Ok(true)` when anything changed.
    fn poll(&mut self) -> Result<bool, MonitorError>;

    /// The sweep as of the last poll.
    fn sweep(&self) -> &Sweep;

    /// What a run recorded.
    fn log(&self, run: usize) -> Log<'_>;

    /// The events of a run, in the order of the file.
    fn events(&self, run: usize) -> &[Event];

    /// Changes whenever `log(run)` changes; everything derived from records is cached by it.
    fn revision(&self, run: usize) -> Revision;

    /// More about one run, for the details pane.
    fn details(&self, run: usize) -> Details;

    /// Directory of a run, where it is on disk.
    fn directory(&self, run: usize) -> Option<&Path>;

    /// Directory of a run, whether or not the run has begun.
    fn folder(&self, run: usize) -> Option<PathBuf> {
        self.directory(run).map(Path::to_path_buf)
    }

    /// The spikes of a run's loss, where they are known.
    fn spikes(&self, _run: usize) -> &[LossSpike] {
        &[]
    }

    /// The resolved configuration of a run, or why it cannot be shown.
    fn configuration(&self, run: usize) -> Result<Table, String> {
        let folder = self.folder(run).ok_or("the run has no directory")?;
        files::configuration(&folder)
    }

    /// The run that the card, or the way it began, sets a run against.
    fn control(&self, _run: usize) -> Option<usize> {
        None
    }

    /// Provenance of a run that has begun.
    fn manifest(&self, run: usize) -> Option<&Manifest>;

    /// Who trains a run now, where that is known.
    fn holder(&self, run: usize) -> Option<Holder> {
        let lease = self.directory(run)?.join(LEASE_FILE);
        Lease::holder(&lease).ok().flatten()
    }

    /// Reads what this machine does, and of the processes that train runs here.
    fn read_machine(&mut self, _processes: &[u32]) -> Reading {
        Reading::default()
    }

    /// Shows a fork of one of the runs once it is made.
    fn follow_fork(&mut self, _fork: PathBuf) {}

    /// The sweep on disk that a run belongs to, and what it has planned for it; none of a lone run.
    fn planned(&self, _run: usize) -> Option<(&sweeps::Sweep, &PlannedRun)> {
        None
    }

    /// The card of the sweep, which stays what it is; none of a lone run, and of several paths.
    fn card(&self) -> Option<Arc<Card>> {
        None
    }

    /// The runs of the card as they stand: the first of the sweep, in their order.
    fn states(&self) -> Vec<RunState> {
        Vec::new()
    }

    /// What runs lose that have learned nothing, in the unit of the card's metric.
    fn untrained(&self) -> Option<f64> {
        None
    }

    /// Finds what the runs that have an outcome say of the card's claim; none without a claim.
    fn judging(&self) -> Option<Judging> {
        None
    }

    /// The detectors for whose alarms a run asks for a bell. Read anew each time, so ask only when there is an alarm.
    fn bells(&self, run: usize) -> Vec<String>;
}

/// Finds what a claim comes to so far, which may take a second; nothing where that cannot be told.
pub(crate) type Judging = Box<dyn FnOnce() -> Option<SoFar> + Send>;

/// What the criteria of a card find.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SoFar {
    /// In a few words, with how many runs are missing: `so far inconclusive, 3 runs missing`.
    pub(crate) brief: String,
    /// In a sentence, and then what each criterion finds.
    pub(crate) lines: Vec<String>,
}

/// State of a run's records: how often known ones were rewritten (by a resumed attempt), and how many there are.
/// `None` before the first look.
pub(crate) type Revision = Option<(u64, usize)>;

/// A sweep and its runs in the order of the plan; those that begin with a state of another one stand behind them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Sweep {
    /// The card's name.
    pub(crate) name: String,
    /// What the card claims, in one line.
    pub(crate) title: String,
    pub(crate) runs: Vec<Run>,
    /// Estimated time to the end of the sweep, in seconds.
    pub(crate) eta: Option<f64>,
    /// What could not be read; shown, never fatal.
    pub(crate) warnings: Vec<String>,
}

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run {
    /// Name of its directory.
    pub(crate) id: String,
    pub(crate) arm: String,
    /// Value of every axis of the card; empty of a run without a card.
    pub(crate) settings: Arc<Settings>,
    /// None of a run that another program trained.
    pub(crate) seed: Option<u64>,
    pub(crate) state: State,
    /// Steps done and planned.
    pub(crate) step: u64,
    pub(crate) steps: u64,
    /// Last training loss, in nats per target token.
    pub(crate) loss: Option<f64>,
    /// Last held-out loss, in nats per target token.
    pub(crate) held_out: Option<f64>,
    pub(crate) outcome: Option<Outcome>,
    /// Of a run that begins with a state of another one.
    pub(crate) branch: Option<Branch>,
}

/// Where a run leaves another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Branch {
    /// Number of the other run in the sweep, a lower one.
    pub(crate) of: usize,
    /// Steps of the other run behind it.
    pub(crate) forked_at: u64,
}

impl Run {
    /// Share of its own planned steps done, 0..=1.
    pub(crate) fn progress(&self) -> f64 {
        let before = self.branch.map_or(0, |branch| branch.forked_at);
        let own = |steps: u64| steps.saturating_sub(before) as f64;
        if own(self.steps) == 0.0 {
            0.0
        } else {
            (own(self.step) / own(self.steps)).clamp(0.0, 1.0)
        }
    }

    /// `arm s3`: short enough for titles, unique within a sweep.
    pub(crate) fn label(&self) -> String {
        match self.seed {
            Some(seed) => format!("{} s{seed}", self.arm),
            None => self.arm.clone(),
        }
    }
}

/// All states, in the order in which they matter to somebody who watches.
pub(crate) const STATES: [State; 7] = [
    State::Running,
    State::Pending,
    State::Interrupted,
    State::Failed,
    State::Stopped,
    State::Skipped,
    State::Finished,
];

/// One letter for a state.
pub(crate) fn glyph(state: State) -> &'static str {
    match state {
        State::Running => "●",
        State::Interrupted => "◌",
        State::Pending => "○",
        State::Failed => "✗",
        State::Stopped => "■",
        State::Skipped => "–",
        State::Finished => "✓",
    }
}

/// Whether nothing more will come of a run without a new command.
pub(crate) fn ended(state: State) -> bool {
    matches!(
        state,
        State::Finished | State::Failed | State::Stopped | State::Skipped
    )
}

/// The details of one run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Details {
    /// Name and value, in order of importance.
    pub(crate) facts: Vec<(String, String)>,
    /// Last events, newest first: step, kind, message.
    pub(crate) events: Vec<(u64, String, String)>,
    /// How many events before those are left out.
    pub(crate) earlier: usize,
    /// Damage found while reading.
    pub(crate) warnings: Vec<String>,
}
