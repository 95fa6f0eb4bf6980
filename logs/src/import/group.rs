//! Which files may be attempts of one run: by their names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Import, ImportError};
use crate::disk::folder;
use crate::run::{MANIFEST_FILE, metrics_file};

/// The last values of a W&B run, beside the run itself: no log.
const WANDB_SUMMARY: &str = "wandb-summary.json";

/// A run whose attempts the user lists.
#[derive(Debug, Clone)]
pub struct Given {
    /// Its name.
    pub name: String,
    /// Its files, the earliest attempt first.
    pub files: Vec<PathBuf>,
}

/// Files that may be attempts of one run.
#[derive(Debug)]
pub(super) struct Group {
    /// Name of the run, fit for a folder.
    pub(super) name: String,
    /// The files, in the order of their paths, or as the user listed them.
    pub(super) files: Vec<Entry>,
    /// Whether the user says that they are one run in this order.
    pub(super) given: bool,
}

/// A file to import.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    /// Whether the user named it, and did not only name its folder.
    pub(super) named: bool,
    /// The folders between the one that the user named and the file.
    within: PathBuf,
}

/// The groups of a request: what the user listed first, then the rest by name.
pub(super) fn groups(request: &Import) -> Result<Vec<Group>, ImportError> {
    let mut groups: Vec<Group> = Vec::new();
    for run in &request.given {
        let group = given(run, &groups);
        groups.push(group);
    }
    let listed: Vec<PathBuf> = request
        .given
        .iter()
        .flat_map(|given| given.files.clone())
        .collect();
    let mut found = Vec::new();
    for path in &request.paths {
        find(path, Path::new(""), true, &mut found)?;
    }
    let is_listed = |entry: &Entry| listed.iter().any(|path| is_same_file(path, &entry.path));
    found.retain(|entry| !is_listed(entry));
    let mut by_name: BTreeMap<(PathBuf, String), Vec<Entry>> = BTreeMap::new();
    for entry in found {
        let key = if request.one_run {
            (PathBuf::new(), "run".to_owned())
        } else {
            run_of(&entry)
        };
        let files = by_name.entry(key).or_default();
        // A file that was named and lies in a folder that was named is one file.
        if files
            .iter()
            .all(|known| !is_same_file(&known.path, &entry.path))
        {
            files.push(entry);
        }
    }
    for ((_, name), files) in by_name {
        let name = free(folder_name(&name), &groups);
        groups.push(Group {
            name,
            files,
            given: false,
        });
    }
    Ok(groups)
}

fn given(given: &Given, groups: &[Group]) -> Group {
    let entry = |path: &PathBuf| Entry {
        path: path.clone(),
        named: true,
        within: PathBuf::new(),
    };
    Group {
        name: free(folder_name(&given.name), groups),
        files: given.files.iter().map(entry).collect(),
        given: true,
    }
}

/// All files at or below a path, by name. Hidden ones and run directories are left out, and links to folders are not
/// followed.
fn find(
    path: &Path,
    within: &Path,
    named: bool,
    found: &mut Vec<Entry>,
) -> Result<(), ImportError> {
    let error = |error| ImportError::read(path, error);
    if !std::fs::metadata(path).map_err(error)?.is_dir() {
        found.push(Entry {
            path: path.to_owned(),
            named,
            within: within.to_owned(),
        });
        return Ok(());
    }
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path).map_err(error)? {
        let entry = entry.map_err(error)?;
        let kind = entry.file_type().map_err(error)?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let is_file = || std::fs::metadata(entry.path()).is_ok_and(|found| found.is_file());
        if !hidden && entry.file_name() != WANDB_SUMMARY && (kind.is_dir() || is_file()) {
            entries.push((entry.path(), kind.is_dir(), entry.file_name()));
        }
    }
    entries.sort();
    for (path, is_folder, name) in entries {
        if is_folder && is_run(&path) {
            continue;
        }
        let within = if is_folder {
            within.join(name)
        } else {
            within.to_owned()
        };
        find(&path, &within, false, found)?;
    }
    Ok(())
}

/// Whether a folder is a run directory, the metrics of which look like a log.
fn is_run(folder: &Path) -> bool {
    folder.join(MANIFEST_FILE).is_file() && folder.join(metrics_file(1)).is_file()
}

fn is_same_file(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// The run that a file belongs to: the folder within which its name counts, and the name.
fn run_of(entry: &Entry) -> (PathBuf, String) {
    let file = entry.path.file_name().unwrap_or_default();
    let file = file.to_string_lossy();
    let stem = without_endings(&file);
    let folder = folder(&entry.path);
    let folders = entry.within.to_string_lossy().replace('/', "-");
    let inner = |name: &str| {
        if folders.is_empty() {
            name.to_owned()
        } else {
            format!("{folders}-{name}")
        }
    };
    // A resumed run of W&B has a folder of its own, and the id of the run that it continues.
    if let Some(id) = stem
        .strip_prefix("run-")
        .filter(|_| file.contains(".wandb"))
    {
        return (PathBuf::new(), id.to_owned());
    }
    let name = if file.contains("tfevents") {
        // All event files of a folder are one run, as TensorBoard has it.
        if folders.is_empty() {
            name_of(folder)
        } else {
            folders.clone()
        }
    } else {
        let prefix = stem.rsplit_once('_').map_or(stem, |(prefix, _)| prefix);
        inner(if prefix.is_empty() { stem } else { prefix })
    };
    (folder.to_owned(), name)
}

/// The name of a folder, also for `.`.
fn name_of(folder: &Path) -> String {
    let folder = folder.canonicalize().ok();
    let name = folder.as_deref().and_then(Path::file_name);
    name.map_or_else(
        || "run".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// A file's name without what says how it is packed, how often it was rotated and of which format it is.
fn without_endings(file: &str) -> &str {
    let file = unpacked(file);
    let known = [
        ".csv", ".tsv", ".jsonl", ".json", ".log", ".txt", ".out", ".wandb",
    ];
    let stem = |file: &'_ str| {
        known
            .iter()
            .find_map(|ending| file.strip_suffix(ending).map(str::len))
    };
    let rotated = rotation(file).and_then(|(name, _)| stem(name));
    let length = stem(file).or(rotated).unwrap_or(file.len());
    &file[..length]
}

/// A file's name without what says how it is packed.
fn unpacked(file: &str) -> &str {
    let bare = file.strip_suffix(".gz");
    bare.or_else(|| file.strip_suffix(".zst")).unwrap_or(file)
}

/// Of `job.log.2`, which a log keeps that is rotated, `job.log` and 2: the higher, the older.
fn rotation(file: &str) -> Option<(&str, u32)> {
    let (name, number) = file.rsplit_once('.')?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    Some((name, number.parse().ok().filter(|_| is_number)?))
}

impl Entry {
    /// How often the file was rotated; 0 for one that never was.
    pub(super) fn rotations(&self) -> u32 {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        rotation(unpacked(&name)).map_or(0, |(_, number)| number)
    }

    /// What was rotated away from the place of a file that the user named.
    fn rotated(&self) -> Vec<Self> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let entries = std::fs::read_dir(folder(&self.path)).into_iter().flatten();
        let beside = entries.filter_map(Result::ok).filter(|entry| {
            let file = entry.file_name();
            let file = file.to_string_lossy();
            rotation(unpacked(&file)).is_some_and(|(of, _)| of == name)
        });
        let older = beside.map(|entry| Self {
            path: entry.path(),
            named: false,
            within: PathBuf::new(),
        });
        older.collect()
    }
}

/// The files to follow and the run that each belongs to: those of the paths that are there, and what was rotated
/// away from the place of a file that was named.
pub(super) fn followed(request: &Import) -> Result<Vec<(Entry, String)>, ImportError> {
    let mut found = Vec::new();
    for path in request.paths.iter().filter(|path| path.exists()) {
        find(path, Path::new(""), true, &mut found)?;
    }
    let named = found.iter().filter(|entry| entry.named);
    let older: Vec<Entry> = named.flat_map(Entry::rotated).collect();
    let mut files: Vec<Entry> = Vec::new();
    for entry in found.into_iter().chain(older) {
        if files
            .iter()
            .all(|known| !is_same_file(&known.path, &entry.path))
        {
            files.push(entry);
        }
    }
    let name = |entry: &Entry| {
        if request.one_run {
            String::new()
        } else {
            run_of(entry).1
        }
    };
    Ok(files
        .into_iter()
        .map(|entry| (entry.clone(), name(&entry)))
        .collect())
}

/// As a folder may be called anywhere.
fn folder_name(name: &str) -> String {
    let fit = |c: char| {
        if c.is_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '_'
        }
    };
    let name: String = name.chars().map(fit).take(100).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() { "run" } else { name }.to_owned()
}

/// The name, or the first numbered one that no group has.
fn free(name: String, groups: &[Group]) -> String {
    let is_free = |name: &str| groups.iter().all(|group| group.name != name);
    if is_free(&name) {
        return name;
    }
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    numbered
        .into_iter()
        .find(|name| is_free(name))
        .unwrap_or(name)
}
