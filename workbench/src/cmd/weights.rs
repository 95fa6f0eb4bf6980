//! `workbench weights`.

use crate::cli::{WeightFormat, WeightLayout, Weights, WeightsExport};
use crate::console::{self, say};
use crate::failure::Failure;
use experiments::{SatDtype, export_transformers, export_weights, import_weights};
use experiments_text::Cache;
use std::process::ExitCode;

pub(crate) fn run(command: Weights, cache: &Cache) -> Result<ExitCode, Failure> {
    match command {
        Weights::Export(arguments) => export(&arguments, cache)?,
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

fn export(arguments: &WeightsExport, cache: &Cache) -> Result<(), Failure> {
    let WeightsExport { run, out, step, .. } = arguments;
    let config = super::run_config(run)?;
    let (found, written) = match arguments.layout {
        WeightLayout::Sat => {
            let dtype = match arguments.format.unwrap_or(WeightFormat::Fp16) {
                WeightFormat::Fp16 => SatDtype::Half,
                WeightFormat::Fp32 => SatDtype::Float,
            };
            let ranks = arguments.tensor_parallel.unwrap_or(1);
            let found = export_weights(run, &config, *step, ranks, dtype, out)?;
            (found, out.join(found.to_string()))
        }
        WeightLayout::Gpt2 => {
            if arguments.format.is_some() || arguments.tensor_parallel.is_some() {
                return Err(Failure::usage(
                    "`--layout gpt2` is one file in FP32: leave out `--format` and `--tensor-parallel`",
                ));
            }
            let found = export_transformers(run, &config, cache, *step, out)?;
            (found, out.clone())
        }
    };
    if step.is_none() {
        super::note_older_checkpoint(run, found);
    }
    console::written(&written)?;
    Ok(())
}
