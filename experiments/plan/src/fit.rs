//! The step-time model against published systems: fitting its coefficients to some of them, and the error on
//! all others.
//!
//! What is held out is whole documents, never rows of one: a document's rows share a trainer, a cluster and a
//! way of measuring, and would give each other away. The interval of a prediction comes from errors on
//! systems that the prediction was not fitted to: the rows held out, and each fitted document predicted by a
//! fit to the others.

mod cells;
mod figure;
mod report;
mod solve;
mod system;

pub use figure::scatter;
pub use report::{Errors, Group, Prediction};
pub use system::{MemoryOf, System, Systems, Use, systems};

use crate::hardware::Generation;
use crate::memory::estimate_with;
use crate::step_time::{Coefficient, Coefficients, Fitted, Spread, step_time};
use crate::{PlanError, PlanOptions};
use report::half_width;
use solve::solve;
use std::collections::{BTreeMap, BTreeSet};

/// Of the steps of another document, this share is expected within the interval.
pub const COVERAGE: f64 = 0.8;

/// A fit and what came of it.
#[derive(Debug)]
pub struct Fit {
    /// What is used from now on.
    pub fitted: Fitted,
    /// Every system that can be predicted, predicted.
    pub errors: Errors,
}

impl Fitted {
    /// The file that holds the fit.
    pub fn file(&self) -> Result<String, PlanError> {
        let text = toml::to_string(self).map_err(|error| PlanError::Failed {
            what: "writing the coefficients",
            problem: error.to_string(),
        })?;
        Ok(format!("# Written by `workbench plan fit`.\n{text}"))
    }

    /// Reads such a file.
    pub fn read(path: &std::path::Path) -> Result<Self, PlanError> {
        let text = logs::disk::read_text(path).map_err(|source| PlanError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        toml::from_str(&text).map_err(|error| PlanError::Input {
            file: words::printable_path(path),
            line: error
                .span()
                .map_or(1, |span| text[..span.start].lines().count().max(1)),
            problem: error.message().to_owned(),
            expected: "a file that `workbench plan fit` wrote".to_owned(),
        })
    }
}

/// Fits the coefficients to the rows that are there for it, but those of the documents in `hold_out`.
pub fn fit(table: &Systems, hold_out: &[String]) -> Result<Fit, PlanError> {
    let groups: BTreeSet<&str> = table
        .systems
        .iter()
        .map(|system| system.group.as_str())
        .collect();
    if let Some(unknown) = hold_out.iter().find(|name| !groups.contains(name.as_str())) {
        return Err(PlanError::Size {
            what: "hold-out".to_owned(),
            value: words::printable(unknown).into_owned(),
            expected: format!(
                "expected groups of the table: {}{}",
                groups.iter().copied().collect::<Vec<_>>().join(", "),
                words::hint(unknown, groups.iter().copied())
            ),
        });
    }
    let is_fitted = |system: &System| {
        system.used == Use::Fitted && system.seconds.is_some() && !hold_out.contains(&system.group)
    };
    let rows: Vec<&System> = table
        .systems
        .iter()
        .filter(|system| is_fitted(system))
        .collect();
    let (has, needs) = (rows.len(), Coefficient::ALL.len());
    if has < needs {
        return Err(PlanError::Input {
            file: table.file.clone(),
            line: 1,
            problem: format!("{has} rows to fit {needs} coefficients to, after those held out"),
            expected: format!("at least {needs} rows with `use` = fitted and `seconds_per_step`"),
        });
    }
    let coefficients = to_rows(&rows)?;
    let predictions = table
        .systems
        .iter()
        .map(|system| Prediction::of(system, is_fitted(system), &coefficients))
        .collect::<Result<Vec<_>, _>>()?;
    let left_out = left_out(&rows)?;
    let unseen = (table.systems.iter().zip(&predictions)).filter(|(_, one)| !one.is_fitted);
    let spread = spread(&rows, &unseen.collect::<Vec<_>>(), &left_out)?;
    let documents: BTreeSet<&str> = rows.iter().map(|row| row.group.as_str()).collect();
    Ok(Fit {
        fitted: Fitted {
            source: format!(
                "{has} steps of {}",
                documents.into_iter().collect::<Vec<_>>().join(", ")
            ),
            coefficients,
            spread,
        },
        errors: Errors {
            predictions,
            left_out,
            spread,
        },
    })
}

/// Predicts every system of a table.
pub fn check(table: &Systems, fitted: &Fitted) -> Result<Errors, PlanError> {
    let predictions = (table.systems.iter())
        .map(|system| Prediction::of(system, false, &fitted.coefficients))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Errors {
        predictions,
        left_out: Vec::new(),
        spread: fitted.spread,
    })
}

fn to_rows(rows: &[&System]) -> Result<Coefficients, PlanError> {
    let parameters = (rows.iter())
        .map(|row| row.parameters())
        .collect::<Result<Vec<_>, PlanError>>()?;
    solve(&weights(rows), |coefficients| {
        let each = rows.iter().zip(&parameters);
        let errors = each.map(|(row, &parameters)| {
            let seconds = row.predict(coefficients, parameters)?;
            Ok((seconds / row.seconds.unwrap_or(seconds)).ln())
        });
        errors.collect()
    })
}

/// Rows of one document on one kind of GPU repeat each other: together they count as their number to the power
/// of a quarter.
fn weights(rows: &[&System]) -> Vec<f64> {
    let kind = |row: &System| (row.group.clone(), row.gpu.generation.name());
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(kind(row)).or_insert(0.0_f64) += 1.0;
    }
    rows.iter()
        .map(|row| 3.0 * counts[&kind(row)].powf(-0.375))
        .collect()
}

impl System {
    /// Parameters on a GPU of the fullest stage.
    fn parameters(&self) -> Result<u64, PlanError> {
        let memory = estimate_with(&self.config, &self.layout, &self.gpu, &self.options.memory)?;
        Ok(memory.most_parameters())
    }

    /// Seconds of a step; `parameters` are those of the fullest stage.
    fn predict(&self, coefficients: &Coefficients, parameters: u64) -> Result<f64, PlanError> {
        let options = PlanOptions {
            coefficients: Some(coefficients.clone()),
            ..self.options.clone()
        };
        Ok(step_time(
            &self.config,
            &self.cluster,
            &self.layout,
            &self.gpu,
            &options,
            parameters,
        )?
        .seconds)
    }
}

/// Each fitted document predicted by a fit to the others.
fn left_out(rows: &[&System]) -> Result<Vec<Prediction>, PlanError> {
    let documents: BTreeSet<&str> = rows.iter().map(|row| row.group.as_str()).collect();
    let mut predictions = Vec::new();
    for document in documents {
        predictions.extend(without(rows, |row| row.group == document, None)?);
    }
    Ok(predictions)
}

/// The interval: how far off predictions were of documents, and of GPUs, that they were not fitted to.
fn spread(
    rows: &[&System],
    unseen: &[(&System, &Prediction)],
    left_out: &[Prediction],
) -> Result<Spread, PlanError> {
    let of = |which: fn(&System) -> bool| {
        let those = unseen.iter().filter(move |(system, _)| which(system));
        those.map(|(_, one)| *one)
    };
    let held_out = of(|system| system.used == Use::HeldOut);
    let fp8 = by_document(of(|system| system.options.fp8));
    let is_other =
        |system: &System| system.gpu.generation == Generation::Other && !system.options.fp8;
    let mut unmeasured: Vec<Prediction> = of(is_other).cloned().collect();
    for generation in [
        Generation::Ampere,
        Generation::Hopper,
        Generation::Blackwell,
    ] {
        unmeasured.extend(without(
            rows,
            |row| row.gpu.generation == generation,
            Some(Generation::Other),
        )?);
    }
    let rounded = |value: f64| (1000.0 * value).round() / 1000.0;
    let width = |errors: &[(String, f64)]| rounded(half_width(errors, COVERAGE));
    let measured = width(&by_document(held_out.chain(left_out)));
    Ok(Spread {
        measured,
        unmeasured: width(&by_document(&unmeasured)).max(measured),
        fp8: width(&fp8).max(measured),
    })
}

/// The errors, and whose they are.
fn by_document<'a>(predictions: impl IntoIterator<Item = &'a Prediction>) -> Vec<(String, f64)> {
    predictions
        .into_iter()
        .filter_map(|one| Some((one.group.clone(), one.log_error()?)))
        .collect()
}

/// The rows that `left_out` names, predicted by a fit to the others. `as_if`: what is then known of their GPU.
fn without(
    rows: &[&System],
    left_out: impl Fn(&System) -> bool,
    as_if: Option<Generation>,
) -> Result<Vec<Prediction>, PlanError> {
    let (tested, others): (Vec<&System>, Vec<&System>) =
        rows.iter().copied().partition(|row| left_out(row));
    if tested.is_empty() || others.is_empty() {
        return Ok(Vec::new());
    }
    let coefficients = to_rows(&others)?;
    tested
        .into_iter()
        .map(|row| {
            let mut row = row.clone();
            row.gpu.generation = as_if.unwrap_or(row.gpu.generation);
            Prediction::of(&row, false, &coefficients)
        })
        .collect()
}

#[cfg(test)]
mod tests;
