//! The rate of large square matrix products.

use crate::backend::Work;
use crate::error::TrainError;
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{FloatDType, Tensor, TensorData, TensorPrimitive};
use kernels::{HalfFormat, Kernels};
use serde::Serialize;
use std::time::Instant;

/// Operations of one measurement: long enough that a device's queue and its clock do not matter, short
/// enough to be repeated between steps.
const SMALL_WORK: f64 = 4e9;
const LARGE_WORK: f64 = 2e12;
const SMALL_SIZES: [usize; 3] = [512, 1024, 1536];
const LARGE_SIZES: [usize; 3] = [2048, 4096, 8192];

/// A product of two square matrices.
#[derive(Debug, Clone, Serialize)]
pub struct Product {
    /// `fp32`, `fp16` or `bf16`: the format of the operands.
    pub format: &'static str,
    /// Rows and columns.
    pub size: usize,
    /// Operations per second, multiply and add counted as two; the best of all rounds.
    pub flops: f64,
}

/// The best rate of each product so far.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Peak {
    /// One per format and size.
    pub products: Vec<Product>,
}

impl Peak {
    /// The best rate in a format, and in FP32 where the device has no units for it; operations per
    /// second.
    #[must_use]
    pub fn best(&self, format: &str) -> f64 {
        let best = |format: &str| {
            let products = self.products.iter().filter(|p| p.format == format);
            products.map(|product| product.flops).reduce(f64::max)
        };
        best(format).or_else(|| best("fp32")).unwrap_or(0.0)
    }

    /// Takes in another measurement.
    pub fn join(&mut self, other: &Self) {
        for product in &other.products {
            let same = |p: &&mut Product| p.format == product.format && p.size == product.size;
            match self.products.iter_mut().find(same) {
                Some(known) => known.flops = known.flops.max(product.flops),
                None => self.products.push(product.clone()),
            }
        }
    }
}

/// One round: every size in FP32 and, where the device has units for it, in `half`.
pub(super) struct Products {
    pub(super) half: Option<HalfFormat>,
}

impl Work for Products {
    type Output = Peak;

    fn run<B>(self, device: &B::Device) -> Result<Peak, TrainError>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        let on_units = |format| B::InnerBackend::half_products(device, format);
        // A device without such units is no large one.
        let (sizes, work) = if on_units(HalfFormat::Fp16) {
            (LARGE_SIZES, LARGE_WORK)
        } else {
            (SMALL_SIZES, SMALL_WORK)
        };
        let half = self.half.filter(|half| on_units(*half));
        let formats = [None].into_iter().chain(half.map(Some));
        let rates =
            |format| sizes.map(|size| product::<B::InnerBackend>(device, format, size, work));
        Ok(Peak {
            products: formats.flat_map(rates).collect(),
        })
    }
}

/// Times `y ← y w` as often as `work` asks. Each product needs the one before, and a value of the last
/// is read: nothing can be left out or overlapped.
fn product<B: Kernels>(
    device: &B::Device,
    half: Option<HalfFormat>,
    size: usize,
    work: f64,
) -> Product {
    let (format, dtype) = match half {
        None => ("fp32", FloatDType::F32),
        Some(HalfFormat::Fp16) => ("fp16", FloatDType::F16),
        Some(HalfFormat::Bf16) => ("bf16", FloatDType::BF16),
    };
    // Values of both signs that neither grow nor die out over repeated products.
    let spread = (3.0 / size as f64).sqrt();
    let values: Vec<f32> = (0..size * size)
        .map(|i| (spread * (i as f64 * 0.754_877_666).fract().mul_add(2.0, -1.0)) as f32)
        .collect();
    let matrix = B::float_from_data(TensorData::new(values, [size, size]), device);
    let matrix = if half.is_some() {
        B::float_cast(matrix, dtype)
    } else {
        matrix
    };
    let operations = 2.0 * (size as f64).powi(3);
    let times = (work / operations).ceil().max(1.0) as usize;
    let run = |times: usize| {
        let mut y = matrix.clone();
        for _ in 0..times {
            y = B::product(y, matrix.clone(), None);
        }
        read::<B>(y);
    };
    // Devices choose and compile a kernel when they first meet a shape.
    run(1);
    let start = Instant::now();
    run(times);
    Product {
        format,
        size,
        flops: operations * times as f64 / start.elapsed().as_secs_f64(),
    }
}

/// Waits until a matrix is there.
fn read<B: Kernels>(x: FloatTensor<B>) {
    let x = Tensor::<B, 2>::from_primitive(TensorPrimitive::Float(x));
    std::hint::black_box(x.slice([0..1, 0..1]).into_data());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_a_format_falls_back_on_fp32() {
        let product = |format, size, flops| Product {
            format,
            size,
            flops,
        };
        let mut peak = Peak::default();
        assert_eq!(peak.best("fp16"), 0.0);
        for flops in [3.0, 5.0, 4.0] {
            peak.join(&Peak {
                products: vec![product("fp32", 512, flops), product("fp32", 1024, 2.0)],
            });
        }
        assert_eq!((peak.products.len(), peak.best("fp32")), (2, 5.0));
        assert_eq!(peak.best("bf16"), 5.0);
        peak.join(&Peak {
            products: vec![product("bf16", 512, 9.0)],
        });
        assert_eq!((peak.best("bf16"), peak.best("fp16")), (9.0, 5.0));
    }
}
