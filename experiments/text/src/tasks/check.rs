//! Looking at task sets before they are used.

use super::source::SetSource;
use crate::TextError;
use crate::sources::absolute;
use experiments_config::{TaskSource, TasksConfig};
use serde::Serialize;
use std::path::PathBuf;

/// What a set holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskCheck {
    /// Catalogue name or path.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Rows of the file.
    pub rows: u64,
    /// Samples that the rows and prompts give.
    pub found: u64,
    /// Samples that are left out because text or target comes out empty.
    pub skipped: u64,
    /// Most samples; `None` takes all.
    pub cap: Option<u64>,
    /// Samples after the cap.
    pub samples: u64,
    /// Text and target of the first sample.
    pub first: (String, String),
}

/// Reads a whole set and fills its templates, without a tokenizer: what this accepts,
/// [`super::TaskMixture::prepare`] accepts.
pub fn check(source: &TaskSource) -> Result<TaskCheck, TextError> {
    let source = SetSource::new(source)?;
    let mut first = None;
    let counts = source.read(|text, target| {
        first.get_or_insert((text, target));
        Ok(())
    })?;
    Ok(TaskCheck {
        samples: source.cap.unwrap_or(u64::MAX).min(counts.found),
        name: source.name,
        path: source.path,
        rows: counts.rows,
        found: counts.found,
        skipped: counts.skipped,
        cap: source.cap,
        first: first.unwrap_or_default(),
    })
}

/// Makes sure that every set is there and its templates are Jinja, without reading rows. Paths
/// become absolute, so that a run can be continued from another folder, and the content of the files
/// is pinned ([`TaskSource::blake3`]): write the result into the run's configuration.
pub fn resolve(config: &TasksConfig) -> Result<TasksConfig, TextError> {
    let mut resolved = config.clone();
    for source in &mut resolved.sources {
        let set = SetSource::new(source)?;
        if let Some(path) = &mut source.path {
            source.blake3 = Some(set.file_hash()?.to_hex().to_string());
            *path = absolute(path)?;
        }
    }
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// `workbench tasks check` must show what training would see.
    #[test]
    fn a_check_counts_samples_and_shows_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        let rows = "{\"q\": \"\", \"a\": 1}\n{\"q\": \"x\", \"a\": 2}\n".repeat(3);
        fs::write(&path, rows).unwrap();
        let source = TaskSource {
            path: Some(path.clone()),
            input: Some("{{ q }}".to_owned()),
            target: Some("{{ a }}".to_owned()),
            max_samples: 2,
            ..TaskSource::default()
        };
        let seen = check(&source).unwrap();
        assert_eq!((seen.rows, seen.found, seen.skipped), (6, 3, 3));
        assert_eq!((seen.cap, seen.samples, seen.path), (Some(2), 2, path));
        assert_eq!(seen.first, ("x".to_owned(), "2".to_owned()));
    }

    /// A run is continued from other folders, and must not fail an hour after it started.
    #[test]
    fn resolved_sources_have_absolute_paths_and_good_templates() {
        // Tests run in the folder of the crate.
        let config = |path: &str, target: &str| TasksConfig {
            ratio: 0.05,
            sources: vec![TaskSource {
                path: Some(path.into()),
                input: Some("a".to_owned()),
                target: Some(target.to_owned()),
                ..TaskSource::default()
            }],
        };
        let rows = "src/tasks/prompter/rows.jsonl";
        let resolved = resolve(&config(rows, "b")).unwrap();
        let path = resolved.sources[0].path.as_ref().unwrap();
        assert!(path.is_absolute() && path.ends_with(rows) && path.is_file());
        assert!(resolve(&config(rows, "{{")).is_err());
        assert!(resolve(&config("nowhere.jsonl", "b")).is_err());
    }
}
