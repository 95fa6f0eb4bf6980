//! Published figures of known runs beside what this program computes.
//!
//! Nothing here enters a plan: figures are looked up by the shape of the model, and a row appears
//! only where it belongs, that is beside the model, the schedule, the cluster or the layout it was
//! published for.

mod glm_130b;

pub mod row;
mod run;

#[cfg(test)]
pub(crate) use run::{published_cluster, published_layout};

use crate::glm_130b::is_glm_130b;
use crate::hardware::gpu;
use crate::options::PlanOptions;
use crate::{Cluster, Layout, PlanError};
use experiments_config::Config;
use row::PublishedRow;

/// Builds rows.
#[derive(Default)]
struct Rows(Vec<PublishedRow>);

impl Rows {
    /// A published figure.
    fn published(
        &mut self,
        what: (&str, &str),
        published: f64,
        ours: f64,
        source: &str,
        note: &str,
    ) {
        self.push(what, Some(published), ours, source, note);
    }

    /// A figure that is ours alone.
    fn ours(&mut self, what: (&str, &str), ours: f64, source: &str, note: &str) {
        self.push(what, None, ours, source, note);
    }

    fn push(
        &mut self,
        (quantity, unit): (&str, &str),
        published: Option<f64>,
        ours: f64,
        source: &str,
        note: &str,
    ) {
        self.0.push(PublishedRow {
            quantity: quantity.to_owned(),
            unit: unit.to_owned(),
            published,
            ours,
            difference: published.map(|published| ours / published - 1.0),
            source: source.to_owned(),
            note: note.to_owned(),
        });
    }
}

/// The figures that belong to this configuration, cluster and layout.
pub fn published(
    config: &Config,
    cluster: &Cluster,
    layout: &Layout,
    options: &PlanOptions,
) -> Result<Vec<PublishedRow>, PlanError> {
    let gpu = gpu(&cluster.gpu)?;
    let mut rows = Rows::default();
    if is_glm_130b(config) {
        glm_130b::model(&mut rows, config)?;
        if glm_130b::is_schedule(config) {
            glm_130b::schedule(&mut rows, config)?;
        }
        if run::is_run(cluster, layout) {
            run::rows(&mut rows, config, cluster, layout, gpu, options)?;
        }
    }
    Ok(rows.0)
}

#[cfg(test)]
mod tests;
