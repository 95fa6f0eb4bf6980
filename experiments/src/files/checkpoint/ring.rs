//! The ring: recent checkpoints, close together, from which a step can be taken again.
//!
//! ```text
//! checkpoints/ring/step-00000096/    as any other checkpoint
//! ```
//!
//! It holds as many as `checkpoint.ring_bytes` allows and gives up the oldest one first, but not those that lie
//! [`LEAD`] steps or more before an alarm: they are what a replay of the alarm begins with. Of a run that has finished
//! only these are left.
//!
//! A run does not depend on its ring, and never goes on from it. So unlike the other checkpoints these are not synced: a
//! power failure may damage them, which their checksums tell, and a full disk ends the ring and not the run.

use super::Checkpoints;
use super::folder::{self, Entry, Folder, Keep, Place, directory_name, entries, without_left};
use crate::error::TrainError;
use crate::optimizer::adamw::AdamW;
use crate::parameters::Parameters;
use crate::state::State;
use experiments_config::Config;
use logs::disk::sweep_temporaries;
use logs::{LogError, RunWriter};
use std::fs;
use std::path::Path;

/// Folder of the ring, in that of the checkpoints.
const RING: &str = "ring";
/// Steps from a checkpoint that is kept for an alarm to the alarm, at least. Loss is measured before the update, and
/// what leads to a spike does so by some steps (`docs/spikes.md`).
const LEAD: u64 = 8;

/// The ring of one run, for who holds its lease.
pub(crate) struct Ring {
    checkpoints: Checkpoints,
    interval: u64,
    /// Most checkpoints it holds; 0 for no ring.
    slots: usize,
}

impl Ring {
    /// Removes what a killed writer left half written.
    pub(crate) fn open(run: &Path, config: &Config) -> Self {
        let checkpoints = Checkpoints::in_ring(run, config);
        sweep_temporaries(&checkpoints.directory);
        Self {
            checkpoints,
            interval: config.checkpoint.ring_interval,
            slots: config.ring_slots(),
        }
    }

    /// Whether the state after `step` belongs into the ring: at its interval, and where something leads to a spike.
    pub(crate) fn wants(&self, step: u64, leads: bool) -> bool {
        self.slots > 0 && (leads || step.is_multiple_of(self.interval))
    }

    /// Takes the state in, and gives up what there is no room for. `alarms` are the steps of alarms so far.
    pub(crate) fn save(
        &self,
        state: &State,
        parameters: &Parameters,
        adam: &AdamW,
        alarms: &[u64],
        writer: &mut RunWriter,
    ) -> Result<(), TrainError> {
        let place = Place::of(state);
        let path = self.checkpoints.directory.join(directory_name(place));
        if !self.checkpoints.holds(&path, state) {
            let partial = self.checkpoints.temporary(&path);
            let written = (self.make_directory())
                .and_then(|()| folder::write(&partial, state, parameters, adam, Keep::WhileItRuns));
            if let Err(error) = written {
                let _ = fs::remove_dir_all(&partial);
                return writer.publish(|| Err(error));
            }
            writer.publish(|| replace(&partial, &path))?;
        }
        self.give_up(self.slots, place, alarms)
    }

    /// Leaves only what is kept for an alarm: after the last step, or where the disk is full.
    pub(crate) fn close(&mut self, state: &State, alarms: &[u64]) -> Result<(), TrainError> {
        self.slots = 0;
        self.give_up(0, Place::of(state), alarms)?;
        // Only where it is empty.
        let _ = fs::remove_dir(&self.checkpoints.directory);
        Ok(())
    }

    fn make_directory(&self) -> Result<(), TrainError> {
        let ring = &self.checkpoints.directory;
        // Not the run directory: one that is gone is not made again.
        for folder in [ring.parent().unwrap_or(ring), ring] {
            match fs::create_dir(folder) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(LogError::io("create", folder, error).into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn give_up(&self, slots: usize, now: Place, alarms: &[u64]) -> Result<(), TrainError> {
        let mut there = self.checkpoints.up_to(self.checkpoints.steps)?;
        there.retain(|(place, _)| *place <= now);
        let usual = self.checkpoints.directory.parent().map(entries);
        let usual = usual.transpose()?.unwrap_or_default();
        let left = |place: &Place| {
            let mut all = there.iter().chain(&usual);
            all.any(|(later, _)| place.is_left(*later))
        };
        let on_the_way = there.iter().filter(|(place, _)| !left(place));
        let steps: Vec<u64> = on_the_way.map(|(place, _)| place.step).collect();
        let going = dispensable(&steps, slots, alarms);
        let goes = |place: &Place| left(place) || going.contains(&place.step);
        for (_, path) in there.iter().filter(|(place, _)| goes(place)) {
            // Under another name first: nobody shall find half of one.
            let retired = self.checkpoints.temporary(path);
            let removed = fs::rename(path, &retired).and_then(|()| fs::remove_dir_all(&retired));
            removed.map_err(|error| LogError::io("remove", path, error))?;
        }
        Ok(())
    }
}

/// Which of the checkpoints of `steps`, oldest first, go where there is room for `slots`. Those kept for the newest
/// alarms stay, but take no more than half of a default ring.
fn dispensable(steps: &[u64], slots: usize, alarms: &[u64]) -> Vec<u64> {
    const MOST: usize = experiments_config::RING as usize / 2;
    let before = |alarm: &u64| {
        let far = |step: &&u64| **step + LEAD <= *alarm;
        steps.iter().rev().find(far).copied()
    };
    let mut kept: Vec<u64> = alarms.iter().rev().filter_map(before).collect();
    kept.dedup();
    kept.truncate(MOST);
    let free: Vec<u64> = (steps.iter().copied())
        .filter(|step| !kept.contains(step))
        .collect();
    let room = slots.saturating_sub(kept.len());
    free[..free.len().saturating_sub(room)].to_vec()
}

/// Gives the finished folder its name, in the place of what an attempt before left there.
fn replace(partial: &Path, path: &Path) -> Result<(), TrainError> {
    if path.symlink_metadata().is_ok() {
        fs::remove_dir_all(path).map_err(|error| LogError::io("remove", path, error))?;
    }
    Ok(fs::rename(partial, path).map_err(|error| LogError::io("rename", path, error))?)
}

/// All checkpoints of a run, those of its ring too, for who only reads them.
pub(crate) struct Nearby {
    config_hash: String,
    /// By step, oldest first, without those that the run has gone back from.
    all: Vec<Entry>,
}

impl Nearby {
    /// Looks into the run in `run`.
    pub(crate) fn list(run: &Path, config: &Config) -> Result<Self, TrainError> {
        let usual = Checkpoints::new(run, config);
        let mut all = usual.up_to(u64::MAX)?;
        all.extend(entries(&usual.directory.join(RING))?);
        all.retain(|(place, _)| place.step <= config.steps);
        all.sort();
        Ok(Self {
            config_hash: usual.config_hash,
            all: without_left(all),
        })
    }

    /// Steps of the checkpoints, in order.
    pub(crate) fn steps(&self) -> Vec<u64> {
        let mut steps: Vec<u64> = self.all.iter().map(|(place, _)| place.step).collect();
        steps.dedup();
        steps
    }

    /// Loads the newest one of at most `step` steps that is as it was written. None where there is none; what
    /// `parameters` and `adam` hold is then undefined.
    pub(crate) fn load(
        &self,
        step: u64,
        parameters: &mut Parameters,
        adam: &mut AdamW,
    ) -> Result<Option<State>, TrainError> {
        let older = self
            .all
            .iter()
            .rev()
            .filter(|(found, _)| found.step <= step);
        for (_, path) in older {
            let verified = Folder::open(path).and_then(|folder| folder.verify(&self.config_hash));
            let loaded =
                verified.and_then(|_| super::load_from(path, &self.config_hash, parameters, adam));
            match loaded {
                Ok((state, _)) => return Ok(Some(state)),
                Err(TrainError::Damaged { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(None)
    }
}

impl Checkpoints {
    fn in_ring(run: &Path, config: &Config) -> Self {
        let usual = Self::new(run, config);
        Self {
            directory: usual.directory.join(RING),
            ..usual
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stay_and_what_lies_before_an_alarm() {
        let steps = [32, 64, 96, 128, 160];
        assert_eq!(dispensable(&steps, 8, &[]), [0; 0]);
        assert_eq!(dispensable(&steps, 3, &[]), [32, 64]);
        assert_eq!(dispensable(&steps, 3, &[122]), [32, 64]);
        assert_eq!(
            dispensable(&steps, 3, &[71]),
            [64, 96],
            "64 is only 7 steps before"
        );
        assert_eq!(dispensable(&steps, 3, &[72, 75]), [32, 96]);
        assert_eq!(dispensable(&steps, 0, &[75]), [32, 96, 128, 160]);
        assert_eq!(
            dispensable(&steps, 0, &[5]),
            steps,
            "nothing lies before it"
        );
    }

    /// A run with alarm upon alarm fills no disk.
    #[test]
    fn alarms_without_end_keep_four() {
        let steps: Vec<u64> = (1..=50).map(|i| i * 10).collect();
        let alarms: Vec<u64> = steps.iter().map(|step| step + 9).collect();
        let left = steps.len() - dispensable(&steps, 0, &alarms).len();
        assert_eq!(left, 4);
        assert_eq!(steps.len() - dispensable(&steps, 6, &alarms).len(), 6);
    }
}
