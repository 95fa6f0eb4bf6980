//! `workbench config`: presets and files, resolved.

use crate::cli::ConfigCommand;
use crate::failure::Failure;
use experiments_config::{Config, Override, load_file, load_preset, preset_names};
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn run(arguments: &ConfigCommand) -> Result<ExitCode, Failure> {
    let Some(what) = &arguments.what else {
        preset_names().for_each(|name| super::print(&format!("{name}\n")));
        return Ok(ExitCode::SUCCESS);
    };
    super::print(&load(what, &arguments.set)?.to_toml());
    Ok(ExitCode::SUCCESS)
}

/// A configuration file if there is one called `what`, otherwise the preset of that name.
pub(crate) fn load(what: &str, set: &[Override]) -> Result<Config, Failure> {
    let path = Path::new(what);
    if path.is_file() {
        Ok(load_file(path, set)?)
    } else {
        Ok(load_preset(what, set)?)
    }
}
