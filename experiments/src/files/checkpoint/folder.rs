//! The folder of one checkpoint, and the folder of all of them.

use super::file::{Filled, Slots, encode, problem, read_file};
use super::shards::{self, Shards};
use super::state;
use super::sums::{SUMS, Sums};
use super::{EXP_AVG, MOMENTS, STATE, WEIGHTS};
use crate::error::TrainError;
use crate::optimizer::adamw::AdamW;
use crate::parameters::{Parameter, Parameters};
use crate::state::State;
use logs::LogError;
use logs::disk::sync_directory;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where in a run a state stands; the order is that in which a run comes to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// How often the run had gone back.
    pub(super) branch: u64,
    /// Finished steps.
    pub(super) step: u64,
}

impl Place {
    pub(super) fn of(state: &State) -> Self {
        Self {
            branch: state.branch(),
            step: state.step,
        }
    }

    /// Whether the run does not come by here any more where it has been at `later`: it went back to before this.
    pub(super) fn is_left(self, later: Self) -> bool {
        later.branch > self.branch && later.step <= self.step
    }
}

/// A checkpoint by its name.
pub(super) type Entry = (Place, PathBuf);

/// Names of a branch sort as steps do, up to 10⁸ steps.
pub(super) fn directory_name(place: Place) -> String {
    let Place { branch, step } = place;
    match branch {
        0 => format!("step-{step:08}"),
        _ => format!("branch-{branch:02}-step-{step:08}"),
    }
}

/// The checkpoints in `directory`, oldest first: folders whose names are what we call them.
/// Anything else there, such as `step-best`, is somebody else's.
pub(super) fn entries(directory: &Path) -> Result<Vec<Entry>, TrainError> {
    let io = |error| LogError::io("list", directory, error);
    let all = match fs::read_dir(directory) {
        Ok(all) => all,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(problem(directory, "is a file, expected a folder"));
        }
        Err(error) => return Err(io(error).into()),
    };
    let mut found = Vec::new();
    for entry in all {
        let path = entry.map_err(io)?.path();
        if let Some(place) = place_of(&path).filter(|_| path.is_dir()) {
            found.push((place, path));
        }
    }
    found.sort();
    Ok(found)
}

fn place_of(path: &Path) -> Option<Place> {
    let name = path.file_name()?.to_str()?;
    let (before, step) = name.split_once("step-")?;
    let branch = match before.strip_prefix("branch-") {
        Some(branch) => branch.strip_suffix('-')?.parse().ok()?,
        None => 0,
    };
    let step = step.parse().ok()?;
    let place = Place { branch, step };
    (name == directory_name(place)).then_some(place)
}

/// Without those that the run has left.
pub(super) fn without_left(all: Vec<Entry>) -> Vec<Entry> {
    let places: Vec<Place> = all.iter().map(|(place, _)| *place).collect();
    let stays = |place: Place| !places.iter().any(|later| place.is_left(*later));
    all.into_iter().filter(|(place, _)| stays(*place)).collect()
}

/// What a checkpoint has to survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Keep {
    /// A power failure too: all of it is synced.
    Always,
    /// The end of the process.
    WhileItRuns,
}

/// Writes a whole checkpoint to `path`, which replaces what is there. Moments that are spread over ranks each of these writes
/// itself, while rank 0 writes the weights.
pub(super) fn write(
    path: &Path,
    state: &State,
    parameters: &Parameters,
    adam: &AdamW,
    keep: Keep,
) -> Result<(), TrainError> {
    let io = |error| LogError::io("write", path, error);
    if path.symlink_metadata().is_ok() {
        fs::remove_dir_all(path).map_err(io)?;
    }
    fs::create_dir(path).map_err(io)?;
    let table = parameters.table();
    let mut sums = Sums::default();
    let put = |sums: &mut Sums, name: &str, bytes: Vec<u8>| {
        sums.add(name, &bytes);
        let file = path.join(name);
        let written = write_file(&file, &bytes, keep);
        written.map_err(|error| TrainError::from(LogError::io("write", &file, error)))
    };
    let shards = Shards::begin(adam, path, keep);
    let weights = encode(&path.join(WEIGHTS), table, &[("", parameters.values())])
        .and_then(|bytes| put(&mut sums, WEIGHTS, bytes));
    // Before anything is given up: the other ranks have been asked, and answer.
    let by_shard = shards.map(|shards| shards.finish(table, &mut sums));
    weights?;
    if !by_shard.transpose()?.unwrap_or(false) {
        let [first, second] = EXP_AVG;
        let moments = [(first, &adam.first[..]), (second, &adam.second[..])];
        put(
            &mut sums,
            MOMENTS,
            encode(&path.join(MOMENTS), table, &moments)?,
        )?;
    }
    put(&mut sums, STATE, state::to_bytes(state, &path.join(STATE))?)?;
    write_file(&path.join(SUMS), sums.to_string().as_bytes(), keep)
        .map_err(|error| LogError::io("write", &path.join(SUMS), error))?;
    if keep == Keep::Always {
        sync_directory(path).map_err(io)?;
    }
    Ok(())
}

pub(super) fn write_file(path: &Path, bytes: &[u8], keep: Keep) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    match keep {
        Keep::Always => file.sync_all(),
        Keep::WhileItRuns => Ok(()),
    }
}

/// The folder of a checkpoint. Every file is compared with its checksum as it is read.
pub(super) struct Folder {
    path: PathBuf,
    /// Absent in checkpoints of version 2.
    sums: Option<Sums>,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self, TrainError> {
        let file = path.join(SUMS);
        let there = file.symlink_metadata().is_ok();
        let parse = |bytes: Vec<u8>| Sums::parse(&bytes).map_err(|text| problem(&file, text));
        let sums = there
            .then(|| read_file(&file).and_then(parse))
            .transpose()?;
        Ok(Self {
            path: path.to_owned(),
            sums,
        })
    }

    /// Whether it has checksums.
    pub(super) fn has_sums(&self) -> bool {
        self.sums.is_some()
    }

    /// A file of the checkpoint, as it was written.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, TrainError> {
        let path = self.path.join(name);
        let bytes = read_file(&path)?;
        if let Some(sums) = &self.sums {
            let checked = sums.check(name, &bytes);
            checked.map_err(|text| problem(&path, text))?;
        }
        Ok(bytes)
    }

    /// Fills buffers with the weights.
    pub(super) fn weights(
        &self,
        table: &[Parameter],
        buffers: &mut Slots<'_>,
    ) -> Result<(), TrainError> {
        self.fill(&[WEIGHTS.to_owned()], table, buffers)
    }

    /// Fills buffers with the moments, whoever wrote them.
    pub(super) fn moments(
        &self,
        table: &[Parameter],
        buffers: &mut Slots<'_>,
    ) -> Result<(), TrainError> {
        self.fill(&self.moment_files()?, table, buffers)
    }

    /// Whether the moments are as they were written.
    pub(super) fn verify_moments(&self) -> Result<(), TrainError> {
        let names = self.moment_files()?;
        names.iter().try_for_each(|name| self.read(name).map(drop))
    }

    fn moment_files(&self) -> Result<Vec<String>, TrainError> {
        shards::files(&self.path, self.sums.as_ref())
    }

    /// Fills buffers from files of which each has some of the tensors.
    fn fill(
        &self,
        names: &[String],
        table: &[Parameter],
        buffers: &mut Slots<'_>,
    ) -> Result<(), TrainError> {
        let mut filled = Filled::new(table, buffers);
        for name in names {
            filled.take(&self.path.join(name), &self.read(name)?)?;
        }
        let of = names.last().map_or(MOMENTS, |last| last);
        filled.check(&self.path.join(of))
    }

    /// The counters, if they belong to this folder and to a run of this configuration.
    pub(super) fn state(&self, config_hash: &str) -> Result<State, TrainError> {
        let path = self.path.join(STATE);
        let mut state = state::parse(&path, &self.read(STATE)?)?;
        let found = Place::of(&state);
        if place_of(&self.path) != Some(found) {
            let name = self.path.file_name().unwrap_or_default().to_string_lossy();
            let branch = match found.branch {
                0 => String::new(),
                branch => format!(" of branch {branch}"),
            };
            let text = format!(
                "is of step {}{branch}, but its folder is called `{name}`",
                state.step
            );
            return Err(problem(&path, text));
        }
        if state.config_hash != config_hash {
            let short = |hash: &str| hash.chars().take(16).collect::<String>();
            let (theirs, ours) = (short(&state.config_hash), short(config_hash));
            let text =
                format!("was written by a run of the configuration {theirs}, this run has {ours}");
            return Err(problem(&path, text));
        }
        if self.sums.is_none() && state.version == State::VERSION {
            return Err(problem(&self.path.join(SUMS), "is missing"));
        }
        // It goes on as one of ours.
        state.version = State::VERSION;
        Ok(state)
    }

    /// The counters, if every file is as it was written.
    pub(super) fn verify(&self, config_hash: &str) -> Result<State, TrainError> {
        let state = self.state(config_hash)?;
        self.read(WEIGHTS)?;
        self.verify_moments()?;
        Ok(state)
    }
}
