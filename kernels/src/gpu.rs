//! Devices that have numbers: which there are, and what they can do.

use crate::Kernels;

/// A device, as its driver describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// Of the card.
    pub name: String,
    /// Name and version.
    pub driver: String,
    /// What it has of its own, in bytes, in one piece; of a device that computes on the CPU, what its driver offers.
    pub memory: u64,
}

/// What the kernels find on a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Abilities {
    /// Formats it stores and converts, such as `fp16`.
    pub formats: Vec<&'static str>,
    /// Formats that it multiplies on matrix units, sums in FP32.
    pub matrix_units: Vec<&'static str>,
    /// What the kernels need and it lacks, whatever the format of a run; with any, it cannot be used.
    pub lacking: Vec<String>,
}

/// Backends whose devices have numbers.
pub trait Gpus: Kernels {
    /// The devices in the order of their numbers, at least one; or what is missing and how to get it.
    fn list() -> Result<Vec<Gpu>, String>;

    /// The device of a number in [`Gpus::list`], or why it cannot be used.
    fn open(index: usize) -> Result<Self::Device, String>;

    /// What a device can do.
    fn abilities(device: &Self::Device) -> Abilities;
}
