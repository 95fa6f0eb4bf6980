//! `workbench train`: the process that executors start, with one run or a pack of them.

mod alarm;
mod command;
mod end;
mod pack;
mod ranks;

use super::config;
use crate::cli::Train;
use crate::console::say;
use crate::failure::{Failure, exit};
use crate::progress::Steps;
use crate::signals::Stop;
use alarm::Teller;
use experiments::{Ending, Request, TrainError, check_weights};
use experiments_config::{Config, ProbeKind, load_file};
use experiments_text::{Cache, tasks};
use logs::Record;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(super) use ranks::Ranks;

/// Version, commit, and whether the tree was changed.
pub(super) fn program() -> (&'static str, Option<&'static str>, Option<bool>) {
    (
        env!("CARGO_PKG_VERSION"),
        option_env!("WORKBENCH_COMMIT"),
        option_env!("WORKBENCH_DIRTY").map(|dirty| dirty == "true"),
    )
}

pub(crate) fn run(arguments: &Train, cache: &Cache) -> Result<ExitCode, Failure> {
    let [what] = arguments.what.as_slice() else {
        return pack::run(arguments, cache);
    };
    let ranks = match Ranks::of(arguments)? {
        // A launcher ends all when one fails, and rank 0 has still to say why.
        Ranks::Silent => return Ok(ExitCode::SUCCESS),
        Ranks::Other(job) => return Ok(ranks::serve(job, what, arguments, cache)),
        ranks => ranks,
    };
    let (directory, config, missing_languages) = locate(what, arguments, cache)?;
    if arguments.out.is_some() {
        say(&format!(
            "disk: about {}",
            words::bytes(config.disk_bytes())
        ));
    }
    ranks.threads(&config);
    let stop = listen(arguments)?;
    let alone = Alone {
        directory: &directory,
        config: &config,
        cache,
        missing_languages: &missing_languages,
        on_alarm: arguments.on_alarm.as_ref(),
        ranks,
    };
    Ok(match alone.train(&stop)? {
        Ending::Finished => ExitCode::SUCCESS,
        Ending::Stopped => ExitCode::from(exit::STOPPED),
        Ending::Alarmed => ExitCode::from(exit::ALARMED),
    })
}

/// One run.
pub(super) struct Alone<'a> {
    pub(super) directory: &'a Path,
    pub(super) config: &'a Config,
    pub(super) cache: &'a Cache,
    pub(super) missing_languages: &'a [String],
    /// A command for its alarms.
    pub(super) on_alarm: Option<&'a OsString>,
    /// What trains it.
    pub(super) ranks: Ranks<'a>,
}

impl Alone<'_> {
    /// Trains it, or goes on with it, and says how it goes.
    pub(super) fn train(&self, stop: &Stop) -> Result<Ending, Failure> {
        let (directory, config) = (self.directory, self.config);
        let mut steps = Steps::new(config.steps);
        let teller = Teller::new(self.on_alarm);
        let ended = self.ranks.train(Request {
            directory,
            config,
            cache: self.cache,
            program: program(),
            missing_languages: self.missing_languages,
            stop: stop.flag(),
            on_step: &mut |record| steps.at(record.step, &describe(config.probe.kind, record)),
            on_alarm: &mut |news| teller.tell(directory, config, "", news),
            on_notice: &mut |text| say(&format!("note: {text}")),
        });
        steps.end();
        teller.end();
        let ending = ended.map_err(|error| explain(error, directory))?;
        say(&end::line(directory, config, ending));
        Ok(ending)
    }
}

/// Files that a run was begun with and that cannot be used now are those of its own configuration, which may be damaged.
fn explain(error: TrainError, directory: &Path) -> Failure {
    let is_of_file = matches!(error, TrainError::Text(_) | TrainError::Weights { .. });
    let failure = Failure::from(error);
    if !is_of_file {
        return failure;
    }
    let own = directory.join(logs::run::CONFIG_FILE);
    failure.with_hint(&format!("`{}` says where it lies", own.display()))
}

/// Signals that ask to stop, and the end of the executor where there is one.
fn listen(arguments: &Train) -> Result<Stop, Failure> {
    let stop = Stop::listen()?;
    if let Some(executor) = arguments.executor {
        stop.follow(executor)?;
    }
    Ok(stop)
}

/// A step in one line.
fn describe(kind: ProbeKind, record: &Record) -> String {
    let value = |name: &str| record.scalar(name).unwrap_or(f64::NAN);
    let names: &[&str] = match kind {
        ProbeKind::Train => {
            return format!(
                "loss {:.4} · grad norm {:.3} · {:.0} tokens/s",
                value("loss"),
                value("grad_norm"),
                value("tokens_per_second")
            );
        }
        ProbeKind::UpdateLaw => &["loss", "embedding_share", "logit_update_rms"],
        ProbeKind::EgsTwin => &["loss", "twin_loss", "parameter_distance"],
        ProbeKind::AttentionSoftmax => &[
            "nonfinite_scores",
            "nonfinite_probabilities",
            "empty_rows",
            "ulp_error",
            "gradient_error",
        ],
    };
    let named = |name: &&str| format!("{} {:.4e}", name.replace('_', " "), value(name));
    let parts: Vec<String> = names.iter().map(named).collect();
    parts.join(" · ")
}

/// The run directory and its configuration: an existing one as it is, a new one resolved here.
fn locate(
    path: &Path,
    arguments: &Train,
    cache: &Cache,
) -> Result<(PathBuf, Config, Vec<String>), Failure> {
    let own = path.join(logs::run::CONFIG_FILE);
    if own.is_file() {
        if !arguments.set.is_empty() || arguments.out.is_some() {
            return Err(Failure::usage(format!(
                "`{}` is a run already: it continues with its own `run.toml`, without --set and --out",
                path.display()
            )));
        }
        let missing = arguments.missing_language.clone();
        return Ok((path.to_owned(), load_file(&own, &[])?, missing));
    }
    if path.is_dir() {
        let path = path.display();
        return Err(Failure::usage(format!(
            "`{path}` is no run directory: it has no `run.toml`"
        )));
    }
    let Some(out) = &arguments.out else {
        return Err(Failure::usage("a new run needs --out RUN_DIRECTORY"));
    };
    sweeps::check_place(out)?;
    let mut config = config::load_trainable(&path.to_string_lossy(), &arguments.set)?;
    let resolved = super::resolve(&config.data, cache, true)?;
    config.data = resolved.data;
    config.tasks = tasks::resolve(&config.tasks)?;
    super::pin_weights(&mut config.model.init)?;
    check_weights(&config)?;
    Ok((out.clone(), config, resolved.missing_languages))
}
