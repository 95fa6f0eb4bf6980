//! Runs that begin with a state of another run: the twins of its replays, and forks that the user names.

use super::{TWINS, TWINS_DIR};
use crate::SweepError;
use logs::Manifest;
use logs::disk::TEMPORARY;
use std::path::{Path, PathBuf};

/// A run that begins with a state of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// What a table calls it: its folder or twin, and the step that is asked about or that it takes first.
    pub name: String,
    /// Its run directory.
    pub directory: PathBuf,
    /// Steps of the other run behind it: its own records begin after them.
    pub forked_at: u64,
}

impl Branch {
    /// The twins of the replays in `run`, those still at work too, whose directories are not `known`: by replay, then in
    /// the order of the registry.
    #[must_use]
    pub fn twins(run: &Path, known: &impl Fn(&Path) -> bool) -> Vec<Self> {
        let replays = folders(&run.join(logs::run::REPLAYS_DIR));
        let of_replay = |replay: PathBuf| {
            let mut twins = folders(&replay.join(TWINS_DIR));
            twins.retain(|twin| !known(twin));
            twins.sort_by_key(|twin| TWINS.iter().position(|known| twin.ends_with(known.name)));
            let step = step_of(&replay);
            twins.into_iter().filter_map(move |directory| {
                let forked_at = Manifest::load(&directory).ok()??.forked_at?;
                let step = step
                    .clone()
                    .unwrap_or(forked_at.saturating_add(1).to_string());
                let name = format!("{} @{step}", folder_name(&directory));
                Some(Self {
                    name,
                    directory,
                    forked_at,
                })
            })
        };
        replays.into_iter().flat_map(of_replay).collect()
    }

    /// The fork in `directory`, which must be one of `runs`; with the place of its run among them.
    pub fn named(directory: &Path, runs: &[&Path]) -> Result<(usize, Self), SweepError> {
        let refuse = |problem: String| {
            Err(SweepError::Fork {
                path: directory.to_owned(),
                problem,
            })
        };
        let Some(manifest) = Manifest::load(directory)? else {
            return refuse("is no run directory: it has no `manifest.json`".to_owned());
        };
        let (Some(parent), Some(forked_at)) = (manifest.parent, manifest.forked_at) else {
            return refuse("is a run of its own; expected what `workbench fork` made".to_owned());
        };
        let Some(of) = place(&directory.join(&parent), runs) else {
            return refuse(format!("is a fork of `{parent}`, which is not shown here"));
        };
        let name = format!(
            "{} @{}",
            folder_name(directory),
            forked_at.saturating_add(1)
        );
        let directory = directory.to_owned();
        let branch = Self {
            name,
            directory,
            forked_at,
        };
        Ok((of, branch))
    }
}

/// Which of `runs` is the directory `parent`; where that is no longer there, since both were moved, the one of its name.
fn place(parent: &Path, runs: &[&Path]) -> Option<usize> {
    let full = |path: &Path| path.canonicalize().ok();
    match full(parent) {
        Some(parent) => runs
            .iter()
            .position(|run| full(run).as_ref() == Some(&parent)),
        None => runs
            .iter()
            .position(|run| full(run).is_some_and(|run| run.file_name() == parent.file_name())),
    }
}

/// `122` of `step-00000122`.
fn step_of(replay: &Path) -> Option<String> {
    let step: u64 = folder_name(replay).strip_prefix("step-")?.parse().ok()?;
    Some(step.to_string())
}

/// Also for `.`.
fn folder_name(directory: &Path) -> String {
    let full = directory.canonicalize();
    let full = full.as_deref().unwrap_or(directory);
    full.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The folders in a folder by name, without those that are being written.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let entries = entries.filter_map(Result::ok).filter(|entry| {
        let name = entry.file_name();
        !name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes())
    });
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::manifest;
    use std::fs;

    fn run(directory: &Path, parent: Option<&str>) {
        fs::create_dir_all(directory).unwrap();
        let manifest = Manifest {
            parent: parent.map(str::to_owned),
            forked_at: parent.map(|_| 113),
            ..manifest()
        };
        manifest.save(directory).unwrap();
    }

    fn names(branches: &[Branch]) -> Vec<&str> {
        branches.iter().map(|branch| &*branch.name).collect()
    }

    #[test]
    fn twins_are_found_by_replay_and_stand_in_the_order_of_the_registry() {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = dir.path().join("run");
        run(&run_dir, None);
        let twins = || Branch::twins(&run_dir, &|twin| twin.ends_with("bf16"));
        assert_eq!(twins(), []);
        for twin in ["fp32", ".tmp-egs", "skip", "bf16", "same"] {
            let folder = run_dir.join("replays/step-00000122/twins");
            run(&folder.join(twin), Some("../../../.."));
        }
        fs::create_dir(run_dir.join("replays/step-00000122/twins/egs")).unwrap();
        let found = twins();
        assert_eq!(names(&found), ["same @122", "skip @122", "fp32 @122"]);
        assert_eq!(found[0].forked_at, 113);
    }

    #[test]
    fn a_fork_belongs_to_its_run_also_where_both_were_moved() {
        let dir = tempfile::tempdir().unwrap();
        let [a, b, fork] = ["a", "b", "fork"].map(|name| dir.path().join(name));
        run(&a, None);
        run(&b, None);
        run(&fork, Some(&b.to_string_lossy()));
        let (of, branch) = Branch::named(&fork, &[&a, &b]).unwrap();
        assert_eq!((of, &*branch.name), (1, "fork @114"));
        let of_other = Branch::named(&fork, &[&a]).unwrap_err().to_string();
        assert!(of_other.contains("which is not shown here"), "{of_other}");
        let no_fork = Branch::named(&a, &[&b]).unwrap_err().to_string();
        assert!(no_fork.contains("is a run of its own"), "{no_fork}");
        let nothing = Branch::named(&dir.path().join("x"), &[&b]).unwrap_err();
        assert!(nothing.to_string().contains("is no run directory"));
        run(&fork, Some("/moved/from/here/b"));
        assert_eq!(Branch::named(&fork, &[&a, &b]).unwrap().0, 1);
    }
}
