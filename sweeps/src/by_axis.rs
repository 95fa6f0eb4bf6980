//! The runs of a sweep along its axes: what the tables and curves of many arms are made of, for monitor
//! and report alike. Nothing is drawn or worded here.
//!
//! - [`ByAxis::matrix`] counts runs with the card's event, axis by axis.
//! - [`ByAxis::doses`] follows that share along an axis of numbers and says where it is one half.
//! - [`ByAxis::sensitivity`] follows the card's metric along the same axis.
//! - [`ByAxis::pairs`] takes differences of the metric between two values of an axis, seed by seed.

mod dose;
mod matrix;
mod pairs;
mod sensitivity;

pub use dose::DosesOfArms;
pub use matrix::{Cell, Matrix, Panel};
pub use pairs::Pairs;
pub use sensitivity::{Sensitivity, SensitivityPoint};

use crate::card::{Arm, Settings, number, same};
use crate::{Card, Event, RunState};
use std::collections::HashMap;
use toml::Value;

/// Axes that are a dose wherever a card has them: the more of it, the more runs fail.
const KNOWN_DOSES: [&str; 1] = ["optimizer.lr"];
/// Values from which on an axis of numbers is worth a curve.
const FEWEST_DOSES: usize = 3;

/// The runs of a sweep with the axis values of their arms.
#[derive(Debug)]
pub struct ByAxis<'a> {
    card: &'a Card,
    arms: Vec<(Arm, Vec<&'a RunState>)>,
    event: Vec<Event>,
}

impl<'a> ByAxis<'a> {
    /// The runs of `card`, in any order and state.
    #[must_use]
    pub fn new(card: &'a Card, runs: &'a [RunState]) -> Self {
        let mut of_arms: HashMap<&str, Vec<&RunState>> = HashMap::new();
        for run in runs {
            of_arms.entry(&run.arm).or_default().push(run);
        }
        let mut of = |arm: Arm| {
            let runs = of_arms.remove(&*arm.label).unwrap_or_default();
            (arm, runs)
        };
        Self {
            card,
            arms: card.arms().into_iter().map(&mut of).collect(),
            event: card.event(),
        }
    }

    /// The axes on which the arms differ, with their values in the order of the card; numbers ascend.
    #[must_use]
    pub fn axes(&self) -> Vec<(String, Vec<Value>)> {
        let axes = self.card.axis_values().into_iter().map(|(key, values)| {
            let has = |value: &Value| {
                let mut arms = self.arms.iter();
                arms.any(|(arm, _)| arm.settings.get(&key).is_some_and(|own| same(own, value)))
            };
            let mut values: Vec<Value> = values.into_iter().filter(has).collect();
            if values.iter().all(|value| number(value).is_some()) {
                values.sort_by(|a, b| {
                    number(a)
                        .partial_cmp(&number(b))
                        .unwrap_or(std::cmp::Ordering::Equal)
                });
            }
            (key, values)
        });
        axes.filter(|(_, values)| values.len() > 1).collect()
    }

    /// The axes that can be drawn from left to right as a dose: those of at least three positive numbers.
    #[must_use]
    pub fn dose_axes(&self) -> Vec<(String, Vec<Value>)> {
        let mut usable = self.axes();
        let is_dose =
            |value: &Value| number(value).is_some_and(|dose| dose > 0.0 && dose.is_finite());
        usable.retain(|(_, values)| values.len() >= FEWEST_DOSES && values.iter().all(is_dose));
        usable
    }

    /// Of [`ByAxis::dose_axes`] the one that is drawn where nobody says otherwise: the one that the card's figure or a
    /// criterion names, else the learning rate, else the axis with the most values.
    #[must_use]
    pub fn dose(&self) -> Option<String> {
        let usable = self.dose_axes();
        let figure = self
            .card
            .figure
            .iter()
            .filter_map(|figure| figure.along.as_deref());
        let criteria = self
            .card
            .criteria
            .iter()
            .filter_map(|criterion| criterion.arms().along());
        let named = figure.chain(criteria).chain(KNOWN_DOSES);
        let has = |key: &str| usable.iter().any(|(known, _)| known == key);
        let first = named.filter(|key| has(key)).map(str::to_owned).next();
        // Of equally many values the first axis, which is the last maximum in reverse order.
        let most = || usable.iter().rev().max_by_key(|(_, values)| values.len());
        first.or_else(|| most().map(|(key, _)| key.clone()))
    }

    /// The axis whose values are compared seed by seed, and the value it is compared with: where the treatment
    /// and control of a criterion differ in one axis, this one and the control's value; else the first axis that
    /// is no dose, and its first value.
    #[must_use]
    pub fn contrast(&self) -> Option<(String, Value)> {
        let axes = self.axes();
        let of_criteria = self.card.criteria.iter().find_map(|criterion| {
            let (treatment, control) = criterion.arms().pair()?;
            let differs = |(key, value): &(&String, &Value)| {
                !matches!(value, Value::Array(_)) && treatment.get(*key) != Some(value)
            };
            let mut differing = control.iter().filter(differs);
            let (key, value) = differing.next()?;
            (differing.next().is_none() && axes.iter().any(|(known, _)| known == key))
                .then(|| (key.clone(), value.clone()))
        });
        let dose = self.dose();
        let first = || {
            let (key, values) = axes.iter().find(|(key, _)| Some(key) != dose.as_ref())?;
            Some((key.clone(), values.first()?.clone()))
        };
        of_criteria.or_else(first)
    }

    /// The settings of the axes other than `without`, each once, in the order of the arms.
    fn others(&self, without: &[&str]) -> Vec<Settings> {
        let mut found: Vec<Settings> = Vec::new();
        for (arm, _) in &self.arms {
            let rest = rest(&arm.settings, without);
            if !found.contains(&rest) {
                found.push(rest);
            }
        }
        found
    }

    /// The arms with these settings of the axes other than `without`, with their runs.
    fn at(&self, settings: &Settings, without: &[&str]) -> Vec<(&Arm, &[&'a RunState])> {
        let all = self.arms.iter();
        let is_other = |(key, _): &(&String, &Value)| !without.contains(&key.as_str());
        let found = all.filter(|(arm, _)| arm.settings.iter().filter(is_other).eq(settings));
        found.map(|(arm, runs)| (arm, runs.as_slice())).collect()
    }
}

fn rest(settings: &Settings, without: &[&str]) -> Settings {
    let kept = settings
        .iter()
        .filter(|(key, _)| !without.contains(&key.as_str()));
    kept.map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests;
