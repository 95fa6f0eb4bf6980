//! One row of activations times rows of codes: sums over [`LANES`] partial sums, which scales multiply block by block.

#![expect(
    clippy::inline_always,
    reason = "only what is inlined is compiled for the CPU at hand"
)]

use super::{CodeBits, Codes};
use crate::simd::{LANES, fetch, halved, vectorised};

/// Rows of codes that share what is loaded of the activations.
const TOGETHER: usize = 4;

/// A row of activations, as the codes need it.
pub(super) struct Row {
    /// Of 4-bit codes the even inputs, and the odd ones; of 8-bit codes all, and none.
    parts: [Vec<f32>; 2],
    /// Sums over the blocks of a row, where they have zero points.
    sums: Vec<f32>,
    /// What zero points add to every output, where all outputs have the same; then the activations have been multiplied
    /// by the scales.
    offset: Option<f32>,
}

impl Row {
    pub(super) fn new(x: &[f32], weight: &Codes) -> Self {
        let [down, across] = weight.grid;
        let width = x.len() / across;
        // Where all outputs share their scales, those go to the activations, once.
        let mut own = x.to_vec();
        let mut offset = None;
        if down == 1 {
            for (block, scale) in own.chunks_exact_mut(width).zip(weight.scales) {
                for x in block {
                    *x *= scale;
                }
            }
            let zeros = weight.zeros.unwrap_or_default().iter();
            let terms = zeros.zip(own.chunks_exact(width));
            offset = Some(terms.map(|(zero, x)| zero * x.iter().sum::<f32>()).sum());
        }
        let sums = if offset.is_none() && weight.zeros.is_some() {
            own.chunks_exact(width).map(|x| x.iter().sum()).collect()
        } else {
            Vec::new()
        };
        Self {
            sums,
            offset,
            parts: match weight.bits {
                CodeBits::Eight => [own, Vec::new()],
                CodeBits::Four => {
                    let half = |odd: usize| own.iter().skip(odd).step_by(2).copied().collect();
                    [half(0), half(1)]
                }
            },
        }
    }

    /// What zero points add to an output, from its scales and zero points.
    fn shift(&self, scales: &[f32], zeros: &[f32]) -> f32 {
        let both = scales.iter().zip(zeros).zip(&self.sums);
        both.map(|((scale, zero), sum)| scale * (zero * sum)).sum()
    }
}

/// Outputs from `first` on, as many as `out` has room for.
pub(super) fn dots(out: &mut [f32], x: &Row, weight: &Codes, first: usize) {
    let codes = weight.rows(first, out.len());
    let ones = [1.0];
    let scales = |output: usize| {
        let of_weight = &weight.scales[weight.blocks(first + output)];
        if x.offset.is_some() {
            &ones[..]
        } else {
            of_weight
        }
    };
    let scales: Vec<&[f32]> = (0..out.len()).map(scales).collect();
    match weight.bits {
        CodeBits::Four => dots_of_four(out, codes, &scales, x),
        CodeBits::Eight => dots_of_eight(out, codes, &scales, x),
    }
    for (output, value) in out.iter_mut().enumerate() {
        *value += match (x.offset, weight.zeros) {
            (Some(offset), _) => offset,
            (None, None) => continue,
            (None, Some(zeros)) => {
                let zeros = &zeros[weight.blocks(first + output)];
                x.shift(scales[output], zeros)
            }
        };
    }
}

vectorised! {
    fn dots_of_four(out: &mut [f32], codes: &[u8], scales: &[&[f32]], x: &Row) {
        let [even, odd] = &x.parts;
        every_row(out, codes, scales, [even, odd], four);
    }

    fn dots_of_eight(out: &mut [f32], codes: &[u8], scales: &[&[f32]], x: &Row) {
        every_row(out, codes, scales, [&x.parts[0]], eight);
    }
}

/// Pieces of [`LANES`] bytes in a line of the cache.
const LINE: usize = 64 / LANES;

/// Partial sums, or as many values.
type Lanes = [f32; LANES];

#[inline(always)]
fn four(mut sums: Lanes, codes: &[u8; LANES], [even, odd]: [&Lanes; 2]) -> Lanes {
    for lane in 0..LANES {
        let [first, second] = pair(codes[lane]);
        sums[lane] = first.mul_add(even[lane], sums[lane]);
        sums[lane] = second.mul_add(odd[lane], sums[lane]);
    }
    sums
}

#[inline(always)]
fn eight(mut sums: Lanes, codes: &[u8; LANES], [x]: [&Lanes; 1]) -> Lanes {
    for lane in 0..LANES {
        sums[lane] = f32::from(codes[lane] as i8).mul_add(x[lane], sums[lane]);
    }
    sums
}

/// The two codes of a byte, the even input first.
#[inline(always)]
pub(super) fn pair(byte: u8) -> [f32; 2] {
    let both = i32::from(byte as i8);
    // The lower half without its sign, which counts −8 and not 8.
    [(both >> 4) as f32, ((both & 15 ^ 8) - 8) as f32]
}

/// Every output from its row of codes; `piece` adds what [`LANES`] bytes give.
#[inline(always)]
fn every_row<const P: usize>(
    out: &mut [f32],
    codes: &[u8],
    scales: &[&[f32]],
    x: [&[f32]; P],
    piece: impl Fn(Lanes, &[u8; LANES], [&Lanes; P]) -> Lanes + Copy,
) {
    let (bytes, whole) = (x[0].len(), out.len() / TOGETHER * TOGETHER);
    let row = |output: usize| &codes[output * bytes..(output + 1) * bytes];
    for first in (0..whole).step_by(TOGETHER) {
        let rows = std::array::from_fn(|r| row(first + r));
        let own = std::array::from_fn(|r| scales[first + r]);
        let found: [f32; TOGETHER] = some_rows(rows, own, x, piece);
        out[first..first + TOGETHER].copy_from_slice(&found);
    }
    for output in whole..out.len() {
        [out[output]] = some_rows([row(output)], [scales[output]], x, piece);
    }
}

#[inline(always)]
fn some_rows<const R: usize, const P: usize>(
    codes: [&[u8]; R],
    scales: [&[f32]; R],
    x: [&[f32]; P],
    piece: impl Fn(Lanes, &[u8; LANES], [&Lanes; P]) -> Lanes + Copy,
) -> [f32; R] {
    let bytes = x[0].len();
    let width = bytes / scales[0].len();
    // To the same place of the rows that are next: of so many streams the CPU itself asks for too little ahead.
    let ahead = R * bytes;
    let mut lanes = [[0.0_f32; LANES]; R];
    for (block, start) in (0..bytes).step_by(width).enumerate() {
        let place = start..start + width;
        let x = x.map(|x| x[place.clone()].as_chunks::<LANES>());
        let codes = codes.map(|codes| codes[place.clone()].as_chunks::<LANES>());
        let mut own = [[0.0_f32; LANES]; R];
        for at in 0..x[0].0.len() {
            let x = x.map(|(x, _)| &x[at]);
            if at.is_multiple_of(LINE) {
                for codes in &codes {
                    fetch(&codes.0[at], ahead);
                }
            }
            for r in 0..R {
                own[r] = piece(own[r], &codes[r].0[at], x);
            }
        }
        if !x[0].1.is_empty() {
            // With zeros behind, which add nothing.
            let x = x.map(|(_, rest)| padded(rest));
            let x = std::array::from_fn(|part| &x[part]);
            for r in 0..R {
                own[r] = piece(own[r], &padded(codes[r].1), x);
            }
        }
        for r in 0..R {
            for lane in 0..LANES {
                lanes[r][lane] = own[r][lane].mul_add(scales[r][block], lanes[r][lane]);
            }
        }
    }
    lanes.map(|lanes| halved(lanes, |a, b| a + b))
}

#[inline(always)]
fn padded<T: Copy + Default>(rest: &[T]) -> [T; LANES] {
    std::array::from_fn(|lane| rest.get(lane).copied().unwrap_or_default())
}
