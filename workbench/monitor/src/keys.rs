//! Tables of keys. A row says which keys do a thing, how they are written, and what they do, so that dispatch, key bar, help
//! and documentation cannot promise different things.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// One key press: a code, with or without Ctrl.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    /// The key itself; characters carry their own upper or lower case.
    pub(crate) code: KeyCode,
    /// Whether Ctrl is held.
    pub(crate) ctrl: bool,
}

impl Key {
    /// The key of an event; chords with Alt belong to the terminal.
    pub(crate) fn of(event: &KeyEvent) -> Option<Self> {
        (!event.modifiers.contains(KeyModifiers::ALT)).then_some(Self {
            code: event.code,
            ctrl: event.modifiers.contains(KeyModifiers::CONTROL),
        })
    }
}

pub(crate) const fn key(code: KeyCode) -> Key {
    Key { code, ctrl: false }
}

pub(crate) const fn letter(letter: char) -> Key {
    key(KeyCode::Char(letter))
}

/// What there is to say about some keys that do one thing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) keys: &'static [Key],
    /// How the keys are written, for instance `space` or `↑ k`.
    pub(crate) label: &'static str,
    /// Two words at most for the key bar; empty where the bar leaves it out.
    pub(crate) short: &'static str,
    /// One line for help and documentation.
    pub(crate) help: &'static str,
}

/// A row with what its keys do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Binding<A> {
    pub(crate) row: Row,
    pub(crate) act: A,
}

/// A table of [`Binding`]s, a row a line: `[keys] label short help act;`.
macro_rules! bindings {
    ($([$($key:expr),+] $label:literal $short:literal $help:literal $act:expr;)+) => {
        &[$($crate::keys::Binding {
            row: $crate::keys::Row { keys: &[$($key),+], label: $label, short: $short, help: $help },
            act: $act,
        }),+]
    };
}
pub(crate) use bindings;

/// What a table says about its keys.
pub(crate) fn rows<A>(bindings: &[Binding<A>]) -> Vec<Row> {
    bindings.iter().map(|binding| binding.row).collect()
}

/// What a key does, if the table has it.
pub(crate) fn find<A: Copy>(bindings: &[Binding<A>], key: Key) -> Option<A> {
    let mut bindings = bindings.iter();
    let found = bindings.find(|binding| binding.row.keys.contains(&key));
    found.map(|binding| binding.act)
}

/// The rows that belong together, under a heading of the help screen and of the documentation.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) rows: Vec<Row>,
}

/// A letter with Ctrl.
pub(crate) const fn ctrl(letter: char) -> Key {
    Key {
        code: KeyCode::Char(letter),
        ctrl: true,
    }
}

/// The names of keys that are no characters, as the tables write them, and as they can be written, too.
const NAMES: [(&str, &str, KeyCode); 14] = [
    ("↓", "down", KeyCode::Down),
    ("↑", "up", KeyCode::Up),
    ("→", "right", KeyCode::Right),
    ("←", "left", KeyCode::Left),
    ("pgdn", "pgdn", KeyCode::PageDown),
    ("pgup", "pgup", KeyCode::PageUp),
    ("home", "home", KeyCode::Home),
    ("end", "end", KeyCode::End),
    ("tab", "tab", KeyCode::Tab),
    ("shift-tab", "shift-tab", KeyCode::BackTab),
    ("enter", "enter", KeyCode::Enter),
    ("esc", "esc", KeyCode::Esc),
    ("space", "space", KeyCode::Char(' ')),
    ("delete", "delete", KeyCode::Delete),
];

/// The key of a name.
pub(crate) fn named(name: &str) -> Option<Key> {
    let is = |(label, word, _): &&(&str, &str, KeyCode)| *label == name || *word == name;
    if let Some((_, _, code)) = NAMES.iter().find(is) {
        return Some(key(*code));
    }
    let single = |text: &str| {
        let mut letters = text.chars();
        let first = letters
            .next()
            .filter(|letter| !letter.is_control() && *letter != ' ');
        first.filter(|_| letters.next().is_none())
    };
    if let Some(found) = single(name) {
        return Some(letter(found));
    }
    if let Some(held) = name.strip_prefix("ctrl-") {
        return single(held).map(ctrl);
    }
    let number: u8 = name.strip_prefix('f')?.parse().ok()?;
    (1..=12)
        .contains(&number)
        .then_some(key(KeyCode::F(number)))
}

/// The name of a key.
pub(crate) fn written(key: Key) -> String {
    let named = NAMES.iter().find(|(_, _, code)| *code == key.code);
    let name = match (named, key.code) {
        (Some((label, ..)), _) => (*label).to_owned(),
        (None, KeyCode::Char(letter)) => letter.to_string(),
        (None, KeyCode::F(number)) => format!("f{number}"),
        (None, other) => format!("{other:?}"),
    };
    if key.ctrl {
        format!("ctrl-{name}")
    } else {
        name
    }
}

/// Sections as Markdown, for the documentation.
pub(crate) fn markdown(sections: &[Section]) -> String {
    let row = |row: &Row| format!("| `{}` | {} |\n", row.label, row.help);
    let section = |section: &Section| {
        let rows: String = section.rows.iter().map(row).collect();
        format!(
            "### {}\n\n| key | what it does |\n|---|---|\n{rows}",
            section.title
        )
    };
    let sections: Vec<String> = sections.iter().map(section).collect();
    sections.join("\n")
}
