//! Attention scores that are known exactly, and what FP64 makes of them.
//!
//! Queries and keys are chosen so that every product is exact in FP32 whatever the order of the sum, and
//! every factor in FP16 and BF16, so that what a probe finds is done by storing, relaxing and softmax.

use crate::random::stream;
use experiments_config::Config;
use rand::{Rng, RngExt};

/// Exponent of the largest query: keys take the rest. Between the two, neither leaves FP16 nor loses
/// bits to its subnormals for any score that the configuration allows.
const QUERY_EXPONENT: i32 = 8;

/// Planted queries and keys, and their scores.
///
/// Row 0 of every head holds the score asked for, at one key, and that number halved up to eight times at the
/// others. The other rows have magnitudes spread evenly in their logarithm from 1 (or a sixteenth of
/// the score) up to the score, and vary by a factor of two inside a row. Row 1 is the farthest below 0.
/// Heads 0, 2, .. have rows of both signs and the score is positive; in heads 1, 3, .. every score is
/// negative: there the largest score and the largest magnitude are far apart.
pub(super) struct Planted {
    /// `[n, s, d]`, with √d for the model to take off.
    pub(super) q: Vec<f32>,
    /// `[n, s, d]`
    pub(super) k: Vec<f32>,
    /// `[n, s, s]`, exact.
    pub(super) scores: Vec<f64>,
    /// Gradient of the probabilities, `[n, s, s]`: multiples of 1/64 in [-1, 1].
    pub(super) dp: Vec<f32>,
}

impl Planted {
    pub(super) fn new(config: &Config) -> Self {
        let model = &config.model;
        let (s, d) = (model.seq_len, model.head_dim());
        let score = config.probe.score as f32;
        let unit = 2_f32.powi(exponent(score) - QUERY_EXPONENT);
        let mut planted = Self {
            q: Vec::new(),
            k: Vec::new(),
            scores: Vec::new(),
            dp: Vec::new(),
        };
        for head in 0..model.num_heads {
            let mut rng = stream(config.seed, "planted scores", head as u64);
            let rows = rows(score, s, head % 2 == 1, &mut rng);
            let keys: Vec<[f32; 4]> = keys(s, &mut rng);
            for row in &rows {
                let q = row.map(|x| x / unit);
                push(&mut planted.q, q.map(|x| x * (d as f32).sqrt()), d);
                planted.scores.extend(keys.iter().map(|key| {
                    let terms = row.iter().zip(key);
                    terms
                        .map(|(a, b)| f64::from(*a) * f64::from(*b))
                        .sum::<f64>()
                }));
            }
            for key in &keys {
                push(&mut planted.k, key.map(|x| x * unit), d);
            }
            let draw = || rng.random_range(-64..=64) as f32 / 64.0;
            planted.dp.extend(std::iter::repeat_with(draw).take(s * s));
        }
        planted
    }
}

/// Exponent of a normal number.
fn exponent(x: f32) -> i32 {
    ((x.to_bits() >> 23) & 0xff) as i32 - 127
}

/// Without all but eight bits of the fraction, which FP16 and BF16 both hold.
fn eight_bits(x: f32) -> f32 {
    f32::from_bits(x.to_bits() & 0xffff_0000)
}

fn push(to: &mut Vec<f32>, values: [f32; 4], width: usize) {
    to.extend(values);
    to.extend(std::iter::repeat_n(0.0, width - values.len()));
}

/// Every row as four numbers: an ordinary one has eight bits in the first, row 0 the 24 bits of the score
/// in the other three.
fn rows(score: f32, s: usize, negative: bool, rng: &mut impl Rng) -> Vec<[f32; 4]> {
    let sign = if negative { -1.0 } else { 1.0 };
    let high = eight_bits(score);
    let middle = eight_bits(score - high);
    let low = score - high - middle;
    let mut rows = vec![[0.0, sign * high, sign * middle, sign * low]];
    let least = (score / 16.0).min(1.0);
    for row in 1..s {
        let (share, coin) = (rng.random::<f32>(), rng.random::<bool>());
        let share = if row == 1 { 1.0 } else { share };
        let below = negative || row == 1 || coin;
        let size = eight_bits((least * (score / least).powf(share)).min(score));
        rows.push([if below { -size } else { size }, 0.0, 0.0, 0.0]);
    }
    rows
}

/// What an ordinary row is multiplied by, eight bits in [½, 1), and what row 0 is: a power of two, 1 at
/// one key.
fn keys(s: usize, rng: &mut impl Rng) -> Vec<[f32; 4]> {
    let largest = rng.random_range(0..s as u64) as usize;
    let key = |index| {
        let ordinary = eight_bits(rng.random_range(0.5..1.0_f32));
        let halved = rng.random_range(1..=8);
        let power = if index == largest {
            1.0
        } else {
            0.5_f32.powi(halved)
        };
        [ordinary, power, power, power]
    };
    (0..s).map(key).collect()
}

/// Softmax of rows of `s` scores and its backward pass for the gradient `dp`: probabilities and gradient
/// of the scores.
pub(super) fn reference(scores: &[f64], dp: &[f32], s: usize) -> [Vec<f64>; 2] {
    let mut p = Vec::with_capacity(scores.len());
    let mut gradient = Vec::with_capacity(scores.len());
    for (row, dp) in scores.chunks_exact(s).zip(dp.chunks_exact(s)) {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let exp: Vec<f64> = row.iter().map(|x| (x - largest).exp()).collect();
        let sum: f64 = exp.iter().sum();
        let own: Vec<f64> = exp.iter().map(|e| e / sum).collect();
        let along: f64 = own.iter().zip(dp).map(|(p, d)| p * f64::from(*d)).sum();
        gradient.extend(own.iter().zip(dp).map(|(p, d)| p * (f64::from(*d) - along)));
        p.extend(own);
    }
    [p, gradient]
}
