//! What the documentation tells people to type is what the parser understands.

use super::Cli;
use clap::{CommandFactory, Parser};
use std::collections::BTreeSet;
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
    // What no shell would take, such as a lone apostrophe in what is printed, has no quotes to be read.
    let words =
        shlex::split(line).unwrap_or_else(|| line.split_whitespace().map(str::to_owned).collect());
    let own = words
        .into_iter()
        .take_while(|word| !word.starts_with(['#', '|', '>', ';']));
    own.map(|word| word.trim_end_matches(';').to_owned())
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

/// Everything that pages say, as one text.
fn documentation() -> String {
    let texts = pages().into_iter().map(std::fs::read_to_string);
    texts.collect::<Result<String, _>>().unwrap()
}

/// Commands that do something, by what is typed after `workbench`.
fn leaves(command: &clap::Command, typed: &str, found: &mut Vec<(String, Vec<String>)>) {
    let mut inner = command.get_subcommands().peekable();
    if inner.peek().is_none() {
        let shown = command.get_arguments().filter(|flag| !flag.is_hide_set());
        let flags = shown.filter_map(clap::Arg::get_long);
        let flags = flags.map(|flag| format!("--{flag}")).collect();
        found.push((typed.trim().to_owned(), flags));
    }
    for command in inner {
        leaves(command, &format!("{typed} {}", command.get_name()), found);
    }
}

#[test]
fn every_command_and_flag_is_documented() {
    let documentation = documentation();
    let mut commands = Vec::new();
    leaves(&Cli::command(), "", &mut commands);
    assert!(commands.len() > 25, "only {} were found", commands.len());
    for (command, flags) in commands {
        let typed = format!("workbench {command}");
        assert!(documentation.contains(&typed), "`{typed}` is on no page");
        for flag in flags {
            assert!(
                documentation.contains(&flag),
                "`{typed} {flag}` is on no page"
            );
        }
    }
}

#[test]
fn every_command_within_a_sentence_exists() {
    let documentation = documentation();
    let mut checked = 0;
    for typed in documentation
        .split('`')
        .filter_map(|text| text.strip_prefix("workbench "))
    {
        let mut command = &Cli::command();
        let mut words = typed.split_whitespace();
        while command.has_subcommands() {
            let Some(word) = words
                .next()
                .filter(|word| word.starts_with(char::is_alphabetic))
            else {
                break;
            };
            match command.find_subcommand(word) {
                Some(found) => command = found,
                // `plan` takes a configuration as well as commands.
                None if command.get_positionals().next().is_some() => break,
                None => panic!("`workbench {typed}`: no command `{word}`"),
            }
        }
        checked += 1;
    }
    assert!(checked > 30, "only {checked} were found");
}

#[test]
fn every_exit_code_is_documented() {
    // The codes as they are written down, so that none can be left out of a list.
    let source = include_str!("../failure.rs");
    let constants = source.lines().filter_map(|line| {
        let (_, value) = line
            .trim()
            .strip_prefix("pub(crate) const ")?
            .split_once(": u8 = ")?;
        value.trim_end_matches(';').parse().ok()
    });
    // Success, and what a shell makes of SIGINT.
    let known: BTreeSet<u8> = constants.chain([0, 130]).collect();
    assert!(known.len() > 5, "{known:?}");

    let (_, help) = super::AFTER_HELP.split_once("Exit codes: ").unwrap();
    let help = help
        .split(" · ")
        .map(|entry| entry.split(' ').next().unwrap());
    let help: BTreeSet<u8> = help.map(|code| code.parse().unwrap()).collect();
    assert_eq!(help, known, "--help");

    let documentation = documentation();
    let (_, table) = documentation.split_once("\n## Exit codes\n").unwrap();
    let rows = table.split("\n## ").next().unwrap().lines();
    let rows = rows.filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok());
    assert_eq!(rows.collect::<BTreeSet<u8>>(), known, "cards-and-sweeps.md");
}

/// What clap says of a command line that it refuses.
fn refusal(line: &str) -> String {
    let words = std::iter::once("workbench").chain(line.split(' '));
    Cli::try_parse_from(words).err().unwrap().to_string()
}

#[test]
fn a_negative_step_is_called_an_invalid_step_and_not_an_unknown_option() {
    for command in ["replay run", "fork run --out to", "explain run"] {
        let said = refusal(&format!("{command} --at -1"));
        assert!(
            said.contains("invalid value '-1' for '--at <STEP>'"),
            "{said}"
        );
    }
}

#[test]
fn what_one_option_makes_another_ignore_is_refused() {
    let said = refusal("quickstart --why --pack 4");
    assert!(
        said.contains("'--why' cannot be used with '--pack <N>'"),
        "{said}"
    );
}
