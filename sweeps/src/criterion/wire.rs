//! What a criterion's TOML says, before anything is known to make sense.

use super::expect::Expect;
use serde::Deserialize;
use toml::Table;

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct WireMetric {
    pub(crate) name: Option<String>,
    pub(crate) reduce: Option<String>,
    pub(crate) from_step: Option<i64>,
    pub(crate) to_step: Option<i64>,
}

/// All keys that any test has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct WireCriterion {
    pub(crate) name: Option<String>,
    pub(crate) claim: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) test: Option<String>,
    pub(crate) metric: Option<WireMetric>,
    pub(crate) control_metric: Option<WireMetric>,
    pub(crate) treatment: Option<Table>,
    pub(crate) control: Option<Table>,
    pub(crate) minus: Option<WirePair>,
    pub(crate) pool: Option<Vec<String>>,
    pub(crate) at: Option<Table>,
    pub(crate) along: Option<String>,
    pub(crate) event: Option<Vec<String>>,
    pub(crate) direction: Option<String>,
    pub(crate) margin: Option<f64>,
    pub(crate) failed: Option<String>,
    pub(crate) worst: Option<String>,
    pub(crate) alpha: Option<f64>,
    pub(crate) expect: Option<Expect>,
    pub(crate) equals: Option<f64>,
    pub(crate) at_most: Option<f64>,
    pub(crate) at_least: Option<f64>,
    pub(crate) above: Option<f64>,
    pub(crate) below: Option<f64>,
    pub(crate) inside: Option<[f64; 2]>,
    pub(crate) contains: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct WirePair {
    pub(crate) treatment: Table,
    pub(crate) control: Table,
}
