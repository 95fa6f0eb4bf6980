//! The hash of what decides a verdict.

use crate::OutcomeRules;
use crate::card::Role;
use crate::criterion::{Criterion, Failed, Metric, Test, Worst};
use serde::Serialize;

/// What decides a verdict, in the form that is hashed.
#[derive(Serialize)]
struct Decision<'a> {
    metric: &'a Metric,
    outcome: &'a OutcomeRules,
    criteria: Vec<Deciding<'a>>,
}

/// A criterion without what decides nothing.
#[derive(Serialize)]
struct Deciding<'a> {
    role: Role,
    #[serde(flatten)]
    test: &'a Test,
    metric: Option<&'a Metric>,
    #[serde(skip_serializing_if = "Option::is_none")]
    control_metric: Option<&'a Metric>,
    alpha: f64,
    // Left out where a card does not say them, so that older cards keep their hashes.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<Failed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worst: Option<Worst>,
}

impl<'a> From<&'a Criterion> for Deciding<'a> {
    fn from(criterion: &'a Criterion) -> Self {
        Self {
            role: criterion.role,
            test: &criterion.test,
            metric: criterion.metric.as_ref(),
            control_metric: criterion.control_metric.as_ref(),
            alpha: criterion.alpha,
            failed: criterion.failed,
            worst: criterion.worst,
        }
    }
}

/// BLAKE3 (hex) of the decision.
pub(super) fn hash_of(metric: &Metric, outcome: &OutcomeRules, criteria: &[Criterion]) -> String {
    hash(&Decision {
        metric,
        outcome,
        criteria: criteria.iter().map(Deciding::from).collect(),
    })
}

/// BLAKE3 (hex) of anything as JSON.
pub(super) fn hash(value: &impl Serialize) -> String {
    let text = serde_json::to_vec(value).expect("numbers, strings and lists serialise");
    blake3::hash(&text).to_hex().to_string()
}
