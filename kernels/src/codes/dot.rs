//! Rows of activations times rows of codes: sums over [`LANES`] partial sums, which scales multiply block by block.

#![expect(
    clippy::inline_always,
    reason = "only what is inlined is compiled for the CPU at hand"
)]

use super::register::{FOUR_BYTES, FOUR_PARTS, Lanes, Place, Register};
use super::rows::{Cut, MANY, Rows};
use super::{CodeBits, Codes};
use crate::simd::{LANES, fetch, halved, vectorised};

/// Rows of codes that share what is loaded of the activations.
const TOGETHER: usize = 4;

/// The same where many rows of activations are multiplied at once.
const TOGETHER_OF_MANY: usize = 2;

/// Bytes in a line of the cache.
const LINE: usize = 64;

/// How far ahead lines of codes are asked for, in bytes of every row: what is further away leaves the first-level cache, which
/// the activations pass through, before it is used.
const AHEAD: usize = 2048;

/// Where the codes are that are needed after [`AHEAD`] bytes of every row: of so many streams the CPU itself asks for too little
/// ahead.
struct Ahead {
    /// Bytes of a row from which on the row in question is another.
    turn: usize,
    /// Bytes from here to there, before the turn and from it on.
    steps: [usize; 2],
}

impl Ahead {
    /// Of rows of so many bytes, `together` side by side.
    #[inline(always)]
    fn new(bytes: usize, together: usize) -> Self {
        let bytes = bytes.max(1);
        let over = together.saturating_sub(1) * bytes;
        let step = AHEAD + AHEAD / bytes * over;
        Self {
            turn: bytes - AHEAD % bytes,
            steps: [step, step + over],
        }
    }

    /// From so many bytes behind the beginning of a row.
    #[inline(always)]
    fn step(&self, at: usize) -> usize {
        self.steps[usize::from(at >= self.turn)]
    }
}

/// Rows of codes with their scales, multiplied with rows of activations.
type Loop = fn(out: &mut [f32], codes: &[u8], scales: &[&[f32]], x: &Rows);

/// Loops over codes of 4 bits and of 8.
pub(super) type Loops = [Loop; 2];

/// With the registers of the CPU at hand.
pub(super) const LOOPS: Loops = [dots_of_four, dots_of_eight];

/// With what any CPU has: the same bits.
#[cfg(test)]
pub(super) const LOOPS_OF_ANY: Loops = [dots_of_four_on_any, dots_of_eight_on_any];

/// The outputs from `first` on, as many as `out` has room for, row by row of the activations. A row has the same bits whatever
/// others there are.
pub(super) fn dots([four, eight]: Loops, out: &mut [f32], x: &Rows, weight: &Codes, first: usize) {
    let count = out.len() / x.count;
    let codes = weight.rows(first, count);
    let ones = [1.0];
    let scales = |output: usize| {
        let of_weight = &weight.scales[weight.blocks(first + output)];
        if x.offsets.is_some() {
            &ones[..]
        } else {
            of_weight
        }
    };
    let scales: Vec<&[f32]> = (0..count).map(scales).collect();
    match weight.bits {
        CodeBits::Four => four(out, codes, &scales, x),
        CodeBits::Eight => eight(out, codes, &scales, x),
    }
    for (row, out) in out.chunks_exact_mut(count).enumerate() {
        for (output, value) in out.iter_mut().enumerate() {
            *value += match (&x.offsets, weight.zeros) {
                (Some(offsets), _) => offsets[row],
                (None, None) => continue,
                (None, Some(zeros)) => {
                    let zeros = &zeros[weight.blocks(first + output)];
                    x.shift(row, scales[output], zeros)
                }
            };
        }
    }
}

/// Defines the loops over codes of one kind, with the registers of the CPU at hand.
macro_rules! dots_of {
    ($name:ident, $portable:ident, $kind:ty) => {
        fn $name(out: &mut [f32], codes: &[u8], scales: &[&[f32]], x: &Rows) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                fn widest(out: &mut [f32], codes: &[u8], scales: &[&[f32]], x: &Rows) {
                    every_row::<std::arch::x86_64::__m512, $kind, _, _, _>(out, codes, scales, x);
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
            fn $portable(out: &mut [f32], codes: &[u8], scales: &[&[f32]], x: &Rows) {
                every_row::<Lanes, $kind, _, _, _>(out, codes, scales, x);
            }
        }
    };
}

dots_of!(dots_of_four, dots_of_four_on_any, Four);
dots_of!(dots_of_eight, dots_of_eight_on_any, Eight);

/// How a piece of `B` bytes, of which `L` are a line of the cache, is multiplied with the inputs of its `P` parts.
///
/// # Safety
/// The register's. There are `B` bytes at every row of `codes`, and three more where they are followed.
#[expect(unsafe_code, reason = "registers of a CPU found at run time")]
trait Piece<const B: usize, const P: usize, const L: usize> {
    unsafe fn add<R: Register, const N: usize, const M: usize>(
        sums: &mut [[R; M]; N],
        codes: Place,
        is_followed: bool,
        x: &[[Lanes; M]; P],
    );
}

struct Four;
struct Eight;

#[expect(unsafe_code, reason = "registers of a CPU found at run time")]
impl Piece<FOUR_BYTES, FOUR_PARTS, { LINE / FOUR_BYTES }> for Four {
    #[inline(always)]
    unsafe fn add<R: Register, const N: usize, const M: usize>(
        sums: &mut [[R; M]; N],
        codes: Place,
        is_followed: bool,
        x: &[[Lanes; M]; FOUR_PARTS],
    ) {
        // SAFETY: the trait's.
        unsafe { R::add_four(sums, codes, is_followed, x) }
    }
}

#[expect(unsafe_code, reason = "registers of a CPU found at run time")]
impl Piece<LANES, 1, { LINE / LANES }> for Eight {
    #[inline(always)]
    unsafe fn add<R: Register, const N: usize, const M: usize>(
        sums: &mut [[R; M]; N],
        codes: Place,
        _is_followed: bool,
        [x]: &[[Lanes; M]; 1],
    ) {
        // SAFETY: the trait's.
        unsafe { R::add_eight(sums, codes, x) }
    }
}

/// Every output of every row of activations from its row of codes.
#[inline(always)]
fn every_row<R: Register, K: Piece<B, P, L>, const B: usize, const P: usize, const L: usize>(
    out: &mut [f32],
    codes: &[u8],
    scales: &[&[f32]],
    x: &Rows,
) {
    if x.room == 1 {
        every_output::<R, K, B, P, L, TOGETHER, 1>(out, codes, scales, x);
    } else {
        every_output::<R, K, B, P, L, TOGETHER_OF_MANY, MANY>(out, codes, scales, x);
    }
}

/// The same where there is room for `M` rows of activations.
#[inline(always)]
fn every_output<
    R: Register,
    K: Piece<B, P, L>,
    const B: usize,
    const P: usize,
    const L: usize,
    const N: usize,
    const M: usize,
>(
    out: &mut [f32],
    codes: &[u8],
    scales: &[&[f32]],
    x: &Rows,
) {
    let count = scales.len();
    let bytes = codes.len() / count.max(1);
    let whole = count / N * N;
    let (codes, last_codes) = codes.split_at(whole * bytes);
    let (scales, last_scales) = scales.split_at(whole);
    let groups = codes
        .chunks_exact((N * bytes).max(1))
        .zip(scales.as_chunks().0);
    for (number, (codes, scales)) in groups.enumerate() {
        let found = some_rows::<R, K, B, P, L, N, M>(codes, scales, x);
        for (row, out) in out.chunks_exact_mut(count).enumerate() {
            for (at, found) in found.iter().enumerate() {
                out[number * N + at] = found[row];
            }
        }
    }
    let rest = last_codes
        .chunks_exact(bytes.max(1))
        .zip(last_scales.as_chunks().0);
    for (number, (codes, scales)) in rest.enumerate() {
        let [found] = some_rows::<R, K, B, P, L, 1, M>(codes, scales, x);
        for (out, found) in out.chunks_exact_mut(count).zip(found) {
            out[whole + number] = found;
        }
    }
}

/// Rows that are multiplied side by side.
#[inline(always)]
fn some_rows<
    R: Register,
    K: Piece<B, P, L>,
    const B: usize,
    const P: usize,
    const L: usize,
    const N: usize,
    const M: usize,
>(
    codes: &[u8],
    scales: &[&[f32]; N],
    x: &Rows,
) -> [[f32; M]; N] {
    let (cut, x) = (x.cut, x.parts.as_chunks::<M>().0.as_chunks::<P>().0);
    match cut {
        Cut::Pieces(1) => even_blocks::<R, K, B, P, L, N, M, 1, 1>(codes, scales, x),
        Cut::Pieces(2) => even_blocks::<R, K, B, P, L, N, M, 2, 1>(codes, scales, x),
        Cut::Pieces(4) => even_blocks::<R, K, B, P, L, N, M, 4, 1>(codes, scales, x),
        Cut::Pieces(_) => even_blocks::<R, K, B, P, L, N, M, 8, 1>(codes, scales, x),
        Cut::Blocks(2) => even_blocks::<R, K, B, P, L, N, M, 1, 2>(codes, scales, x),
        Cut::Blocks(4) => even_blocks::<R, K, B, P, L, N, M, 1, 4>(codes, scales, x),
        Cut::Blocks(_) => even_blocks::<R, K, B, P, L, N, M, 1, 8>(codes, scales, x),
        Cut::Alone(block) => blocks_alone::<R, K, B, P, L, N, M>(codes, scales, x, block),
    }
}

/// Rows of which every `PIECES` pieces have `BLOCKS` scales.
#[inline(always)]
#[expect(unsafe_code, reason = "registers of a CPU found at run time")]
fn even_blocks<
    R: Register,
    K: Piece<B, P, L>,
    const B: usize,
    const P: usize,
    const L: usize,
    const N: usize,
    const M: usize,
    const PIECES: usize,
    const BLOCKS: usize,
>(
    codes: &[u8],
    scales: &[&[f32]; N],
    x: &[[[Lanes; M]; P]],
) -> [[f32; M]; N] {
    let bytes = codes.len() / N;
    let x = x.as_chunks::<PIECES>().0;
    assert!(bytes == x.len() * PIECES * B && scales.iter().all(|s| s.len() == x.len() * BLOCKS));
    // SAFETY: every caller is compiled for the CPU whose register it is; codes and scales are as long as was compared, and all
    // groups but the last one are followed by another.
    unsafe {
        let place = Place {
            first: codes.as_ptr(),
            stride: bytes,
        };
        let ahead = Ahead::new(bytes, N);
        let mut sums = [[R::of(0.0); M]; N];
        for (at, x_of_group) in x.iter().enumerate() {
            let from = place.plus(at * PIECES * B);
            let step = ahead.step(at * PIECES * B);
            for row in 0..N {
                for line in (0..PIECES * B).step_by(LINE) {
                    fetch(from.row(row), step + line);
                }
            }
            let mut own = [[R::of(0.0); M]; N];
            for (piece, x_of_piece) in x_of_group.iter().enumerate() {
                let from = from.plus(piece * B);
                K::add(&mut own, from, at + 1 < x.len(), x_of_piece);
            }
            for ((sums, own), scales) in sums.iter_mut().zip(own).zip(scales) {
                let own_scales = scales.as_ptr().add(at * BLOCKS).cast::<[f32; BLOCKS]>();
                fetch(own_scales, N * size_of_val(*scales));
                let scale = R::spread(&*own_scales);
                for (sum, own) in sums.iter_mut().zip(own) {
                    *sum = sum.plus_product(own, scale);
                }
            }
        }
        totals(&sums)
    }
}

/// Rows with a scale for every so many bytes.
#[inline(always)]
#[expect(unsafe_code, reason = "registers of a CPU found at run time")]
fn blocks_alone<
    R: Register,
    K: Piece<B, P, L>,
    const B: usize,
    const P: usize,
    const L: usize,
    const N: usize,
    const M: usize,
>(
    codes: &[u8],
    scales: &[&[f32]; N],
    x: &[[[Lanes; M]; P]],
    block: usize,
) -> [[f32; M]; N] {
    let (bytes, whole) = (codes.len() / N, block / B);
    let blocks = x.len() / block.div_ceil(B);
    assert!(bytes == blocks * block && scales.iter().all(|scales| scales.len() == blocks));
    // SAFETY: every caller is compiled for the CPU whose register it is; codes and scales are as long as was compared, and all
    // pieces but the last one of a block are followed by another.
    unsafe {
        let place = Place {
            first: codes.as_ptr(),
            stride: bytes,
        };
        let ahead = Ahead::new(bytes, N);
        let mut sums = [[R::of(0.0); M]; N];
        for (number, x) in x.chunks_exact(block.div_ceil(B)).enumerate() {
            let from = place.plus(number * block);
            let mut own = [[R::of(0.0); M]; N];
            let (lines, rest) = x[..whole].as_chunks::<L>();
            for (line, x) in lines.iter().enumerate() {
                let step = ahead.step(number * block + line * L * B);
                for row in 0..N {
                    fetch(from.plus(line * L * B).row(row), step);
                }
                for (at, x) in x.iter().enumerate() {
                    let at = line * L + at;
                    K::add(&mut own, from.plus(at * B), at + 1 < whole, x);
                }
            }
            for (at, x) in rest.iter().enumerate() {
                let at = lines.len() * L + at;
                K::add(&mut own, from.plus(at * B), false, x);
            }
            if let [x] = &x[whole..] {
                let mut ends = [[0; B]; N];
                for (row, end) in ends.iter_mut().enumerate() {
                    let at = row * bytes + number * block;
                    pad(end, &codes[at + whole * B..at + block]);
                }
                let ends = Place {
                    first: ends.as_ptr().cast(),
                    stride: B,
                };
                K::add(&mut own, ends, false, x);
            }
            for ((sums, own), scales) in sums.iter_mut().zip(own).zip(scales) {
                fetch(&raw const scales[number], N * size_of_val(*scales));
                let scale = R::of(scales[number]);
                for (sum, own) in sums.iter_mut().zip(own) {
                    *sum = sum.plus_product(own, scale);
                }
            }
        }
        totals(&sums)
    }
}

/// Of the lanes of each.
///
/// # Safety
/// The register's.
#[inline(always)]
#[expect(unsafe_code, reason = "registers of a CPU found at run time")]
unsafe fn totals<R: Register, const N: usize, const M: usize>(sums: &[[R; M]; N]) -> [[f32; M]; N] {
    let mut totals = [[0.0; M]; N];
    for (totals, sums) in totals.iter_mut().zip(sums) {
        for (total, sum) in totals.iter_mut().zip(sums) {
            // SAFETY: the register's.
            *total = halved(unsafe { sum.lanes() }, |a, b| a + b);
        }
    }
    totals
}

/// With zeros behind, which add nothing.
#[inline(always)]
fn pad<const B: usize>(bytes: &mut [u8; B], rest: &[u8]) {
    bytes[..rest.len()].copy_from_slice(rest);
}
