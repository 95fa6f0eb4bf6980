//! Checkpoints: their size against the disk, and the time they take.

use super::{Check, PreflightInput};
use crate::{PlanError, size};
use experiments_config::Format;
use words::{decimal, thousands};

/// Bytes of a parameter in a checkpoint of either trainer: FP32 master weight and two moments,
/// and the weight in the number format of the pass.
fn bytes_per_parameter(format: Format) -> u64 {
    match format {
        Format::Fp16 | Format::Bf16 => 14,
        Format::Fp32 => 12,
    }
}

pub(super) fn checks(input: &PreflightInput) -> Result<Vec<Check>, PlanError> {
    let config = input.config;
    for (what, value) in [
        ("write bandwidth", input.write_bytes_per_second),
        ("seconds of a step", input.step_seconds),
    ] {
        if value.is_some_and(|value| !(value.is_finite() && value > 0.0)) {
            return Err(PlanError::Size {
                what: what.to_owned(),
                value: value.unwrap_or_default().to_string(),
                expected: "must be a finite number above 0".to_owned(),
            });
        }
    }
    let parameters = crate::model::Parameters::of(config)?.total;
    let bytes = size::product(
        "bytes of a checkpoint",
        &[parameters, bytes_per_parameter(config.precision.format)],
    )?;
    let interval = match config.checkpoint.interval {
        0 => config.steps,
        interval => interval,
    };
    Ok(vec![
        space(input, bytes, interval)?,
        time(input, bytes, interval),
    ])
}

/// `1.80 TB`, decimal as disks are.
fn terabytes(bytes: u64) -> String {
    let units = [("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6)];
    let size = bytes as f64;
    let (unit, factor) = units
        .into_iter()
        .find(|(_, f)| size >= *f)
        .unwrap_or(("kB", 1e3));
    format!("{} {unit}", decimal(size / factor, 2))
}

fn space(input: &PreflightInput, bytes: u64, interval: u64) -> Result<Check, PlanError> {
    let keep = input.config.checkpoint.keep as u64;
    let written = (input.config.steps / interval.max(1)).max(1);
    // One more than are kept, while the newest is being written.
    let held = written.min(keep.saturating_add(1));
    let needed = size::product("bytes of the checkpoints", &[bytes, held])?;
    let all = bytes as f64 * written as f64;
    let reason = format!(
        "{} each; {held} at a time take {}; a trainer that deletes none leaves {} of them, {}",
        terabytes(bytes),
        terabytes(needed),
        thousands(written),
        terabytes(all.min(u64::MAX as f64) as u64)
    );
    Ok(match input.free_disk_bytes {
        None => Check::warn(
            "disk",
            format!("{reason}; free space not given"),
            "give the free space: --disk GB",
        ),
        Some(free) if free < needed => Check::no_go(
            "disk",
            format!("{reason}; {} are free", terabytes(free)),
            "more space, or a smaller checkpoint.keep",
        ),
        Some(free) if (free as f64) < all => Check::warn(
            "disk",
            format!("{reason}; {} are free", terabytes(free)),
            "delete old checkpoints as the run goes on",
        ),
        Some(free) => Check::go("disk", format!("{reason}; {} are free", terabytes(free))),
    })
}

/// Share of the time from which checkpoints are worth a warning.
const EXPENSIVE: f64 = 0.05;

fn time(input: &PreflightInput, bytes: u64, interval: u64) -> Check {
    let Some(bandwidth) = input.write_bytes_per_second else {
        return Check::warn(
            "checkpoint time",
            "not known: no write bandwidth given",
            "give the bandwidth all ranks together write with: --write GB/S",
        );
    };
    let seconds = bytes as f64 / bandwidth;
    let each = format!("{} s per checkpoint", decimal(seconds, 1));
    let Some(step) = input.step_seconds else {
        return Check::go("checkpoint time", format!("{each}, every {interval} steps"));
    };
    let share = seconds / (seconds + step * interval as f64);
    let reason = format!(
        "{each}, every {interval} steps of {} s: {} % of the time",
        decimal(step, 1),
        decimal(100.0 * share, 2)
    );
    if share > EXPENSIVE {
        return Check::warn(
            "checkpoint time",
            reason,
            "a longer checkpoint.interval, see the failure model of `workbench plan`",
        );
    }
    Check::go("checkpoint time", reason)
}
