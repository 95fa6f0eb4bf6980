//! Holds the operations of a backend to their specification, the plain versions on the CPU: for
//! `workbench bench` on a device, and for the property tests.

mod attention;
mod bias;
mod codes;
mod ranges;
#[cfg(test)]
mod tests;

use crate::{HalfFormat, Kernels, Rounding, round_slice};
use crate::{Heads, cross_entropy, geglu, gelu, heads, layer_norm, softmax};
use attention::{FORMATS, check_attention, check_attention_counts};
use burn::tensor::ops::{FloatTensor, FloatTensorOps};
use burn::tensor::{Bool, Int, Shape, Tensor, TensorData, TensorMetadata, TensorPrimitive};
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
    check_with::<B>(device, &FORMATS)
}

/// The same, with heads wider than those of the proxies in some formats.
fn check_with<B: Kernels>(
    device: &B::Device,
    formats_of_wide_heads: &[Option<HalfFormat>],
) -> Vec<Agreement> {
    let mut all = Vec::new();
    for (seed, [rows, width]) in [[3, 5], [64, 64], [1024, 344], [512, 1365]]
        .into_iter()
        .enumerate()
    {
        let seed = seed as u64 + 1;
        all.extend(check_rounding::<B>(device, rows * width, seed));
        all.extend(check_gelu::<B>(device, rows, width, seed));
        for groups in [1, if rows % 3 == 0 { 3 } else { 4 }] {
            all.extend(check_layer_norm::<B>(device, [rows, width, groups], seed));
        }
        all.extend(check_geglu::<B>(device, rows, width, seed));
        let runs = if rows % 3 == 0 { 3 } else { 4 };
        for runs in [1, runs] {
            all.extend(bias::check_bias::<B>(device, [rows, width, runs], seed));
        }
        all.extend(check_cross_entropy::<B>(device, rows, width, seed));
    }
    for (seed, [b, n, s]) in [[1, 2, 5], [2, 3, 64], [2, 4, 300]].into_iter().enumerate() {
        all.extend(check_softmax::<B>(device, [b, n, s, s], seed as u64 + 1));
    }
    for (seed, (shape, formats)) in [
        ([1, 2, 5, 5, 40], &FORMATS[..]),
        ([2, 3, 64, 64, 40], &FORMATS),
        ([1, 2, 33, 101, 40], &FORMATS),
        ([2, 1, 130, 130, 64], formats_of_wide_heads),
        ([1, 2, 70, 70, 128], formats_of_wide_heads),
    ]
    .into_iter()
    .enumerate()
    {
        let seed = seed as u64 + 1;
        all.extend(check_attention::<B>(device, shape, 1.0, seed, formats));
    }
    for (seed, sizes) in [[1, 5, 2, 8], [2, 65, 3, 24]].into_iter().enumerate() {
        all.extend(check_heads::<B>(device, sizes, seed as u64 + 1));
    }
    all.push(check_attention_counts::<B>(device, 1));
    for (seed, sizes) in [
        [3, 5, 7],
        [64, 64, 64],
        [1024, 128, 688],
        [512, 1365, 512],
        [136, 70, 1000],
        // An odd number of full stages of terms, and one stage.
        [136, 96, 1000],
        [64, 352, 128],
        [40, 32, 50],
    ]
    .into_iter()
    .enumerate()
    {
        all.extend(check_product::<B>(device, sizes, seed as u64 + 1));
    }
    for (seed, sizes) in [[1, 5, 7], [1, 300, 688], [3, 64, 128], [70, 130, 344]]
        .into_iter()
        .enumerate()
    {
        all.extend(codes::check_codes::<B>(device, sizes, seed as u64 + 1));
    }
    all.extend(ranges::check_ranges::<B>(device, 7));
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

/// Layer norm and its three gradients; every group of rows has a γ and β of its own.
pub(crate) fn check_layer_norm<B: Kernels>(
    device: &B::Device,
    [rows, width, groups]: [usize; 3],
    seed: u64,
) -> Vec<Agreement> {
    const EPS: f64 = 1e-5;
    let (mut draw, len, shape) = (Draw(seed), rows * width, [rows, width]);
    let (x, dy) = (draw.many(len, 3.0), draw.many(len, 1.0));
    let weights = groups * width;
    let gamma: Vec<f32> = (0..weights).map(|_| 1.0 + 0.5 * draw.one()).collect();
    let beta = draw.many(weights, 1.0);
    let cpu = Default::default();
    let there = |v: &[f32]| upload::<B>(v, &shape, device);
    let here = |v: &[f32]| upload::<Flex>(v, &shape, &cpu);
    let there_1 = |v: &[f32]| upload::<B>(v, &[weights], device);
    let here_1 = |v: &[f32]| upload::<Flex>(v, &[weights], &cpu);
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
        of("layer norm, dγ", found.gamma, expected.gamma, weights),
        of("layer norm, dβ", found.beta, expected.beta, weights),
    ]
}

/// Heads out of a matrix, not rotated, in one block and in two.
pub(crate) fn check_heads<B: Kernels>(
    device: &B::Device,
    [batch, seq_len, heads, width]: [usize; 4],
    seed: u64,
) -> Vec<Agreement> {
    let mut draw = Draw(seed);
    let matrix = [batch * seq_len, 3 * heads * width];
    let [shape, angles] = [heads, 1].map(|n| [batch, n, seq_len, width]);
    let mut values = |shape: &[usize]| draw.many(shape.iter().product(), 1.0);
    let (x, dy, cos, sin) = (
        values(&matrix),
        values(&shape),
        values(&angles),
        values(&angles),
    );
    let mut all = Vec::new();
    for (part, blocks) in [(0, 1), (1, 2), (2, 0)] {
        let heads = Heads {
            part,
            parts: 3,
            batch,
            seq_len,
            heads,
            blocks,
        };
        let both = Both::<B> {
            device,
            shape: &matrix,
        };
        let there = || (blocks > 0).then(|| [&cos, &sin].map(|v| both.there(v, &angles)));
        let here = || (blocks > 0).then(|| [&cos, &sin].map(|v| on_cpu(v, &angles)));
        let found = B::heads(both.there(&x, &matrix), there(), &heads);
        let expected = heads::plain::<Flex>(on_cpu(&x, &matrix), here(), &heads);
        all.push(both.agreement("heads", found, expected, REORDERED));
        let found = B::heads_backward(both.there(&dy, &shape), there(), &heads);
        let expected = heads::plain_backward::<Flex>(on_cpu(&dy, &shape), here(), &heads);
        all.push(both.agreement("heads, dx", found, expected, REORDERED));
    }
    all
}

/// A backend's tensors, and how they agree with the specification's.
struct Both<'a, B: Kernels> {
    device: &'a B::Device,
    shape: &'a [usize],
}

impl<B: Kernels> Both<'_, B> {
    fn there(&self, values: &[f32], shape: &[usize]) -> FloatTensor<B> {
        upload::<B>(values, shape, self.device)
    }

    fn agreement(
        &self,
        operation: &'static str,
        found: FloatTensor<B>,
        expected: FloatTensor<Flex>,
        allowed: f64,
    ) -> Agreement {
        let len = expected.shape().num_elements();
        Agreement {
            operation,
            shape: self.shape.to_vec(),
            error: distance(&download::<B>(found, len), &download::<Flex>(expected, len)),
            allowed,
        }
    }
}

/// Values on the CPU.
fn on_cpu(values: &[f32], shape: &[usize]) -> FloatTensor<Flex> {
    upload::<Flex>(values, shape, &Default::default())
}

/// `GeGLU` in every format.
pub(crate) fn check_geglu<B: Kernels>(
    device: &B::Device,
    rows: usize,
    f: usize,
    seed: u64,
) -> Vec<Agreement> {
    let mut draw = Draw(seed);
    let (wide, narrow) = ([rows, 2 * f], [rows, f]);
    let (up, dy) = (draw.many(rows * 2 * f, 4.0), draw.many(rows * f, 1.0));
    let both = Both::<B> {
        device,
        shape: &wide,
    };
    // GELU differs in its last bit between libraries, and near a tie that is one grain of the format.
    let cases = [
        ("GeGLU", "GeGLU, dx", None, REORDERED),
        ("GeGLU fp16", "GeGLU fp16, dx", Some(HalfFormat::Fp16), 1e-3),
        ("GeGLU bf16", "GeGLU bf16, dx", Some(HalfFormat::Bf16), 8e-3),
    ];
    let mut all = Vec::new();
    for (forward, backward, format, allowed) in cases {
        let rounding = format.map(|format| Rounding {
            format,
            site: None,
            saturates: true,
        });
        let format = rounding.as_ref();
        let found = B::geglu(both.there(&up, &wide), format);
        let expected = geglu::plain::<Flex>(on_cpu(&up, &wide), format);
        all.push(both.agreement(forward, found, expected, allowed));
        let found = B::geglu_backward(both.there(&up, &wide), both.there(&dy, &narrow), format);
        let (up, dy) = (on_cpu(&up, &wide), on_cpu(&dy, &narrow));
        let expected = geglu::plain_backward::<Flex>(up, dy, format);
        all.push(both.agreement(backward, found, expected, allowed));
    }
    all
}

/// Softmax with an eighth of the places forbidden, and one row whole.
pub(crate) fn check_softmax<B: Kernels>(
    device: &B::Device,
    shape: [usize; 4],
    seed: u64,
) -> Vec<Agreement> {
    const FILL: f32 = -10_000.0;
    let mut draw = Draw(seed);
    let [b, n, q, k] = shape;
    let (x, dp) = (draw.many(b * n * q * k, 8.0), draw.many(b * n * q * k, 1.0));
    let mask: Vec<bool> = (0..b * q * k).map(|i| i < k || draw.one() > 0.75).collect();
    let mask = TensorData::new(mask, [b, 1, q, k]);
    let both = Both::<B> {
        device,
        shape: &shape,
    };
    let there = || Tensor::<B, 4, Bool>::from_data(mask.clone(), device).into_primitive();
    let here = || {
        let mask = Tensor::<Flex, 4, Bool>::from_data(mask.clone(), &Default::default());
        mask.into_primitive()
    };
    let found = B::masked_softmax(both.there(&x, &shape), there(), FILL);
    let p = softmax::plain::<Flex>(on_cpu(&x, &shape), here(), FILL);
    let forward = both.agreement("masked softmax", found, p.clone(), REORDERED);
    let p_there = both.there(&download::<Flex>(p.clone(), b * n * q * k), &shape);
    let found = B::masked_softmax_backward(p_there, there(), both.there(&dp, &shape));
    let expected = softmax::plain_backward::<Flex>(p, here(), on_cpu(&dp, &shape));
    let backward = both.agreement("masked softmax, dx", found, expected, REORDERED);
    vec![forward, backward]
}

/// Cross-entropy and log-denominator, with a gradient into both.
pub(crate) fn check_cross_entropy<B: Kernels>(
    device: &B::Device,
    t: usize,
    v: usize,
    seed: u64,
) -> Vec<Agreement> {
    let mut draw = Draw(seed);
    let (x, dy) = (draw.many(t * v, 10.0), draw.many(2 * t, 1.0));
    let tokens: Vec<i64> = (0..t).map(|i| ((i * 7 + 3) % v) as i64).collect();
    let tokens = TensorData::new(tokens, [t]);
    let (shape, pair) = ([t, v], [t, 2]);
    let both = Both::<B> {
        device,
        shape: &shape,
    };
    let there = || Tensor::<B, 1, Int>::from_data(tokens.clone(), device).into_primitive();
    let here = || {
        let tokens = Tensor::<Flex, 1, Int>::from_data(tokens.clone(), &Default::default());
        tokens.into_primitive()
    };
    let found = B::cross_entropy(both.there(&x, &shape), there());
    let output = cross_entropy::plain::<Flex>(on_cpu(&x, &shape), here());
    let forward = both.agreement("cross-entropy", found, output.clone(), REORDERED);
    let values = download::<Flex>(output.clone(), 2 * t);
    let found = B::cross_entropy_backward(
        both.there(&x, &shape),
        there(),
        both.there(&values, &pair),
        both.there(&dy, &pair),
    );
    let (x, dy) = (on_cpu(&x, &shape), on_cpu(&dy, &pair));
    let expected = cross_entropy::plain_backward::<Flex>(x, here(), output, dy);
    let backward = both.agreement("cross-entropy, dx", found, expected, REORDERED);
    vec![forward, backward]
}

/// Products of the format's values, one operand as it is and as a transpose.
pub(crate) fn check_product<B: Kernels>(
    device: &B::Device,
    [m, k, n]: [usize; 3],
    seed: u64,
) -> Vec<Agreement> {
    let mut draw = Draw(seed);
    let shape = [m, k, n];
    let both = Both::<B> {
        device,
        shape: &shape,
    };
    // Operands are 16-bit values, so only the order of an FP32 sum differs: a sum in 16 bits, or one
    // with operands cut to TF32, would be far outside.
    let cases = [
        ("product fp32", None),
        ("product fp16", Some(HalfFormat::Fp16)),
        ("product bf16", Some(HalfFormat::Bf16)),
    ];
    let mut all = Vec::new();
    for (operation, format) in cases {
        let (mut a, mut b) = (draw.many(m * k, 1.0), draw.many(n * k, 1.0));
        for values in [&mut a, &mut b] {
            if let Some(format) = format {
                round_slice(values, format);
            }
        }
        // b lies [n, k], as weights do.
        let b_there = B::float_swap_dims(both.there(&b, &[n, k]), 0, 1);
        let found = B::product(both.there(&a, &[m, k]), b_there, format);
        let b_here = Flex::float_swap_dims(on_cpu(&b, &[n, k]), 0, 1);
        let expected = Flex::float_matmul(on_cpu(&a, &[m, k]), b_here);
        all.push(both.agreement(operation, found, expected, REORDERED));
    }
    all
}
