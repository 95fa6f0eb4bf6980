//! What can be typed behind `:`, and given with `--do`. As with keys, a row says how a thing is written, what it does and how
//! the present state is written, so that dispatch, completion, help, documentation and the copied view cannot differ.

use crate::shared::Shared;

/// What there is to say about a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CommandRow {
    pub(crate) name: &'static str,
    /// How its argument is written; empty where it has none.
    pub(crate) argument: &'static str,
    /// One line for help and documentation.
    pub(crate) help: &'static str,
}

/// A row with what it does, which arguments complete it, and the argument that gives the present state where that is not the
/// one of the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Command<A, C, N> {
    pub(crate) row: CommandRow,
    pub(crate) act: A,
    pub(crate) choices: C,
    pub(crate) now: N,
}

/// What is wrong with an argument, in one line.
pub(crate) type Outcome = Result<(), String>;

/// A command of a pane.
pub(crate) type PaneCommand<P> = Command<
    fn(&mut P, &mut Shared, &str) -> Outcome,
    fn(&P, &Shared) -> Vec<String>,
    fn(&P, &Shared) -> Option<String>,
>;

/// A table of commands, a row a line: `name argument help => act, choices, now;`.
macro_rules! commands {
    ($($name:literal $argument:literal $help:literal => $act:expr, $choices:expr, $now:expr;)+) => {
        &[$($crate::command::Command {
            row: $crate::command::CommandRow { name: $name, argument: $argument, help: $help },
            act: $act,
            choices: $choices,
            now: $now,
        }),+]
    };
}
pub(crate) use commands;

/// The command of a name.
pub(crate) fn named<'a, A, C, N>(
    commands: &'a [Command<A, C, N>],
    name: &str,
) -> Option<&'a Command<A, C, N>> {
    commands.iter().find(|command| command.row.name == name)
}

/// Name and argument of a line.
pub(crate) fn split(line: &str) -> (&str, &str) {
    let line = line.trim();
    let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    (name, argument.trim())
}

/// The place of a row, which people count from 1; none where none is given.
pub(crate) fn row(number: &str) -> Result<Option<usize>, String> {
    if number.is_empty() {
        return Ok(None);
    }
    let place = number
        .parse()
        .ok()
        .and_then(|row: usize| row.checked_sub(1));
    let place = place.ok_or_else(|| format!("`{number}` is no row; rows count from 1 on"))?;
    Ok(Some(place))
}

/// Names divided by commas or blanks; where names hold blanks themselves, as those of imported signals may, by commas alone.
pub(crate) fn names(text: &str, known: impl Fn(&str) -> bool) -> Vec<&str> {
    let is_name = |name: &&str| !name.is_empty();
    let by_commas = text.split(',').map(str::trim).filter(is_name);
    let by_commas: Vec<&str> = by_commas.collect();
    if by_commas.iter().all(|name| known(name)) {
        return by_commas;
    }
    text.split([',', ' ']).filter(is_name).collect()
}

/// One of some words, or what is wrong with it.
pub(crate) fn one_of<T>(
    word: &str,
    all: impl IntoIterator<Item = (&'static str, T)>,
) -> Result<T, String> {
    let mut names = Vec::new();
    for (name, value) in all {
        if name == word {
            return Ok(value);
        }
        names.push(name);
    }
    let hint = words::hint(word, names.iter());
    Err(format!("`{word}` is none of {}{hint}", names.join(", ")))
}

/// The rows as Markdown, for the documentation.
pub(crate) fn markdown(rows: &[CommandRow]) -> String {
    let row = |row: &CommandRow| {
        let written = format!("{} {}", row.name, row.argument.replace('|', "\\|"));
        format!("| `:{}` | {} |\n", written.trim_end(), row.help)
    };
    let rows: String = rows.iter().map(row).collect();
    format!("| command | what it does |\n|---|---|\n{rows}")
}
