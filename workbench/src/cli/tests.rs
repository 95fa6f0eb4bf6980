//! What the documentation tells people to type is what the parser understands.

use super::Cli;
use clap::{CommandFactory, Parser};
use std::path::{Path, PathBuf};

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let docs = std::fs::read_dir(root.join("docs")).unwrap();
    let pages = docs.map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    std::iter::once(root.join("README.md"))
        .chain(pages)
        .collect()
}

/// The command lines of `workbench` in the fenced blocks of a page.
fn commands(page: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    page.lines().filter_map(move |line| {
        if line.starts_with("```") {
            fenced = !fenced;
        }
        let line = line.strip_prefix("$ ").unwrap_or(line);
        line.strip_prefix("workbench ").filter(|_| fenced)
    })
}

/// Whatever the shell would not hand over is cut off: comments, pipes, redirections, and the words that
/// the help sets apart by space.
fn words(line: &str) -> Vec<String> {
    let line = line.split("   ").next().unwrap_or_default();
    let words = line.split_whitespace();
    let own = words.take_while(|word| !word.starts_with(['#', '|', '>', ';']));
    // A quoted word holds no space in these pages.
    own.map(|word| word.trim_matches('\'').trim_end_matches(';').to_owned())
        .collect()
}

fn check(place: &str, line: &str) {
    let words = words(line);
    if let Err(error) = Cli::try_parse_from(std::iter::once("workbench".to_owned()).chain(words)) {
        assert!(!error.use_stderr(), "{place}: workbench {line}\n{error}");
    }
}

#[test]
fn every_command_line_of_the_pages_is_understood() {
    let mut checked = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for line in commands(&text) {
            check(&page.display().to_string(), line);
            checked += 1;
        }
    }
    assert!(checked > 60, "only {checked} were found");
}

#[test]
fn every_example_of_the_help_is_understood() {
    fn all(command: &clap::Command, found: &mut Vec<String>) {
        let help = command.get_after_help().map(ToString::to_string);
        let examples = help.iter().flat_map(|help| help.lines());
        let own = examples.filter_map(|line| line.trim().strip_prefix("workbench "));
        found.extend(own.map(str::to_owned));
        for command in command.get_subcommands() {
            all(command, found);
        }
    }
    let mut found = Vec::new();
    all(&Cli::command(), &mut found);
    assert!(found.len() > 30, "only {} were found", found.len());
    for line in found {
        check("--help", &line);
    }
}
