//! The border of `B: Backend`: everything above names a device, everything below is generic.

mod devices;

pub use devices::{Listed, Listing, devices};

use crate::error::TrainError;
use crate::pass::Engine;
use crate::pass::fused::Host;
use crate::pass::graph::Graph;
use crate::pass::packed::{PackHandle, Packed};
use burn::backend::{Autodiff, Flex};
use burn::tensor::backend::AutodiffBackend;
use experiments_config::{Config, DeviceKey};
use experiments_text::Cache;
#[cfg(any(feature = "cuda", feature = "vulkan"))]
use kernels::Gpus;
use kernels::Kernels;
use logs::MachineFailure;

/// Something that computes, whatever the backend.
pub(crate) trait Work {
    type Output;

    fn run<B>(self, device: &B::Device) -> Result<Self::Output, TrainError>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels;
}

/// Keeps what is compiled for a device in the cache's folder `kernels/`, for the processes after this one.
pub fn keep_kernels(cache: &Cache) {
    #[cfg(feature = "cuda")]
    kernels::keep_kernels(cache.root().join("kernels"));
    #[cfg(not(feature = "cuda"))]
    let _ = cache;
}

/// A device that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device(DeviceKey);

/// Work that asks nothing of a device but to be there.
struct Nothing;

impl Work for Nothing {
    type Output = ();

    fn run<B>(self, _device: &B::Device) -> Result<(), TrainError>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        Ok(())
    }
}

impl Device {
    /// The CPU, by burn's flex backend.
    pub const CPU: Self = Self(DeviceKey::Cpu);

    /// The device of a key, if this build and this machine have it.
    pub fn select(key: DeviceKey) -> Result<Self, TrainError> {
        let device = Self(key);
        device.run(Nothing)?;
        Ok(device)
    }

    /// The devices that tests compute on, one of each kind beside the CPU. Vulkan is never left out: where there is no
    /// card, Mesa's driver computes on the CPU.
    #[cfg(all(test, any(feature = "cuda", feature = "vulkan")))]
    pub(crate) fn tested() -> Vec<Self> {
        let mut all = Vec::new();
        if cfg!(feature = "vulkan") {
            all.push(Self::select(DeviceKey::Vulkan(0)).expect("install mesa-vulkan-drivers"));
        }
        if cfg!(feature = "cuda") {
            match Self::select(DeviceKey::Cuda(0)) {
                Ok(device) => all.push(device),
                Err(problem) => eprintln!("skipped: {problem}"),
            }
        }
        all
    }

    /// `runtime.device`.
    #[must_use]
    pub fn key(self) -> DeviceKey {
        self.0
    }

    /// Name of the backend for the manifest.
    #[must_use]
    pub fn backend_name(self) -> &'static str {
        match self.0 {
            DeviceKey::Cpu => "burn-flex 0.21.0",
            DeviceKey::Cuda(_) => "burn-cuda 0.21.0",
            DeviceKey::Vulkan(_) => "burn-wgpu 0.21.0",
        }
    }

    /// Its name as the driver gives it; none of the CPU, which is not asked this way.
    pub(crate) fn gpu_name(self) -> Option<String> {
        devices::gpu(self.0).map(|gpu| gpu.name)
    }

    /// What computes, for the attempts of a run: the backend, and which of its devices.
    pub(crate) fn kernels(self) -> String {
        match self.gpu_name() {
            Some(name) => format!("{}, {name}", self.backend_name()),
            None => self.backend_name().to_owned(),
        }
    }

    /// What computes the passes of a run on it, for as long as the run lasts. A `pack` is left at once where its
    /// other runs are of no use: on the host they gain nothing from one another.
    pub(crate) fn engine(
        self,
        config: &Config,
        pack: Option<PackHandle>,
    ) -> Result<Box<dyn Engine>, TrainError> {
        if self == Self::CPU && config.fuses() {
            return Ok(Box::new(Host));
        }
        let resident = self != Self::CPU;
        let alone = self.run(Alone {
            name: self.kernels(),
            // A pack's arrays are side by side, and the pass of one run takes in what lies on the host.
            resident: resident && pack.is_none(),
        })?;
        Ok(match pack {
            Some(handle) => Box::new(Packed {
                handle,
                resident,
                alone,
            }),
            None => alone,
        })
    }

    /// Does the work on the device.
    pub(crate) fn run<W: Work>(self, work: W) -> Result<W::Output, TrainError> {
        match self.0 {
            DeviceKey::Cpu => work.run::<Autodiff<Flex>>(&Default::default()),
            #[cfg(feature = "cuda")]
            DeviceKey::Cuda(index) => self.run_on::<kernels::Cuda, W>(index, work),
            #[cfg(feature = "vulkan")]
            DeviceKey::Vulkan(index) => self.run_on::<kernels::Vulkan, W>(index, work),
            #[cfg(not(feature = "cuda"))]
            DeviceKey::Cuda(_) => Err(self.unusable(&devices::no_cuda())),
            #[cfg(not(feature = "vulkan"))]
            DeviceKey::Vulkan(_) => Err(self.unusable(&devices::no_vulkan())),
        }
    }

    #[cfg(any(feature = "cuda", feature = "vulkan"))]
    fn run_on<G: Gpus, W: Work>(self, index: usize, work: W) -> Result<W::Output, TrainError> {
        match G::open(index) {
            Ok(device) => work.run::<Autodiff<G>>(&device),
            Err(problem) => Err(self.unusable(&problem)),
        }
    }

    fn unusable(self, problem: &str) -> TrainError {
        TrainError::Device {
            device: self.0.to_string(),
            problem: format!("{problem}; or set `runtime.device = \"cpu\"`"),
        }
    }
}

/// The graph on the device.
struct Alone {
    name: String,
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

/// Does work that may compute on devices; where one fails, that is an error.
pub fn unless_a_device_fails<T>(work: impl FnOnce() -> T) -> Result<T, TrainError> {
    let done = kernels::unless_a_device_fails(work);
    done.map_err(|problem| MachineFailure(format!("the device failed: {problem}")).into())
}

/// Memory of a device in bytes; none of the CPU.
pub(crate) fn gpu_memory(key: DeviceKey) -> Option<u64> {
    devices::gpu(key).map(|gpu| gpu.memory)
}

/// Optional features compiled in.
#[must_use]
pub fn features() -> Vec<String> {
    let all = [
        ("cuda", cfg!(feature = "cuda")),
        ("vulkan", cfg!(feature = "vulkan")),
    ];
    let built = all.iter().filter(|(_, built)| *built);
    built.map(|(name, _)| (*name).to_owned()).collect()
}
