//! The `workbench` binary: parse, call, print.

mod cli;
mod cmd;
mod failure;
mod progress;
mod signals;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cmd::run(cli) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
