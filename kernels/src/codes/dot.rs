//! One row of activations times rows of codes: sums over [`LANES`] partial sums, which scales multiply block by block.

#![expect(
    clippy::inline_always,
    reason = "only what is inlined is compiled for the CPU at hand"
)]

use super::register::{FOUR_BYTES, FOUR_PARTS, Lanes, Register};
use super::{CodeBits, Codes};
use crate::simd::{LANES, fetch, halved, vectorised};

/// Rows of codes that share what is loaded of the activations.
const TOGETHER: usize = 4;

/// Bytes in a line of the cache.
const LINE: usize = 64;

/// How rows are cut in pieces, of a byte or a word for each lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
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

/// A row of activations, as the codes need it.
pub(super) struct Row {
    cut: Cut,
    /// For each piece the input of every lane; of 4-bit codes of the first code of its word, then of the second, and so on.
    parts: Vec<Lanes>,
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
        let across = if offset.is_some() { 1 } else { across };
        let cut = Cut::new(weight.bits, weight.row_bytes(), across);
        let per_lane = match weight.bits {
            CodeBits::Four => FOUR_PARTS,
            CodeBits::Eight => 1,
        };
        let whole = match cut {
            Cut::Alone(block) => block,
            Cut::Pieces(_) | Cut::Blocks(_) => weight.row_bytes(),
        };
        let wholes = own.chunks_exact(whole * weight.bits.per_byte());
        let pieces = wholes.flat_map(|segment| segment.chunks(LANES * per_lane));
        let parts = pieces.flat_map(|piece| {
            (0..per_lane).map(move |part| {
                let input = |lane: usize| piece.get(lane * per_lane + part).copied();
                std::array::from_fn(|lane| input(lane).unwrap_or(0.0))
            })
        });
        Self {
            cut,
            parts: parts.collect(),
            sums,
            offset,
        }
    }

    /// What zero points add to an output, from its scales and zero points.
    fn shift(&self, scales: &[f32], zeros: &[f32]) -> f32 {
        let both = scales.iter().zip(zeros).zip(&self.sums);
        both.map(|((scale, zero), sum)| scale * (zero * sum)).sum()
    }
}

/// Rows of codes with their scales, multiplied with a row of activations.
type Loop = fn(out: &mut [f32], codes: &[u8], scales: &[&[f32]], x: &Row);

/// Loops over codes of 4 bits and of 8.
pub(super) type Loops = [Loop; 2];

/// With the registers of the CPU at hand.
pub(super) const LOOPS: Loops = [dots_of_four, dots_of_eight];

/// With what any CPU has: the same bits.
#[cfg(test)]
pub(super) const LOOPS_OF_ANY: Loops = [dots_of_four_on_any, dots_of_eight_on_any];

/// Outputs from `first` on, as many as `out` has room for.
pub(super) fn dots([four, eight]: Loops, out: &mut [f32], x: &Row, weight: &Codes, first: usize) {
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
        CodeBits::Four => four(out, codes, &scales, x),
        CodeBits::Eight => eight(out, codes, &scales, x),
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

/// Defines the loops over codes of one kind, with the registers of the CPU at hand.
macro_rules! dots_of {
    ($name:ident, $portable:ident, $kind:ty) => {
        fn $name(out: &mut [f32], codes: &[u8], scales: &[&[f32]], x: &Row) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                fn widest(out: &mut [f32], codes: &[u8], scales: &[&[f32]], x: &Row) {
                    every_row::<std::arch::x86_64::__m512, $kind, _, _>(out, codes, scales, x);
                }
                if crate::simd::has_widest() {
                    // SAFETY: the CPU has the features that `widest` is compiled for.
                    #[expect(unsafe_code, reason = "a function for a CPU found at run time")]
                    return unsafe { widest(out, codes, scales, x) };
                }
            }
            $portable(out, codes, scales, x);
        }

        vectorised! {
            fn $portable(out: &mut [f32], codes: &[u8], scales: &[&[f32]], x: &Row) {
                every_row::<Lanes, $kind, _, _>(out, codes, scales, x);
            }
        }
    };
}

dots_of!(dots_of_four, dots_of_four_on_any, Four);
dots_of!(dots_of_eight, dots_of_eight_on_any, Eight);

/// How a piece of `B` bytes is multiplied with the inputs of its `P` parts.
///
/// # Safety
/// The register's.
#[expect(unsafe_code, reason = "registers of a CPU found at run time")]
trait Piece<const B: usize, const P: usize> {
    unsafe fn add<R: Register>(sums: R, codes: &[u8; B], x: &[Lanes; P]) -> R;
}

struct Four;
struct Eight;

#[expect(unsafe_code, reason = "registers of a CPU found at run time")]
impl Piece<FOUR_BYTES, FOUR_PARTS> for Four {
    #[inline(always)]
    unsafe fn add<R: Register>(sums: R, codes: &[u8; FOUR_BYTES], x: &[Lanes; FOUR_PARTS]) -> R {
        // SAFETY: the trait's.
        unsafe { sums.plus_four(codes, x) }
    }
}

#[expect(unsafe_code, reason = "registers of a CPU found at run time")]
impl Piece<LANES, 1> for Eight {
    #[inline(always)]
    unsafe fn add<R: Register>(sums: R, codes: &[u8; LANES], [x]: &[Lanes; 1]) -> R {
        // SAFETY: the trait's.
        unsafe { sums.plus_eight(codes, x) }
    }
}

/// Every output from its row of codes.
#[inline(always)]
fn every_row<R: Register, K: Piece<B, P>, const B: usize, const P: usize>(
    out: &mut [f32],
    codes: &[u8],
    scales: &[&[f32]],
    x: &Row,
) {
    let whole = out.len() / TOGETHER * TOGETHER;
    let bytes = codes.len() / out.len().max(1);
    let row = |output: usize| &codes[output * bytes..(output + 1) * bytes];
    for first in (0..whole).step_by(TOGETHER) {
        let rows = std::array::from_fn(|r| row(first + r));
        let own = std::array::from_fn(|r| scales[first + r]);
        let found: [f32; TOGETHER] = some_rows::<R, K, B, P, TOGETHER>(rows, own, x);
        out[first..first + TOGETHER].copy_from_slice(&found);
    }
    for output in whole..out.len() {
        [out[output]] = some_rows::<R, K, B, P, 1>([row(output)], [scales[output]], x);
    }
}

/// Rows that are multiplied side by side.
#[inline(always)]
fn some_rows<R: Register, K: Piece<B, P>, const B: usize, const P: usize, const N: usize>(
    codes: [&[u8]; N],
    scales: [&[f32]; N],
    x: &Row,
) -> [f32; N] {
    let (cut, (x, _)) = (x.cut, x.parts.as_chunks::<P>());
    match cut {
        Cut::Pieces(1) => even_blocks::<R, K, B, P, N, 1, 1>(codes, scales, x),
        Cut::Pieces(2) => even_blocks::<R, K, B, P, N, 2, 1>(codes, scales, x),
        Cut::Pieces(4) => even_blocks::<R, K, B, P, N, 4, 1>(codes, scales, x),
        Cut::Pieces(_) => even_blocks::<R, K, B, P, N, 8, 1>(codes, scales, x),
        Cut::Blocks(2) => even_blocks::<R, K, B, P, N, 1, 2>(codes, scales, x),
        Cut::Blocks(4) => even_blocks::<R, K, B, P, N, 1, 4>(codes, scales, x),
        Cut::Blocks(_) => even_blocks::<R, K, B, P, N, 1, 8>(codes, scales, x),
        Cut::Alone(block) => blocks_alone::<R, K, B, P, N>(codes, scales, x, block),
    }
}

/// Rows of which every `PIECES` pieces have `BLOCKS` scales.
#[inline(always)]
#[expect(unsafe_code, reason = "registers of a CPU found at run time")]
fn even_blocks<
    R: Register,
    K: Piece<B, P>,
    const B: usize,
    const P: usize,
    const N: usize,
    const PIECES: usize,
    const BLOCKS: usize,
>(
    codes: [&[u8]; N],
    scales: [&[f32]; N],
    x: &[[Lanes; P]],
) -> [f32; N] {
    let [codes_ahead, scales_ahead] = ahead(codes, scales);
    let (x, _) = x.as_chunks::<PIECES>();
    let codes = codes.map(|codes| &codes.as_chunks::<B>().0.as_chunks::<PIECES>().0[..x.len()]);
    let scales = scales.map(|scales| &scales.as_chunks::<BLOCKS>().0[..x.len()]);
    // SAFETY: every caller is compiled for the CPU whose register it is.
    unsafe {
        let mut sums = [R::of(0.0); N];
        for (at, x) in x.iter().enumerate() {
            let (codes, scales) = (
                codes.map(|codes| &codes[at]),
                scales.map(|scales| &scales[at]),
            );
            for codes in codes {
                for line in (0..PIECES * B).step_by(LINE) {
                    fetch(codes, codes_ahead + line);
                }
            }
            let mut own = [R::of(0.0); N];
            for (piece, x) in x.iter().enumerate() {
                for (own, codes) in own.iter_mut().zip(codes) {
                    *own = K::add(*own, &codes[piece], x);
                }
            }
            for ((sum, own), scales) in sums.iter_mut().zip(own).zip(scales) {
                fetch(scales, scales_ahead);
                *sum = sum.plus_product(own, R::spread(scales));
            }
        }
        sums.map(|sums| halved(sums.lanes(), |a, b| a + b))
    }
}

/// Rows with a scale for every so many bytes.
#[inline(always)]
#[expect(unsafe_code, reason = "registers of a CPU found at run time")]
fn blocks_alone<R: Register, K: Piece<B, P>, const B: usize, const P: usize, const N: usize>(
    codes: [&[u8]; N],
    scales: [&[f32]; N],
    mut x: &[[Lanes; P]],
    block: usize,
) -> [f32; N] {
    let [codes_ahead, scales_ahead] = ahead(codes, scales);
    // SAFETY: every caller is compiled for the CPU whose register it is.
    unsafe {
        let mut sums = [R::of(0.0); N];
        for number in 0..scales[0].len() {
            let codes = codes.map(|codes| &codes[number * block..][..block]);
            let (own_x, after) = x.split_at(block.div_ceil(B));
            x = after;
            let whole = block / B;
            // Lengths that the compiler knows to be the same are compared once.
            let pieces = codes.map(|codes| &codes.as_chunks::<B>().0[..whole]);
            let mut own = [R::of(0.0); N];
            let mut at = 0;
            for line in own_x[..whole].chunks(LINE / B) {
                for pieces in pieces {
                    fetch(&pieces[at], codes_ahead);
                }
                for x in line {
                    for (own, pieces) in own.iter_mut().zip(pieces) {
                        *own = K::add(*own, &pieces[at], x);
                    }
                    at += 1;
                }
            }
            if let [x] = &own_x[whole..] {
                let ends = codes.map(|codes| padded(&codes[whole * B..]));
                for (own, end) in own.iter_mut().zip(&ends) {
                    *own = K::add(*own, end, x);
                }
            }
            for ((sum, own), scales) in sums.iter_mut().zip(own).zip(scales) {
                fetch(&scales[number], scales_ahead);
                *sum = sum.plus_product(own, R::of(scales[number]));
            }
        }
        sums.map(|sums| halved(sums.lanes(), |a, b| a + b))
    }
}

/// How far it is to the same place of the rows that are next, in bytes of codes and of scales: of so many streams the CPU itself
/// asks for too little ahead.
#[inline(always)]
fn ahead<const N: usize>(codes: [&[u8]; N], scales: [&[f32]; N]) -> [usize; 2] {
    [N * codes[0].len(), N * size_of_val(scales[0])]
}

/// With zeros behind, which add nothing.
#[inline(always)]
fn padded<const B: usize>(rest: &[u8]) -> [u8; B] {
    std::array::from_fn(|at| rest.get(at).copied().unwrap_or_default())
}
