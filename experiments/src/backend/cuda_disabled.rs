//! Builds without the feature `cuda`.

use super::Work;
use crate::error::TrainError;

pub(super) const FEATURE: Option<&str> = None;

const PROBLEM: &str = "this build has no CUDA support; build with `--features cuda`, or set `runtime.device = \"cpu\"`";

pub(super) fn available() -> Result<(), String> {
    Err(PROBLEM.to_owned())
}

pub(super) fn run<W: Work>(_work: W) -> Result<W::Output, TrainError> {
    Err(TrainError::Device {
        device: "cuda".to_owned(),
        problem: PROBLEM.to_owned(),
    })
}
