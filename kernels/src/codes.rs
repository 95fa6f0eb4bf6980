//! Products with a weight matrix in 8- or 4-bit codes, which become numbers where they are multiplied: only the weight is
//! quantized, activations stay FP32 (`quantization/layers.py` of GLM-130B).
//!
//! `y = x Wᵀ`, `W[i, j] = (q[i, j] + z) · s` with the scale `s` and the zero point `z` of the block that `[i, j]` lies in
//!
//! The product of a code and an FP16 scale is exact in FP32. A file of quantized weights is read with that product rounded
//! to FP16 once more, by at most 2⁻¹¹ of it. Sums run in an order that depends on the shape of the weight only: a row of
//! activations gives the same bits beside any others, on every CPU and with any number of threads.

pub(crate) mod device;
mod dot;
mod register;
mod rows;

use crate::simd::vectorised;
pub use device::{CodesLayout, DeviceCodes};
use dot::{LOOPS, dots};
use rayon::prelude::*;
use rows::Rows;

/// Outputs that a thread takes at a time: their codes stay in the second-level cache for all rows of activations.
const PART: usize = 64;

/// Bits of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeBits {
    /// Two codes in a byte, −8 to 7, the even input in the upper half.
    Four,
    /// A signed byte.
    Eight,
}

impl CodeBits {
    /// How many codes a byte has.
    #[must_use]
    pub fn per_byte(self) -> usize {
        match self {
            Self::Four => 2,
            Self::Eight => 1,
        }
    }
}

/// A weight matrix in codes.
#[derive(Debug, Clone, Copy)]
pub struct Codes<'a> {
    /// Of a code.
    pub bits: CodeBits,
    /// Outputs (rows) and inputs (columns).
    pub shape: [usize; 2],
    /// Row by row.
    pub packed: &'a [u8],
    /// Equal blocks along outputs and along inputs; each has a scale.
    pub grid: [usize; 2],
    /// Row by row of the grid.
    pub scales: &'a [f32],
    /// The same for zero points; absent where code 0 is 0.
    pub zeros: Option<&'a [f32]>,
}

impl Codes<'_> {
    /// # Panics
    /// If the slices do not fit the shape, blocks are not equal, or one that has not all outputs cuts a byte.
    fn check(&self) {
        let ([outputs, inputs], [down, across]) = (self.shape, self.grid);
        assert_eq!(self.packed.len(), outputs * self.row_bytes(), "codes");
        assert_eq!(
            self.row_bytes() * self.bits.per_byte(),
            inputs,
            "codes of a row"
        );
        assert!(down > 0 && outputs.is_multiple_of(down), "blocks down");
        assert!(across > 0 && inputs.is_multiple_of(across), "blocks across");
        assert_eq!(self.scales.len(), down * across, "scales");
        assert!(
            self.zeros.is_none_or(|zeros| zeros.len() == down * across),
            "zero points"
        );
        let layout = CodesLayout {
            bits: self.bits,
            shape: self.shape,
            grid: self.grid,
        };
        assert!(layout.is_multiplied(), "a block cuts a byte");
    }

    fn row_bytes(&self) -> usize {
        self.shape[1] / self.bits.per_byte()
    }

    /// The codes of some outputs.
    fn rows(&self, first: usize, count: usize) -> &[u8] {
        &self.packed[first * self.row_bytes()..(first + count) * self.row_bytes()]
    }

    /// Where the blocks of an output lie among all.
    fn blocks(&self, output: usize) -> std::ops::Range<usize> {
        let [down, across] = self.grid;
        let first = output / (self.shape[0] / down) * across;
        first..first + across
    }

    /// The decoded weights of `out.len() / inputs` outputs from `first` on, row by row.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn decode(&self, first: usize, out: &mut [f32]) {
        let [_, inputs] = self.shape;
        let width = inputs / self.grid[1];
        let rows = out.chunks_exact_mut(inputs).enumerate();
        for (row, out) in rows {
            let codes = self.rows(first + row, 1);
            match self.bits {
                CodeBits::Four => unpack(out, codes),
                CodeBits::Eight => widen(out, codes),
            }
            let blocks = self.blocks(first + row);
            let zeros = self.zeros.map(|zeros| &zeros[blocks.clone()]);
            let scales = &self.scales[blocks];
            for (block, out) in out.chunks_exact_mut(width).enumerate() {
                let zero = zeros.map_or(0.0, |zeros| zeros[block]);
                scale(out, zero, scales[block]);
            }
        }
    }
}

/// The two codes of a byte, the even input first.
#[expect(
    clippy::inline_always,
    reason = "only what is inlined is compiled for the CPU at hand"
)]
#[inline(always)]
fn pair(byte: u8) -> [f32; 2] {
    let both = i32::from(byte as i8);
    // The lower half without its sign, which counts −8 and not 8.
    [(both >> 4) as f32, ((both & 15 ^ 8) - 8) as f32]
}

vectorised! {
    /// Two codes of every byte.
    fn unpack(out: &mut [f32], codes: &[u8]) {
        for (out, code) in out.as_chunks_mut::<2>().0.iter_mut().zip(codes) {
            *out = pair(*code);
        }
    }

    /// The code of every byte.
    fn widen(out: &mut [f32], codes: &[u8]) {
        for (out, code) in out.iter_mut().zip(codes) {
            *out = f32::from(*code as i8);
        }
    }

    fn scale(out: &mut [f32], zero: f32, scale: f32) {
        for value in out {
            *value = (*value + zero) * scale;
        }
    }
}

/// `out = x Wᵀ`, accumulated in FP32 and spread over rayon's threads.
///
/// # Shapes
/// - x: `[m, inputs]`, out: `[m, outputs]`
///
/// # Panics
/// If the shapes do not fit, or `weight` is none.
pub fn codes_product(out: &mut [f32], x: &[f32], weight: &Codes) {
    weight.check();
    let [outputs, inputs] = weight.shape;
    let m = x.len().checked_div(inputs).unwrap_or(0);
    assert_eq!(x.len(), m * inputs, "rows of {inputs}");
    assert_eq!(out.len(), m * outputs, "output of {m} × {outputs}");
    if m == 0 {
        return;
    }
    let rows = Rows::all(x, weight);
    spread(out, m, outputs, PART, |first, mut part| {
        let count = part.len() / m;
        for x in &rows {
            let (own, rest) = part.split_at_mut(x.count * count);
            dots(LOOPS, own, x, weight, first);
            part = rest;
        }
    });
}

/// Computes `[m, outputs]` in parts of some outputs each, `[m, count]`, from the number of the first.
fn spread(
    out: &mut [f32],
    m: usize,
    outputs: usize,
    count: usize,
    compute: impl Fn(usize, &mut [f32]) + Sync,
) {
    let firsts: Vec<usize> = (0..outputs).step_by(count).collect();
    let parts: Vec<Vec<f32>> = firsts
        .par_iter()
        .with_max_len(1)
        .map(|first| {
            let mut part = vec![0.0; m * count.min(outputs - first)];
            compute(*first, &mut part);
            part
        })
        .collect();
    for (first, part) in firsts.into_iter().zip(parts) {
        let count = part.len() / m;
        for (row, own) in part.chunks_exact(count).enumerate() {
            out[row * outputs + first..][..count].copy_from_slice(own);
        }
    }
}

#[cfg(test)]
mod tests;
