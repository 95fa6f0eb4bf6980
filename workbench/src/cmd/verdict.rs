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
        super::print(&format!("{}\n", verdict.sentence));
        verdict
            .notes
            .iter()
            .for_each(|note| super::print(&format!("  {note}\n")));
    }
    Ok(ExitCode::SUCCESS)
}
