//! `workbench inspect`.

use crate::cli::Inspect;
use crate::console;
use crate::failure::Failure;
use experiments::{Audit, inspect_config, inspect_run};
use experiments_config::Config;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use words::thousands;

/// What `--json` prints.
#[derive(Serialize)]
struct Inspected {
    parameters: u64,
    alpha: f64,
    gain: f64,
    /// Of a run: the checkpoint's step.
    step: Option<u64>,
    matrices: Vec<Audit>,
    first_off: Option<String>,
}

pub(crate) fn run(arguments: &Inspect) -> Result<ExitCode, Failure> {
    let path = Path::new(&arguments.what);
    let is_run = path.is_dir();
    if is_run && !arguments.set.is_empty() {
        return Err(Failure::usage("a run is looked at as it is, without --set"));
    }
    if !is_run && arguments.step.is_some() {
        return Err(Failure::usage("--step belongs to a run directory"));
    }
    let (config, step, matrices) = if is_run {
        let config = super::run_config(path)?;
        let (step, audits) = inspect_run(path, &config, arguments.step)?;
        if arguments.step.is_none() {
            super::note_older_checkpoint(path, step);
        }
        (config, Some(step), audits)
    } else {
        let config = super::config::load_trainable(&arguments.what, &arguments.set)?;
        let audits = inspect_config(&config)?;
        (config, None, audits)
    };
    let inspected = Inspected::new(&config, step, matrices);
    if arguments.json {
        console::print_json(&inspected)?;
    } else {
        console::print(&inspected.text())?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Inspected {
    fn new(config: &Config, step: Option<u64>, matrices: Vec<Audit>) -> Self {
        let model = &config.model;
        let first = matrices.iter().find(|audit| audit.off);
        Self {
            parameters: model.parameter_count(config.tokenizer.vocab_size),
            alpha: model.norm.alpha(model.layers),
            gain: model.gain(),
            step,
            first_off: first.map(|audit| format!("{} ({})", audit.name, audit.part)),
            matrices,
        }
    }

    /// One row per kind of matrix, its layers together.
    fn text(&self) -> String {
        let mut text = format!(
            "{} parameters · residual weight α {:.4} · gain {:.6} on value, out and feed-forward\n",
            thousands(self.parameters),
            self.alpha,
            self.gain
        );
        if let Some(step) = self.step {
            let _ = writeln!(text, "weights of step {step} against their initialisation");
        }
        let _ = writeln!(
            text,
            "\n{:<34} {:<11} {:>16} {:>10} {:>21}",
            "matrix", "rows", "shape", "expected", "found"
        );
        let mut kinds: Vec<(String, &str)> = Vec::new();
        let mut groups: BTreeMap<(String, &str), Vec<&Audit>> = BTreeMap::new();
        for audit in &self.matrices {
            let kind = (super::without_layer(&audit.name), audit.part);
            if !kinds.contains(&kind) {
                kinds.push(kind.clone());
            }
            groups.entry(kind).or_default().push(audit);
        }
        for kind in &kinds {
            let audits = &groups[kind];
            let measured = audits.iter().map(|audit| audit.measured);
            let least = measured.clone().fold(f64::INFINITY, f64::min);
            let most = measured.fold(f64::NEG_INFINITY, f64::max);
            let off = audits.iter().filter(|audit| audit.off).count();
            let (rows, columns) = (audits[0].rows, audits[0].columns);
            let mark = if off > 0 {
                format!("  ✕ {off} of {} off", audits.len())
            } else {
                String::new()
            };
            let _ = writeln!(
                text,
                "{:<34} {:<11} {:>16} {:>10.6} {:>21}{mark}",
                kind.0,
                kind.1,
                format!("{rows} × {columns}"),
                audits[0].expected,
                format!("{least:.6} – {most:.6}")
            );
        }
        let _ = match &self.first_off {
            None => writeln!(text, "\nevery matrix is as expected"),
            Some(first) => writeln!(text, "\nfirst that is off: {first}"),
        };
        text
    }
}
