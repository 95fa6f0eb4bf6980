//! `workbench weights`.

use crate::cli::{WeightFormat, Weights};
use crate::console::{self, say};
use crate::failure::Failure;
use experiments::{SatDtype, export_weights, import_weights};
use std::process::ExitCode;

pub(crate) fn run(command: Weights) -> Result<ExitCode, Failure> {
    match command {
        Weights::Export {
            run,
            out,
            tensor_parallel,
            format,
            step,
        } => {
            let config = super::run_config(&run)?;
            let dtype = match format {
                WeightFormat::Fp16 => SatDtype::Half,
                WeightFormat::Fp32 => SatDtype::Float,
            };
            let asked = step;
            let step = export_weights(&run, &config, asked, tensor_parallel, dtype, &out)?;
            if asked.is_none() {
                super::note_older_checkpoint(&run, step);
            }
            console::written(&out.join(step.to_string()))?;
        }
        Weights::Import { dir, config, out } => {
            let config = super::config::load_trainable(&config, &[])?;
            let (iteration, ranks) = import_weights(&dir, &config, &out)?;
            say(&format!(
                "iteration {iteration}, {ranks} tensor-parallel ranks"
            ));
            console::written(&out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
