//! `workbench plan fit` and `workbench plan check`.

use crate::cli::{PlanTable, TableOutput};
use crate::console;
use crate::failure::Failure;
use experiments_plan::fit::{Errors, Group, check, fit, scatter, systems};
use experiments_plan::step_time::{Fitted, shipped};
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;

/// What `--json` prints.
#[derive(Serialize)]
struct Shown<'a> {
    groups: Vec<Group>,
    #[serde(flatten)]
    errors: &'a Errors,
}

pub(super) fn run(command: &PlanTable) -> Result<ExitCode, Failure> {
    match command {
        PlanTable::Fit {
            table,
            hold_out,
            out,
            shown,
        } => {
            outputs(out.as_deref(), shown)?;
            let table = systems(table)?;
            let found = fit(&table, hold_out)?;
            show(&found.errors, shown)?;
            if let Some(file) = out {
                logs::output::write(file, found.fitted.file()?.as_bytes())?;
                said(file, shown)?;
            } else if !shown.json {
                console::print(&format!("\n{}", found.fitted.file()?))?;
            }
            lacking(&table.lacking, shown)
        }
        PlanTable::Check { table, fit, shown } => {
            outputs(None, shown)?;
            let table = systems(table)?;
            let errors = match fit {
                Some(file) => check(&table, &Fitted::read(file)?)?,
                None => check(&table, shipped()?)?,
            };
            show(&errors, shown)?;
            lacking(&table.lacking, shown)
        }
    }
}

/// What cannot be written is said before the work.
fn outputs(out: Option<&Path>, shown: &TableOutput) -> Result<(), Failure> {
    for file in [out, shown.errors.as_deref(), shown.figure.as_deref()]
        .into_iter()
        .flatten()
    {
        logs::output::check(file)?;
    }
    Ok(())
}

fn show(errors: &Errors, shown: &TableOutput) -> Result<(), Failure> {
    if shown.json {
        console::print_json(&Shown {
            groups: errors.groups(),
            errors,
        })?;
    } else {
        console::print(&errors.text())?;
    }
    if let Some(file) = &shown.errors {
        logs::output::write(file, errors.csv().as_bytes())?;
        said(file, shown)?;
    }
    if let Some(file) = &shown.figure {
        crate::figure::write(file, scatter(errors)?)?;
        said(file, shown)?;
    }
    Ok(())
}

fn said(file: &Path, shown: &TableOutput) -> Result<(), Failure> {
    if !shown.json {
        console::written(file)?;
    }
    Ok(())
}

/// Rows that were passed over, by what they lack.
fn lacking(
    rows: &std::collections::BTreeMap<String, usize>,
    shown: &TableOutput,
) -> Result<ExitCode, Failure> {
    if !shown.json && !rows.is_empty() {
        let parts: Vec<String> = rows
            .iter()
            .map(|(lack, count)| format!("{count} with {lack}"))
            .collect();
        console::print(&format!("  rows passed over: {}\n", parts.join(", ")))?;
    }
    Ok(ExitCode::SUCCESS)
}
