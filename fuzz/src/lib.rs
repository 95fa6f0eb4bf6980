//! What the targets share: a folder in memory, and checksums that agree.
//!
//! A fuzzer hardly ever guesses a checksum, so it would never get behind one. Each target therefore reads its
//! input twice: as it is, and with every checksum that it holds computed anew.

#![allow(
    clippy::unwrap_used,
    reason = "a target that cannot make its files may stop"
)]

pub mod checksums;
#[cfg(feature = "weights")]
pub mod model;

use std::fs;
use std::path::{Path, PathBuf};

/// A folder of this process, in memory where the system has such a place, removed at the end.
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let made = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        Self(made.unwrap())
    }

    /// Writes a file and the folders above it.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

/// Imports a log of another program and reads the run that it becomes. Only panics and hangs are failures.
pub fn import(name: &str, bytes: &[u8]) {
    let folder = Folder::new();
    let request = logs::import::Import {
        paths: vec![folder.write(name, bytes)],
        given: Vec::new(),
        one_run: false,
        columns: logs::import::Columns::default().inferring_skipped(),
        out: folder.path().join("out"),
        command: Vec::new(),
    };
    let Ok(done) = logs::import::import(&request) else {
        return;
    };
    for run in &done.runs {
        let reader = logs::RunReader::open(&run.dir).unwrap();
        assert_eq!(
            reader.records().len() as u64,
            run.steps,
            "what was imported is read back"
        );
    }
}
