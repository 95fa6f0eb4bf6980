//! `workbench fork`: a run that goes on differently from one of another run's steps.

use crate::cli::Fork;
use crate::console::{self, say};
use crate::failure::{Failure, exit};
use crate::progress::Steps;
use crate::signals::Stop;
use experiments::{Child, ForkRequest, Forked, fork};
use experiments_config::{
    Config, Intervention, Override, Substitute, SubstituteKind, load_file, resolve,
};
use experiments_text::Cache;
use logs::Manifest;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

pub(crate) fn run(arguments: &Fork, cache: &Cache) -> Result<ExitCode, Failure> {
    let config = trained_config(&arguments.run)?;
    let child = Child {
        directory: arguments.out.clone(),
        config: changed(arguments)?,
        change: None,
        words: words(arguments),
    };
    super::threads(config.runtime.threads);
    let stop = Stop::listen()?;
    let way = Way {
        run: &arguments.run,
        config: &config,
        step: arguments.at,
        reach: arguments.reach,
    };
    let forked = way.fork(cache, stop.flag(), &[child])?;
    if !forked.done {
        say("stopped: nothing was made");
        return Ok(ExitCode::from(exit::STOPPED));
    }
    let out = words::shell_word(&arguments.out.to_string_lossy());
    say(&format!(
        "`workbench train {out}` takes step {} and those after it",
        arguments.at
    ));
    console::written(&arguments.out)?;
    Ok(ExitCode::SUCCESS)
}

/// To the state before a step.
pub(super) struct Way<'a> {
    pub(super) run: &'a Path,
    pub(super) config: &'a Config,
    pub(super) step: u64,
    pub(super) reach: u64,
}

impl Way<'_> {
    /// Goes there, makes the forks, and says what was found on the way.
    pub(super) fn fork(
        &self,
        cache: &Cache,
        stop: &AtomicBool,
        children: &[Child],
    ) -> Result<Forked, Failure> {
        let mut steps = Steps::new(self.step.saturating_sub(1));
        let forked = fork(
            ForkRequest {
                directory: self.run,
                config: self.config,
                cache,
                program: super::train::program(),
                step: self.step,
                reach: self.reach,
                stop,
                on_step: &mut |record| {
                    let loss = record.scalar("loss").unwrap_or(f64::NAN);
                    steps.at(record.step, &format!("on the way: loss {loss:.4}"));
                },
            },
            children,
        );
        steps.end();
        let forked = forked?;
        if let Some((step, signals)) = &forked.deviation {
            say(&format!(
                "note: step {step} does not give what is recorded: {} differ{}",
                some(signals),
                if signals.len() == 1 { "s" } else { "" }
            ));
        }
        Ok(forked)
    }
}

/// A few names of many.
pub(super) fn some(names: &[String]) -> String {
    const MOST: usize = 4;
    let shown: Vec<_> = names
        .iter()
        .take(MOST)
        .map(|name| format!("`{name}`"))
        .collect();
    match names.len().saturating_sub(MOST) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The configuration of a run that this program has trained.
pub(super) fn trained_config(run: &Path) -> Result<Config, Failure> {
    if let Ok(Some(manifest)) = Manifest::load(run)
        && manifest.imported.is_some()
    {
        let run = run.display();
        return Err(Failure::usage(format!(
            "`{run}` was imported: its weights and its data are not here, so no step of it can be taken again; `workbench explain {run}` says what its log alone can tell"
        )));
    }
    super::run_config(run)
}

/// The run's configuration with the changes that are asked for.
fn changed(arguments: &Fork) -> Result<Config, Failure> {
    let file = arguments.run.join(logs::run::CONFIG_FILE);
    let mut config = load_file(&file, &arguments.set)?;
    let Some((first, last)) = arguments.skip else {
        return Ok(config);
    };
    if first < arguments.at {
        return Err(Failure::usage(format!(
            "--skip {first}..{last} begins before the fork, which takes step {} first",
            arguments.at
        )));
    }
    pass_over(&mut config, first, last)?;
    checked(&config, "--skip")
}

/// Later steps read what comes after the data of the steps `first` to `last`. What `[[inject]]` plants in data goes with
/// them, which a change of the batch's size does not let it.
fn pass_over(config: &mut Config, first: u64, last: u64) -> Result<(), Failure> {
    let steps = (last - first).saturating_add(1);
    if !config.batch_size_moves() {
        let kind = SubstituteKind::Later;
        let step = first;
        config.substitute.push(Substitute { kind, step, steps });
        return Ok(());
    }
    let planted = config
        .inject
        .iter()
        .find(|cause| cause.in_data() && *cause.touched().end() >= first);
    if let Some(cause) = planted {
        return Err(Failure::usage(format!(
            "--skip {first}..{last} cannot be told from what `[[inject]]` plants in the data of step {}: `[[schedule]]` moves the size of the batch, so the data have no steps of their own; take the entry out with `--set inject=[]`, or the movement with `--set schedule=[]`",
            cause.step
        )));
    }
    config.intervention.push(Intervention {
        step: first - 1,
        skip_steps: steps,
    });
    Ok(())
}

/// A configuration that was changed here, judged as if it had been read.
pub(super) fn checked(config: &Config, origin: &str) -> Result<Config, Failure> {
    let table = toml::from_str(&config.to_toml())
        .map_err(|error| Failure::usage(format!("{origin}: {error}")))?;
    Ok(resolve(table, &[], origin)?)
}

fn words(arguments: &Fork) -> String {
    let set = |set: &Override| format!("{} = {}", set.key, set.value);
    let mut words: Vec<String> = arguments.set.iter().map(set).collect();
    if let Some((first, last)) = arguments.skip {
        words.push(format!(
            "the data of steps {first} to {last} is passed over"
        ));
    }
    if words.is_empty() {
        words.push("nothing is changed".to_owned());
    }
    words.join(", ")
}
