//! `workbench quickstart --why`: a run whose loss spikes, and what caused it.

use crate::cli::{Quickstart, REACH, Replay as Arguments};
use crate::cmd::{replay, resolve, threads, train};
use crate::console::{self, say};
use crate::failure::{Failure, exit};
use crate::signals::Stop;
use experiments::Ending;
use experiments_config::{Config, Inject, InjectKind, Override, load_file, load_preset};
use experiments_text::Cache;
use logs::spike::loss_spikes;
use logs::{FolderLock, Liveness, RunReader};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use sweeps::replay::{REPLAY_FILE, Replay, deciding};

/// Where the runs go, unless said otherwise.
const OUT: &str = "runs/why";
/// The preset, and a recipe under which its loss spikes within 200 steps with about every second seed: a high learning
/// rate behind a short warm-up, in FP16.
const PRESET: &str = "t0";
const RECIPE: [&str; 6] = [
    "seed=1",
    "steps=200",
    "optimizer.lr=0.004",
    "optimizer.warmup_samples=400",
    "precision.format=fp16",
    "precision.loss_scale.window=100",
];
/// Seeds that are tried. Which of them spike depends on the last bits, and so on the kernels of the machine, and on the text: English
/// alone has not shown one in 24 runs at four rates from 0.004 to 0.01.
const SEEDS: u64 = 4;
/// Steps that twins take from the spike on, and before it.
const STEPS: u64 = 96;
const LEAD: u64 = 8;

pub(super) fn run(arguments: &Quickstart, cache: &Cache) -> Result<ExitCode, Failure> {
    let start = Instant::now();
    let (config, missing_languages) = planned(&arguments.set, cache)?;
    let out = arguments.out.as_deref().unwrap_or(Path::new(OUT));
    let _alone = claim(out)?;
    threads(config.runtime.threads);
    let stop = Stop::listen()?;
    for attempt in attempts(&config) {
        if let Some(planted) = &attempt.planted {
            say(planted);
        }
        let run = out.join(&attempt.name);
        let alone = train::Alone {
            directory: &run,
            config: &attempt.config,
            cache,
            missing_languages: &missing_languages,
            on_alarm: None,
            ranks: train::Ranks::One,
        };
        if !trained(&alone, &stop)? {
            return Ok(ExitCode::from(exit::STOPPED));
        }
        let Some(at) = spike(&run)? else {
            say(&format!("the loss of `{}` has no spike", attempt.name));
            continue;
        };
        let Some(replay) = replayed(&run, at, arguments, cache, &stop)? else {
            return Ok(ExitCode::from(exit::STOPPED));
        };
        let next = next(&run, at, out);
        let seconds = words::duration(start.elapsed().as_secs_f64());
        console::print(&format!("{}\n{next}time:   {seconds}\n", replay.text()))?;
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!(
        "error: none of the {SEEDS} seeds from {} on has a spike of the loss, and the batch that was planted makes none; \
         with more steps (`--set steps={}`) there is more to stand out from",
        config.seed,
        config.steps.saturating_add(200)
    ));
    Ok(ExitCode::from(exit::FAILED))
}

/// The folder of the runs for this command alone.
fn claim(out: &Path) -> Result<FolderLock, Failure> {
    if logs::output::is_directory_of_ours(out) {
        return Err(Failure::usage(format!(
            "`{}` is a run or a sweep; name another folder for the runs with --out",
            out.display()
        )));
    }
    logs::output::check(out)?;
    Ok(FolderLock::take(out)?)
}

/// A run that may spike.
struct Attempt {
    /// Of its directory.
    name: String,
    config: Config,
    /// What is said of what was planted in it.
    planted: Option<String>,
}

/// Some seeds, then the first of them with a bad batch, of which the loss spikes for certain once it has fallen.
fn attempts(config: &Config) -> Vec<Attempt> {
    let with_seed = |seed| Attempt {
        name: format!("seed-{seed}"),
        config: Config {
            seed,
            ..config.clone()
        },
        planted: None,
    };
    let seeds = config.seed..config.seed.saturating_add(SEEDS);
    let step = (config.steps * 3 / 4).max(1);
    let mut planted = Attempt {
        name: format!("planted-{}", config.seed),
        planted: Some(format!(
            "no seed has a spike, so a batch of random tokens is planted at step {step}: a spike of which the cause is known"
        )),
        config: config.clone(),
    };
    planted.config.inject.push(Inject {
        kind: InjectKind::Noise,
        step,
        steps: 1,
        n: None,
        tensor: None,
        element: None,
        factor: None,
    });
    seeds.map(with_seed).chain([planted]).collect()
}

/// The configuration with the text that can be had, and the languages that cannot.
fn planned(set: &[Override], cache: &Cache) -> Result<(Config, Vec<String>), Failure> {
    let recipe: Result<Vec<Override>, _> = RECIPE.iter().map(|set| set.parse()).collect();
    let mut all = recipe?;
    all.extend_from_slice(set);
    let mut config = load_preset(PRESET, &all)?;
    let resolved = resolve(&config.data, cache, true)?;
    config.data = resolved.data;
    Ok((config, resolved.missing_languages))
}

/// Trains the run, goes on with it, or finds it finished; false where somebody asked to stop.
fn trained(run: &train::Alone, stop: &Stop) -> Result<bool, Failure> {
    let directory = run.directory;
    let own = directory.join(logs::run::CONFIG_FILE);
    if own.is_file() {
        if load_file(&own, &[])?.hash() != run.config.hash() {
            let directory = directory.display();
            return Err(Failure::usage(format!(
                "`{directory}` was begun with other settings; name another folder with --out"
            )));
        }
        if RunReader::open_scalars(directory)?.liveness() == Liveness::Finished {
            return Ok(true);
        }
    } else {
        sweeps::check_place(directory)?;
    }
    Ok(match run.train(stop)? {
        Ending::Finished => true,
        Ending::Stopped | Ending::Alarmed => false,
    })
}

/// First step of the first spike.
fn spike(run: &Path) -> Result<Option<u64>, Failure> {
    let reader = RunReader::open_scalars(run)?;
    let spikes = loss_spikes(reader.records());
    Ok(spikes.first().map(|spike| spike.spike.first))
}

/// The replay of the step, as it was found or as it is made now; none where somebody asked to stop.
fn replayed(
    run: &Path,
    at: u64,
    quickstart: &Quickstart,
    cache: &Cache,
    stop: &Stop,
) -> Result<Option<Replay>, Failure> {
    let arguments = Arguments {
        run: run.to_owned(),
        at,
        twins: deciding().map(str::to_owned).collect(),
        steps: STEPS,
        lead: LEAD,
        out: None,
        reach: REACH,
        workers: quickstart.execution.workers,
        threads: quickstart.execution.threads,
        json: false,
    };
    let out = replay::out(&arguments);
    if out.join(REPLAY_FILE).is_file() {
        return Ok(Some(Replay::load(&out)?));
    }
    say(&format!("step {at} again, with one change at a time:"));
    replay::take(&arguments, cache, stop)
}

/// What there is to do with it.
fn next(run: &Path, at: u64, out: &Path) -> String {
    let path = |path: &Path| words::shell_word(&path.to_string_lossy());
    let (all, mine) = (path(&out.join("all")), path(&out.join("mine")));
    let before = at.saturating_sub(LEAD).max(1);
    let run = path(run);
    format!(
        "next:   workbench monitor {run}                 the twins as branches of the run\n        \
         workbench report {run}                  a page with the table and its figures\n        \
         workbench replay {run} --at {at} --out {all}    every twin there is\n        \
         workbench fork {run} --at {before} --set optimizer.lr=0.002 --out {mine}    a change of your own\n"
    )
}
