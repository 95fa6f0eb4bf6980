//! How fast weights in 8 and 4 bits are multiplied, beside what memory and the FP32 product allow.

use crate::backend::{Device, Work, unless_a_device_fails};
use crate::error::TrainError;
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Tensor, TensorData};
use kernels::{
    CodeBits, Codes, DeviceCodes, Kernels, Matrix, bus, codes_product, matmul, sum_of_words,
};
use serde::Serialize;
use std::hint::black_box;
use std::time::Instant;

/// A matrix larger than the caches: a square of GLM-130B's width.
const WIDTH: usize = 12_288;

/// Rows of a product of matrices, and both sides of its weight.
const ROWS: usize = 512;
const SIDE: usize = 4096;

/// Rounds at least.
const ROUNDS: usize = 5;

/// Weights that share a scale: a row, as published, or a group.
const SHARINGS: [(&str, Option<usize>); 4] = [
    ("row", None),
    ("group-128", Some(128)),
    ("group-64", Some(64)),
    ("group-32", Some(32)),
];

/// The first sharings, which products of many rows are timed with as well.
const MATRIX_SHARINGS: usize = 2;

/// One kernel beside what bounds it: median over rounds in which both were timed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CodesTimed {
    /// Bits of a weight.
    pub bits: u8,
    /// What shares a scale: `row`, `group-128`, `group-64`, `group-32`.
    pub sharing: &'static str,
    /// Rows of activations.
    pub rows: usize,
    /// Outputs and inputs of the weight.
    pub shape: [usize; 2],
    /// Of one product.
    pub seconds: f64,
    /// Bytes of codes and of scales in FP32.
    pub bytes: u64,
    /// Of what bounds it: of one row reading these bytes once, of several the FP32 product.
    pub bound_seconds: f64,
    /// Median of bound over product.
    pub share: f64,
    /// The lowest and the highest of all rounds.
    pub shares: [f64; 2],
}

impl CodesTimed {
    /// Whether it is the product with one row, which memory bounds.
    #[must_use]
    pub fn is_vector(&self) -> bool {
        self.rows == 1
    }
}

/// Seconds of the product and of what bounds it, round by round.
type Rounds = Vec<[f64; 2]>;

/// Times every kernel of a device for at least so many seconds; `on_row` is told of each. On a GPU a time has a launch and a wait
/// in it.
pub fn time_codes(
    device: Device,
    seconds: f64,
    on_row: &mut dyn FnMut(&CodesTimed),
) -> Result<Vec<CodesTimed>, TrainError> {
    if device == Device::CPU {
        return Ok(every_kernel(on_row, |rows, weight| {
            time_here(rows, weight, seconds)
        }));
    }
    unless_a_device_fails(|| device.run(OnDevice { seconds, on_row }))?
}

fn every_kernel(
    on_row: &mut dyn FnMut(&CodesTimed),
    time: impl Fn(usize, &Codes) -> Rounds,
) -> Vec<CodesTimed> {
    let mut all = Vec::new();
    let vector = (1, [WIDTH, WIDTH], &SHARINGS[..]);
    let matrix = (ROWS, [SIDE, SIDE], &SHARINGS[..MATRIX_SHARINGS]);
    for (rows, shape, sharings) in [vector, matrix] {
        let bytes: Vec<u8> = (0..shape[0] * shape[1])
            .map(|i| (i * 37 + i / 251) as u8)
            .collect();
        for (bits, width) in [(8, CodeBits::Eight), (4, CodeBits::Four)] {
            for &(sharing, group) in sharings {
                let grid = [shape[0], group.map_or(1, |group| shape[1] / group)];
                let scales = vec![0.01; grid[0] * grid[1]];
                let weight = Codes {
                    bits: width,
                    shape,
                    packed: &bytes[..shape[0] * shape[1] / width.per_byte()],
                    grid,
                    scales: &scales,
                    zeros: None,
                };
                let rounds = time(rows, &weight);
                let timed = told((bits, sharing, rows), &weight, &rounds);
                on_row(&timed);
                all.push(timed);
            }
        }
    }
    all
}

/// Rows of activations.
fn activations(rows: usize, weight: &Codes) -> Vec<f32> {
    (0..rows * weight.shape[1])
        .map(|i| (i as f32 * 0.7).sin())
        .collect()
}

fn time_here(rows: usize, weight: &Codes, seconds: f64) -> Rounds {
    let [outputs, inputs] = weight.shape;
    let x = activations(rows, weight);
    let mut out = vec![0.0; rows * outputs];
    let mut decoded = vec![0.0; if rows > 1 { outputs * inputs } else { 0 }];
    weight.decode(0, &mut decoded);
    let mut rounds = Vec::new();
    let began = Instant::now();
    while rounds.len() < ROUNDS || began.elapsed().as_secs_f64() < seconds {
        let product = of(|| codes_product(&mut out, &x, weight));
        let bound = of(|| {
            if rows > 1 {
                let w = Matrix::new(&decoded, outputs, inputs).transposed();
                matmul(&mut out, Matrix::new(&x, rows, inputs), w);
            } else {
                for bytes in [weight.packed, bytemuck::cast_slice(weight.scales)] {
                    black_box(sum_of_words(black_box(bytes)));
                }
            }
        });
        rounds.push([product, bound]);
    }
    rounds
}

/// The same on a device.
struct OnDevice<'a> {
    seconds: f64,
    on_row: &'a mut dyn FnMut(&CodesTimed),
}

impl Work for OnDevice<'_> {
    type Output = Vec<CodesTimed>;

    fn run<B>(self, device: &B::Device) -> Result<Self::Output, TrainError>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        let seconds = self.seconds;
        Ok(every_kernel(self.on_row, |rows, weight| {
            time_there::<B::InnerBackend>(rows, weight, seconds, device)
        }))
    }
}

/// What bounds one row is a sum over FP32 numbers of as many bytes.
fn time_there<B: Kernels>(rows: usize, weight: &Codes, seconds: f64, device: &B::Device) -> Rounds {
    let [outputs, inputs] = weight.shape;
    let codes = DeviceCodes::<B>::send(weight, device);
    let x: Tensor<B, 2> = bus::send(activations(rows, weight), [rows, inputs], device);
    let decoded = (rows > 1).then(|| {
        let mut decoded = vec![0.0; outputs * inputs];
        weight.decode(0, &mut decoded);
        bus::send::<B, 2>(decoded, [outputs, inputs], device).transpose()
    });
    let words = bytes(weight) as usize / size_of::<f32>();
    let words = Tensor::<B, 1>::from_data(TensorData::new(vec![1.0_f32; words], [words]), device);
    let product = || drop(bus::read(codes.product(x.clone()).slice([0..1, 0..1])));
    let bound = || match &decoded {
        Some(decoded) => drop(bus::read(
            x.clone().matmul(decoded.clone()).slice([0..1, 0..1]),
        )),
        None => drop(bus::read(words.clone().sum())),
    };
    // Kernels are compiled when they are first launched.
    product();
    bound();
    let mut rounds = Vec::new();
    let began = Instant::now();
    while rounds.len() < ROUNDS || began.elapsed().as_secs_f64() < seconds {
        rounds.push([of(product), of(bound)]);
    }
    rounds
}

/// Of codes and scales in FP32.
fn bytes(weight: &Codes) -> u64 {
    (weight.packed.len() + size_of_val(weight.scales)) as u64
}

fn of(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64()
}

fn told(
    (bits, sharing, rows): (u8, &'static str, usize),
    weight: &Codes,
    rounds: &[[f64; 2]],
) -> CodesTimed {
    let median = |of: &dyn Fn(&[f64; 2]) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        [
            values[0],
            values[values.len() / 2],
            values[values.len() - 1],
        ]
    };
    let [lowest, share, highest] = median(&|[product, bound]| bound / product);
    CodesTimed {
        bits,
        sharing,
        rows,
        shape: weight.shape,
        bytes: bytes(weight),
        seconds: median(&|round| round[0])[1],
        bound_seconds: median(&|round| round[1])[1],
        share,
        shares: [lowest, highest],
    }
}
