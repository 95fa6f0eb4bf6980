//! What a user chose for all sweeps: keys and colours, from one file in the user's folder for configurations.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::colour::Palette;
use crate::error::MonitorError;

/// The file below the folder for configurations.
const FILE: &str = "workbench/monitor.toml";

/// What a file holds.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Section of the table of keys, key, and the key that takes its place.
    pub(crate) keys: Vec<(String, String, String)>,
    pub(crate) palette: Palette,
}

/// Reads the file that was given, or the user's own where there is one.
pub(crate) fn load(given: Option<&Path>) -> Result<(Settings, PathBuf), MonitorError> {
    let own = || {
        own_file(
            std::env::var_os("XDG_CONFIG_HOME"),
            std::env::var_os("HOME"),
        )
    };
    let Some(path) = given.map(Path::to_path_buf).or_else(own) else {
        return Ok((Settings::default(), PathBuf::new()));
    };
    if given.is_none() && !path.exists() {
        return Ok((Settings::default(), path));
    }
    let text = logs::disk::read_text(&path).map_err(|error| error.to_string());
    let settings = text.and_then(|text| parse(&text));
    match settings {
        Ok(settings) => Ok((settings, path)),
        Err(problem) => Err(MonitorError::Settings { path, problem }),
    }
}

/// By the XDG Base Directory Specification: a folder that is not absolute does not count.
fn own_file(config: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: &PathBuf| path.is_absolute();
    let config = config.map(PathBuf::from).filter(absolute);
    let home = || Some(PathBuf::from(home?).join(".config"));
    Some(config.or_else(home)?.join(FILE))
}

fn parse(text: &str) -> Result<Settings, String> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        error
            .to_string()
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    })?;
    let mut settings = Settings::default();
    for (key, value) in &table {
        match key.as_str() {
            "keys" => settings.keys = keys(tables(key, value)?)?,
            "colours" => settings.palette = Palette::of(tables(key, value)?)?,
            other => {
                let hint = words::hint(other, ["keys", "colours"]);
                return Err(format!(
                    "no key `{other}`; expected `keys` or `colours`{hint}"
                ));
            }
        }
    }
    Ok(settings)
}

fn tables<'a>(key: &str, value: &'a Value) -> Result<&'a Table, String> {
    value
        .as_table()
        .ok_or_else(|| format!("`{key}` is no table, such as `[{key}]`"))
}

fn keys(sections: &Table) -> Result<Vec<(String, String, String)>, String> {
    let mut keys = Vec::new();
    for (section, pairs) in sections {
        let path = format!("keys.{section}");
        for (from, to) in tables(&path, pairs)? {
            let to = to.as_str().ok_or_else(|| {
                format!("`{path}.{from}` is `{to}`; expected the name of a key in quotes")
            })?;
            keys.push((section.clone(), from.clone(), to.to_owned()));
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_in_the_folder_that_the_user_named_or_below_home() {
        let file = |config: &str, home: &str| {
            let given = |text: &str| Some(OsString::from(text)).filter(|text| !text.is_empty());
            own_file(given(config), given(home))
        };
        let expected = |path: &str| Some(PathBuf::from(path));
        assert_eq!(file("/c", "/h"), expected("/c/workbench/monitor.toml"));
        assert_eq!(
            file("c", "/h"),
            expected("/h/.config/workbench/monitor.toml")
        );
        assert_eq!(file("", ""), None);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_named_with_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("m.toml");
        let said = |text: &str| {
            std::fs::write(&file, text).unwrap();
            load(Some(&file)).map(|_| ()).unwrap_err().to_string()
        };
        for (text, expected) in [
            ("key = 1", "did you mean `keys`?"),
            ("keys = 1", "`keys` is no table"),
            ("[keys]\ncurves = 1", "`keys.curves` is no table"),
            (
                "[keys.curves]\ny = 1",
                "`keys.curves.y` is `1`; expected the name of a key",
            ),
            ("[colours]\nacent = '#ffffff'", "did you mean `accent`?"),
            ("[colours]\naccent = 'blue'", "`#61afef`"),
            ("[colours]\narms = []", "at least one"),
            ("[[", "line 1"),
        ] {
            let said = said(text);
            assert!(
                said.contains("m.toml") && said.contains(expected),
                "{text}: {said}"
            );
        }
        std::fs::remove_file(&file).unwrap();
        assert!(
            load(Some(&file)).is_err(),
            "a file that was named must be there"
        );
    }
}
