//! `workbench tasks`.

use crate::cli::Tasks;
use crate::console;
use crate::failure::Failure;
use experiments_config::TaskSource;
use experiments_text::tasks::{
    Availability, CatalogueEntry, DATA_VARIABLE, Group, TaskCheck, availability, catalogue, check,
};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) fn run(command: Tasks) -> Result<ExitCode, Failure> {
    match command {
        Tasks::List { json } => list(json)?,
        Tasks::Check { what, json } => {
            let checked = what
                .iter()
                .map(|what| Ok(check(&source(what))?))
                .collect::<Result<Vec<_>, Failure>>()?;
            if json {
                console::print_json(&checked)?;
            } else {
                checked.iter().try_for_each(show)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A file by its look, otherwise a name of the catalogue.
fn source(what: &str) -> TaskSource {
    let path = PathBuf::from(what);
    let is_file = path.is_file();
    TaskSource {
        name: (!is_file).then(|| what.to_owned()),
        path: is_file.then_some(path),
        ..TaskSource::default()
    }
}

/// What `list --json` prints of an entry.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    entry: &'a CatalogueEntry,
    availability: Availability,
    how_to_supply: String,
}

fn list(json: bool) -> Result<(), Failure> {
    let listed: Vec<_> = catalogue()
        .iter()
        .map(|entry| Listed {
            entry,
            availability: availability(entry),
            how_to_supply: entry.how_to_supply(),
        })
        .collect();
    if json {
        return console::print_json(&listed);
    }
    let mut text = format!("{:<36} {:<24} {:>8}  supplied by\n", "set", "family", "cap");
    for Listed {
        entry,
        availability,
        ..
    } in &listed
    {
        let supplied = match availability {
            Availability::Found(path) => format!("✓ {}", path.display()),
            Availability::Missing(path) => format!("✕ not at {}", path.display()),
            Availability::NoFolder => format!("{DATA_VARIABLE} is not set"),
            Availability::OwnFile => "a file of yours".to_owned(),
        };
        let _ = writeln!(
            text,
            "{:<36} {:<24} {:>8}  {supplied}",
            entry.name, entry.family, entry.cap
        );
    }
    let of_the_paper = |listed: &&Listed| listed.entry.group != Group::Extra;
    let here = |listed: &&Listed| matches!(listed.availability, Availability::Found(_));
    let paper = listed.iter().filter(of_the_paper);
    let _ = writeln!(
        text,
        "\n{} of the {} sets of GLM-130B are here, {} of {} in all; docs/tasks.md says how to supply the others",
        paper.clone().filter(here).count(),
        paper.count(),
        listed.iter().filter(here).count(),
        listed.len()
    );
    console::print(&text)
}

fn show(checked: &TaskCheck) -> Result<(), Failure> {
    let (text, target) = &checked.first;
    console::print(&format!(
        "{}: {} rows, {} samples ({} skipped, {} after the cap) in {}\n  text:   {}\n  target: {}\n",
        checked.name,
        checked.rows,
        checked.found,
        checked.skipped,
        checked.samples,
        checked.path.display(),
        text.replace('\n', "\n          "),
        target.replace('\n', "\n          ")
    ))
}
