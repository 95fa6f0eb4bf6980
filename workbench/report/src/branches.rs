//! What branched off from the runs of a report: their replays, and forks that were named.

use crate::error::ReportError;
use crate::replay::{LossLine, Panels, figure};
use crate::view;
use logs::{EventKind, Record, RunReader};
use std::path::{Path, PathBuf};
use sweeps::replay::{Branch, End, NEAR, Replay, Row, Told};

/// Steps of the run before its first fork that the figure shows.
const BEFORE: u64 = 32;

/// The replays in the directories of `runs`, by name and reader; what cannot be read is told in `warnings`.
pub(crate) fn replays(
    runs: &[(&str, &RunReader)],
    warnings: &mut Vec<String>,
) -> Result<Vec<view::Branches>, ReportError> {
    let mut sections = Vec::new();
    for (name, reader) in runs {
        for dir in Replay::of_run(reader.dir()) {
            match Replay::load(&dir) {
                Ok(replay) => sections.push(section(name, &dir, &replay, sections.len())?),
                Err(error) => warnings.push(error.to_string()),
            }
        }
    }
    Ok(sections)
}

fn section(
    run: &str,
    dir: &Path,
    replay: &Replay,
    number: usize,
) -> Result<view::Branches, ReportError> {
    Ok(view::Branches {
        title: format!("Step {} of `{run}` again", replay.table.at),
        sentence: replay.attribution.sentence.clone(),
        note: replay.note(),
        columns: Replay::HEADERS,
        rows: replay.rows().collect(),
        absent: replay.absent().collect(),
        figures: figure(dir, replay, &format!("replay-{}", number + 1))?
            .into_iter()
            .collect(),
    })
}

/// The forks in the directories `forks` beside the runs that they were made of.
pub(crate) fn forks(
    runs: &[(&str, &RunReader)],
    forks: &[PathBuf],
) -> Result<Vec<view::Branches>, ReportError> {
    let places: Vec<&Path> = runs.iter().map(|(_, reader)| reader.dir()).collect();
    let mut of_run: Vec<Vec<Branch>> = runs.iter().map(|_| Vec::new()).collect();
    for fork in forks {
        let (of, branch) = Branch::named(fork, &places)?;
        of_run[of].push(branch);
    }
    let forked = runs.iter().zip(&of_run).enumerate();
    let forked = forked.filter(|(_, (_, forks))| !forks.is_empty());
    forked
        .map(|(i, (run, forks))| compared(run, forks, i))
        .collect()
}

/// A run and its forks.
fn compared(
    (name, run): &(&str, &RunReader),
    forks: &[Branch],
    number: usize,
) -> Result<view::Branches, ReportError> {
    let readers: Result<Vec<RunReader>, _> = forks
        .iter()
        .map(|fork| RunReader::open_scalars(&fork.directory))
        .collect();
    let readers = readers?;
    let firsts = forks.iter().map(|fork| fork.forked_at.saturating_add(1));
    let first = firsts.min().unwrap_or(1);
    let shown: Vec<Record> = run
        .records()
        .iter()
        .filter(|record| record.step + BEFORE >= first)
        .cloned()
        .collect();
    let mut lines = vec![LossLine::new(name, None, &shown, u64::MAX)];
    let mut rows = vec![row(name, "nothing: the run", run.records(), &shown)];
    for (fork, reader) in forks.iter().zip(&readers) {
        let panel = Some("forks".to_owned());
        lines.push(LossLine::new(&fork.name, panel, reader.records(), u64::MAX));
        rows.push(row(
            &fork.name,
            &changes(reader),
            run.records(),
            reader.records(),
        ));
    }
    let panels = Panels {
        name: &format!("forks-{}", number + 1),
        title: "Loss of the run",
        caption: "The run and its forks. A dashed line marks the first step that a fork took.",
        x: "step",
        mark: first as f64,
    };
    Ok(view::Branches {
        title: format!("Forks of `{name}`"),
        sentence: String::new(),
        note: "Each fork begins with the exact state of the run before the step behind its name. Height in nats per token \
               over the level before, recovery in steps, loss after as the mean of the last 16 steps."
            .to_owned(),
        columns: Replay::HEADERS,
        rows,
        absent: Vec::new(),
        figures: panels.figure(&lines)?.into_iter().collect(),
    })
}

/// The first spike of what took the steps of `own`.
fn row(name: &str, what: &str, before: &[Record], own: &[Record]) -> [String; 6] {
    let told = Told::of(before, own, u64::MAX - NEAR);
    let row = Row {
        twin: name.to_owned(),
        what: what.to_owned(),
        cause: None,
        end: End::Finished(told),
    };
    row.cells()
}

/// What a fork changes, as its first event says.
fn changes(fork: &RunReader) -> String {
    let mut events = fork.events().iter();
    let start = events.find(|event| event.kind == EventKind::Start);
    let words = start.and_then(|event| event.message.split_once(" before step "));
    let words = words.and_then(|(_, words)| words.split_once(": "));
    words.map_or_else(String::new, |(_, words)| words.to_owned())
}
