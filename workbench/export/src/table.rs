//! The long table: one row per run and step, what is known of the run repeated in each.

use crate::source::{Run, Source};
use logs::signal::SIGNALS;
use std::collections::BTreeSet;
use sweeps::card::{label, number};
use toml::Value;

/// The columns of all runs of a [`Source`].
#[derive(Debug)]
pub(crate) struct Table<'a> {
    pub(crate) runs: Vec<Run<'a>>,
    /// Axes by dotted key, and whether all values are numbers.
    pub(crate) axes: Vec<(String, bool)>,
    /// Scalar signals, known ones first in the order of the registry.
    pub(crate) signals: Vec<String>,
}

/// The columns that say which run a row belongs to.
pub(crate) const OF_RUN: [&str; 4] = ["run", "arm", "seed", "outcome"];

impl<'a> Table<'a> {
    pub(crate) fn new(source: &'a Source) -> Self {
        let runs = source.runs();
        let names = source.recorded().into_iter();
        let mut signals: Vec<String> = names.filter(|name| source.signals().has(name)).collect();
        let place = |name: &String| SIGNALS.iter().position(|signal| signal.name == *name);
        signals.sort_by_key(|name| place(name).unwrap_or(SIGNALS.len()));
        Self {
            axes: axes(&runs),
            signals,
            runs,
        }
    }
}

/// The axes of the runs; none of a run alone.
fn axes(runs: &[Run<'_>]) -> Vec<(String, bool)> {
    let keys: BTreeSet<&String> = runs.iter().flat_map(|run| run.settings.keys()).collect();
    let is_number = |key: &String| {
        let mut values = runs.iter().filter_map(|run| run.settings.get(key));
        values.all(|value| number(value).is_some())
    };
    keys.into_iter()
        .map(|key| (key.clone(), is_number(key)))
        .collect()
}

/// An axis value as text; empty where the run has none.
pub(crate) fn axis_text(run: &Run<'_>, key: &str) -> String {
    run.settings.get(key).map_or_else(String::new, label)
}

/// An axis value as a number.
pub(crate) fn axis_number(run: &Run<'_>, key: &str) -> Option<f64> {
    run.settings
        .get(key)
        .and_then(|value: &Value| number(value))
}
