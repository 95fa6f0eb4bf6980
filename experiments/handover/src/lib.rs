//! Handing a configuration to the trainer that runs it on a cluster: launch script, argument list,
//! `DeepSpeed` configuration, data, tokenizer, checkpoints, monitoring, and what the trainer cannot
//! express.
//!
//! Every argument that is emitted stands in the trainer's own argument table
//! (`src/arguments/*.json`, read from its parser) and is checked against it for existence,
//! type, choices and number of values before any file exists.

mod argument;
mod checkpoint;
mod common;
mod core;
mod data;
mod deepspeed;
mod error;
mod files;
mod limit;
mod monitor;
mod options;
mod readme;
mod slurm;
mod table;
mod target;

pub use argument::{Argument, Section};
pub use error::HandoverError;
pub use files::File;
pub use limit::{Effect, Limit};
pub use options::Options;
pub use table::{Action, ArgumentSpec, ArgumentTable, Kind, Nargs, OpenNargs};
pub use target::Target;

use argument::Arguments;
use experiments_config::Config;
use experiments_plan::{Batches, Cluster, Layout, PlanError};
use limit::Limits;
use serde::Serialize;

/// Everything the trainer is given.
#[derive(Debug, Clone, Serialize)]
pub struct Handover {
    /// The trainer.
    pub target: Target,
    /// The trainer's argument table: which source at which commit.
    pub checked_against: String,
    /// Its arguments, by topic.
    pub arguments: Vec<Section>,
    /// What it cannot express, and how to get it.
    pub limits: Vec<Limit>,
    /// Files of the hand-over, paths relative to its folder.
    pub files: Vec<File>,
}

/// What all parts of a hand-over are made from.
pub(crate) struct Request<'a> {
    config: &'a Config,
    layout: &'a Layout,
    cluster: &'a Cluster,
    options: &'a Options,
    batches: &'a Batches,
}

/// Turns `config` on `layout` into the files that `target` needs.
pub fn export(
    config: &Config,
    layout: &Layout,
    cluster: &Cluster,
    target: Target,
    options: &Options,
) -> Result<Handover, HandoverError> {
    options.check()?;
    let batches = Batches::of(config)?;
    check_fit(config, layout, cluster, &batches)?;
    let request = Request {
        config,
        layout,
        cluster,
        options,
        batches: &batches,
    };
    let mut arguments = Arguments::default();
    let mut limits = Limits::default();
    common::limits(&request, &mut limits);
    match target {
        Target::MegatronDeepspeed => deepspeed::arguments(&request, &mut arguments, &mut limits)?,
        Target::MegatronCore => core::arguments(&request, &mut arguments, &mut limits)?,
    }
    let table = target.table()?;
    let sections = arguments.into_sections();
    table.check(sections.iter().flat_map(|section| &section.arguments))?;
    let limits = limits.into_vec();
    let files = files::all(&request, target, &table, &sections, &limits)?;
    Ok(Handover {
        target,
        checked_against: format!("{}, {}", table.trainer, table.commit),
        arguments: sections,
        limits,
        files,
    })
}

/// The layout's own rules, and that its batch is the configuration's on every stair of the ramp.
fn check_fit(
    config: &Config,
    layout: &Layout,
    cluster: &Cluster,
    batches: &Batches,
) -> Result<(), HandoverError> {
    layout.check(config, cluster)?;
    if layout.global_batch != batches.last {
        return Err(PlanError::Layout {
            constraint: format!(
                "global_batch = {} is not the configuration's: batch.micro_batch × \
                 batch.gradient_accumulation is {} after the ramp",
                layout.global_batch, batches.last
            ),
            nearest: format!("global_batch = {}", batches.last),
        }
        .into());
    }
    Ok(batches.check_divisible(layout)?)
}

#[cfg(test)]
mod tests;
