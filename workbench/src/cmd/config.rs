//! `workbench config`: presets and files, resolved.

use crate::cli::ConfigCommand;
use crate::console;
use crate::failure::Failure;
use experiments_config::{Config, Override, load_file, load_preset, preset_names};
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn run(arguments: &ConfigCommand) -> Result<ExitCode, Failure> {
    let Some(what) = &arguments.what else {
        let names: Vec<&str> = preset_names().collect();
        console::print(&format!("{}\n", names.join("\n")))?;
        return Ok(ExitCode::SUCCESS);
    };
    console::print(&load(what, &arguments.set)?.to_toml())?;
    Ok(ExitCode::SUCCESS)
}

/// The same, of a model that this program can compute.
pub(crate) fn load_trainable(what: &str, set: &[Override]) -> Result<Config, Failure> {
    let config = load(what, set)?;
    config.check_trainable()?;
    Ok(config)
}

/// The preset called `what`, otherwise the file.
pub(crate) fn load(what: &str, set: &[Override]) -> Result<Config, Failure> {
    let path = Path::new(what);
    let is_preset = preset_names().any(|name| name == what);
    if logs::disk::is_there_to_read(path) && !is_preset {
        Ok(load_file(path, set)?)
    } else {
        Ok(load_preset(what, set)?)
    }
}
