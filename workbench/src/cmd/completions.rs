//! `workbench completions` and `workbench man`, generated from the command line's definition.

use crate::cli::Cli;
use crate::console;
use crate::failure::Failure;
use clap::CommandFactory;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn completions(shell: clap_complete::Shell) -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "workbench", &mut text);
    console::print(&String::from_utf8_lossy(&text))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn man(out: &Path) -> Result<ExitCode, Failure> {
    let write = || {
        std::fs::create_dir_all(out)?;
        clap_mangen::generate_to(Cli::command(), out)
    };
    write()
        .map_err(|e| Failure::io(format!("cannot write man pages to `{}`", out.display()), &e))?;
    Ok(ExitCode::SUCCESS)
}
