//! Checkpoints: everything needed to go on bit for bit.
//!
//! ```text
//! checkpoints/step-00000050/weights.safetensors     FP32 master weights by name
//!                           optimizer.safetensors   Adam moments, exp_avg.NAME and exp_avg_sq.NAME; of a run of several
//!                                                   ranks optimizer-00001-of-00004.safetensors and so on
//!                           state.json              counters and loss-scaler state
//!                           B3SUMS                  BLAKE3 of the others, for `b3sum --check`
//! checkpoints/branch-01-step-00000022/             of a run that went back (`[recovery]`), of its first branch
//! checkpoints/damaged-step-00000050/                one that could not be used, set aside
//! ```
//!
//! A checkpoint is written under a temporary name, synced and renamed, and renamed back before it is
//! removed, so one that has its final name is whole. What a disk does to it afterwards is found by
//! the checksums when it is read. Random state needs no file: every stream is named by seed and index.

mod file;
mod folder;
mod ring;
mod shards;
mod state;
mod sums;
#[cfg(test)]
mod tests;

pub(crate) use file::{read_weights, write_weights};
pub(crate) use folder::Keep;
pub(crate) use ring::{Nearby, Ring};
pub(crate) use shards::write_share;

use crate::error::TrainError;
use crate::optimizer::adamw::AdamW;
use crate::parameters::{Parameter, Parameters};
use crate::state::State;
use experiments_config::Config;
use folder::{Entry, Folder, Place, directory_name, entries, without_left};
use logs::disk::{TEMPORARY, set_aside, sync_directory};
use logs::{LogError, RunWriter};
use std::fs;
use std::path::{Path, PathBuf};

const WEIGHTS: &str = "weights.safetensors";
const MOMENTS: &str = "optimizer.safetensors";
const STATE: &str = "state.json";
/// What stands before a parameter's name in [`MOMENTS`]: Adam's first and second moment.
const EXP_AVG: [&str; 2] = ["exp_avg.", "exp_avg_sq."];

/// The checkpoints of one run.
pub(crate) struct Checkpoints {
    directory: PathBuf,
    keep: usize,
    /// Whether the first of every branch is kept: the run may go back to it.
    keep_first: bool,
    /// Planned steps: what claims to be of a later one is not the run's.
    steps: u64,
    /// Hash of the configuration that they must have been written with.
    config_hash: String,
}

/// A checkpoint that was loaded.
pub(crate) struct Loaded {
    pub(crate) state: State,
    /// False for one of an earlier version, which has no checksums.
    pub(crate) verified: bool,
    /// Newer ones that could not be used.
    pub(crate) unfit: Vec<Unfit>,
}

/// A checkpoint that cannot be used.
pub(crate) struct Unfit {
    path: PathBuf,
    /// The file at fault.
    file: PathBuf,
    problem: String,
}

impl Unfit {
    /// Renames it, so that it is no longer found as a checkpoint, and says so in a sentence. Only for
    /// who holds the lease.
    pub(crate) fn set_aside(&self) -> Result<String, TrainError> {
        let kept = set_aside(&self.path)?;
        Ok(format!(
            "checkpoint `{}` {}; it was set aside as `{}`",
            self.file.display(),
            self.problem,
            kept.display()
        ))
    }
}

impl Checkpoints {
    pub(crate) fn new(run: &Path, config: &Config) -> Self {
        Self {
            directory: run.join(logs::run::CHECKPOINTS_DIR),
            keep: config.checkpoint.keep,
            keep_first: config.recovery.rolls_back(),
            steps: config.steps,
            config_hash: config.hash(),
        }
    }

    /// Writes the checkpoint of `state.step` and drops those beyond retention, if the run is still
    /// `writer`'s.
    pub(crate) fn save(
        &self,
        state: &State,
        parameters: &Parameters,
        adam: &AdamW,
        writer: &mut RunWriter,
    ) -> Result<(), TrainError> {
        let place = Place::of(state);
        let path = self.directory.join(directory_name(place));
        if self.holds(&path, state) {
            return Ok(());
        }
        let in_the_way = path.symlink_metadata().is_ok();
        let io = |error| LogError::io("rename", &path, error);
        writer.publish(|| {
            self.make_directory()?;
            if in_the_way {
                set_aside(&path)?;
            }
            Ok::<_, TrainError>(())
        })?;
        let partial = self.temporary(&path);
        if let Err(error) = folder::write(&partial, state, parameters, adam, Keep::Always) {
            // The disk may be full; what cannot be used must not fill it further.
            let _ = fs::remove_dir_all(&partial);
            // That the run is gone says more than that a file could not be written.
            return writer.publish(|| Err(error));
        }
        let retired = writer.publish(|| {
            fs::rename(&partial, &path).map_err(io)?;
            sync_directory(&self.directory).map_err(io)?;
            self.retire(place)
        })?;
        for old in retired {
            fs::remove_dir_all(&old).map_err(|error| LogError::io("remove", &old, error))?;
        }
        Ok(())
    }

    /// Whether the checkpoint at `path` is there and that of `state`: a run that is told to stop right
    /// behind a checkpoint has it already. What detectors have seen does not count: it differs only where they were
    /// chosen anew and have seen no step since.
    fn holds(&self, path: &Path, state: &State) -> bool {
        let found = Folder::open(path).and_then(|folder| folder.verify(&self.config_hash));
        matches!(found, Ok(found) if found.without_alarms() == state.without_alarms())
    }

    /// Not its parents: a run directory that is gone is not made again.
    fn make_directory(&self) -> Result<(), TrainError> {
        match fs::create_dir(&self.directory) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(LogError::io("create", &self.directory, error).into())
            }
            _ => Ok(()),
        }
    }

    /// The newest usable checkpoint of at most `step` finished steps, loaded into `parameters` and
    /// `adam`; absent where there is none at all. Fails where none of those there can be used.
    pub(crate) fn load(
        &self,
        step: u64,
        parameters: &mut Parameters,
        adam: &mut AdamW,
    ) -> Result<Option<Loaded>, TrainError> {
        let mut unfit = Vec::new();
        for (_, path) in self.up_to(step)?.into_iter().rev() {
            match load_from(&path, &self.config_hash, parameters, adam) {
                Ok((state, verified)) => {
                    return Ok(Some(Loaded {
                        state,
                        verified,
                        unfit,
                    }));
                }
                Err(TrainError::Damaged {
                    path: file,
                    problem,
                }) => {
                    unfit.push(Unfit {
                        path,
                        file,
                        problem,
                    });
                }
                Err(other) => return Err(other),
            }
        }
        match unfit.into_iter().next() {
            None => Ok(None),
            Some(newest) => Err(self.none_left(newest)),
        }
    }

    /// Checks every file of the newest checkpoint of a run that has finished, all of which may have been
    /// removed to save room. Returns in sentences what else is not as it should be.
    pub(crate) fn verify_finished(&self, step: u64) -> Result<Vec<String>, TrainError> {
        let mut notices = self.strays()?;
        let Some((newest, path)) = self.up_to(self.steps)?.pop() else {
            return Ok(notices);
        };
        match Folder::open(&path).and_then(|folder| folder.verify(&self.config_hash)) {
            Err(TrainError::Damaged { path, problem }) => {
                let anew = self.how_to_train_again(newest.step)?;
                let problem = format!(
                    "{problem}; the run has finished and its records are not concerned: restore the checkpoint from a copy, or {anew}"
                );
                return Err(TrainError::Damaged { path, problem });
            }
            Err(other) => return Err(other),
            Ok(_) => {}
        }
        let newest = newest.step;
        if newest != step {
            notices.push(format!(
                "`{}` lacks the checkpoint of step {step}, with which the run finished; the newest there is of step {newest}",
                self.directory.display()
            ));
        }
        Ok(notices)
    }

    /// What to do without the checkpoint of step `newest`, after `or`.
    fn how_to_train_again(&self, newest: u64) -> Result<String, TrainError> {
        let summary = logs::run::SUMMARY_FILE;
        let is_only = self.up_to(newest.saturating_sub(1))?.is_empty();
        Ok(if is_only {
            "train the run again in another directory: there is no older one".to_owned()
        } else {
            format!("remove the run's `{summary}` to train its last steps again from an older one")
        })
    }

    /// What is called a checkpoint of more steps than the run has, a sentence each.
    pub(crate) fn strays(&self) -> Result<Vec<String>, TrainError> {
        let all = entries(&self.directory)?.into_iter();
        let strays = all.filter(|(place, _)| place.step > self.steps);
        Ok(strays
            .map(|(_, path)| {
                format!(
                    "`{}` is none of this run's checkpoints, which has {} steps: it is left alone and not used",
                    path.display(),
                    self.steps
                )
            })
            .collect())
    }

    fn none_left(&self, newest: Unfit) -> TrainError {
        let directory = self.directory.display();
        let problem = format!(
            "{}; no older checkpoint can be used: restore it from a copy, or move `{directory}` away to train again from the beginning",
            newest.problem
        );
        TrainError::Damaged {
            path: newest.file,
            problem,
        }
    }

    /// Step and weights of the newest checkpoint, or of that of `step`, all of which is verified.
    pub(crate) fn weights(
        &self,
        config: &Config,
        step: Option<u64>,
    ) -> Result<(u64, Parameters), TrainError> {
        let all = without_left(self.up_to(self.steps)?);
        let found = match step {
            None => all.last(),
            Some(step) => all.iter().find(|(found, _)| found.step == step),
        };
        let steps: Vec<_> = all.iter().map(|(at, _)| at.step.to_string()).collect();
        let steps = steps.join(", ");
        let Some((number, path)) = found else {
            let problem = match step {
                None => "holds no checkpoint".to_owned(),
                Some(step) => format!("holds no checkpoint of step {step}; there: {steps}"),
            };
            return Err(TrainError::NoCheckpoint {
                directory: self.directory.clone(),
                problem,
            });
        };
        let table = Parameter::table(&config.model, config.tokenizer.vocab_size);
        let mut parameters = Parameters::zeros(table);
        let read = weights_from(path, &self.config_hash, &mut parameters);
        // Nothing of a checkpoint is trusted of which a part is damaged.
        match read.and_then(|(folder, _)| folder.verify_moments()) {
            Ok(()) => Ok((number.step, parameters)),
            Err(TrainError::Damaged { path, problem }) => Err(TrainError::Damaged {
                path,
                problem: format!("{problem}; checkpoints there are of the steps {steps}"),
            }),
            Err(other) => Err(other),
        }
    }

    /// The checkpoints of at most `step` steps, oldest first.
    fn up_to(&self, step: u64) -> Result<Vec<Entry>, TrainError> {
        let mut all = entries(&self.directory)?;
        all.retain(|(found, _)| found.step <= step.min(self.steps));
        Ok(all)
    }

    /// Takes the final names of all but the newest up to `now` away; returns what is to be removed.
    fn retire(&self, now: Place) -> Result<Vec<PathBuf>, TrainError> {
        let mut all = self.up_to(self.steps)?;
        all.retain(|(place, _)| *place <= now);
        let stay = self.staying(&all);
        all.retain(|(place, _)| !stay.contains(place));
        let retire = |(_, old): Entry| {
            let retired = self.temporary(&old);
            fs::rename(&old, &retired).map_err(|error| LogError::io("rename", &old, error))?;
            Ok(retired)
        };
        all.into_iter().map(retire).collect()
    }

    /// Those of `all`, oldest first, that are kept.
    fn staying(&self, all: &[Entry]) -> Vec<Place> {
        let current = without_left(all.to_vec()).into_iter();
        let mut stay: Vec<Place> = current.map(|(place, _)| place).collect();
        let old = stay.len().saturating_sub(self.keep);
        let mut firsts: Vec<Place> = Vec::new();
        if self.keep_first {
            let all = stay.chunk_by(|a, b| a.branch == b.branch);
            firsts.extend(all.filter_map(|of_branch| of_branch.first()));
        }
        stay.drain(..old);
        stay.extend(firsts);
        stay
    }

    fn temporary(&self, path: &Path) -> PathBuf {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        self.directory.join(format!("{TEMPORARY}{name}"))
    }
}

/// State of the checkpoint at `path`, and whether it was verified.
fn load_from(
    path: &Path,
    config_hash: &str,
    parameters: &mut Parameters,
    adam: &mut AdamW,
) -> Result<(State, bool), TrainError> {
    let (folder, state) = weights_from(path, config_hash, parameters)?;
    let [first, second] = EXP_AVG;
    let mut moments = [(first, &mut adam.first[..]), (second, &mut adam.second[..])];
    folder.moments(parameters.table(), &mut moments)?;
    adam.updates = state.updates;
    Ok((state, folder.has_sums()))
}

fn weights_from(
    path: &Path,
    config_hash: &str,
    parameters: &mut Parameters,
) -> Result<(Folder, State), TrainError> {
    let folder = Folder::open(path)?;
    let state = folder.state(config_hash)?;
    let table = parameters.table().to_vec();
    let mut weights = [("", parameters.values_mut())];
    folder.weights(&table, &mut weights)?;
    Ok((folder, state))
}
