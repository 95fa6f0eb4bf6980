//! Rows of activations, laid out as the codes of a weight need them.

use super::register::{FOUR_BYTES, FOUR_PARTS, Lanes};
use super::{CodeBits, Codes};
use crate::simd::LANES;
use rayon::prelude::*;

/// Rows of activations that share what is decoded.
pub(super) const MANY: usize = 8;

/// Rows of activations from which on they are multiplied as if they were [`MANY`].
const SOME: usize = 4;

/// How rows are cut in pieces, of a byte or a word for each lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Every block on its own, of so many bytes, its last piece filled up with zeros.
    Alone(usize),
    /// The row as a whole, which has pieces without a rest: so many are a block.
    Pieces(usize),
    /// The same, where so many blocks are a piece.
    Blocks(usize),
}

impl Cut {
    /// Of rows of so many bytes in so many blocks.
    fn new(bits: CodeBits, bytes: usize, across: usize) -> Self {
        let piece = match bits {
            CodeBits::Four => FOUR_BYTES,
            CodeBits::Eight => LANES,
        };
        let block = bytes / across;
        if across > 1 && bytes.is_multiple_of(piece) {
            // Those that loops are compiled for.
            for count in [1, 2, 4, 8] {
                if block == count * piece {
                    return Self::Pieces(count);
                }
                if count > 1 && piece == count * block {
                    return Self::Blocks(count);
                }
            }
        }
        Self::Alone(block)
    }
}

/// Rows of activations, as the codes need them: one, or [`MANY`] of which the last may be none.
#[derive(Clone)]
pub(super) struct Rows {
    /// How many there are.
    pub(super) count: usize,
    /// How many there is room for.
    pub(super) room: usize,
    pub(super) cut: Cut,
    /// For each piece, each code of a lane (of 4 bits the first of its word, then the second, and so on) and each row the
    /// inputs of all lanes.
    pub(super) parts: Vec<Lanes>,
    /// Sums over the blocks of a row, row by row, where they have zero points.
    sums: Vec<f32>,
    /// What zero points add to every output of a row, where all outputs have the same; then the activations have been
    /// multiplied by the scales.
    pub(super) offsets: Option<Vec<f32>>,
}

impl Rows {
    /// Of `[m, inputs]`.
    pub(super) fn all(x: &[f32], weight: &Codes) -> Vec<Self> {
        let inputs = weight.shape[1];
        let make = |x: &[f32]| -> Vec<Self> {
            if x.len() / inputs < SOME {
                let rows = x.chunks_exact(inputs);
                rows.map(|x| Self::new(x, weight, 1)).collect()
            } else {
                vec![Self::new(x, weight, MANY)]
            }
        };
        let chunks = x.par_chunks(MANY * inputs).map(make);
        chunks.collect::<Vec<_>>().concat()
    }

    fn new(x: &[f32], weight: &Codes, room: usize) -> Self {
        let [[_, inputs], [down, across]] = [weight.shape, weight.grid];
        let width = inputs / across;
        let mut own = x.to_vec();
        let zeros = weight.zeros.unwrap_or_default();
        // Where all outputs share their scales, those go to the activations, once.
        let offsets = (down == 1).then(|| {
            let of_row = |row: &mut [f32]| {
                for (block, scale) in row.chunks_exact_mut(width).zip(weight.scales) {
                    for x in block {
                        *x *= scale;
                    }
                }
                let terms = zeros.iter().zip(row.chunks_exact(width));
                terms.map(|(zero, x)| zero * x.iter().sum::<f32>()).sum()
            };
            own.chunks_exact_mut(inputs).map(of_row).collect()
        });
        let sums = if offsets.is_none() && weight.zeros.is_some() {
            own.chunks_exact(width).map(|x| x.iter().sum()).collect()
        } else {
            Vec::new()
        };
        let across = if offsets.is_some() { 1 } else { across };
        let cut = Cut::new(weight.bits, weight.row_bytes(), across);
        let bytes = match cut {
            Cut::Alone(block) => block,
            Cut::Pieces(_) | Cut::Blocks(_) => weight.row_bytes(),
        };
        Self {
            count: x.len() / inputs,
            room,
            cut,
            parts: parts(
                &own,
                inputs,
                bytes * weight.bits.per_byte(),
                weight.bits,
                room,
            ),
            sums,
            offsets,
        }
    }

    /// What zero points add to an output of a row, from its scales and zero points.
    pub(super) fn shift(&self, row: usize, scales: &[f32], zeros: &[f32]) -> f32 {
        let sums = &self.sums[row * zeros.len()..];
        let both = scales.iter().zip(zeros).zip(sums);
        both.map(|((scale, zero), sum)| scale * (zero * sum)).sum()
    }
}

/// See [`Rows::parts`]; every `whole` inputs of a row begin with a piece.
fn parts(x: &[f32], inputs: usize, whole: usize, bits: CodeBits, room: usize) -> Vec<Lanes> {
    let per_lane = match bits {
        CodeBits::Four => FOUR_PARTS,
        CodeBits::Eight => 1,
    };
    let piece = LANES * per_lane;
    let of_whole = whole.div_ceil(piece) * per_lane * room;
    let mut parts = vec![[0.0; LANES]; inputs / whole * of_whole];
    for (row, x) in x.chunks_exact(inputs).enumerate() {
        let wholes = x.chunks_exact(whole).zip(parts.chunks_exact_mut(of_whole));
        for (x, parts) in wholes {
            let pieces = x.chunks(piece).zip(parts.chunks_exact_mut(per_lane * room));
            for (x, parts) in pieces {
                for (lane, x) in x.chunks(per_lane).enumerate() {
                    for (part, x) in x.iter().enumerate() {
                        parts[part * room + row][lane] = *x;
                    }
                }
            }
        }
    }
    parts
}
