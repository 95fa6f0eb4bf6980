//! The border of `B: Backend`: everything above names a device, everything below is generic.

#[cfg_attr(feature = "cuda", path = "backend/cuda_enabled.rs")]
#[cfg_attr(not(feature = "cuda"), path = "backend/cuda_disabled.rs")]
mod cuda;

use crate::error::TrainError;
use crate::pass::Engine;
use crate::pass::fused::Host;
use crate::pass::graph::Graph;
use crate::pass::packed::{PackHandle, Packed};
use burn::backend::{Autodiff, Flex};
use burn::tensor::backend::AutodiffBackend;
use experiments_config::Config;
use kernels::Kernels;

/// Something that computes, whatever the backend.
pub(crate) trait Work {
    type Output;

    fn run<B>(self, device: &B::Device) -> Result<Self::Output, TrainError>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels;
}

/// Where a run computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The CPU, by burn's flex backend.
    Cpu,
    /// The first CUDA device.
    Cuda,
}

impl Device {
    /// The device called `name` (`cpu` or `cuda`), if this build and this machine have it.
    pub fn select(name: &str) -> Result<Self, TrainError> {
        if name == "cpu" {
            return Ok(Self::Cpu);
        }
        match cuda::available() {
            Ok(()) => Ok(Self::Cuda),
            Err(problem) => Err(TrainError::Device {
                device: name.to_owned(),
                problem,
            }),
        }
    }

    /// Name of the backend for the manifest.
    #[must_use]
    pub fn backend_name(self) -> &'static str {
        match self {
            Self::Cpu => "burn-flex 0.21.0",
            Self::Cuda => "burn-cuda 0.21.0",
        }
    }

    /// What computes the passes of a run on it, for as long as the run lasts. A `pack` is left at once where its
    /// other runs are of no use: on the host they gain nothing from one another.
    pub(crate) fn engine(
        self,
        config: &Config,
        pack: Option<PackHandle>,
    ) -> Result<Box<dyn Engine>, TrainError> {
        if self == Self::Cpu && config.fuses() {
            return Ok(Box::new(Host));
        }
        let alone = self.run(Alone {
            name: self.backend_name(),
            // A pack's passes take in what lies on the host, and so do those on the host.
            resident: self != Self::Cpu && pack.is_none(),
        })?;
        Ok(match pack {
            Some(handle) => Box::new(Packed { handle, alone }),
            None => alone,
        })
    }

    /// Does the work on the device.
    pub(crate) fn run<W: Work>(self, work: W) -> Result<W::Output, TrainError> {
        match self {
            Self::Cpu => work.run::<Autodiff<Flex>>(&Default::default()),
            Self::Cuda => cuda::run(work),
        }
    }
}

/// The graph on the device.
struct Alone {
    name: &'static str,
    /// Whether the run's arrays stay on the device.
    resident: bool,
}

impl Work for Alone {
    type Output = Box<dyn Engine>;

    fn run<B>(self, device: &B::Device) -> Result<Self::Output, TrainError>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        Ok(Box::new(Graph::<B>::new(
            device.clone(),
            self.name,
            self.resident,
        )))
    }
}

/// Optional features compiled in.
#[must_use]
pub fn features() -> Vec<String> {
    cuda::FEATURE.map(str::to_owned).into_iter().collect()
}
