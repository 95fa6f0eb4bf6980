//! `workbench import`.

use crate::cli::Import as Arguments;
use crate::console::{self, say};
use crate::failure::Failure;
use crate::signals::Stop;
use logs::disk::read_text;
use logs::import::{Columns, Follower, Given, Import, ImportedRun, Origin, import};
use logs::run::command_line;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use words::{counted, printable_line, printable_path};

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let request = Import {
        paths: arguments.paths.clone(),
        given: arguments
            .manifest
            .as_deref()
            .map_or(Ok(Vec::new()), given)?,
        one_run: arguments.one_run,
        columns: columns(arguments)?,
        out: arguments.out.clone(),
        command: command_line(),
    };
    if arguments.follow {
        return follow_on(&request);
    }
    let done = import(&request)?;
    for warning in &done.warnings {
        say(&printable_line(&format!("warning: {warning}")));
    }
    let text: String = done.runs.iter().map(text).collect();
    console::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Which column is what.
fn columns(arguments: &Arguments) -> Result<Columns, Failure> {
    let mut columns = Columns::new(&arguments.map)?;
    if let Some(file) = &arguments.names {
        let named = columns.with_names(&names(file)?);
        columns = named.map_err(|error| Failure::from(error).within(file))?;
    }
    Ok(if arguments.infer_skipped {
        columns.inferring_skipped()
    } else {
        columns
    })
}

/// The pairs of a file of names.
fn names(file: &Path) -> Result<Vec<(String, String)>, Failure> {
    let table: BTreeMap<String, String> =
        read_toml(file, "file of names (`\"SOURCE\" = \"NAME\"`, one a line)")?;
    Ok(table.into_iter().collect())
}

/// A file of the user's, which should be a `what`.
fn read_toml<T: DeserializeOwned>(file: &Path, what: &str) -> Result<T, Failure> {
    let shown = printable_path(file);
    let text = read_text(file).map_err(|error| Failure::reading(file, &error))?;
    toml::from_str(&text)
        .map_err(|error| Failure::usage(format!("`{shown}` is no {what}: {error}")))
}

/// Follows the files of one run until somebody asks to stop.
fn follow_on(request: &Import) -> Result<ExitCode, Failure> {
    let stop = Stop::listen()?;
    let follower = Follower::begin(request)?;
    let files: Vec<String> = (request.paths.iter())
        .map(|path| format!("`{}`", printable_path(path)))
        .collect();
    say(&format!(
        "following {} until Ctrl-C; `workbench monitor {}` shows it",
        files.join(", "),
        printable_path(&request.out)
    ));
    let run = follower.follow(&mut |line| say(line), &|| stop.is_set())?;
    for gap in run.imported.sources.iter().flat_map(Origin::warnings) {
        say(&format!("warning: {gap}"));
    }
    console::print(&text(&run))?;
    Ok(ExitCode::SUCCESS)
}

/// The user's list of attempts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    run: Vec<ListedRun>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListedRun {
    name: String,
    /// Relative to the list.
    files: Vec<PathBuf>,
}

fn given(file: &Path) -> Result<Vec<Given>, Failure> {
    let shown = printable_path(file);
    let list: List = read_toml(file, "list of attempts (`[[run]]` with `name` and `files`)")?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let listed = |run: ListedRun| {
        if run.files.is_empty() {
            let name = run.name;
            return Err(Failure::usage(format!(
                "`{shown}`: the run `{name}` lists no `files`"
            )));
        }
        Ok(Given {
            name: run.name,
            files: run.files.iter().map(|path| folder.join(path)).collect(),
        })
    };
    list.run.into_iter().map(listed).collect()
}

/// A run in one line, and a line for each attempt of several.
fn text(run: &ImportedRun) -> String {
    let (first, last) = run.range;
    let imported = &run.imported;
    let mut text = format!(
        "{}: {} of {first} to {last}",
        printable_path(&run.dir),
        counted(run.steps, "recorded step"),
    );
    if let Some(other) = &imported.rival_of {
        let _ = write!(text, " · kept apart from {other}");
    }
    if !imported.missing.is_empty() {
        let _ = write!(text, " · not recorded: {}", imported.missing.join(", "));
    }
    text.push('\n');
    for attempt in &imported.attempts {
        let file = printable_line(&imported.sources[attempt.source].file);
        let _ = writeln!(
            text,
            "  attempt {}: steps {} to {} of {file}, {}",
            attempt.attempt, attempt.first, attempt.last, attempt.join
        );
    }
    text
}
