//! What a step asks of a device beside arithmetic, and what that costs at least.

use super::timed::Timed;
use crate::backend::{Device, Work};
use crate::error::TrainError;
use crate::trainer::{self, Text};
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use experiments_config::Config;
use experiments_text::Cache;
use kernels::{Kernels, bus};
use serde::Serialize;
use std::time::Instant;

const LAUNCHES: usize = 1000;
const WAITS: usize = 20;
/// FP32 numbers that are sent and read, 64 MiB.
const LARGE: usize = 1 << 24;

/// What a device takes for the least of each kind.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Costs {
    /// Of a kernel that computes one number, among many.
    pub launch_seconds: f64,
    /// Until one number is read.
    pub wait_seconds: f64,
    /// Over the bus and back.
    pub bytes_per_second: f64,
}

impl Costs {
    /// Of a device.
    pub fn of(device: Device) -> Result<Self, TrainError> {
        device.run(Measure)
    }

    /// Less than this no step can take that launches, waits and moves so much, in seconds.
    #[must_use]
    pub fn step_seconds(&self, launches: u64, timed: &Timed) -> f64 {
        let bytes = timed.bytes_sent + timed.bytes_read;
        launches as f64 * self.launch_seconds
            + timed.waits as f64 * self.wait_seconds
            + bytes as f64 / self.bytes_per_second
    }
}

struct Measure;

impl Work for Measure {
    type Output = Costs;

    fn run<B>(self, device: &B::Device) -> Result<Costs, TrainError>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        Ok(measure::<B::InnerBackend>(device))
    }
}

fn measure<B: Backend>(device: &B::Device) -> Costs {
    let one = || Tensor::<B, 1>::zeros([1], device);
    let wait_for = |x| drop(bus::read::<B, 1>(x));
    // Kernels are compiled when they are first launched.
    wait_for(one() + 1.0);
    let start = Instant::now();
    for _ in 0..WAITS {
        wait_for(one() + 1.0);
    }
    let wait_seconds = start.elapsed().as_secs_f64() / WAITS as f64;
    let start = Instant::now();
    let many = (0..LAUNCHES).fold(one(), |x, _| x + 1.0);
    wait_for(many);
    let launch_seconds = start.elapsed().as_secs_f64() / LAUNCHES as f64;
    let large = vec![0.0; LARGE];
    let start = Instant::now();
    wait_for(bus::send(large, [LARGE], device));
    let bytes = 2 * LARGE * size_of::<f32>();
    Costs {
        launch_seconds,
        wait_seconds,
        bytes_per_second: bytes as f64 / start.elapsed().as_secs_f64(),
    }
}

/// Counts the launches of this process, which has opened no device yet and is to measure no time.
pub fn begin_counting_launches() {
    #[cfg(any(feature = "cuda", feature = "vulkan"))]
    kernels::count_launches();
}

fn launches() -> u64 {
    #[cfg(any(feature = "cuda", feature = "vulkan"))]
    return kernels::launches();
    #[cfg(not(any(feature = "cuda", feature = "vulkan")))]
    0
}

/// Launches of the second step of a fresh model; absent where none were counted.
pub fn launches_of_a_step(config: &Config, cache: &Cache) -> Result<Option<u64>, TrainError> {
    let device = Device::select(config.runtime.device)?;
    let text = Text::prepare(config, cache)?;
    let mut seen = Vec::new();
    trainer::time_steps(config, &text, device, 1, |_| {
        seen.push(launches());
        Ok(usize::from(seen.len() < 2))
    })?;
    Ok(match seen[..] {
        [first, second] => second.checked_sub(first).filter(|count| *count > 0),
        _ => None,
    })
}
