//! `workbench verdict`.

use crate::cli::Verdict;
use crate::console::{self, say};
use crate::failure::Failure;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use sweeps::verdict::of_listed_runs;
use sweeps::{Card, CardResult, Sweep, SweepReader};

pub(crate) fn run(arguments: &Verdict) -> Result<ExitCode, Failure> {
    if let Some(file) = &arguments.result
        && file.extension().is_some_and(|ending| ending == "svg")
    {
        return Err(Failure::usage(
            "`--result` is the name of the figure beside it; expected another ending, for example `.json`",
        ));
    }
    if let Some(list) = &arguments.runs {
        let card = Card::load_with_text(&arguments.dir, arguments.budget.as_deref())?.0;
        print(&of_listed_runs(&card, list)?, arguments.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    arguments.result.as_deref().map_or(Ok(()), check_result)?;
    if arguments.dir.is_file() {
        return Err(Failure::usage(format!(
            "`{}` is a file; expected a sweep directory, or a card with `--runs FILE`, which lists runs to judge",
            arguments.dir.display()
        )));
    }
    let reader = SweepReader::open(&arguments.dir)?;
    let verdict = reader.verdict()?;
    save(reader.sweep(), &verdict);
    let result = arguments.result.as_ref();
    let kept = result.map_or(Ok(()), |file| keep(&reader, &verdict, file));
    // The answer comes first, whatever could not be written beside it.
    print(&verdict, arguments.json)?;
    kept.map(|()| ExitCode::SUCCESS)
}

fn print(verdict: &sweeps::Verdict, json: bool) -> Result<(), Failure> {
    if json {
        console::print_json(verdict)
    } else {
        console::print(&text(verdict))
    }
}

/// Writes `verdict.json` into the sweep directory where that is possible. It can be computed again at any
/// time, so a directory that cannot be written is only worth a note.
pub(crate) fn save(sweep: &Sweep, verdict: &sweeps::Verdict) {
    if let Err(error) = sweep.write_verdict(verdict) {
        let failure = Failure::from(error);
        say(&format!(
            "note: the verdict is not saved: {}",
            failure.text()
        ));
    }
}

/// Writes what remains of a sweep when its runs are deleted, and a figure beside it.
fn keep(reader: &SweepReader, verdict: &sweeps::Verdict, file: &Path) -> Result<(), Failure> {
    let result = CardResult::of(reader, verdict)?;
    let figure = workbench_report::card_svg(&result)?;
    logs::output::write_json(file, &result)?;
    if !logs::disk::is_stream(file) {
        let beside = figure_of(file);
        logs::output::write(&beside, figure.as_bytes())?;
        let (file, beside) = (file.display(), beside.display());
        say(&format!("written: {file} and its figure {beside}"));
    }
    Ok(())
}

fn figure_of(result: &Path) -> PathBuf {
    result.with_extension("svg")
}

/// Refuses to write where something else would be lost: what a sweep is made of, or a figure beside a result
/// that is not there yet, which can only be somebody else's.
fn check_result(file: &Path) -> Result<(), Failure> {
    logs::output::check(file)?;
    let beside = figure_of(file);
    if logs::disk::is_stream(file) || file.exists() || !beside.exists() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "`--result {}` also writes the figure `{}`, which is there already and belongs to no result; move it, or name another file",
        file.display(),
        beside.display()
    )))
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
