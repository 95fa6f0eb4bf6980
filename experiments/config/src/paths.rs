//! Keys that name files of the user's own. A relative path is relative to the file that holds it,
//! so that a configuration means the same from every folder.

use crate::keys::item;
use std::path::{Component, Path, PathBuf};
use toml::{Table, Value};

/// Keys of one path.
const FILES: [&str; 1] = ["model.init.weights"];

/// Keys of lists whose items have a `path`.
const LISTS: [&str; 2] = ["data.sources", "tasks.sources"];

/// Whether the value of a dotted key names files.
#[must_use]
pub fn names_files(key: &str) -> bool {
    FILES.contains(&key) || LISTS.contains(&key) || is_path_of_entry(key)
}

/// Whether a key is the `path` of an entry of one of [`LISTS`]: `data.sources[0].path`.
fn is_path_of_entry(key: &str) -> bool {
    let entry = key.strip_suffix(".path").and_then(item);
    entry.is_some_and(|(list, _)| LISTS.contains(&list))
}

/// The value of the dotted key `key` as it stands in a file in `directory`: where it names files,
/// with absolute paths. The error names a folder that TOML cannot hold.
pub fn anchored(key: &str, value: &Value, directory: &Path) -> Result<Value, String> {
    let mut value = value.clone();
    if FILES.contains(&key) || is_path_of_entry(key) {
        anchor_path(&mut value, directory)?;
    } else if LISTS.contains(&key) {
        for item in value.as_array_mut().into_iter().flatten() {
            if let Some(path) = item.get_mut("path") {
                anchor_path(path, directory)?;
            }
        }
    }
    Ok(value)
}

/// [`anchored`] for every key of a table.
pub(crate) fn anchor(table: &mut Table, directory: &Path) -> Result<(), String> {
    for key in FILES.into_iter().chain(LISTS) {
        if let Some(value) = find(table, key) {
            *value = anchored(key, value, directory)?;
        }
    }
    Ok(())
}

/// `path` as it can be kept: from the root, and past `..` to the folder that it really lies in, so that the
/// file is found as long as that one is there, whatever becomes of the folders on the way.
pub fn settled(path: &Path) -> std::io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    if !path.components().any(|part| part == Component::ParentDir) {
        return Ok(path);
    }
    // Where `..` leads behind a link only the disk knows. The file's own name stays, link or not.
    let found = match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => folder.canonicalize().map(|folder| folder.join(name)),
        _ => path.canonicalize(),
    };
    // What is not there is reported by who opens it.
    Ok(found.unwrap_or(path))
}

fn find<'a>(table: &'a mut Table, key: &str) -> Option<&'a mut Value> {
    let (first, rest) = key.split_once('.').unwrap_or((key, ""));
    match (table.get_mut(first)?, rest) {
        (value, "") => Some(value),
        (Value::Table(inner), rest) => find(inner, rest),
        _ => None,
    }
}

/// Anything but text is left for the check of types.
fn anchor_path(value: &mut Value, directory: &Path) -> Result<(), String> {
    let Value::String(text) = value else {
        return Ok(());
    };
    // An empty path stays one, to be refused.
    if text.is_empty() {
        return Ok(());
    }
    let joined = directory.join(&*text);
    let path = settled(&joined).unwrap_or(joined);
    match path.to_str() {
        Some(path) => path.clone_into(text),
        None => {
            return Err(format!(
                "is relative to `{}`, whose name is not UTF-8; rename that folder",
                directory.display()
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        toml::from_str(text).unwrap()
    }

    /// Every key that names a file, and none else.
    #[test]
    fn paths_are_relative_to_their_file() {
        let mut found = table(
            r#"steps = 3
            data.sources = [{ path = "a.txt" }, { name = "gutenberg" }, { path = "/abs.txt" }]
            tasks.sources = [{ path = "../t.jsonl", input = "a.txt" }]
            model.init.weights = "w.safetensors""#,
        );
        anchor(&mut found, Path::new("/cards")).unwrap();
        let expected = table(
            r#"steps = 3
            data.sources = [{ path = "/cards/a.txt" }, { name = "gutenberg" }, { path = "/abs.txt" }]
            tasks.sources = [{ path = "/cards/../t.jsonl", input = "a.txt" }]
            model.init.weights = "/cards/w.safetensors""#,
        );
        assert_eq!(found, expected);
    }

    /// A path through a folder that happened to be the working directory is lost with that folder.
    #[test]
    fn a_kept_path_passes_through_no_folder_that_it_does_not_need() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        for folder in ["here", "cards"] {
            std::fs::create_dir(root.join(folder)).unwrap();
        }
        let file = root.join("cards/a.txt");
        std::fs::write(&file, "text").unwrap();
        let text = |path: PathBuf| Value::String(path.to_str().unwrap().to_owned());
        let through = root.join("here/../cards");
        assert_eq!(settled(&through).unwrap(), root.join("cards"));
        for (value, directory) in [
            (Value::String("a.txt".to_owned()), through.clone()),
            (
                Value::String("../cards/a.txt".to_owned()),
                root.join("here"),
            ),
            (text(through.join("a.txt")), root.clone()),
        ] {
            let found = anchored("model.init.weights", &value, &directory);
            assert_eq!(found, Ok(text(file.clone())));
        }
    }

    /// Through an index as well.
    #[test]
    fn the_path_of_an_entry_names_a_file() {
        let value = Value::String("a.txt".to_owned());
        for (key, expected) in [
            ("data.sources[1].path", "/cards/a.txt"),
            ("tasks.sources[0].path", "/cards/a.txt"),
            ("data.sources[1].name", "a.txt"),
            ("inject[0].path", "a.txt"),
        ] {
            let found = anchored(key, &value, Path::new("/cards"));
            assert_eq!(found, Ok(Value::String(expected.to_owned())), "{key}");
            assert_eq!(names_files(key), expected != "a.txt", "{key}");
        }
    }

    /// A wrong type is for the check of types to name.
    #[test]
    fn what_is_no_path_is_left_alone() {
        for text in [
            "data = 1",
            "data.sources = 1",
            "data.sources = [1, {path = 2}]",
            "model.init.weights = 3",
        ] {
            let mut found = table(text);
            anchor(&mut found, Path::new("/cards")).unwrap();
            assert_eq!(found, table(text));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_toml_cannot_hold_is_an_error() {
        use std::os::unix::ffi::OsStrExt;
        let folder = Path::new(std::ffi::OsStr::from_bytes(b"/\xff"));
        let value = Value::String("w".to_owned());
        assert!(anchored("model.init.weights", &value, folder).is_err());
        assert_eq!(anchored("seed", &value, folder), Ok(value));
    }
}
