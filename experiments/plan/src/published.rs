//! Published figures of known runs beside what this program computes.
//!
//! Nothing here enters a plan: figures are looked up by the shape of the model, and a row appears
//! only where it belongs, that is beside the model, the schedule, the cluster or the layout it was
//! published for.

mod glm_130b;
mod run;

#[cfg(test)]
pub(crate) use run::{published_cluster, published_layout};

use crate::hardware::Gpu;
use crate::plan::PlanOptions;
use crate::text::number;
use crate::{Cluster, Layout, PlanError};
use experiments_config::Config;
use serde::Serialize;
use words::Table;

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PublishedRow {
    /// What it is.
    pub quantity: String,
    /// Its unit; empty for counts.
    pub unit: String,
    /// What was published; absent where nothing was, and the figure is ours alone.
    pub published: Option<f64>,
    /// What this program computes.
    pub ours: f64,
    /// `ours / published - 1`.
    pub difference: Option<f64>,
    /// Where it was published, or from what it was derived.
    pub source: String,
    /// Why the two differ, or what the figure rests on.
    pub note: String,
}

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
    gpu: &Gpu,
    options: &PlanOptions,
) -> Result<Vec<PublishedRow>, PlanError> {
    let mut rows = Rows::default();
    if glm_130b::is_model(config) {
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

/// The rows as a table, notes below their numbers.
#[must_use]
pub fn text(rows: &[PublishedRow]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::of_numbers(&["figure", "published", "ours", "diff %", "source"], &[4]);
    let mut notes = String::new();
    let mut count = 0;
    for row in rows {
        let mark = if row.note.is_empty() {
            String::new()
        } else {
            count += 1;
            notes.push_str(&words::hanging(&format!("  [{count}] "), &row.note, 6, 107));
            format!(" [{count}]")
        };
        let unit = if row.unit.is_empty() {
            String::new()
        } else {
            format!(", {}", row.unit)
        };
        table.row([
            format!("{}{unit}{mark}", row.quantity),
            row.published.map_or_else(|| "ours".to_owned(), number),
            number(row.ours),
            row.difference
                .map_or_else(|| "-".to_owned(), |d| format!("{:+.2}", 100.0 * d)),
            row.source.clone(),
        ]);
    }
    table.render(2) + &notes
}

#[cfg(test)]
mod tests;
