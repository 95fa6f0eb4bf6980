//! The guide to adding things names files that are there, and shows code that stands in them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use support::pages::{code, page, root, tables};

/// Most files that an addition may take, its tests and its documentation included.
const MOST_FILES: usize = 4;

/// `a/{b,c}.rs` as `a/b.rs` and `a/c.rs`.
fn expanded(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else {
        return vec![path.to_owned()];
    };
    let (choices, after) = rest.split_once('}').unwrap();
    let choices = choices.split(',');
    choices
        .map(|choice| format!("{before}{choice}{after}"))
        .collect()
}

fn is_file(name: &str) -> bool {
    name.contains('/') && name.contains('.') && !name.contains(['*', ' ', '<'])
}

/// Lines without their indentation; that of the guide is not that of the file.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).collect()
}

#[test]
fn every_file_that_is_to_be_changed_exists() {
    let page = page("extending.md");
    let mut seen = 0;
    for table in tables(&page)
        .iter()
        .filter(|table| table.rows[0][0] == "file")
    {
        let rows = table.rows.iter().skip(1).map(|row| &row[0]);
        let files: Vec<String> = rows
            .flat_map(|cell| code(cell))
            .flat_map(|path| expanded(&path))
            .collect();
        for file in &files {
            assert!(
                root().join(file).is_file(),
                "{}: no `{file}`",
                table.section
            );
        }
        seen += files.len();
    }
    assert!(seen >= 15, "only {seen} files are named");
}

#[test]
fn nothing_takes_more_than_four_files() {
    let page = page("extending.md");
    for table in tables(&page)
        .iter()
        .filter(|table| table.rows[0][0] == "file")
    {
        // What is named without its folder is beside the file before it, and counts as one.
        let files = table.rows.iter().skip(1).map(|row| code(&row[0]));
        let count: usize = files
            .map(|names| names.iter().flat_map(|name| expanded(name)).count().max(1))
            .sum();
        assert!(count <= MOST_FILES, "{} takes {count} files", table.section);
    }
}

#[test]
fn every_piece_of_code_stands_in_the_file_that_is_named_above_it() {
    let page = page("extending.md");
    let mut parts = page.split("\n```");
    let mut prose = parts.next().unwrap();
    let mut seen = 0;
    while let (Some(block), Some(after)) = (parts.next(), parts.next()) {
        let (language, example) = block.split_once('\n').unwrap();
        let paragraph = prose.trim_end().rsplit("\n\n").next().unwrap();
        let file = code(paragraph)
            .into_iter()
            .rfind(|name| is_file(name) && root().join(name).is_file());
        let file = file.unwrap_or_else(|| panic!("no file is named above:\n{example}"));
        let text = std::fs::read_to_string(root().join(&file)).unwrap();
        let (text, example) = (lines(&text), lines(example));
        assert!(
            text.windows(example.len()).any(|window| window == example),
            "`{file}` has not this {language}:\n{}",
            example.join("\n")
        );
        seen += 1;
        prose = after;
    }
    assert!(seen >= 5, "only {seen} pieces of code were found");
}
