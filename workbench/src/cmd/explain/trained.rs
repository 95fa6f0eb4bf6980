//! What the gradient of a step is made of, for a run that this program has trained.

mod figure;
mod text;

use crate::cli::Explain as Arguments;
use crate::cmd::fork::{some, trained_config};
use crate::cmd::replay::check_recorded;
use crate::console::{self, say};
use crate::failure::{Failure, exit};
use crate::progress::Steps;
use crate::signals::Stop;
use experiments::check_reachable;
use experiments::explain::{ExplainRequest, Explanation, explain};
use experiments_config::Config;
use experiments_text::Cache;
use logs::spike::spikes;
use logs::{RunReader, alarm};
use serde::Serialize;
use std::collections::BTreeSet;
use std::process::ExitCode;

/// Spikes and alarms that are explained where no step is named.
const FEW: usize = 3;

/// What `--json` prints.
#[derive(Serialize)]
struct Explained {
    run: String,
    steps: Vec<Explanation>,
    /// Steps of spikes and alarms that were not explained: there are many, or they cannot be gone back to.
    left_out: Vec<u64>,
}

pub(super) fn run(arguments: &Arguments, cache: &Cache) -> Result<ExitCode, Failure> {
    let config = trained_config(&arguments.run)?;
    let reader = RunReader::open(&arguments.run)?;
    let chosen = if arguments.at.is_empty() {
        by_itself(arguments, &config, &reader)?
    } else {
        named(arguments, &reader)?
    };
    if let Some(out) = &arguments.out {
        logs::output::check(out)?;
    }
    crate::cmd::threads(config.runtime.threads);
    let stop = Stop::listen()?;
    let steps = if chosen.steps.is_empty() {
        Vec::new()
    } else {
        take(arguments, &config, &chosen.steps, cache, &stop)?
    };
    if steps.len() < chosen.steps.len() {
        say("stopped: the same command begins anew");
        return Ok(ExitCode::from(exit::STOPPED));
    }
    let explained = Explained {
        run: arguments.run.display().to_string(),
        steps,
        left_out: chosen.left_out,
    };
    show(arguments, &explained)?;
    Ok(ExitCode::SUCCESS)
}

/// Steps to explain.
struct Chosen {
    steps: Vec<u64>,
    left_out: Vec<u64>,
}

fn named(arguments: &Arguments, reader: &RunReader) -> Result<Chosen, Failure> {
    let steps: BTreeSet<u64> = arguments.at.iter().copied().collect();
    for step in &steps {
        check_recorded(&arguments.run, *step, reader)?;
    }
    Ok(Chosen {
        steps: steps.into_iter().collect(),
        left_out: Vec::new(),
    })
}

/// The first spikes of the run's loss, and alarms where there are fewer spikes, that can be gone back to.
fn by_itself(
    arguments: &Arguments,
    config: &Config,
    reader: &RunReader,
) -> Result<Chosen, Failure> {
    let (mut chosen, mut left_out) = (BTreeSet::new(), BTreeSet::new());
    let mut refused = None;
    for step in conspicuous(reader) {
        if chosen.len() == FEW {
            left_out.insert(step);
            continue;
        }
        match check_reachable(&arguments.run, config, step, arguments.reach) {
            Ok(()) => {
                chosen.insert(step);
            }
            Err(error) => {
                left_out.insert(step);
                refused = refused.or(Some(error));
            }
        }
    }
    match refused {
        Some(error) if chosen.is_empty() => Err(error.into()),
        _ => Ok(Chosen {
            left_out: left_out.difference(&chosen).copied().collect(),
            steps: chosen.into_iter().collect(),
        }),
    }
}

/// The steps at which spikes of the loss begin, then those of alarms.
fn conspicuous(reader: &RunReader) -> Vec<u64> {
    let records = reader.records();
    let told = alarm::recorded(reader.events());
    let sightings = told.unwrap_or_else(|| logs::sightings(&logs::alarms(records)));
    let alarms = sightings.iter().map(|sighting| sighting.alarm.step);
    let spikes = spikes(records, "loss");
    spikes
        .iter()
        .map(|spike| spike.first)
        .chain(alarms)
        .collect()
}

fn take(
    arguments: &Arguments,
    config: &Config,
    steps: &[u64],
    cache: &Cache,
    stop: &Stop,
) -> Result<Vec<Explanation>, Failure> {
    let mut progress = Steps::new(steps.last().copied().unwrap_or(0));
    let explained = explain(ExplainRequest {
        directory: &arguments.run,
        config,
        cache,
        steps,
        reach: arguments.reach,
        rows: arguments.top,
        stop: stop.flag(),
        on_step: &mut |record| {
            let loss = record.scalar("loss").unwrap_or(f64::NAN);
            progress.at(record.step, &format!("on the way: loss {loss:.4}"));
        },
    });
    progress.end();
    Ok(explained?)
}

fn show(arguments: &Arguments, explained: &Explained) -> Result<(), Failure> {
    for told in &explained.steps {
        if let Some(deviation) = &told.deviation {
            say(&format!(
                "note: step {} does not give what is recorded: {} differ",
                deviation.step,
                some(&deviation.signals)
            ));
        }
    }
    if arguments.json {
        console::print_json(explained)?;
    } else {
        console::print(&text::text(explained, arguments.top))?;
    }
    if let Some(out) = &arguments.out {
        let svg = figure::draw(explained)?;
        crate::figure::write(out, svg)?;
        say(&format!("written: {}", out.display()));
    }
    Ok(())
}
