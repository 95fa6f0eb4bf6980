//! Builds with the feature `cuda`.

use super::Work;
use crate::error::TrainError;
use burn::backend::{Autodiff, Cuda};

pub(super) const FEATURE: Option<&str> = Some("cuda");

pub(super) fn available() -> Result<(), String> {
    kernels::cuda_available()
        .map_err(|problem| format!("{problem}; or set `runtime.device = \"cpu\"`"))
}

pub(super) fn run<W: Work>(work: W) -> Result<W::Output, TrainError> {
    work.run::<Autodiff<Cuda>>(&Default::default())
}
