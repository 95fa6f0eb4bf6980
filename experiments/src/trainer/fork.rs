//! Runs that begin with the exact state of another run before one of its steps. A fork is a run directory like any
//! other: its first attempt is the fork itself and ends stopped, with one checkpoint; `train` goes on from it.

use super::approach::{Approach, Reached, Way, problem};
use super::course::{end_passing, exchange};
use super::identity::{Origin, manifest, with_engine};
use crate::error::TrainError;
use crate::files::checkpoint::Checkpoints;
use crate::optimizer::adamw::AdamW;
use crate::parameters::Parameter;
use crate::random::stream;
use crate::state::{Recovered, State, Trained};
use experiments_config::{Config, StateChange};
use experiments_text::Cache;
use logs::disk::TEMPORARY;
use logs::{Event, EventKind, LogError, Manifest, Record, RunLease, RunWriter, Status, Summary};
use rand::RngExt as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// By how much a nudge changes a weight: half the distance of FP16 numbers.
const NUDGE: f32 = 1.0 / 2048.0;

/// Which state of which run is forked.
pub struct ForkRequest<'a> {
    /// Run directory; only read.
    pub directory: &'a Path,
    /// Its configuration.
    pub config: &'a Config,
    /// Text and token cache.
    pub cache: &'a Cache,
    /// Version of the program, its commit and whether the tree was changed.
    pub program: (&'a str, Option<&'a str>, Option<bool>),
    /// The first step that the forks take themselves, from 1.
    pub step: u64,
    /// Steps that may be taken forward from a checkpoint, at most.
    pub reach: u64,
    /// Set from outside to stop after the current step.
    pub stop: &'a AtomicBool,
    /// Called with every record on the way.
    pub on_step: &'a mut dyn FnMut(&Record),
}

/// One fork.
pub struct Child {
    /// Its run directory, which is made.
    pub directory: PathBuf,
    /// Its configuration.
    pub config: Config,
    /// What its state is beside that.
    pub change: Option<StateChange>,
    /// What it differs in, in words.
    pub words: String,
}

/// What was found on the way to the state.
#[derive(Debug, Clone, PartialEq)]
pub struct Forked {
    /// Step of the checkpoint that was taken forward; 0 for the beginning.
    pub from: u64,
    /// The first step on the way whose record is not the run's, with the signals that differ.
    pub deviation: Option<(u64, Vec<String>)>,
    /// False where somebody asked to stop: nothing was made.
    pub done: bool,
}

/// Makes the forks, each as a whole or not at all. The run is only read.
pub fn fork<'a>(request: ForkRequest<'a>, children: &'a [Child]) -> Result<Forked, TrainError> {
    let (directory, config) = (request.directory, request.config);
    children
        .iter()
        .try_for_each(|child| check_child(config, child, request.step))?;
    let approach = Approach::open(
        directory,
        config,
        request.cache,
        &[request.step],
        request.reach,
    )?;
    let forks = Forks {
        approach,
        request,
        children,
    };
    forks.make()
}

/// A fork goes on with the weights and the text of its run.
fn check_child(config: &Config, child: &Child, step: u64) -> Result<(), TrainError> {
    let table = |config: &Config| -> Vec<_> {
        let table = Parameter::table(&config.model, config.tokenizer.vocab_size);
        table.into_iter().map(|p| (p.name, p.range)).collect()
    };
    let text = |config: &Config| {
        let Config {
            data,
            tokenizer,
            tasks,
            ..
        } = config;
        (data.clone(), tokenizer.clone(), tasks.sources.clone())
    };
    let refuse = |text: &str| Err(problem(&child.directory, text));
    logs::output::check(&child.directory)?;
    if child.directory.symlink_metadata().is_ok() {
        return refuse("is there already; name a new directory for the fork");
    }
    if child.config.steps < step {
        return refuse(&format!(
            "would begin with step {step}, and its `steps` is {}",
            child.config.steps
        ));
    }
    if table(config) != table(&child.config) {
        return refuse(
            "would have other parameters than its run: a fork cannot change the shape of the model",
        );
    }
    if text(config) != text(&child.config) {
        return refuse(
            "would read another text than its run: a fork keeps `[data]`, `[tokenizer]` and `tasks.sources`",
        );
    }
    Ok(())
}

struct Forks<'a> {
    approach: Approach<'a>,
    request: ForkRequest<'a>,
    children: &'a [Child],
}

impl Forks<'_> {
    fn make(self) -> Result<Forked, TrainError> {
        let before = self.request.step - 1;
        let mut reached = self.approach.nearest(before)?;
        let from = reached.trained.state.step;
        let (stop, on_step) = (self.request.stop, &mut *self.request.on_step);
        let way = self.approach.forward(&mut reached, before, stop, on_step)?;
        let Way { deviation, done } = way;
        if done {
            let Reached {
                mut trained,
                alarms,
            } = reached;
            alarms.keep(&mut trained.state)?;
            for child in self.children {
                let own = self.changed(&trained, child)?;
                self.publish(child, &own)?;
            }
        }
        Ok(Forked {
            from,
            deviation,
            done,
        })
    }

    /// The state that a fork begins with.
    fn changed(&self, trained: &Trained, child: &Child) -> Result<Trained, TrainError> {
        let mut own = trained.clone();
        let (before, now) = (self.request.config, &child.config);
        inherit(&mut own.state, before, now);
        exchange(&mut own.state, before, now);
        own.adam.with_decay(&before.optimizer, &now.optimizer);
        match child.change {
            None => {}
            Some(StateChange::MomentsReset) => own.adam = AdamW::new(own.parameters.len()),
            Some(StateChange::LossScale(factor)) => own.state.scaler.scale *= factor,
            Some(StateChange::Older(steps)) => {
                let step = trained.state.step.saturating_sub(steps);
                let older = self.approach.at_hand(step)?;
                own.parameters = older.parameters;
                own.adam = older.adam;
            }
            Some(StateChange::Nudge(which)) => {
                let mut signs = stream(before.seed, "nudge", which);
                for weight in own.parameters.values_mut() {
                    *weight *= if signs.random() {
                        1.0 + NUDGE
                    } else {
                        1.0 - NUDGE
                    };
                }
            }
        }
        own.state.updates = own.adam.updates;
        own.state.config_hash = now.hash();
        Ok(own)
    }

    /// Writes the fork beside its place and then gives it its name.
    fn publish(&self, child: &Child, trained: &Trained) -> Result<(), TrainError> {
        let place = &child.directory;
        let io = |action| move |error| LogError::io(action, place, error);
        let folder = place.parent().filter(|folder| *folder != Path::new(""));
        let folder = folder.unwrap_or(Path::new("."));
        logs::folder::make(folder).map_err(io("create"))?;
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let partial = folder.join(format!("{TEMPORARY}{name}"));
        if partial.symlink_metadata().is_ok() {
            fs::remove_dir_all(&partial).map_err(io("replace"))?;
        }
        let written = self.write(child, &partial, trained);
        if let Err(error) = written {
            // The disk may be full; what cannot be used must not fill it further.
            let _ = fs::remove_dir_all(&partial);
            return Err(match error {
                TrainError::Log(error) => error.as_a_whole(place).into(),
                other => other,
            });
        }
        Ok(fs::rename(&partial, place).map_err(io("rename"))?)
    }

    fn write(&self, child: &Child, partial: &Path, trained: &Trained) -> Result<(), TrainError> {
        let (config, at) = (&child.config, trained.state.step);
        let claim = RunLease::take(partial)?;
        let file = partial.join(logs::run::CONFIG_FILE);
        logs::write_atomic(&file, config.to_toml().as_bytes())?;
        let origin = Origin {
            config,
            program: self.request.program,
            missing_languages: &[],
        };
        let device = self.approach.device;
        let engine = device.engine(config, None)?;
        let manifest = Manifest {
            parent: Some(parent_of(&child.directory, self.request.directory)),
            forked_at: Some(at),
            ..manifest(&origin, &self.approach.text, device, &*engine)?
        };
        manifest.save(partial)?;
        let mut writer: RunWriter = claim.begin()?;
        let words = format!(
            "forked from {} before step {}: {}",
            self.request.directory.display(),
            at + 1,
            child.words
        );
        writer.event(&with_engine(
            Event::now(at, EventKind::Start, words),
            &*engine,
        ))?;
        let checkpoints = Checkpoints::new(partial, config);
        checkpoints.save(
            &trained.state,
            &trained.parameters,
            &trained.adam,
            &mut writer,
        )?;
        let text = format!("checkpoint of step {at}");
        writer.event(&Event::now(at, EventKind::Checkpoint, text))?;
        let mut summary = Summary::new(Status::Stopped, at, writer.attempt(), 0.0);
        summary.records = Some(0);
        Ok(writer.finish(&summary)?)
    }
}

/// What a fork keeps of what the policies of its run have done: with the same policies all but the branches, which lie in
/// the run's directory; with others what became of the data.
fn inherit(state: &mut State, before: &Config, now: &Config) {
    let same = before.recovery == now.recovery;
    let formats = |config: &Config| (config.precision.clone(), config.optimizer.clip_mode);
    if !same || formats(before) != formats(now) {
        end_passing(state);
    }
    let fresh = (!now.recovery.is_off()).then(Recovered::default);
    state.recovered = match state.recovered.take() {
        None => fresh,
        Some(done) if same => Some(Recovered {
            branches: 0,
            ..done
        }),
        Some(done) => Some(Recovered {
            ahead: done.ahead,
            reached: done.reached,
            ..Recovered::default()
        }),
    };
}

/// How the fork at `child` names its run: from its own directory where it lies inside the run's, so that both can be
/// moved together.
fn parent_of(child: &Path, run: &Path) -> String {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (child, run) = (absolute(child), absolute(run));
    match child.strip_prefix(&run) {
        Ok(inside) => vec![".."; inside.components().count()].join("/"),
        Err(_) => run.to_string_lossy().into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_inside_its_run_names_it_from_there() {
        let name = |child: &str| parent_of(Path::new(child), Path::new("/runs/a"));
        assert_eq!(name("/runs/a/replays/step-7/twins/same"), "../../../..");
        assert_eq!(name("/runs/b"), "/runs/a");
        assert_eq!(name("/runs/ab"), "/runs/a");
    }
}
