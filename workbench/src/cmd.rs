//! One command, one file, one `run`.

mod bench;
mod completions;
mod config;
mod corpus;
mod detect;
mod doctor;
mod evaluate;
mod explain;
mod export;
mod fork;
mod generate;
mod import;
mod inspect;
mod journal;
mod monitor;
mod parity;
mod plan;
mod preflight;
mod quantize;
mod quickstart;
mod replay;
mod report;
mod slice;
mod spread;
mod sweep;
mod tasks;
mod train;
mod verdict;
mod weights;

use crate::cli::{Cli, Command};
use crate::console::say;
use crate::failure::Failure;
use experiments::check_run;
use experiments_config::{Config, DataConfig, InitConfig, load_file, settled};
use experiments_text::{Cache, Resolved, TextError, content_hash, resolve_sources};
use logs::{Status, Summary};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(crate) fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let cache = || {
        let cache = Cache::locate(cli.cache.clone())?;
        experiments::keep_kernels(&cache);
        Ok::<_, TextError>(cache)
    };
    match cli.command {
        Command::Quickstart(arguments) => quickstart::run(&arguments, &cache()?),
        Command::Corpus(command) => corpus::run(command, &cache()?),
        Command::Tasks(command) => tasks::run(command),
        Command::Train(arguments) => train::run(&arguments, &cache()?),
        Command::Doctor(arguments) => doctor::run(&arguments, &cache()?),
        Command::Quantize(arguments) => quantize::run(&arguments, &cache()?),
        Command::Generate(arguments) => generate::run(&arguments, &cache()?),
        Command::Evaluate(arguments) => evaluate::run(&arguments, &cache()?),
        Command::Explain(arguments) => explain::run(&arguments, || Ok(cache()?)),
        Command::Fork(arguments) => fork::run(&arguments, &cache()?),
        Command::Replay(arguments) => replay::run(&arguments, &cache()?),
        Command::Journal(arguments) => journal::run(&arguments, &cache()?),
        Command::Parity(arguments) => parity::run(&arguments, &cache()?),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Preflight(arguments) => preflight::run(&arguments),
        Command::Slice(arguments) => slice::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments, &cache()?),
        Command::Weights(command) => weights::run(command, &cache()?),
        Command::Sweep(command) => sweep::run(command, &cache()?),
        Command::Monitor(arguments) => monitor::run(&arguments),
        Command::Detect(command) => detect::run(&command),
        Command::Verdict(arguments) => verdict::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Config(arguments) => config::run(&arguments),
        Command::Completions { shell } => completions::completions(shell),
        Command::Man { out } => completions::man(&out),
    }
}

/// The configuration of a run directory, as the run was begun with it.
fn run_config(directory: &Path) -> Result<Config, Failure> {
    let file = directory.join(logs::run::CONFIG_FILE);
    if file.is_file() {
        let config = load_file(&file, &[])?;
        check_run(directory, &config)?;
        return Ok(config);
    }
    let path = directory.display();
    Err(Failure::usage(format!(
        "`{path}` is no run directory: it has no `run.toml`"
    )))
}

/// Says where a run that has finished lacks the checkpoint of its last step, so that an older one, that of `step`, was
/// read. A summary that cannot be read is a matter of who trains on.
fn note_older_checkpoint(directory: &Path, step: u64) {
    let Ok(Some(summary)) = Summary::load(directory) else {
        return;
    };
    if summary.status == Status::Finished && summary.steps != step {
        say(&format!(
            "note: `{}` lacks the checkpoint of step {}, with which the run finished; that of step {step} was read",
            directory.display(),
            summary.steps
        ));
    }
}

/// Limits the CPU threads of this process; 0 leaves them as they are.
fn threads(count: usize) {
    if count > 0 {
        // Fails only when a pool exists already; nothing has used one yet.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count);
        let _ = pool.build_global();
    }
}

/// The file that `key` names, as a path that means the same from another folder.
fn existing_file(key: &str, path: &Path) -> Result<PathBuf, Failure> {
    if !path.is_file() {
        let path = path.display();
        return Err(Failure::usage(format!(
            "`{key}`: there is no file `{path}`"
        )));
    }
    settled(path).map_err(|error| Failure::io(format!("cannot use `{}`", path.display()), &error))
}

/// Makes the path of the initial weights absolute and writes down what the file holds.
fn pin_weights(init: &mut InitConfig) -> Result<(), Failure> {
    if let Some(path) = &mut init.weights {
        *path = existing_file("model.init.weights", path)?;
        let found = content_hash(path)?;
        if let Some(wanted) = init
            .weights_blake3
            .as_ref()
            .filter(|wanted| **wanted != found)
        {
            return Err(Failure::usage(format!(
                "`model.init.weights_blake3` is {wanted}, but `{}` has {found}",
                path.display()
            )));
        }
        init.weights_blake3 = Some(found);
    }
    Ok(())
}

/// The text that is really there, with a line for everything that took another's place.
fn resolve(data: &DataConfig, cache: &Cache, fetch: bool) -> Result<Resolved, Failure> {
    let resolved = resolve_sources(data, cache, fetch, &mut |line| say(line))?;
    for note in &resolved.notes {
        say(&format!("note: {note}"));
    }
    Ok(resolved)
}

/// `layers.3.ffn.up.weight` as `layers.*.ffn.up.weight`.
pub(crate) fn without_layer(name: &str) -> String {
    let layer = |part: &str| part.chars().all(|c| c.is_ascii_digit());
    let parts: Vec<_> = name
        .split('.')
        .map(|part| if layer(part) { "*" } else { part })
        .collect();
    parts.join(".")
}
