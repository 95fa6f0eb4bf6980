//! How fast weights in 8 and 4 bits are multiplied on the CPU, beside what memory and the FP32 product allow.

use kernels::{CodeBits, Codes, Matrix, codes_product, matmul, sum_of_words};
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

/// The first sharings, which products of many rows are timed with: these decode a slab once, whatever shares a scale.
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

/// Times every kernel for at least so many seconds; `on_row` is told of each.
pub fn time_codes(seconds: f64, on_row: &mut dyn FnMut(&CodesTimed)) -> Vec<CodesTimed> {
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
                let rounds = time(rows, &weight, seconds);
                let timed = told((bits, sharing, rows), &weight, &rounds);
                on_row(&timed);
                all.push(timed);
            }
        }
    }
    all
}

/// Seconds of the product and of what bounds it, round by round.
fn time(rows: usize, weight: &Codes, seconds: f64) -> Vec<[f64; 2]> {
    let [outputs, inputs] = weight.shape;
    let x: Vec<f32> = (0..rows * inputs).map(|i| (i as f32 * 0.7).sin()).collect();
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
        bytes: (weight.packed.len() + size_of_val(weight.scales)) as u64,
        seconds: median(&|round| round[0])[1],
        bound_seconds: median(&|round| round[1])[1],
        share,
        shares: [lowest, highest],
    }
}
