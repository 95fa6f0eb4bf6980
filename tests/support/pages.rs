//! The pages of the documentation: their blocks, their tables.

use std::path::{Path, PathBuf};

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The README and every page of `docs`, with their names.
pub fn pages() -> Vec<(String, String)> {
    let docs = std::fs::read_dir(root().join("docs")).unwrap();
    let paths = docs.map(|entry| entry.unwrap().path());
    let pages = paths.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    std::iter::once(root().join("README.md"))
        .chain(pages)
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.file_name().unwrap().to_string_lossy().into(), text)
        })
        .collect()
}

pub fn page(name: &str) -> String {
    let pages = pages();
    let found = pages.into_iter().find(|(page, _)| page == name);
    found.unwrap().1
}

/// The fenced blocks of a language.
pub fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("\n```{language}\n");
    let rest = page.split(fence.as_str()).skip(1);
    rest.map(|rest| rest.split("\n```").next().unwrap())
        .collect()
}

/// Every file that a page prints under its name (`# NAME.toml` in the first line).
pub fn printed_files(folder: &Path, page: &str) {
    for block in blocks(page, "toml") {
        let name = block
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# "));
        let name = name.and_then(|line| line.split([':', ' ']).next());
        if let Some(name) =
            name.filter(|name| Path::new(name).extension().is_some_and(|e| e == "toml"))
        {
            std::fs::write(folder.join(name), block).unwrap();
        }
    }
}

/// A command with what stands under it. `…` on a line of its own stands for any lines.
pub struct Example {
    pub command: String,
    pub printed: Vec<String>,
}

pub fn examples(block: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            let command = command.to_owned();
            let printed = Vec::new();
            examples.push(Example { command, printed });
        } else {
            examples.last_mut().unwrap().printed.push(line.to_owned());
        }
    }
    examples
}

/// The lines of a page that are no printed file or output.
pub fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    page.lines().filter(move |line| {
        let fence = line.starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// A table with the heading above it.
#[derive(Debug)]
pub struct Table {
    pub section: String,
    /// Heading cells, then the rows.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// The first cells of its rows, without backquotes.
    pub fn names(&self) -> Vec<String> {
        let rows = self.rows.iter().skip(1);
        rows.flat_map(|row| code(&row[0])).collect()
    }
}

/// All tables of a page.
pub fn tables(page: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let (mut section, mut inside) = ("", false);
    for line in prose(page) {
        if line.starts_with('#') {
            section = line.trim_start_matches('#').trim();
        }
        if !line.starts_with('|') {
            inside = false;
            continue;
        }
        if !inside {
            let section = section.to_owned();
            tables.push(Table {
                section,
                rows: Vec::new(),
            });
            inside = true;
        }
        // The rule under the heading has no words.
        if line.chars().any(char::is_alphanumeric) {
            let rows = &mut tables.last_mut().unwrap().rows;
            rows.push(cells(line));
        }
    }
    tables
}

fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    // A bar within a cell is written `\|`.
    let inner = inner.replace("\\|", "\u{0}");
    let cells = inner.split('|');
    cells
        .map(|cell| cell.trim().replace('\u{0}', "|"))
        .collect()
}

/// The table of a page whose first heading cell is `heading`.
pub fn table(page: &str, heading: &str) -> Table {
    let mut found = tables(page).into_iter();
    let is_it = |table: &Table| table.rows[0][0] == heading;
    found
        .find(is_it)
        .unwrap_or_else(|| panic!("no table `{heading}`"))
}

/// What stands in backquotes.
pub fn code(text: &str) -> Vec<String> {
    let parts = text.split('`').skip(1).step_by(2);
    parts.map(str::to_owned).collect()
}
