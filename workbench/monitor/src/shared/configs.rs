//! The resolved configurations of runs, read once, and only where somebody asks for a key that is no axis of the card.

use std::collections::BTreeSet;

use sweeps::Settings;
use toml::Value;

use super::filter::{self, Filter, resolve};
use super::{Shared, shown};
use crate::files::flat;
use crate::view::Source;

static NONE: Settings = Settings::new();

#[derive(Debug, Default)]
pub(crate) struct Configs {
    /// Values by dotted key; none of a run whose configuration could not be read.
    of_run: Vec<Option<Settings>>,
    /// Whether anybody asked.
    wanted: bool,
}

impl Configs {
    /// Of a run; empty where nothing is known.
    pub(super) fn of(&self, run: usize) -> &Settings {
        let known = self.of_run.get(run).and_then(Option::as_ref);
        known.unwrap_or(&NONE)
    }

    /// Reads those that were not read, also where that was tried before.
    pub(super) fn read(&mut self, source: &dyn Source) {
        self.wanted = true;
        self.add(source);
        for (run, own) in self.of_run.iter_mut().enumerate() {
            if own.is_none() {
                *own = values(source, run);
            }
        }
    }

    /// Takes in runs that are new, where anybody asked.
    pub(super) fn follow(&mut self, source: &dyn Source) {
        if self.wanted {
            self.add(source);
        }
    }

    fn add(&mut self, source: &dyn Source) {
        for run in self.of_run.len()..source.sweep().runs.len() {
            self.of_run.push(values(source, run));
        }
    }

    /// All keys that any run has.
    pub(super) fn keys(&self) -> BTreeSet<String> {
        let known = self.of_run.iter().flatten();
        known.flat_map(|values| values.keys().cloned()).collect()
    }
}

fn values(source: &dyn Source, run: usize) -> Option<Settings> {
    source.configuration(run).ok().map(|table| flat(&table))
}

impl Shared {
    /// Columns and axes that runs can be filtered and grouped by.
    pub(crate) fn keys(&self) -> Vec<String> {
        filter::keys(&self.sweep().runs)
    }

    /// The same, and the keys of the configuration of the run under the cursor.
    pub(crate) fn all_keys(&self) -> Vec<String> {
        let mut keys = self.keys();
        let own = values(self.source.as_ref(), self.cursor);
        let further = own.into_iter().flat_map(Settings::into_keys);
        let further: Vec<String> = further.filter(|key| !keys.contains(key)).collect();
        keys.extend(further);
        keys
    }

    /// The key that is meant: a column, an axis, or else a key of any run's configuration.
    pub(crate) fn key(&mut self, name: &str) -> Result<String, String> {
        let mut keys = self.keys();
        let is_meant = |key: &String| key == name || words::last_part(key) == name;
        if !keys.iter().any(is_meant) {
            self.configs.read(self.source.as_ref());
            let further = self.configs.keys().into_iter();
            let further: Vec<String> = further.filter(|key| !keys.contains(key)).collect();
            keys.extend(further);
        }
        resolve(name, &keys)
    }

    /// The value of a key of a run; a branch has those of its run.
    pub(crate) fn field(&self, run: usize, key: &str) -> Option<Value> {
        let run = self.run(run)?.branch.map_or(run, |branch| branch.of);
        filter::field(self.run(run)?, self.configs.of(run), key)
    }

    /// Shows only the runs that a filter takes.
    pub(crate) fn set_filter(&mut self, text: &str) -> Result<(), String> {
        self.filter = Filter::parse(text, |name| self.key(name))?;
        self.shown = shown(&self.sweep().runs, &self.filter, &self.configs);
        self.judged.recount();
        Ok(())
    }

    /// Groups runs by the value of a key, or by arm again.
    pub(crate) fn group_by(&mut self, name: &str) -> Result<(), String> {
        self.groups.by = match name {
            "" | "arm" => None,
            name => Some(self.key(name)?),
        };
        self.groups.assign(&self.source.sweep().runs, &self.configs);
        Ok(())
    }
}
