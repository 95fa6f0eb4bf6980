//! Differences between two values of an axis, seed by seed.

use super::ByAxis;
use crate::RunState;
use crate::card::{Settings, same};
use crate::stats::{Estimate, mean_interval};
use toml::Value;

/// Confidence of the interval.
const LEVEL: f64 = 0.95;

/// Two arms that differ in one axis alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs {
    /// Label of the arm of which the difference is.
    pub arm: String,
    /// Values of the other axes.
    pub at: Settings,
    /// The axis value that is taken off.
    pub reference: Value,
    /// The axis value it is taken off from.
    pub value: Value,
    /// Seed and difference of the metric, in its unit, where both runs have a finite one.
    pub differences: Vec<(u64, f64)>,
    /// Seeds that both arms ran to an end, but of which a run has no finite metric.
    pub not_finite: usize,
    /// Mean of the differences with Student's t interval (95 %).
    pub estimate: Option<Estimate>,
}

impl ByAxis<'_> {
    /// Every value of an axis against `reference`, for each setting of the other axes; only pairs of arms with
    /// a seed that both have ended.
    #[must_use]
    pub fn pairs(&self, key: &str, reference: &Value) -> Vec<Pairs> {
        let mut found = Vec::new();
        for at in self.others(&[key]) {
            let is = |own: Option<&Value>| own.is_some_and(|own| same(own, reference));
            let arms = self.at(&at, &[key]);
            let mut of_reference = arms.iter().filter(|(arm, _)| is(arm.settings.get(key)));
            let Some((_, base)) = of_reference.next() else {
                continue;
            };
            for (arm, runs) in &arms {
                let Some(value) = arm.settings.get(key).filter(|value| !is(Some(value))) else {
                    continue;
                };
                let pairs = pair(base, runs);
                let (finite, lost): (Vec<_>, Vec<_>) = pairs
                    .into_iter()
                    .partition(|(_, difference)| difference.is_finite());
                let differences: Vec<f64> =
                    finite.iter().map(|(_, difference)| *difference).collect();
                found.push(Pairs {
                    arm: arm.label.clone(),
                    at: at.clone(),
                    reference: reference.clone(),
                    value: value.clone(),
                    estimate: mean_interval(&differences, LEVEL),
                    differences: finite,
                    not_finite: lost.len(),
                });
            }
        }
        found.retain(|pairs| pairs.differences.len() + pairs.not_finite > 0);
        found
    }
}

/// Differences of the metric by seed, `runs` − `base`; not finite where one of both is not.
fn pair(base: &[&RunState], runs: &[&RunState]) -> Vec<(u64, f64)> {
    let differences = runs.iter().filter_map(|run| {
        let twin = base.iter().find(|other| other.seed == run.seed)?;
        Some((run.seed, run.metric? - twin.metric?))
    });
    differences.collect()
}
