//! The file of a checkpoint's counters.

use super::file::problem;
use crate::error::TrainError;
use crate::state::State;
use std::path::Path;

/// Versions that are read.
const READ: std::ops::RangeInclusive<u64> = 2..=State::VERSION as u64;

/// The file, as it is written.
pub(super) fn to_bytes(state: &State, file: &Path) -> Result<Vec<u8>, TrainError> {
    let unwritable = |error| problem(file, format!("cannot be written: {error}"));
    let text = serde_json::to_string_pretty(&state.without_alarms()).map_err(unwritable)?;
    let Some(alarms) = &state.alarms else {
        return Ok((text + "\n").into_bytes());
    };
    // Thousands of numbers, on one line so that the counters stay readable.
    let alarms = serde_json::to_string(alarms).map_err(unwritable)?;
    let open = text.strip_suffix("\n}").unwrap_or(&text);
    Ok(format!("{open},\n  \"alarms\": {alarms}\n}}\n").into_bytes())
}

/// Reads the file. The version comes first: another format need not fit our types.
pub(super) fn parse(file: &Path, text: &[u8]) -> Result<State, TrainError> {
    let damaged = |error| problem(file, format!("is damaged: {error}"));
    let value: serde_json::Value = serde_json::from_slice(text).map_err(damaged)?;
    let version = value.get("version").and_then(serde_json::Value::as_u64);
    match version {
        Some(found) if !READ.contains(&found) => Err(TrainError::CheckpointVersion {
            path: file.to_owned(),
            found,
        }),
        _ => serde_json::from_value(value).map_err(damaged),
    }
}
