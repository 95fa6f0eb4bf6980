//! The `workbench` binary: parse, call, print.

#![warn(clippy::print_stderr)]

mod cli;
mod cmd;
mod console;
mod failure;
mod figure;
mod progress;
mod signals;

use clap::Parser;
use cli::Cli;
use failure::{Failure, exit};
use std::io::IsTerminal;
use std::process::ExitCode;

fn main() -> ExitCode {
    let done = match Cli::try_parse() {
        Ok(cli) => experiments::unless_a_device_fails(|| cmd::run(cli))
            .unwrap_or_else(|failed| Err(failed.into())),
        Err(answer) => show(&answer),
    };
    done.unwrap_or_else(|failure| {
        console::say(&format!("error: {}", failure.text()));
        ExitCode::from(failure.code())
    })
}

/// What the parser has to say instead of a command: help and versions are results, the rest are
/// complaints.
fn show(answer: &clap::Error) -> Result<ExitCode, Failure> {
    let text = answer.render();
    if answer.use_stderr() {
        // Without colours: it repeats what was typed, which only plain text can be cleaned of.
        console::say(text.to_string().trim_end());
        return Ok(ExitCode::from(exit::BAD_INPUT));
    }
    if std::io::stdout().is_terminal() {
        // The parser's own words in its own colours, as the terminal can show them.
        answer
            .print()
            .map_err(|error| Failure::io("cannot write to standard output", &error))?;
    } else {
        console::print(&text.to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}
