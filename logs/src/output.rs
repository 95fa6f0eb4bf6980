//! Files that a command is told to write: figures, tables, results.
//!
//! The user names them, so the name may be that of a file which is all there is of a run. No command but the
//! one that trains or registers writes those: [`check`] refuses them. That the disk is full is no reason to
//! give the same command again, as it is for a run that goes on; so the errors here do not say so.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::disk;
use crate::error::LogError;
use crate::run::{self, CHECKPOINTS_DIR, CONFIG_FILE, INDEX_DIR, MANIFEST_FILE};

/// What a sweep registered; what makes a directory a sweep.
pub const SWEEP_FILE: &str = "sweep.json";
/// A sweep's card as given.
pub const CARD_FILE: &str = "sweep.toml";
/// Results of a replay and of a journal, which make their directories one.
pub const REPLAY_FILE: &str = "replay.json";
/// See [`REPLAY_FILE`].
pub const JOURNAL_FILE: &str = "journal.json";
/// Files of a sweep's directory, a replay's and a journal's.
const RESULT_FILES: [&str; 5] = [
    SWEEP_FILE,
    CARD_FILE,
    "verdict.json",
    REPLAY_FILE,
    JOURNAL_FILE,
];
/// Folders of a run or sweep directory in which nothing is the user's.
const FOLDERS: [&str; 3] = [CHECKPOINTS_DIR, INDEX_DIR, "control"];

/// Refuses a path that is one of the files which a run or a sweep is made of, also by way of links.
pub fn check(path: &Path) -> Result<(), LogError> {
    match owner(path) {
        None => Ok(()),
        Some(dir) => Err(LogError::Recorded {
            path: path.to_owned(),
            dir,
        }),
    }
}

/// Writes `bytes` to where the user wants them; see [`check`] and [`disk::replace`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), LogError> {
    fill(path, |file| file.write_all(bytes))
}

/// Writes `value` as indented JSON; see [`write()`].
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), LogError> {
    write(path, &disk::pretty_json(path, value)?)
}

/// Lets `fill` write the file; see [`write()`].
pub fn fill(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), LogError> {
    check(path)?;
    disk::replace(path, fill).map_err(|source| LogError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    })
}

/// The run or sweep directory that the file is a part of.
fn owner(path: &Path) -> Option<PathBuf> {
    let path = disk::end_of_links(path).ok()?;
    let folder = fs::canonicalize(disk::folder(&path)).ok()?;
    let name = path.file_name()?.to_str()?;
    let is_named = run::is_file_of_run(name) || RESULT_FILES.contains(&name);
    if is_named && is_directory_of_ours(&folder) {
        return Some(folder);
    }
    let inside = folder.ancestors().find_map(|inner| {
        let name = inner.file_name()?.to_str()?;
        let outer = inner.parent()?;
        (FOLDERS.contains(&name) && is_directory_of_ours(outer)).then_some(outer)
    });
    inside.map(Path::to_owned)
}

/// Whether a run, a sweep, a replay or a journal is there.
#[must_use]
pub fn is_directory_of_ours(dir: &Path) -> bool {
    let marks = [
        CONFIG_FILE,
        MANIFEST_FILE,
        SWEEP_FILE,
        REPLAY_FILE,
        JOURNAL_FILE,
    ];
    marks.iter().any(|mark| dir.join(mark).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "recorded").unwrap();
    }

    /// A slip in a file's name must not cost a sweep.
    #[test]
    fn what_a_run_or_sweep_is_made_of_is_never_an_output() {
        let dir = tempfile::tempdir().unwrap();
        let ours = [
            "sweep.json",
            "sweep.toml",
            "control/sweep.stop",
            "runs/a/run.toml",
            "runs/a/manifest.json",
            "runs/a/metrics-0001.jsonl",
            "runs/a/events.jsonl",
            "runs/a/summary.json",
            "runs/a/checkpoints/000040/weights.safetensors",
            "runs/a/replays/step-00000007/replay.json",
            "journal/journal.json",
        ];
        for name in ours {
            touch(&dir.path().join(name));
        }
        for name in ours.into_iter().chain(["runs/a/metrics-0002.jsonl"]) {
            let path = dir.path().join(name);
            let error = write(&path, b"lost").unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("part of"), "{error}");
        }
        for name in ours {
            let kept = fs::read_to_string(dir.path().join(name)).unwrap();
            assert_eq!(kept, "recorded", "{name}");
        }
        for name in ["report.html", "runs/a/metrics.csv", "runs/a/figures.svg"] {
            write(&dir.path().join(name), b"new").unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_recorded_file_is_one_too() {
        let dir = tempfile::tempdir().unwrap();
        touch(&dir.path().join("sweep.json"));
        let link = dir.path().join("mine.json");
        std::os::unix::fs::symlink("sweep.json", &link).unwrap();
        assert!(check(&link).is_err());
        assert!(
            check(&dir.path().join("runs/../sweep.json")).is_ok(),
            "no such folder"
        );
        fs::create_dir(dir.path().join("runs")).unwrap();
        assert!(check(&dir.path().join("runs/../sweep.json")).is_err());
    }

    /// Elsewhere the names are anybody's.
    #[test]
    fn the_same_names_are_free_where_no_run_is() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["summary.json", "metrics-0001.jsonl", "checkpoints/a.json"] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            write(&path, b"1").unwrap();
            write(&path, b"2").unwrap();
        }
    }

    /// A finished command has nothing to continue.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_no_advice_to_repeat_the_command() {
        let error = write(Path::new("/dev/full"), b"1").unwrap_err();
        assert_eq!(error.to_string(), "cannot write `/dev/full`");
        assert!(crate::is_machine_failure(&error));
    }
}
