//! A sweep directory: the card as registered, its runs, and requests to the executor.
//!
//! ```text
//! sweep.toml            the card's text as given
//! sweep.json            what was registered before the first run ([`Registration`])
//! runs/RUN/             one run directory each, `run.toml` included from the start
//! control/RUN.stop      request: checkpoint and end this run
//! control/RUN.skip      request: do not run it
//! control/sweep.stop    request: end the executor
//! control/executor.lock one executor at a time
//! verdict.json          the verdict, when it was asked for
//! ```

mod control;
mod lock;

pub use control::Request;
pub use lock::ExecutorProcess;

use crate::card::criterion_hash_of;
use crate::{Plan, PlannedRun, SweepError};
use logs::run::CONFIG_FILE;
use logs::write_atomic;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Version of `sweep.json`.
const VERSION: u64 = 2;

/// What was decided before the first run, as `sweep.json` holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Registration {
    /// Format version.
    pub version: u64,
    /// Version of the program that made the sweep.
    pub program_version: String,
    /// When, RFC 3339.
    pub created: String,
    /// The command line that made it.
    pub command: Vec<String>,
    /// [`crate::Card::hash`].
    pub card_hash: String,
    /// [`crate::Card::criterion_hash`].
    pub criterion_hash: String,
    /// Card and runs.
    #[serde(flatten)]
    pub plan: Plan,
}

/// A sweep on disk.
#[derive(Debug, Clone)]
pub struct Sweep {
    dir: PathBuf,
    registration: Registration,
}

impl Sweep {
    /// Makes the sweep of `plan` in `dir`, or opens it there when the card and the runs are the
    /// same. `card_text` is kept as `sweep.toml`, `command` for the report.
    pub fn create_or_open(
        dir: &Path,
        plan: &Plan,
        card_text: &str,
        command: &[String],
    ) -> Result<Self, SweepError> {
        if dir.join("sweep.json").exists() {
            let sweep = Self::open(dir)?;
            sweep.check_same(plan)?;
            return Ok(sweep);
        }
        check_vacant(dir)?;
        let registration = Registration {
            version: VERSION,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            created: jiff::Timestamp::now().to_string(),
            command: command.to_vec(),
            card_hash: plan.card.hash(),
            criterion_hash: plan.card.criterion_hash(),
            plan: plan.clone(),
        };
        let sweep = Self {
            dir: dir.to_owned(),
            registration,
        };
        make_dir(&dir.join("control"))?;
        for run in &plan.runs {
            sweep.prepare(run)?;
        }
        write_atomic(&dir.join("sweep.toml"), card_text.as_bytes())?;
        // Last: a sweep exists when all of it does.
        logs::write_json_atomic(&dir.join("sweep.json"), &sweep.registration)?;
        Ok(sweep)
    }

    /// Opens a sweep for reading.
    pub fn open(dir: &Path) -> Result<Self, SweepError> {
        let path = dir.join("sweep.json");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(SweepError::NotASweep {
                    path: dir.to_owned(),
                });
            }
            Err(source) => return Err(SweepError::Read { path, source }),
        };
        let damaged = |error: serde_json::Error| SweepError::Damaged {
            path: path.clone(),
            message: error.to_string(),
        };
        // The version first: another format need not fit our types.
        let value: Value = serde_json::from_str(&text).map_err(damaged)?;
        match value.get("version").and_then(Value::as_u64) {
            Some(found) if found != VERSION => Err(SweepError::Version {
                path: path.clone(),
                found,
                ours: VERSION,
            }),
            _ => Ok(Self {
                dir: dir.to_owned(),
                registration: serde_json::from_str(&text).map_err(damaged)?,
            }),
        }
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What was registered before the first run.
    #[must_use]
    pub fn registration(&self) -> &Registration {
        &self.registration
    }

    /// Card and runs.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.registration.plan
    }

    /// The runs in the order of the plan.
    #[must_use]
    pub fn runs(&self) -> &[PlannedRun] {
        &self.registration.plan.runs
    }

    /// Directory of one run.
    #[must_use]
    pub fn run_dir(&self, id: &str) -> PathBuf {
        self.dir.join("runs").join(id)
    }

    /// Makes the directory of a run with its configuration.
    fn prepare(&self, run: &PlannedRun) -> Result<(), SweepError> {
        let directory = self.run_dir(&run.id);
        make_dir(&directory)?;
        let config = self.plan().config(run)?.to_toml();
        Ok(write_atomic(
            &directory.join(CONFIG_FILE),
            config.as_bytes(),
        )?)
    }

    /// Makes what was deleted of a run's beginning again, as it was registered; leaves alone what is there.
    pub(crate) fn restore(&self, run: &PlannedRun) -> Result<(), SweepError> {
        if self.run_dir(&run.id).join(CONFIG_FILE).exists() {
            return Ok(());
        }
        self.prepare(run)
    }

    /// Whether metric, outcome rules or criterion were edited after registration, in `sweep.toml`
    /// or in `sweep.json`. The verdict always uses what `sweep.json` holds.
    #[must_use]
    pub fn criterion_changed(&self) -> bool {
        let registered = &self.registration.criterion_hash;
        let budget = self.plan().card.budget.as_deref();
        let edited = std::fs::read_to_string(self.dir.join("sweep.toml"))
            .is_ok_and(|text| criterion_hash_of(&text, budget).as_ref() != Some(registered));
        edited || self.plan().card.criterion_hash() != *registered
    }

    fn check_same(&self, plan: &Plan) -> Result<(), SweepError> {
        // Hashed anew: what counts may have been more when the sweep was made.
        let (here, now) = (&self.plan().card, &plan.card);
        if here.hash() != now.hash() {
            return Err(SweepError::OtherCard {
                path: self.dir.clone(),
                differs: differences(&here.without_place(), &now.without_place()),
            });
        }
        let ids = |runs: &[PlannedRun]| runs.iter().map(|run| run.id.clone()).collect::<Vec<_>>();
        let (here, now) = (ids(self.runs()), ids(&plan.runs));
        if here == now {
            return Ok(());
        }
        let keys = differences(&self.plan().overrides, &plan.overrides);
        Err(SweepError::OtherRuns {
            path: self.dir.clone(),
            detail: if keys.is_empty() {
                "other configurations of the same keys".to_owned()
            } else {
                format!("{keys} then and now")
            },
        })
    }
}

/// Names of the top-level parts in which two values differ.
fn differences(a: &impl Serialize, b: &impl Serialize) -> String {
    let object = |value: Result<Value, serde_json::Error>| match value {
        Ok(Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    };
    let (a, b) = (
        object(serde_json::to_value(a)),
        object(serde_json::to_value(b)),
    );
    let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
        .filter(|key| a.get(*key) != b.get(*key))
        .map(|key| format!("`{key}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A new sweep goes into an empty directory, or one where its making was interrupted.
fn check_vacant(dir: &Path) -> Result<(), SweepError> {
    const OURS: [&str; 3] = ["runs", "control", "sweep.toml"];
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(SweepError::Read {
                path: dir.to_owned(),
                source,
            });
        }
    };
    let stranger = entries
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .find(|name| !OURS.contains(&name.as_str()) && !name.starts_with('.'));
    match stranger {
        None => Ok(()),
        Some(found) => Err(SweepError::Occupied {
            path: dir.to_owned(),
            found,
        }),
    }
}

fn make_dir(path: &Path) -> Result<(), SweepError> {
    std::fs::create_dir_all(path).map_err(|source| SweepError::Write {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
