//! Rows of a file: a JSON value a line, a JSON list, one JSON value over many lines, or CSV with a heading.

use crate::task::TaskError;
use logs::disk::open;
use serde_json::{Map, Value};
use std::io;
use std::path::Path;

/// What a row is called that is no object.
pub(crate) const BARE: &str = "row";

/// One row, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// From 1.
    pub(crate) line: u64,
    /// Which of the items that one row makes, from 1; 0 of a row that is one item.
    pub(crate) part: u64,
    pub(crate) question: Whole,
    /// Of a row that is no object only [`BARE`].
    pub(crate) fields: Map<String, Value>,
}

/// What several items of a row are answers to: the last list of `for_each` made them of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Whole {
    /// Which of its row, from 1; 0 of the row itself.
    pub(crate) number: u64,
    /// How many items it has.
    pub(crate) items: usize,
}

/// All rows of a file that are not blank.
pub(crate) fn read(path: &Path) -> Result<Vec<Row>, TaskError> {
    let is_csv = path.extension().is_some_and(|extension| extension == "csv");
    if is_csv {
        return csv_rows(path);
    }
    let text = text(path)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let values: Vec<(u64, Value)> = match serde_json::from_str(text) {
        Ok(Value::Array(all)) => (1..).zip(all).collect(),
        Ok(value) => vec![(first_line(text), value)],
        Err(whole) => by_line(path, text, &whole)?,
    };
    Ok(values.into_iter().map(row).collect())
}

/// What a row is that is no object has a name as if it were a field of one.
fn row((line, value): (u64, Value)) -> Row {
    Row {
        line,
        part: 0,
        question: Whole::default(),
        fields: match value {
            Value::Object(fields) => fields,
            other => Map::from_iter([(BARE.to_owned(), other)]),
        },
    }
}

/// The line, from 1, on which a text begins.
fn first_line(text: &str) -> u64 {
    let blank = &text[..text.len() - text.trim_start().len()];
    1 + blank.matches('\n').count() as u64
}

/// A value a line. `whole` is why the file is not one value: where a value goes on behind its line, that is what is wrong.
fn by_line(
    path: &Path,
    text: &str,
    whole: &serde_json::Error,
) -> Result<Vec<(u64, Value)>, TaskError> {
    let lines = (1..).zip(text.lines());
    let mut lines = lines.filter(|(_, line)| !line.trim().is_empty()).peekable();
    let first = lines.peek().map_or(1, |(line, _)| *line);
    let value = |(line, text): (u64, &str)| {
        let wrong = |error: serde_json::Error| {
            let goes_on = line == first && error.is_eof();
            let (line, error) = if goes_on {
                (whole.line() as u64, whole)
            } else {
                (line, &error)
            };
            // The line that a message ends with is one of what was parsed.
            let said = error.to_string();
            let said = said.split(" at line ").next().unwrap_or_default();
            TaskError::Row {
                path: path.to_owned(),
                line,
                problem: format!(
                    "is no JSON value: {said}, column {}; expected one value a line, or one for the whole file",
                    error.column()
                ),
            }
        };
        let value = serde_json::from_str(text).map_err(wrong)?;
        Ok((line, value))
    };
    lines.map(value).collect()
}

/// The text of a file.
pub(crate) fn text(path: &Path) -> Result<String, TaskError> {
    let read = open(path).and_then(io::read_to_string);
    read.map_err(|source| TaskError::Read {
        path: path.to_owned(),
        source,
    })
}

fn csv_rows(path: &Path) -> Result<Vec<Row>, TaskError> {
    let wrong = |error: csv::Error| TaskError::Row {
        path: path.to_owned(),
        line: error.position().map_or(1, csv::Position::line),
        problem: format!("is no row of a table with a heading: {error}"),
    };
    let file = open(path).map_err(|source| TaskError::Read {
        path: path.to_owned(),
        source,
    })?;
    let mut reader = csv::Reader::from_reader(file);
    let headings = reader.headers().map_err(wrong)?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(wrong)?;
        let cells = headings.iter().zip(&record);
        rows.push(Row {
            line: record.position().map_or(0, csv::Position::line),
            part: 0,
            question: Whole::default(),
            fields: cells
                .map(|(name, cell)| (name.to_owned(), cell.into()))
                .collect(),
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<(u64, Value)>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        std::fs::write(&path, text).unwrap();
        let rows = read(&path).map_err(|error| error.to_string())?;
        let rows = rows.into_iter();
        Ok(rows.map(|row| (row.line, row.fields.into())).collect())
    }

    #[test]
    fn rows_are_values_of_lines_entries_of_a_list_or_a_whole_file() {
        let object = |line, number: u64| (line, serde_json::json!({"a": number}));
        let bare = |line, value| (line, serde_json::json!({ BARE: value }));
        let one = vec![object(1, 1)];
        for text in ["{\"a\": 1}", "{\n  \"a\": 1\n}\n", "\u{feff}[{\"a\": 1}]"] {
            assert_eq!(read_text(text).unwrap(), one, "{text}");
        }
        let lines = "\n{\"a\": 1}\n\n[2]\n\"b\"\n";
        let expected = [
            object(2, 1),
            bare(4, serde_json::json!([2])),
            bare(5, "b".into()),
        ];
        assert_eq!(read_text(lines).unwrap(), expected);
        assert_eq!(read_text("\n\n{\n\"a\": 1}").unwrap(), [object(3, 1)]);
        let lists = "[[\n1], {\"a\": 2}]";
        let expected = [bare(1, serde_json::json!([1])), object(2, 2)];
        assert_eq!(read_text(lists).unwrap(), expected);
        assert_eq!(read_text(" \n\n").unwrap(), []);
    }

    /// The line is that of the file, whether a value has one or all of them.
    #[test]
    fn what_is_no_json_is_named_with_its_line() {
        for (text, said) in [
            (
                "{\"a\": 1}\n{\"a\": }\n",
                "line 2: is no JSON value: expected value, column 7",
            ),
            (
                "{\n\"a\": 1,\n\"b\" 2\n}",
                "line 3: is no JSON value: expected `:`, column 5",
            ),
            (
                "{\"a\": 1}\n{\"a\": ",
                "line 2: is no JSON value: EOF while parsing a value",
            ),
            ("[1,\n2,\n", "line 3: is no JSON value: EOF while parsing"),
            ("nonsense", "line 1: is no JSON value"),
        ] {
            let error = read_text(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
            assert!(error.ends_with("expected one value a line, or one for the whole file"));
            assert!(!error.contains(" at line "), "{error}");
        }
    }
}
