//! A sweep directory: the card as registered, its runs, and requests to the executor.
//!
//! ```text
//! sweep.toml            the card's text as given
//! sweep.json            what was registered before the first run ([`Registration`])
//! runs/RUN/             one run directory each, `run.toml` included from the start
//! control/RUN.stop      request: checkpoint and end this run
//! control/RUN.skip      request: do not run it
//! control/sweep.stop    request: end the executor
//! control/RUN.stopped   mark: stopped on request; executors at work leave it
//! control/executor.lock one executor at a time, or several that share the sweep
//! control/executors/    a lease of each of these
//! control/slurm/        jobs of Slurm: which runs they have, their output, the queue
//! verdict.json          the verdict, when it was asked for
//! ```

mod control;
mod lock;
mod planned;
mod seats;

pub use control::Request;
pub use lock::ExecutorProcess;
pub use planned::check_place;
pub(crate) use seats::ExecutorWatch;

use crate::card::criterion_hash_of;
use crate::{Plan, PlannedRun, SweepError};
use experiments_config::Config;
use logs::disk::Place;
use logs::output::{CARD_FILE, SWEEP_FILE};
use logs::run::CONFIG_FILE;
use logs::write_atomic;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::ErrorKind::{NotADirectory, NotFound};
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
    /// BLAKE3 (hex) of `sweep.toml`; earlier versions did not register it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_hash: Option<String>,
    /// Card and runs.
    #[serde(flatten)]
    pub plan: Plan,
}

impl Registration {
    fn new(plan: Plan, card_text: Option<&str>, command: &[String]) -> Self {
        Self {
            version: VERSION,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            created: jiff::Timestamp::now().to_string(),
            command: command.to_vec(),
            card_hash: plan.card.hash(),
            criterion_hash: plan.card.criterion_hash(),
            text_hash: card_text.map(|text| text_hash(text.as_bytes())),
            plan,
        }
    }
}

/// The card's text in a sweep directory, beside what was registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardText {
    /// It says the same.
    AsRegistered,
    /// It is a card that would be decided otherwise: the criterion was edited.
    OtherCriterion,
    /// It is no card any more.
    Damaged,
}

fn text_hash(text: &[u8]) -> String {
    blake3::hash(text).to_hex().to_string()
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
        if dir.join(SWEEP_FILE).exists() {
            let sweep = Self::open(dir)?;
            sweep.check_same(plan)?;
            return Ok(sweep);
        }
        check_vacant(dir)?;
        let sweep = Self {
            dir: dir.to_owned(),
            registration: Registration::new(plan.clone(), Some(card_text), command),
        };
        make_dir(&dir.join("control"))?;
        for run in &plan.runs {
            sweep.prepare(run)?;
        }
        write_atomic(&dir.join(CARD_FILE), card_text.as_bytes())?;
        // Last: a sweep exists when all of it does.
        logs::run::save_document(&dir.join(SWEEP_FILE), &sweep.registration)?;
        Ok(sweep)
    }

    /// What a verdict asks of a sweep, for runs that the file `list` names; there is no directory.
    pub(crate) fn of_listed(list: &Path, plan: Plan) -> Self {
        Self {
            dir: list.to_owned(),
            registration: Registration::new(plan, None, &[]),
        }
    }

    /// Opens a sweep for reading.
    pub fn open(dir: &Path) -> Result<Self, SweepError> {
        let path = dir.join(SWEEP_FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => {
                return Err(SweepError::NotASweep {
                    path: dir.to_owned(),
                });
            }
            Err(source) => return Err(SweepError::Read { path, source }),
        };
        let damaged = |message: String| SweepError::Damaged {
            path: path.clone(),
            message,
        };
        let unreadable = |error: serde_json::Error| damaged(error.to_string());
        // The version first: another format need not fit our types.
        let value: Value = serde_json::from_slice(&bytes).map_err(unreadable)?;
        match value.get("version").and_then(Value::as_u64) {
            Some(found) if found != VERSION => Err(SweepError::Version {
                path: path.clone(),
                found,
                ours: VERSION,
            }),
            // Earlier programs wrote none.
            _ if value.get("crc").is_some() && !logs::run::is_whole(&bytes) => {
                let text = "its content does not match its checksum `crc`, so what was registered cannot be told; restore it from a copy, or make the sweep anew in another directory";
                Err(damaged(text.to_owned()))
            }
            _ => Ok(Self {
                dir: dir.to_owned(),
                registration: serde_json::from_slice(&bytes).map_err(unreadable)?,
            }),
        }
    }

    /// Where the sweep is, to notice that it was moved or deleted, or that another took its place.
    pub(crate) fn place(&self) -> Result<Place, SweepError> {
        Place::of(&self.dir.join(SWEEP_FILE)).map_err(|_| self.gone())
    }

    /// The error of a sweep that is no longer at its [`Sweep::place`].
    pub(crate) fn gone(&self) -> SweepError {
        SweepError::Gone {
            path: self.dir.clone(),
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

    /// This sweep with some of its runs only, in the order of the plan.
    pub(crate) fn part(&self, ids: &[String]) -> Self {
        let mut part = self.clone();
        let runs = &mut part.registration.plan.runs;
        runs.retain(|run| ids.contains(&run.id));
        part
    }

    /// Makes the directory of a run with its configuration.
    fn prepare(&self, run: &PlannedRun) -> Result<(), SweepError> {
        make_dir(&self.run_dir(&run.id))?;
        self.write_config(run)
    }

    fn write_config(&self, run: &PlannedRun) -> Result<(), SweepError> {
        let path = self.run_dir(&run.id).join(CONFIG_FILE);
        Ok(write_atomic(&path, self.config(run)?.to_toml().as_bytes())?)
    }

    /// The configuration that was registered for a run.
    fn config(&self, run: &PlannedRun) -> Result<Config, SweepError> {
        let config = self.plan().config(run)?;
        if config.hash() == run.config_hash {
            return Ok(config);
        }
        Err(SweepError::Damaged {
            path: self.dir.join(SWEEP_FILE),
            message: format!(
                "card, overrides and seed of run `{}` do not give the configuration that was registered for it (hash {}, registered {}); restore it from a copy",
                run.id,
                config.hash(),
                run.config_hash
            ),
        })
    }

    /// What has become of metric, outcome rules and criterion since registration, in `sweep.toml` or in
    /// `sweep.json`. The verdict always uses what `sweep.json` holds.
    #[must_use]
    pub fn card_text(&self) -> CardText {
        let registered = &self.registration.criterion_hash;
        if self.plan().card.criterion_hash() != *registered {
            return CardText::OtherCriterion;
        }
        // Nobody is misled by a text that is not there.
        let Ok(bytes) = std::fs::read(self.dir.join(CARD_FILE)) else {
            return CardText::AsRegistered;
        };
        if self.registration.text_hash.as_ref() == Some(&text_hash(&bytes)) {
            return CardText::AsRegistered;
        }
        let budget = self.plan().card.budget.as_deref();
        let text = std::str::from_utf8(&bytes).ok();
        match text.and_then(|text| criterion_hash_of(text, budget)) {
            None => CardText::Damaged,
            Some(found) if found == *registered => CardText::AsRegistered,
            Some(_) => CardText::OtherCriterion,
        }
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
    const OURS: [&str; 3] = ["runs", "control", CARD_FILE];
    let stranger = logs::folder::stranger(dir, &OURS).map_err(|source| SweepError::Read {
        path: dir.to_owned(),
        source,
    })?;
    match stranger {
        None => Ok(()),
        Some(found) => Err(SweepError::Occupied {
            path: dir.to_owned(),
            found,
        }),
    }
}

/// Makes a folder of a sweep that exists. The sweep itself is never made again: it may have been moved.
pub(crate) fn make_folder(path: &Path) -> Result<(), SweepError> {
    match std::fs::create_dir(path) {
        Err(_) if path.is_dir() => Ok(()),
        made => made.map_err(|source| SweepError::Write {
            path: path.to_owned(),
            source,
        }),
    }
}

fn make_dir(path: &Path) -> Result<(), SweepError> {
    logs::folder::make(path).map_err(|source| SweepError::Write {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
