//! Which devices there are beside the CPU.

use experiments_config::DeviceKey;
use kernels::{Abilities, Gpu};

/// The devices of one kind.
#[derive(Debug, Clone)]
pub struct Listing {
    /// `CUDA` or `Vulkan`.
    pub kind: &'static str,
    /// In the order of their numbers, at least one; or what is missing and how to get it.
    pub devices: Result<Vec<Listed>, String>,
}

/// One device.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The value of `runtime.device` that chooses it.
    pub key: DeviceKey,
    /// As its driver describes it.
    pub gpu: Gpu,
    /// What it can do, or why it cannot be used.
    pub abilities: Result<Abilities, String>,
}

/// Every device beside the CPU, by kind.
#[must_use]
pub fn devices() -> [Listing; 2] {
    [
        Listing {
            kind: "CUDA",
            devices: cuda(),
        },
        Listing {
            kind: "Vulkan",
            devices: vulkan(),
        },
    ]
}

#[cfg(feature = "cuda")]
fn cuda() -> Result<Vec<Listed>, String> {
    listed::<kernels::Cuda>(DeviceKey::Cuda)
}

#[cfg(feature = "vulkan")]
fn vulkan() -> Result<Vec<Listed>, String> {
    listed::<kernels::Vulkan>(DeviceKey::Vulkan)
}

#[cfg(not(feature = "cuda"))]
fn cuda<T>() -> Result<T, String> {
    Err(no_cuda())
}

#[cfg(not(feature = "vulkan"))]
fn vulkan<T>() -> Result<T, String> {
    Err(no_vulkan())
}

/// Why a build without the feature `cuda` has no such device.
#[cfg(not(feature = "cuda"))]
pub(super) fn no_cuda() -> String {
    "this build has no CUDA support; build with `--features cuda`, where the NVIDIA driver and the CUDA toolkit's NVRTC are \
     installed"
        .to_owned()
}

/// Why a build without the feature `vulkan` has no such device.
#[cfg(not(feature = "vulkan"))]
pub(super) fn no_vulkan() -> String {
    "this build has no Vulkan support; build with `--features vulkan`, where a Vulkan driver is installed (of the card, or \
     Mesa's, which computes on the CPU)"
        .to_owned()
}

/// One device; none for the CPU, and where there is none of the number.
pub(super) fn gpu(key: DeviceKey) -> Option<Gpu> {
    match key {
        #[cfg(feature = "cuda")]
        DeviceKey::Cuda(index) => one::<kernels::Cuda>(index),
        #[cfg(feature = "vulkan")]
        DeviceKey::Vulkan(index) => one::<kernels::Vulkan>(index),
        DeviceKey::Cpu => None,
        #[cfg(not(feature = "cuda"))]
        DeviceKey::Cuda(_) => None,
        #[cfg(not(feature = "vulkan"))]
        DeviceKey::Vulkan(_) => None,
    }
}

#[cfg(any(feature = "cuda", feature = "vulkan"))]
fn one<G: kernels::Gpus>(index: usize) -> Option<Gpu> {
    G::list().ok()?.into_iter().nth(index)
}

#[cfg(any(feature = "cuda", feature = "vulkan"))]
fn listed<G: kernels::Gpus>(key: fn(usize) -> DeviceKey) -> Result<Vec<Listed>, String> {
    let all = G::list()?.into_iter().enumerate();
    let describe = |(index, gpu)| Listed {
        key: key(index),
        gpu,
        abilities: G::open(index).map(|device| G::abilities(&device)),
    };
    Ok(all.map(describe).collect())
}
