//! Runs as they would be if what a criterion's author expects were the truth.

use super::expect::Expect;
use crate::card::{Arm, number};
use crate::reader::RunState;
use crate::{Event, Outcome};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use std::collections::BTreeMap;

/// The finished runs of a criterion's arms, which its test draws anew for every simulated sweep.
pub(crate) struct SimulatedRuns<'a> {
    /// What is taken to be the truth.
    pub(crate) expect: &'a Expect,
    /// The arms of the criterion.
    pub(crate) arms: Vec<Arm>,
    /// Place of every arm among those that are pooled with it; 0 where nothing is pooled.
    pub(crate) cell_of: Vec<usize>,
    /// The runs, with room for all metrics of the card.
    pub(crate) states: Vec<RunState>,
    /// Place of its arm in `arms`, for every run.
    pub(crate) arm_of: Vec<usize>,
    /// Place of the metric where it is compared with another one of the same runs.
    pub(crate) within: Option<usize>,
}

impl SimulatedRuns<'_> {
    /// The difference expected, 0 without one, and its standard deviation.
    pub(super) fn mean_and_sd(&self) -> (f64, f64) {
        let Expect { difference, sd, .. } = self.expect;
        (difference.unwrap_or(0.0), sd.unwrap_or(0.0))
    }

    /// Something of every arm.
    pub(super) fn by_arm(&self, value: impl Fn(&Arm) -> f64) -> Vec<f64> {
        self.arms.iter().map(value).collect()
    }

    /// The axis value of every arm.
    pub(super) fn along(&self, key: &str) -> Vec<f64> {
        self.by_arm(|arm| arm.settings.get(key).and_then(number).unwrap_or(f64::NAN))
    }

    /// Gives every run the value of the place of its arm and its seed.
    pub(super) fn set(&mut self, mut value: impl FnMut(usize, u64) -> f64) {
        for (state, arm) in self.states.iter_mut().zip(&self.arm_of) {
            state.metrics.fill(Some(value(*arm, state.seed)));
        }
    }

    /// One value for each seed.
    pub(super) fn by_seed(&self, mut value: impl FnMut() -> f64) -> BTreeMap<u64, f64> {
        let mut drawn = BTreeMap::new();
        for state in &self.states {
            drawn.entry(state.seed).or_insert_with(&mut value);
        }
        drawn
    }

    /// Events with the chance of each arm, independently.
    pub(super) fn outcomes(
        &mut self,
        event: &[Event],
        chance: impl Fn(usize) -> f64,
        generator: &mut ChaCha8Rng,
    ) {
        let counts = |outcome: &Outcome| event.contains(&Event::Outcome(*outcome));
        let shown = Outcome::ALL.into_iter().find(counts);
        let other = Outcome::ALL.into_iter().rev().find(|o| !counts(o));
        for (state, arm) in self.states.iter_mut().zip(&self.arm_of) {
            let hit = generator.random::<f64>() < chance(*arm);
            // Either way of showing the event will do; where no outcome shows it, the run spiked.
            let outcome = shown.filter(|_| hit).or(other);
            state.spiked = Some(hit && shown.is_none());
            if let (Some(found), Some(outcome)) = (&mut state.classified, outcome) {
                found.outcome = outcome;
            }
        }
    }
}

/// A number of the standard normal distribution.
pub(super) fn normal(generator: &mut ChaCha8Rng) -> f64 {
    generator.sample(StandardNormal)
}
