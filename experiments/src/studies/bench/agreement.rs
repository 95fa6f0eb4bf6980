//! Whether a device computes what the CPU computes.

use crate::backend::{Device, Work};
use crate::error::TrainError;
use crate::trainer::{Text, first_gradient};
use burn::tensor::backend::AutodiffBackend;
use experiments_config::{Config, Format};
use experiments_text::Cache;
use kernels::Kernels;
use serde::Serialize;

/// One comparison.
#[derive(Debug, Clone, Serialize)]
pub struct Agreement {
    /// What was computed.
    pub what: String,
    /// Distance from the CPU's result over the size of that result; NaN (`null` in JSON) where one is
    /// a number and the other is none.
    pub error: f64,
    /// Largest error that passes.
    pub allowed: f64,
    /// Whether it does.
    pub passed: bool,
}

impl Agreement {
    fn new(what: String, error: f64, allowed: f64) -> Self {
        Self {
            what,
            error,
            allowed,
            // NaN does not pass.
            passed: error <= allowed,
        }
    }
}

/// Every operation of the device's backend against the plain version on the CPU, then loss and
/// gradients of the first step of `config` in each of `formats` against the CPU's.
pub fn agreements(
    config: &Config,
    formats: &[Format],
    cache: &Cache,
) -> Result<Vec<Agreement>, TrainError> {
    let device = Device::select(config.runtime.device)?;
    let mut all = device.run(Operations)?;
    let text = Text::prepare(config, cache)?;
    for format in formats {
        let mut config = config.clone();
        config.precision.format = *format;
        // The first scale of a run is meant to overflow, and infinities cannot be compared.
        config.precision.loss_scale.initial = config.precision.loss_scale.initial.min(1024.0);
        let first = |device| first_gradient(&config, &text, device);
        all.extend(compare(*format, &first(device)?, &first(Device::CPU)?));
    }
    Ok(all)
}

/// Rounding moves with the order of sums: a value near the middle of two neighbours goes the other way,
/// and all that follows from it. FP16 has 11 significant bits, BF16 8.
fn compare(
    format: Format,
    (loss, gradients): &(f64, Vec<f32>),
    (cpu_loss, cpu_gradients): &(f64, Vec<f32>),
) -> [Agreement; 2] {
    let (name, on_loss, on_gradients) = allowed(format);
    let square = |x: f64| x * x;
    let pairs = gradients.iter().zip(cpu_gradients);
    let apart: f64 = pairs
        .map(|(a, b)| square(f64::from(*a) - f64::from(*b)))
        .sum();
    let norm: f64 = cpu_gradients.iter().map(|g| square(f64::from(*g))).sum();
    let what = |part: &str| format!("first step in {name}, {part}");
    let loss = (loss / cpu_loss - 1.0).abs();
    [
        Agreement::new(what("loss"), loss, on_loss),
        Agreement::new(what("gradients"), (apart / norm).sqrt(), on_gradients),
    ]
}

/// Name of a format, and how far loss and gradients may lie apart in it.
fn allowed(format: Format) -> (&'static str, f64, f64) {
    match format {
        Format::Fp32 => ("FP32", 1e-5, 1e-3),
        Format::Fp16 => ("FP16", 2e-3, 2e-2),
        Format::Bf16 => ("BF16", 1e-2, 1e-1),
    }
}

struct Operations;

impl Work for Operations {
    type Output = Vec<Agreement>;

    fn run<B>(self, device: &B::Device) -> Result<Self::Output, TrainError>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        let found = kernels::check::<B::InnerBackend>(device).into_iter();
        let agreement = |check: kernels::Agreement| {
            let shape: Vec<_> = check.shape.iter().map(usize::to_string).collect();
            let what = format!("{} [{}]", check.operation, shape.join(" × "));
            Agreement::new(what, check.error, check.allowed)
        };
        Ok(found.map(agreement).collect())
    }
}

#[cfg(test)]
#[cfg(any(feature = "cuda", feature = "vulkan"))]
mod tests;
