//! Files of a run beside its records, read when a pane shows them.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use logs::run::{CONFIG_FILE, CONSOLE_FILE};
use toml::{Table, Value};

/// Bytes at the end of a console log that are looked at.
const CONSOLE_BYTES: u64 = 1 << 20;

/// The resolved configuration of a run.
pub(crate) fn configuration(run: &Path) -> Result<Table, String> {
    let file = run.join(CONFIG_FILE);
    let wrong = |what: String| format!("`{}`: {what}", file.display());
    let text = logs::disk::read_text(&file).map_err(|error| wrong(error.to_string()))?;
    toml::from_str(&text).map_err(|error: toml::de::Error| wrong(error.message().to_owned()))
}

/// Values by dotted key, `schedule[0].to` in lists of tables.
pub(crate) fn flat(table: &Table) -> BTreeMap<String, Value> {
    fn walk(key: String, value: &Value, into: &mut BTreeMap<String, Value>) {
        match value {
            Value::Table(table) => {
                for (name, value) in table {
                    walk(format!("{key}.{name}"), value, into);
                }
            }
            Value::Array(items) if items.iter().any(Value::is_table) => {
                for (place, item) in items.iter().enumerate() {
                    walk(format!("{key}[{place}]"), item, into);
                }
            }
            value => {
                into.insert(key, value.clone());
            }
        }
    }
    let mut into = BTreeMap::new();
    for (key, value) in table {
        walk(key.clone(), value, &mut into);
    }
    into
}

/// The lines that the process of a run wrote, the latest last; of a log of more than a mebibyte its end.
pub(crate) fn console(run: &Path) -> Result<Vec<String>, String> {
    let file = run.join(CONSOLE_FILE);
    let (left_out, bytes) = tail(&file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("no `{CONSOLE_FILE}`: the runs of a sweep have one once they have begun")
        }
        _ => format!("`{}`: {error}", file.display()),
    })?;
    let text = String::from_utf8_lossy(&bytes);
    // Progress that was written over in a terminal: what stood there last counts.
    let last = |line: &str| {
        let shown = line.trim_end().rsplit('\r').next().unwrap_or_default();
        words::printable_line(shown).into_owned()
    };
    let above = format!("… {} above are in the file", words::bytes(left_out));
    let above = Some(above).filter(|_| left_out > 0);
    Ok(above.into_iter().chain(text.lines().map(last)).collect())
}

/// The end of a file, and how many bytes are before it.
fn tail(file: &Path) -> std::io::Result<(u64, Vec<u8>)> {
    let mut file = logs::disk::open(file)?;
    let length = file.metadata()?.len();
    let left_out = length.saturating_sub(CONSOLE_BYTES);
    file.seek(SeekFrom::Start(left_out))?;
    let mut bytes = Vec::new();
    file.take(CONSOLE_BYTES).read_to_end(&mut bytes)?;
    Ok((left_out, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_console_log_the_end_is_read_and_of_lines_written_over_the_last() {
        let dir = tempfile::tempdir().unwrap();
        assert!(
            console(dir.path())
                .unwrap_err()
                .contains("no `console.log`")
        );
        let text = "x".repeat(3 << 20) + "\n1/9\r2/9\nerror: \u{1b}[31mlost\n";
        std::fs::write(dir.path().join(CONSOLE_FILE), text).unwrap();
        let lines = console(dir.path()).unwrap();
        assert_eq!(lines.len(), 4);
        assert!(lines[0].contains("above are in the file"), "{}", lines[0]);
        assert!(lines[1].len() < 1_100_000);
        assert_eq!(
            lines[2..],
            ["2/9", "error: \\u001b[31mlost"],
            "no terminal obeys it"
        );
    }

    #[test]
    fn a_configuration_that_cannot_be_read_is_named_with_what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        assert!(configuration(dir.path()).unwrap_err().contains("run.toml"));
        std::fs::write(dir.path().join(CONFIG_FILE), "seed = = 1").unwrap();
        assert!(configuration(dir.path()).unwrap_err().contains("run.toml"));
    }
}
