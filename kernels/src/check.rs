//! Holds the operations of a backend to their specification, the plain versions on the CPU: for
//! `workbench bench` on a device, and for the property tests.

use crate::{HalfFormat, Kernels, gelu, layer_norm, round_slice};
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Shape, Tensor, TensorData, TensorPrimitive};
use burn_flex::Flex;

/// How one result of an operation agrees with its specification.
#[derive(Debug, Clone)]
pub struct Agreement {
    /// The operation and, where it has several, the result.
    pub operation: &'static str,
    /// Shape of the input.
    pub shape: Vec<usize>,
    /// Largest distance from the specification over its largest value; NaN where one has a number
    /// and the other has none.
    pub error: f64,
    /// Largest `error` that passes.
    pub allowed: f64,
}

impl Agreement {
    /// Whether the results agree; NaN does not.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.error <= self.allowed
    }
}

/// Sums in another order, and another library's `exp` and `erf`.
const REORDERED: f64 = 2e-5;

/// All operations of a backend on its device, at the shapes of a small proxy and at odd ones.
#[must_use]
pub fn check<B: Kernels>(device: &B::Device) -> Vec<Agreement> {
    let mut all = Vec::new();
    for (seed, [rows, width]) in [[3, 5], [64, 64], [1024, 344], [512, 1365]]
        .into_iter()
        .enumerate()
    {
        let seed = seed as u64 + 1;
        all.extend(check_rounding::<B>(device, rows * width, seed));
        all.extend(check_gelu::<B>(device, rows, width, seed));
        all.extend(check_layer_norm::<B>(device, rows, width, seed));
    }
    all
}

/// Values for a check, in [-1, 1), the same for the same seed.
struct Draw(u64);

impl Draw {
    fn one(&mut self) -> f32 {
        // Knuth's MMIX generator; its upper bits are good enough to fill tensors.
        self.0 = (self.0)
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 40) as f32 / (1 << 23) as f32) - 1.0
    }

    fn many(&mut self, len: usize, factor: f32) -> Vec<f32> {
        (0..len).map(|_| factor * self.one()).collect()
    }
}

fn upload<B: Kernels>(values: &[f32], shape: &[usize], device: &B::Device) -> FloatTensor<B> {
    B::float_from_data(TensorData::new(values.to_vec(), shape.to_vec()), device)
}

fn download<B: Kernels>(x: FloatTensor<B>, len: usize) -> Vec<f32> {
    let flat = B::float_reshape(x, Shape::new([len]));
    let flat = Tensor::<B, 1>::from_primitive(TensorPrimitive::Float(flat));
    flat.into_data()
        .convert::<f32>()
        .to_vec()
        .unwrap_or_default()
}

/// The largest distance over the largest finite value; equal values (infinities too) are at distance
/// 0, and so are two NaN.
fn distance(found: &[f32], expected: &[f32]) -> f64 {
    if found.len() != expected.len() {
        return f64::NAN;
    }
    let finite = expected.iter().filter(|value| value.is_finite());
    let scale = finite.fold(f64::MIN_POSITIVE, |most, v| most.max(f64::from(v.abs())));
    let mut largest = 0.0_f64;
    for (a, b) in found.iter().zip(expected) {
        if a == b || (a.is_nan() && b.is_nan()) {
            continue;
        }
        let apart = (f64::from(*a) - f64::from(*b)).abs() / scale;
        if !apart.is_finite() {
            return f64::NAN;
        }
        largest = largest.max(apart);
    }
    largest
}

/// Bit patterns of all sizes, so that overflow, subnormal values and ties come up.
pub(crate) fn check_rounding<B: Kernels>(
    device: &B::Device,
    len: usize,
    seed: u64,
) -> Vec<Agreement> {
    let mut draw = Draw(seed);
    let mut x: Vec<f32> = (0..len)
        .map(|i| {
            let size = [1.0, 1e-7, 7e4, 1e-3, 1e30][i % 5];
            draw.one() * size
        })
        .collect();
    // Half way between two neighbours, on both sides of even.
    x.extend([1.0 + 1.0 / 2048.0, 1.0 + 3.0 / 2048.0, 65_519.0, 65_520.0]);
    x.extend([
        1.003_906_2,
        1.011_718_8,
        0.0,
        -0.0,
        f32::INFINITY,
        2.0_f32.powi(-25),
    ]);
    [
        ("round to fp16", HalfFormat::Fp16),
        ("round to bf16", HalfFormat::Bf16),
    ]
    .into_iter()
    .map(|(operation, format)| {
        let mut expected = x.clone();
        round_slice(&mut expected, format);
        let (rounded, _) = B::round(upload::<B>(&x, &[x.len()], device), format);
        // A grain of the smallest format is a grain of every value here: no distance is allowed.
        let found = download::<B>(rounded, x.len());
        let equal = found.iter().zip(&expected).all(|(a, b)| a == b);
        Agreement {
            operation,
            shape: vec![x.len()],
            error: if equal {
                0.0
            } else {
                distance(&found, &expected).max(f64::MIN_POSITIVE)
            },
            allowed: 0.0,
        }
    })
    .collect()
}

/// GELU and its slope.
pub(crate) fn check_gelu<B: Kernels>(
    device: &B::Device,
    rows: usize,
    width: usize,
    seed: u64,
) -> Vec<Agreement> {
    let (mut draw, len, shape) = (Draw(seed), rows * width, [rows, width]);
    let (x, dy) = (draw.many(len, 5.0), draw.many(len, 1.0));
    let cpu = Default::default();
    let there = |v: &[f32]| upload::<B>(v, &shape, device);
    let here = |v: &[f32]| upload::<Flex>(v, &shape, &cpu);
    let pair = |operation, found: FloatTensor<B>, expected: FloatTensor<Flex>| Agreement {
        operation,
        shape: shape.to_vec(),
        error: distance(&download::<B>(found, len), &download::<Flex>(expected, len)),
        allowed: REORDERED,
    };
    vec![
        pair("GELU", B::exact_gelu(there(&x)), Flex::exact_gelu(here(&x))),
        pair(
            "GELU, dx",
            B::exact_gelu_backward(there(&x), there(&dy)),
            gelu::plain_backward::<Flex>(here(&x), here(&dy)),
        ),
    ]
}

/// Layer norm and its three gradients.
pub(crate) fn check_layer_norm<B: Kernels>(
    device: &B::Device,
    rows: usize,
    width: usize,
    seed: u64,
) -> Vec<Agreement> {
    const EPS: f64 = 1e-5;
    let (mut draw, len, shape) = (Draw(seed), rows * width, [rows, width]);
    let (x, dy) = (draw.many(len, 3.0), draw.many(len, 1.0));
    let gamma: Vec<f32> = (0..width).map(|_| 1.0 + 0.5 * draw.one()).collect();
    let beta = draw.many(width, 1.0);
    let cpu = Default::default();
    let there = |v: &[f32]| upload::<B>(v, &shape, device);
    let here = |v: &[f32]| upload::<Flex>(v, &shape, &cpu);
    let there_1 = |v: &[f32]| upload::<B>(v, &[width], device);
    let here_1 = |v: &[f32]| upload::<Flex>(v, &[width], &cpu);
    let of = |operation, found: FloatTensor<B>, expected: FloatTensor<Flex>, len| Agreement {
        operation,
        shape: shape.to_vec(),
        error: distance(&download::<B>(found, len), &download::<Flex>(expected, len)),
        allowed: REORDERED,
    };
    let found = B::norm_rows(there(&x), there_1(&gamma), there_1(&beta), EPS);
    let expected = layer_norm::plain::<Flex>(here(&x), here_1(&gamma), here_1(&beta), EPS);
    let forward = of("layer norm", found, expected, len);
    let found = B::norm_rows_backward(there(&x), there_1(&gamma), there(&dy), EPS);
    let expected = layer_norm::plain_backward::<Flex>(here(&x), here_1(&gamma), here(&dy), EPS);
    vec![
        forward,
        of("layer norm, dx", found.x, expected.x, len),
        of("layer norm, dγ", found.gamma, expected.gamma, width),
        of("layer norm, dβ", found.beta, expected.beta, width),
    ]
}
