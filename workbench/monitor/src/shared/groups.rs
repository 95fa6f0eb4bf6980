//! Which runs belong together: the seeds of an arm or, where the user asks for it, all runs with one value of a key; and how
//! each group is named and drawn.

use std::collections::HashMap;

use sweeps::Settings;
use sweeps::card::named;
use sweeps::overview::{Chosen, Look, Looks};

use super::Shared;
use super::configs::Configs;
use super::filter::{field, resolve};
use crate::colour::Ink;
use crate::view::Run;

/// The groups of a sweep.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// The key by which runs are grouped instead of by arm.
    pub(crate) by: Option<String>,
    /// The key that the user gave the colours to.
    pub(crate) colour: Option<String>,
    /// The key that the user gave the shades to.
    pub(crate) shade: Option<String>,
    pub(crate) looks: Looks,
    of_run: Vec<usize>,
    /// The arms, however runs are grouped.
    pub(crate) arms: Looks,
    arm_of: Vec<usize>,
}

impl Groups {
    /// Sorts runs into groups, in order of appearance. A branch is a group of its own.
    pub(super) fn assign(&mut self, runs: &[Run], configs: &Configs) {
        let by = self.by.take();
        (self.arms, self.arm_of) = self.look(runs, configs);
        self.by = by;
        (self.looks, self.of_run) = match self.by {
            Some(_) => self.look(runs, configs),
            None => (self.arms.clone(), self.arm_of.clone()),
        };
    }

    /// The looks of all groups, and the group of every run.
    fn look(&self, runs: &[Run], configs: &Configs) -> (Looks, Vec<usize>) {
        let mut groups: Vec<(String, Settings)> = Vec::new();
        let mut known: HashMap<(bool, String), usize> = HashMap::new();
        let mut of_run = Vec::with_capacity(runs.len());
        for (number, run) in runs.iter().enumerate() {
            let (label, at) = self.group_of(run, configs.of(number));
            let group = *known
                .entry((run.branch.is_some(), label.clone()))
                .or_insert_with(|| {
                    groups.push((label, at));
                    groups.len() - 1
                });
            of_run.push(group);
        }
        let arms = known.keys().filter(|(branch, _)| !branch).count();
        // Branches stand behind all other runs.
        let (arms, branches) = groups.split_at(arms);
        let arms: Vec<(&str, &Settings)> = arms.iter().map(|(label, at)| (&**label, at)).collect();
        let chosen = Chosen {
            colours: self.colour.as_deref(),
            shades: self.shade.as_deref(),
            facets: None,
        };
        let mut looks = Looks::of(&arms, chosen);
        looks.arms.extend(
            branches
                .iter()
                .zip(arms.len()..)
                .map(|((name, _), colour)| Look {
                    name: name.clone(),
                    brief: name.clone(),
                    colour,
                    shades: 1,
                    ..Look::default()
                }),
        );
        (looks, of_run)
    }

    fn group_of(&self, run: &Run, config: &Settings) -> (String, Settings) {
        let by = self.by.as_ref().filter(|_| run.branch.is_none());
        match by.map(|key| (key, field(run, config, key))) {
            Some((key, Some(value))) => {
                let name = named(key, &value);
                (name, Settings::from([(key.clone(), value)]))
            }
            Some((key, None)) => (format!("no {key}"), Settings::new()),
            None => (run.arm.clone(), Settings::clone(&run.settings)),
        }
    }

    pub(crate) fn of(&self, run: usize) -> usize {
        self.of_run.get(run).copied().unwrap_or(0)
    }

    /// Number of the arm of a run, however runs are grouped.
    pub(crate) fn arm_of(&self, run: usize) -> usize {
        self.arm_of.get(run).copied().unwrap_or(0)
    }

    pub(crate) fn ink(&self, group: usize) -> Ink {
        self.looks
            .arms
            .get(group)
            .map_or_else(Ink::default, |look| Ink {
                colour: look.colour,
                shade: look.shade,
                shades: look.shades,
            })
    }

    /// Name of the arm of a run, without what all arms share.
    pub(crate) fn arm_name(&self, run: usize, brief: bool) -> &str {
        let look = self.arms.arms.get(self.arm_of(run));
        look.map_or("", |look| if brief { &look.brief } else { &look.name })
    }
}

impl Shared {
    /// Gives the colours to the values of a key, or back to the one that is chosen by itself.
    pub(crate) fn colour_by(&mut self, name: &str) -> Result<(), String> {
        self.groups.colour = self.look_axis(name)?;
        self.groups.assign(&self.source.sweep().runs, &self.configs);
        Ok(())
    }

    /// The same of the shades.
    pub(crate) fn shade_by(&mut self, name: &str) -> Result<(), String> {
        self.groups.shade = self.look_axis(name)?;
        self.groups.assign(&self.source.sweep().runs, &self.configs);
        Ok(())
    }

    /// Keys that can have colours and shades.
    pub(crate) fn look_axes(&self) -> Vec<String> {
        let axes = self.groups.looks.axes.iter();
        axes.map(|axis| axis.key.clone()).collect()
    }

    fn look_axis(&self, name: &str) -> Result<Option<String>, String> {
        match name {
            "" => Ok(None),
            name => Ok(Some(resolve(name, &self.look_axes())?)),
        }
    }
}
