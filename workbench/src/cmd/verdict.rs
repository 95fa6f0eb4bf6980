//! `workbench verdict`.

use crate::cli::Verdict;
use crate::failure::Failure;
use std::process::ExitCode;
use sweeps::Sweep;

pub(crate) fn run(arguments: &Verdict) -> Result<ExitCode, Failure> {
    let sweep = Sweep::open(&arguments.dir)?;
    let verdict = sweep.verdict()?;
    sweep.write_verdict(&verdict)?;
    if arguments.json {
        super::print_json(&verdict)?;
    } else {
        super::print(&text(&verdict));
    }
    Ok(ExitCode::SUCCESS)
}

/// The sentence, and under it what the numbers cannot show, missing languages among it.
pub(crate) fn text(verdict: &sweeps::Verdict) -> String {
    let notes = verdict.notes.iter().map(|note| format!("  {note}\n"));
    std::iter::once(format!("{}\n", verdict.sentence))
        .chain(notes)
        .collect()
}
