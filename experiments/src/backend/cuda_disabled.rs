//! Builds without the feature `cuda`.

use crate::error::TrainError;
use crate::trainer::{Outcome, Session};

pub(super) const FEATURE: Option<&str> = None;

const PROBLEM: &str = "this build has no CUDA support; build with `--features cuda`, or set `runtime.device = \"cpu\"`";

pub(super) fn available() -> Result<(), String> {
    Err(PROBLEM.to_owned())
}

pub(super) fn run(_session: Session) -> Result<Outcome, TrainError> {
    Err(TrainError::Device {
        device: "cuda".to_owned(),
        problem: PROBLEM.to_owned(),
    })
}
