//! The user's own list of events.
//!
//! ```toml
//! found_by = ["olmo-core-128/6"]   # optional: rules that the list was made with; they are shown and not ranked
//!
//! [[event]]
//! run = "14m-seed1"                # name of the run directory
//! step = 120255
//! tolerance = 20                   # steps an alarm may be early or late; 0 without it
//!
//! [[unclear]]                      # alarms near it count neither way
//! run = "70m-seed3"
//! step = 1530
//! tolerance = 20
//! ```

use super::EvaluationError;
use logs::alarm::DETECTORS;
use logs::evaluation::{Event, Span, Truth};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where the truth about the runs comes from.
#[derive(Debug, Clone, Default)]
pub enum Labels {
    /// [`logs::evaluation::label`], and causes planted in the runs.
    #[default]
    Rule,
    /// A file of the user.
    File {
        /// The file.
        path: PathBuf,
        /// What it says.
        list: List,
    },
}

/// What a file of labels says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    #[serde(default)]
    found_by: Vec<String>,
    #[serde(default)]
    event: Vec<Label>,
    #[serde(default)]
    unclear: Vec<Label>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Label {
    run: String,
    step: u64,
    #[serde(default)]
    tolerance: u64,
}

impl Label {
    fn span(&self) -> Span {
        Span {
            from: self.step.saturating_sub(self.tolerance),
            to: self.step.saturating_add(self.tolerance),
        }
    }
}

impl Labels {
    /// Reads a file of labels and checks it against the directories of the runs.
    pub fn read(path: &Path, dirs: &[PathBuf]) -> Result<Self, EvaluationError> {
        let text = logs::disk::read_text(path).map_err(|source| EvaluationError::Read {
            path: path.to_owned(),
            source,
        })?;
        let refused = |complaints| EvaluationError::Labels {
            path: path.to_owned(),
            complaints,
        };
        let list: List = toml::from_str(&text).map_err(|error| {
            let expected = "expected `[[event]]` and `[[unclear]]` tables with `run`, `step` and `tolerance`, and `found_by`";
            refused(vec![format!("{expected}: {error}")])
        })?;
        let complaints = list.complaints(dirs);
        if complaints.is_empty() {
            let path = path.to_owned();
            Ok(Self::File { path, list })
        } else {
            Err(refused(complaints))
        }
    }

    /// The truth about a run that is called so, by the file; none where the rule decides.
    pub(super) fn truth(&self, name: &str) -> Option<Truth> {
        match self {
            Self::Rule => None,
            Self::File { list, .. } => Some(list.truth(name)),
        }
    }

    /// Whether a detector had no part in the making of the labels.
    pub(super) fn ranks(&self, detector: &str) -> bool {
        match self {
            Self::Rule => true,
            Self::File { list, .. } => list.found_by.iter().all(|name| name != detector),
        }
    }

    /// Where the truth comes from, for people.
    pub(super) fn source(&self) -> String {
        match self {
            Self::Rule => "the rule for the loss, and planted causes".to_owned(),
            Self::File { path, .. } => path.display().to_string(),
        }
    }
}

impl List {
    fn truth(&self, name: &str) -> Truth {
        let event = |label: &Label| {
            let Span { from, to } = label.span();
            Event {
                first: label.step,
                from,
                to,
                end: to,
            }
        };
        Truth {
            events: of_run(&self.event, name).into_iter().map(event).collect(),
            neutral: of_run(&self.unclear, name)
                .into_iter()
                .map(Label::span)
                .collect(),
            planted: Vec::new(),
        }
    }

    /// Everything that is wrong.
    fn complaints(&self, dirs: &[PathBuf]) -> Vec<String> {
        let given: Vec<String> = dirs.iter().map(|dir| super::runs::name(dir)).collect();
        let named: BTreeSet<&str> = (self.event.iter().chain(&self.unclear))
            .map(|label| label.run.as_str())
            .collect();
        let known = DETECTORS.iter().map(|entry| entry.name);
        let rules = self.found_by.iter().filter_map(|rule| {
            let unknown = !known.clone().any(|known| known == rule);
            unknown.then(|| unknown_name("`found_by`: no detector", rule, known.clone()))
        });
        let runs = named
            .iter()
            .filter_map(|run| self.run_complaint(run, &given));
        rules.chain(runs).collect()
    }

    fn run_complaint(&self, run: &str, given: &[String]) -> Option<String> {
        match given.iter().filter(|name| *name == run).count() {
            0 => {
                let names = given.iter().map(String::as_str);
                return Some(unknown_name("`run`: no run", run, names));
            }
            1 => {}
            several => {
                return Some(format!(
                    "`run`: {several} of the given directories are called `{run}`; expected names that differ"
                ));
            }
        }
        let events = of_run(&self.event, run);
        let meet = |pair: &&[&Label]| pair[0].span().to >= pair[1].span().from;
        let pair = events.windows(2).find(meet)?;
        Some(format!(
            "`tolerance`: the events of `{run}` at steps {} and {} overlap; expected tolerances that part them, or one event",
            pair[0].step, pair[1].step
        ))
    }
}

/// The labels of a run by step.
fn of_run<'a>(labels: &'a [Label], name: &str) -> Vec<&'a Label> {
    let mut found: Vec<&Label> = labels.iter().filter(|label| label.run == name).collect();
    found.sort_by_key(|label| label.step);
    found
}

fn unknown_name<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    format!("{what} is called `{name}`{}", words::hint(name, known))
}
