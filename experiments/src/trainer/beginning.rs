//! From a request to an attempt that has begun. What speaks against a start is found out before anything
//! is written, so that a start which is refused leaves the directory as it was.

use super::alarms::with_detectors;
use super::identity::{Origin, check_begun, check_run, check_same, manifest, with_engine};
use super::request::Request;
use super::resumption::Resumption;
use super::text::{Text, Texts};
use crate::backend::Device;
use crate::error::TrainError;
use crate::files::checkpoint::Checkpoints;
use crate::pass::Engine;
use crate::state::Trained;
use experiments_config::ProbeKind;
use logs::{Event, EventKind, Lease, LogError, RunLease, RunWriter, Status, Summary};
use std::path::Path;
use std::sync::Arc;

/// Whether there is nothing left to do, which is so only with the weights that the run ended with. A damaged
/// summary does not say so.
pub(super) fn is_finished(request: &mut Request) -> Result<bool, TrainError> {
    let (directory, config) = (request.directory, request.config);
    let summary = match Summary::load(directory) {
        Err(LogError::Damaged { .. }) => return Ok(false),
        found => found?,
    };
    let Some(summary) = summary.filter(|summary| summary.status == Status::Finished) else {
        return Ok(false);
    };
    check_run(directory, config)?;
    for notice in Checkpoints::new(directory, config).verify_finished(summary.steps)? {
        (request.on_notice)(&notice);
    }
    Ok(true)
}

/// Says why the start may take a while.
pub(super) fn announce_watch(request: &mut Request) -> Result<(), TrainError> {
    let lease = request.directory.join(logs::run::LEASE_FILE);
    if let Some(holder) = Lease::doubtful(&lease)? {
        (request.on_notice)(&format!(
            "process {} on {} may be writing this run: its heartbeat is watched for {} s",
            holder.pid,
            holder.host,
            logs::lease::WATCH.as_secs()
        ));
    }
    Ok(())
}

/// Loads the text and checks that the directory, if it holds a run, holds this one. None where the
/// text was not done when somebody asked to stop.
pub(super) fn prepare(
    request: &Request,
    device: Device,
    texts: Option<&Texts>,
) -> Result<Option<Arc<Text>>, TrainError> {
    let (directory, config) = (request.directory, request.config);
    config.check_trainable()?;
    let manifest = check_begun(directory, config)?;
    let (stop, cache) = (request.stop, request.cache);
    let text = match texts {
        Some(texts) => texts.prepare_unless(stop, config, cache)?,
        None => Text::prepare_unless(stop, config, cache)?,
    };
    if let (Some(text), Some(manifest)) = (&text, manifest) {
        check_same(directory, config, text, &manifest, device)?;
    }
    Ok(text)
}

/// Loads where the run stands, writes what identifies it, and begins the attempt.
pub(super) fn begin(
    request: &mut Request,
    claim: RunLease,
    text: &Text,
    device: Device,
    engine: &dyn Engine,
) -> Result<(RunWriter, Option<Trained>), TrainError> {
    let (directory, config) = (request.directory, request.config);
    // Again: somebody else may have begun the run since.
    let known = check_begun(directory, config)?;
    let resumption = match config.probe.kind {
        ProbeKind::Train => Some(Resumption::load(directory, config)?),
        ProbeKind::UpdateLaw | ProbeKind::EgsTwin | ProbeKind::AttentionSoftmax => None,
    };
    if known.is_none() {
        let file = directory.join(logs::run::CONFIG_FILE);
        if !file.exists() {
            logs::write_atomic(&file, config.to_toml().as_bytes())?;
        }
        let origin = Origin {
            config,
            program: request.program,
            missing_languages: request.missing_languages,
        };
        manifest(&origin, text, device, engine)?.save(directory)?;
    }
    let mut notices = set_aside_summary(directory)?;
    let mut writer = claim.begin()?;
    let trained = match resumption {
        None => None,
        Some(mut resumption) => {
            notices.append(&mut resumption.notices);
            notices.extend(resumption.set_aside()?);
            let event = with_detectors(resumption.event(request.program), config);
            writer.event(&with_engine(event, engine))?;
            Some(resumption.trained)
        }
    };
    let step = trained.as_ref().map_or(0, |trained| trained.state.step);
    for notice in notices {
        writer.event(&Event::now(step, EventKind::Integrity, notice.as_str()))?;
        (request.on_notice)(&notice);
    }
    Ok((writer, trained))
}

/// A summary only says how the last attempt ended, so a damaged one keeps no run from going on.
fn set_aside_summary(directory: &Path) -> Result<Vec<String>, TrainError> {
    let error = match Summary::load(directory) {
        Err(error @ LogError::Damaged { .. }) => error,
        Err(other) => return Err(other.into()),
        Ok(_) => return Ok(Vec::new()),
    };
    let path = directory.join(logs::run::SUMMARY_FILE);
    let kept = logs::disk::set_aside(&path)?;
    Ok(vec![format!(
        "{error}; it was set aside as `{}`",
        kept.display()
    )])
}
