//! What the runs of a card say together: which axes it has, its runs as they are counted along them, and what its criteria find
//! so far.

use std::sync::Arc;

use sweeps::card::Arm;
use sweeps::{ByAxis, Card, Outcome, RunState};
use toml::Value;

use super::Shared;
use crate::view::{SoFar, Source, ended};
use crate::worker::Worked;

/// The axes of a card, by its runs or without any.
#[derive(Debug)]
pub(crate) struct Axes {
    pub(crate) arms: Vec<Arm>,
    /// All axes in which arms differ, with their values.
    pub(crate) all: Vec<(String, Vec<Value>)>,
    /// Those that can be a dose, and the one that is where nobody says otherwise.
    pub(crate) doses: Vec<String>,
    pub(crate) dose: Option<String>,
    /// Axes of the matrix of outcomes where nobody says otherwise, downwards and to the right.
    pub(crate) matrix: Option<(Option<String>, String)>,
    /// Axis and value that others are compared with where nobody says otherwise.
    pub(crate) contrast: Option<(String, Value)>,
    /// Name of the metric, and what runs do that show the event of the card.
    pub(crate) metric: String,
    pub(crate) event: String,
}

impl Axes {
    fn of(card: &Card) -> Self {
        let by_axis = ByAxis::new(card, &[]);
        let doses = by_axis.dose_axes().into_iter();
        Self {
            arms: card.arms(),
            all: by_axis.axes(),
            doses: doses.map(|(key, _)| key).collect(),
            dose: by_axis.dose(),
            matrix: by_axis.matrix_axes(),
            contrast: by_axis.contrast(),
            metric: card.metric.label(),
            event: card.event_verb(),
        }
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.all.iter().map(|(key, _)| key.clone()).collect()
    }

    pub(crate) fn values(&self, key: &str) -> &[Value] {
        let axis = self.all.iter().find(|(known, _)| known == key);
        axis.map_or(&[], |(_, values)| values)
    }
}

/// What is said where there is no card: of a lone run, and of several paths.
pub(crate) const UNCOUNTED: &str = "a card counts the runs of one sweep, opened by itself";

/// Runs of a card, to be counted beside the screen.
pub(crate) struct Study {
    card: Arc<Card>,
    runs: Vec<RunState>,
    /// What runs lose that have learned nothing.
    pub(crate) untrained: Option<f64>,
}

impl Study {
    pub(crate) fn by_axis(&self) -> ByAxis<'_> {
        ByAxis::new(&self.card, &self.runs)
    }
}

/// Outcome of every run, and whether more may come of it: what a verdict is made from, as far as it changes.
type Ends = Vec<(Option<Outcome>, bool)>;

/// What is known of the card of a sweep.
#[derive(Default)]
pub(super) struct Judged {
    card: Option<Arc<Card>>,
    axes: Option<Arc<Axes>>,
    ends: Ends,
    /// Changes with what is counted: the ends of runs, and the filter.
    revision: u64,
    so_far: Worked<Ends, Option<SoFar>>,
}

impl Judged {
    pub(super) fn new(source: &dyn Source) -> Self {
        let card = source.card();
        Self {
            axes: card.as_deref().map(|card| Arc::new(Axes::of(card))),
            card,
            ..Self::default()
        }
    }

    /// Takes in how runs ended since the last time.
    pub(super) fn refresh(&mut self, source: &dyn Source) {
        let runs = source.sweep().runs.iter();
        let runs = runs.filter(|run| run.branch.is_none());
        let ends: Ends = runs.map(|run| (run.outcome, ended(run.state))).collect();
        if ends != self.ends {
            self.ends = ends;
            self.revision += 1;
        }
        self.judge(source);
    }

    fn judge(&mut self, source: &dyn Source) {
        if self.card.is_some() {
            self.so_far.want(self.ends.clone(), || {
                let judging = source.judging();
                move || judging.and_then(|judge| judge())
            });
        }
    }

    /// Other runs are counted from now on.
    pub(super) fn recount(&mut self) {
        self.revision += 1;
    }
}

impl Shared {
    /// The axes of the card; none of a lone run.
    pub(crate) fn axes(&self) -> Option<Arc<Axes>> {
        self.judged.axes.clone()
    }

    /// Stays the same while [`Shared::study`] would give the same runs.
    pub(crate) fn counted(&self) -> u64 {
        self.judged.revision
    }

    /// The runs of the card that the filter takes.
    pub(crate) fn study(&self) -> Option<Study> {
        let runs = self.source.states().into_iter().enumerate();
        let shown = runs.filter(|(run, _)| self.is_shown(*run));
        Some(Study {
            card: self.judged.card.clone()?,
            runs: shown.map(|(_, run)| run).collect(),
            untrained: self.source.untrained(),
        })
    }

    /// What the criteria of the card find so far; nothing without any, and until it is found.
    pub(crate) fn so_far(&self) -> Option<&SoFar> {
        self.judged.so_far.answer()?.as_ref()
    }

    /// Takes in what was found beside the screen; `true` where that is news.
    pub(crate) fn hear(&mut self) -> bool {
        let news = self.judged.so_far.hear();
        if news {
            // Runs may have ended meanwhile.
            self.judged.judge(self.source.as_ref());
        }
        news
    }

    /// Waits for what is being found; `false` where nothing is.
    pub(crate) fn wait(&mut self) -> bool {
        let waited = self.judged.so_far.wait();
        self.judged.judge(self.source.as_ref());
        waited
    }

    /// A run of an arm that the filter takes, the first of them.
    pub(crate) fn first_of(&self, arm: &str) -> Option<usize> {
        let runs = self.sweep().runs.iter().enumerate();
        let mut own = runs.filter(|(_, run)| run.branch.is_none() && run.arm == arm);
        own.find(|(run, _)| self.is_shown(*run)).map(|(run, _)| run)
    }

    /// Label of the arm of the run under the cursor; of a branch that of its run.
    pub(crate) fn arm_here(&self) -> Option<&str> {
        let here = self.run(self.cursor)?;
        let of = here.branch.and_then(|branch| self.run(branch.of));
        Some(&of.unwrap_or(here).arm)
    }
}
