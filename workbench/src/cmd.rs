//! One command, one file, one `run`.

mod completions;
mod config;
mod corpus;
mod export;
mod monitor;
mod quickstart;
mod report;
mod sweep;
mod train;
mod verdict;

use crate::cli::{Cli, Command};
use crate::failure::Failure;
use experiments_config::DataConfig;
use experiments_text::{Cache, Resolved, resolve_sources};
use std::process::ExitCode;

pub(crate) fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let cache = || Cache::locate(cli.cache.clone());
    match cli.command {
        Command::Quickstart(arguments) => quickstart::run(&arguments, &cache()?),
        Command::Corpus(command) => corpus::run(command, &cache()?),
        Command::Train(arguments) => train::run(&arguments, &cache()?),
        Command::Sweep(command) => sweep::run(command, &cache()?),
        Command::Monitor(arguments) => monitor::run(&arguments),
        Command::Verdict(arguments) => verdict::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Config(arguments) => config::run(&arguments),
        Command::Completions { shell } => Ok(completions::completions(shell)),
        Command::Man { out } => completions::man(&out),
    }
}

/// Results go to standard output; a reader that has gone away (`| head`) is no error.
pub(crate) fn print(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Serialises a result for machines.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::io("cannot write JSON", &error.into()))?;
    print(&format!("{text}\n"));
    Ok(())
}

/// The text that is really there, with a line for everything that took another's place.
fn resolve(data: &DataConfig, cache: &Cache, fetch: bool) -> Result<Resolved, Failure> {
    let resolved = resolve_sources(data, cache, fetch, &mut |line| eprintln!("{line}"))?;
    for note in &resolved.notes {
        eprintln!("note: {note}");
    }
    Ok(resolved)
}
