//! Summaries and rounding of flat arrays of many parameters ([`crate::Ranges`]). A cube has a piece of one range,
//! whichever that is, so that one launch serves all; what is summed over a range is summed over its pieces' sums by a
//! second launch, in a fixed tree.

use super::elementwise::{Rounded, rounded};
use super::row::{beside, cubes, flat, sum};
use crate::ranges::COUNT_WIDTH;
use crate::{RangeRounding, Ranges, Summary, bus};
use burn::tensor::{DType, Shape, TensorMetadata};
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Elements of a piece, and units that share one.
pub(crate) const PIECE: usize = 4096;
pub(crate) const UNITS: u32 = 256;

/// Numbers of a range in the table: where it starts, its first piece, and whether it is chosen.
const COLUMNS: usize = 3;

/// Bits of infinity, above which a magnitude's bits are those of NaN.
pub(super) const INFINITY: u32 = 0x7f80_0000;

/// The ranges as kernels read them, with a last entry behind them all.
pub(super) fn table<R: CubeRuntime>(
    x: &CubeTensor<R>,
    ranges: &Ranges,
    chosen: impl Fn(usize) -> bool,
) -> CubeTensor<R> {
    let mut table = Vec::with_capacity(COLUMNS * (ranges.count() + 1));
    let (mut end, mut pieces) = (0, 0);
    for (index, range) in ranges.iter().enumerate() {
        table.extend([range.start, pieces, usize::from(chosen(index))]);
        pieces += range.len().div_ceil(PIECE);
        end = range.end;
    }
    table.extend([end, pieces, 0]);
    let table: Vec<i32> = table.into_iter().map(|number| number as i32).collect();
    let len = table.len();
    send(&x.device, bytemuck::cast_slice(&table), len, DType::I32)
}

/// A flat tensor on a device.
pub(super) fn send<R: CubeRuntime>(
    device: &R::Device,
    bytes: &[u8],
    len: usize,
    dtype: DType,
) -> CubeTensor<R> {
    bus::count(bytes.len(), 0);
    let client = R::client(device);
    let handle = client.create_from_slice(bytes);
    CubeTensor::new_contiguous(client, device.clone(), Shape::new([len]), handle, dtype)
}

/// A cube for every piece of all ranges, and how many pieces there are.
pub(super) fn pieces(ranges: &Ranges) -> (CubeCount, CubeDim, usize) {
    let pieces = ranges.iter().map(|range| range.len().div_ceil(PIECE)).sum();
    let (count, dim) = cubes(pieces, UNITS);
    (count, dim, pieces)
}

/// A cube for every range.
pub(super) fn each(ranges: &Ranges) -> (CubeCount, CubeDim) {
    cubes(ranges.count(), UNITS)
}

/// The cube's range, of which the output has `width` numbers.
#[cube]
pub(super) fn own_range(output: &Array<f32>, #[comptime] width: usize) -> u32 {
    let range = CUBE_POS;
    if range * width >= output.len() {
        terminate!();
    }
    range as u32
}

/// First piece of a range; of the last entry, behind all ranges, the number of all pieces.
#[cube]
pub(super) fn first_piece(table: &Array<i32>, range: u32) -> u32 {
    table[range as usize * COLUMNS + 1] as u32
}

/// Elements of a range.
#[cube]
pub(super) fn elements(table: &Array<i32>, range: u32) -> i32 {
    table[(range as usize + 1) * COLUMNS] - table[range as usize * COLUMNS]
}

/// The range that a piece is of.
#[cube]
pub(super) fn range_of(table: &Array<i32>, ranges: u32, piece: u32) -> u32 {
    let mut low = 0u32;
    let mut high = ranges;
    while high - low > 1u32 {
        let middle = (low + high) / 2u32;
        if first_piece(table, middle) <= piece {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// First element of a piece of a range.
#[cube]
pub(super) fn piece_start(table: &Array<i32>, range: u32, piece: u32) -> usize {
    let number = piece - first_piece(table, range);
    table[range as usize * COLUMNS] as usize + number as usize * PIECE
}

/// The element behind a piece.
#[cube]
pub(super) fn piece_end(table: &Array<i32>, range: u32, start: usize) -> usize {
    let mut end = table[(range as usize + 1) * COLUMNS] as usize;
    if start + PIECE < end {
        end = start + PIECE;
    }
    end
}

/// A magnitude's bits, in the order of magnitudes, NaN last.
#[cube]
pub(super) fn magnitude_bits(x: f32) -> u32 {
    u32::reinterpret(x) & 0x7fff_ffffu32
}

/// The value, or the largest of the format with its sign in the place of infinity; NaN stays.
#[cube]
pub(super) fn within(x: f32, most: f32) -> f32 {
    let mut value = x;
    if magnitude_bits(x) == INFINITY {
        value = most;
        if x < 0.0f32 {
            value = -most;
        }
    }
    value
}

/// Bits in the order of values, NaN last.
#[cube]
fn ordered_bits(x: f32) -> u32 {
    let bits = u32::reinterpret(x);
    let mut ordered = bits | 0x8000_0000u32;
    if bits >= 0x8000_0000u32 {
        ordered = bits ^ 0xffff_ffffu32;
    }
    if magnitude_bits(x) > INFINITY {
        ordered = 0xffff_ffffu32;
    }
    ordered
}

/// The value of [`ordered_bits()`].
#[cube]
fn of_ordered_bits(ordered: u32) -> f32 {
    let mut bits = ordered & 0x7fff_ffffu32;
    if ordered < 0x8000_0000u32 {
        bits = ordered ^ 0xffff_ffffu32;
    }
    f32::reinterpret(bits)
}

#[cube]
pub(super) fn larger(a: u32, b: u32) -> u32 {
    let mut most = a;
    if b > a {
        most = b;
    }
    most
}

/// Largest number over the units of a cube, known to all of them.
#[cube]
pub(super) fn largest(value: u32) -> u32 {
    let mut shared = SharedMemory::<u32>::new(UNITS as usize);
    shared[UNIT_POS as usize] = value;
    sync_cube();
    let mut half = CUBE_DIM / 2;
    while half > 0 {
        if UNIT_POS < half {
            let other = shared[(UNIT_POS + half) as usize];
            if other > shared[UNIT_POS as usize] {
                shared[UNIT_POS as usize] = other;
            }
        }
        sync_cube();
        half /= 2;
    }
    let most = shared[0];
    sync_cube();
    most
}

/// Sum over the units of a cube, known to all of them.
#[cube]
pub(super) fn total(value: u32) -> u32 {
    let mut shared = SharedMemory::<u32>::new(UNITS as usize);
    shared[UNIT_POS as usize] = value;
    sync_cube();
    let mut half = CUBE_DIM / 2;
    while half > 0 {
        if UNIT_POS < half {
            let other = shared[(UNIT_POS + half) as usize];
            shared[UNIT_POS as usize] += other;
        }
        sync_cube();
        half /= 2;
    }
    let all = shared[0];
    sync_cube();
    all
}

/// [`Summary`] of every piece.
#[cube(launch)]
pub(crate) fn summary_kernel(
    x: &Array<f32>,
    table: &Array<i32>,
    partial: &mut Array<f32>,
    ranges: u32,
) {
    let piece = CUBE_POS as u32;
    if piece < first_piece(table, ranges) {
        let range = range_of(table, ranges, piece);
        let start = piece_start(table, range, piece);
        let end = piece_end(table, range, start);
        let mut order = 0u32;
        let mut bits = 0u32;
        let mut i = start + UNIT_POS as usize;
        while i < end {
            order = larger(order, ordered_bits(x[i]));
            bits = larger(bits, magnitude_bits(x[i]));
            i += UNITS as usize;
        }
        let order = largest(order);
        let magnitude = f32::reinterpret(largest(bits));
        let mut own = 0.0f32;
        let mut i = start + UNIT_POS as usize;
        while i < end {
            let scaled = x[i] / magnitude;
            own += scaled * scaled;
            i += UNITS as usize;
        }
        let scaled = sum(own, UNITS);
        if UNIT_POS == 0 {
            let place = piece as usize * Summary::WIDTH;
            partial[place] = of_ordered_bits(order);
            partial[place + 1] = magnitude;
            partial[place + 2] = scaled;
        }
    }
}

/// [`Summary`] of every range, from its pieces'.
#[cube(launch)]
pub(crate) fn summary_of_pieces_kernel(
    partial: &Array<f32>,
    table: &Array<i32>,
    output: &mut Array<f32>,
) {
    let range = own_range(output, Summary::WIDTH);
    let first = first_piece(table, range);
    let end = first_piece(table, range + 1u32);
    let mut order = 0u32;
    let mut bits = 0u32;
    let mut piece = first + UNIT_POS;
    while piece < end {
        let place = piece as usize * Summary::WIDTH;
        order = larger(order, ordered_bits(partial[place]));
        bits = larger(bits, magnitude_bits(partial[place + 1]));
        piece += UNITS;
    }
    let order = largest(order);
    let magnitude = f32::reinterpret(largest(bits));
    let mut own = 0.0f32;
    let mut piece = first + UNIT_POS;
    while piece < end {
        let place = piece as usize * Summary::WIDTH;
        let ratio = partial[place + 1] / magnitude;
        // A piece of zeros has no scaled sum.
        if ratio > 0.0f32 {
            own += partial[place + 2] * ratio * ratio;
        }
        piece += UNITS;
    }
    let scaled = sum(own, UNITS);
    if UNIT_POS == 0 {
        let place = range as usize * Summary::WIDTH;
        output[place] = of_ordered_bits(order);
        output[place + 1] = magnitude;
        output[place + 2] = scaled;
    }
}

/// Every piece rounded where its range is chosen; both counts and the largest magnitude that overflowed go into
/// `partial`, three numbers for each piece.
#[cube(launch)]
pub(crate) fn round_ranges_kernel(
    x: &Array<f32>,
    table: &Array<i32>,
    y: &mut Array<f32>,
    partial: &mut Array<f32>,
    ranges: u32,
    most: f32,
    #[comptime] format: Rounded,
    #[comptime] saturates: bool,
) {
    let piece = CUBE_POS as u32;
    if piece < first_piece(table, ranges) {
        let range = range_of(table, ranges, piece);
        let start = piece_start(table, range, piece);
        let end = piece_end(table, range, start);
        let chosen = table[range as usize * COLUMNS + 2];
        let mut over = 0u32;
        let mut under = 0u32;
        let mut beyond = 0u32;
        let mut i = start + UNIT_POS as usize;
        while i < end {
            let mut value = x[i];
            if chosen == 1i32 {
                let stored = rounded(value, format);
                let before = magnitude_bits(value);
                let after = magnitude_bits(stored);
                if before < INFINITY && after == INFINITY {
                    over += 1u32;
                    beyond = larger(beyond, before);
                }
                if before > 0u32 && after == 0u32 {
                    under += 1u32;
                }
                value = stored;
                if comptime!(saturates) {
                    value = within(stored, most);
                }
            }
            y[i] = value;
            i += UNITS as usize;
        }
        let over = total(over);
        let under = total(under);
        let beyond = largest(beyond);
        if UNIT_POS == 0 {
            let place = piece as usize * 3;
            partial[place] = f32::cast_from(over);
            partial[place + 1] = f32::cast_from(under);
            partial[place + 2] = f32::reinterpret(beyond);
        }
    }
}

/// The counts of every range, from its pieces'.
#[cube(launch)]
pub(crate) fn counts_of_pieces_kernel(
    partial: &Array<f32>,
    table: &Array<i32>,
    output: &mut Array<f32>,
) {
    let range = own_range(output, COUNT_WIDTH);
    let end = first_piece(table, range + 1u32);
    let mut over = 0u32;
    let mut under = 0u32;
    let mut beyond = 0u32;
    let mut piece = first_piece(table, range) + UNIT_POS;
    while piece < end {
        let place = piece as usize * 3;
        over += u32::cast_from(partial[place]);
        under += u32::cast_from(partial[place + 1]);
        beyond = larger(beyond, magnitude_bits(partial[place + 2]));
        piece += UNITS;
    }
    let over = total(over);
    let under = total(under);
    let beyond = largest(beyond);
    if UNIT_POS == 0 {
        // Parts of 16 bits, which FP32 holds.
        let place = range as usize * COUNT_WIDTH;
        output[place] = f32::cast_from(over >> 16u32);
        output[place + 1] = f32::cast_from(over & 0xffffu32);
        output[place + 2] = f32::cast_from(under >> 16u32);
        output[place + 3] = f32::cast_from(under & 0xffffu32);
        output[place + 4] = f32::reinterpret(beyond);
    }
}

/// See [`crate::Kernels::summarise`].
pub(super) fn summarise<R: CubeRuntime>(x: CubeTensor<R>, ranges: &Ranges) -> CubeTensor<R> {
    let table = table(&x, ranges, |_| false);
    let (count, dim, pieces) = pieces(ranges);
    let partial = beside(&x, Shape::new([pieces * Summary::WIDTH]));
    let output = beside(&x, Shape::new([ranges.count() * Summary::WIDTH]));
    let number = ranges.count() as u32;
    let (from, to) = (flat(&x), flat(&partial));
    summary_kernel::launch::<R>(&x.client, count, dim, from, flat(&table), to, number);
    let (count, dim) = each(ranges);
    let (from, to) = (flat(&partial), flat(&output));
    summary_of_pieces_kernel::launch::<R>(&x.client, count, dim, from, flat(&table), to);
    output
}

/// See [`crate::Kernels::round_ranges`].
pub(super) fn round<R: CubeRuntime>(
    x: CubeTensor<R>,
    ranges: &Ranges,
    rounding: &RangeRounding,
) -> [CubeTensor<R>; 2] {
    let table = table(&x, ranges, |index| rounding.chosen[index]);
    let (count, dim, pieces) = pieces(ranges);
    let y = beside(&x, x.shape());
    let partial = beside(&x, Shape::new([pieces * 3]));
    let counts = beside(&x, Shape::new([ranges.count() * COUNT_WIDTH]));
    round_ranges_kernel::launch::<R>(
        &x.client,
        count,
        dim,
        flat(&x),
        flat(&table),
        flat(&y),
        flat(&partial),
        ranges.count() as u32,
        rounding.format.largest(),
        Some(rounding.format).into(),
        rounding.saturates,
    );
    let (count, dim) = each(ranges);
    let (from, to) = (flat(&partial), flat(&counts));
    counts_of_pieces_kernel::launch::<R>(&x.client, count, dim, from, flat(&table), to);
    [y, counts]
}
