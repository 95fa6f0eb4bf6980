//! `workbench verdict`.

use crate::cli::Verdict;
use crate::failure::Failure;
use std::process::ExitCode;
use sweeps::{CardResult, SweepReader};

pub(crate) fn run(arguments: &Verdict) -> Result<ExitCode, Failure> {
    let reader = SweepReader::open(&arguments.dir)?;
    let verdict = reader.verdict()?;
    reader.sweep().write_verdict(&verdict)?;
    if let Some(file) = &arguments.result {
        let result = CardResult::of(&reader, &verdict)?;
        logs::write_json_atomic(file, &result)?;
        let figure = workbench_report::card_svg(&result)?;
        logs::write_atomic(&file.with_extension("svg"), figure.as_bytes())?;
    }
    if arguments.json {
        super::print_json(&verdict)?;
    } else {
        super::print(&text(&verdict));
    }
    Ok(ExitCode::SUCCESS)
}

/// The sentence; under it what each of several criteria found, and what the numbers cannot show.
pub(crate) fn text(verdict: &sweeps::Verdict) -> String {
    let several = verdict.findings.len() > 1 || !verdict.untested.is_empty();
    let findings = verdict.findings.iter().filter(|_| several);
    let lines = findings.map(|finding| format!("  {}\n", finding.line()));
    let notes = verdict.notes.iter().map(|note| format!("  {note}\n"));
    std::iter::once(format!("{}\n", verdict.sentence))
        .chain(lines)
        .chain(notes)
        .collect()
}
