//! Summaries and rounding of flat arrays of many parameters ([`crate::Ranges`]). A cube has a piece of one range,
//! whichever that is, so that one launch serves all; FP32 numbers of a range are summed over its pieces' sums by a second
//! launch, in a fixed tree.

use super::counting::{COUNTERS, Point, new_counters, nothing_lost, settle, stored, take};
use super::rounding::{INFINITY, larger, magnitude_bits};
use super::row::{PIECE, UNITS, beside, cubes, flat, largest, row, sum};
use crate::{RangeRounding, Ranges, Summary, bus};
use burn::tensor::{DType, Shape, TensorMetadata};
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Numbers of a range in the table: where it starts, its first piece, and whether it is chosen.
const COLUMNS: usize = 3;

/// The ranges as kernels read them, with a last entry behind them all; `chosen` is empty or has an entry for each. It is
/// sent once.
pub(super) fn table<R: CubeRuntime>(
    x: &CubeTensor<R>,
    ranges: &Ranges,
    chosen: &[bool],
) -> CubeTensor<R> {
    let is_here = |kept: &CubeTensor<R>| kept.device == x.device;
    ranges.kept(chosen, is_here, || {
        let mut table = Vec::with_capacity(COLUMNS * (ranges.count() + 1));
        let (mut end, mut pieces) = (0, 0);
        for (index, range) in ranges.iter().enumerate() {
            let is_chosen = chosen.get(index) == Some(&true);
            table.extend([range.start, pieces, usize::from(is_chosen)]);
            pieces += range.len().div_ceil(PIECE);
            end = range.end;
        }
        table.extend([end, pieces, 0]);
        let table: Vec<i32> = table.into_iter().map(|number| number as i32).collect();
        let len = table.len();
        send(&x.device, bytemuck::cast_slice(&table), len, DType::I32)
    })
}

/// A flat tensor on a device.
pub(super) fn send<R: CubeRuntime>(
    device: &R::Device,
    bytes: &[u8],
    len: usize,
    dtype: DType,
) -> CubeTensor<R> {
    bus::sent(bytes.len());
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
        let order = largest::<u32>(order, UNITS);
        let magnitude = f32::reinterpret(largest::<u32>(bits, UNITS));
        let mut own = 0.0f32;
        let mut i = start + UNIT_POS as usize;
        while i < end {
            let scaled = x[i] / magnitude;
            own += scaled * scaled;
            i += UNITS as usize;
        }
        let scaled = sum::<f32>(own, UNITS);
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
    let range = row(output, Summary::WIDTH) as u32;
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
    let order = largest::<u32>(order, UNITS);
    let magnitude = f32::reinterpret(largest::<u32>(bits, UNITS));
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
    let scaled = sum::<f32>(own, UNITS);
    if UNIT_POS == 0 {
        let place = range as usize * Summary::WIDTH;
        output[place] = of_ordered_bits(order);
        output[place + 1] = magnitude;
        output[place + 2] = scaled;
    }
}

/// Every piece stored where its range is chosen; the counters are one for each range.
#[cube(launch)]
pub(crate) fn round_ranges_kernel(
    x: &Array<f32>,
    table: &Array<i32>,
    y: &mut Array<f32>,
    counters: &mut Array<Atomic<u32>>,
    ranges: u32,
    #[comptime] point: Point,
) {
    let piece = CUBE_POS as u32;
    if piece < first_piece(table, ranges) {
        let range = range_of(table, ranges, piece);
        let start = piece_start(table, range, piece);
        let end = piece_end(table, range, start);
        let chosen = table[range as usize * COLUMNS + 2];
        let mut lost = nothing_lost();
        let mut i = start + UNIT_POS as usize;
        while i < end {
            let mut value = x[i];
            if chosen == 1i32 {
                value = stored(value, &mut lost, true, point);
            }
            y[i] = value;
            i += UNITS as usize;
        }
        settle(counters, range as usize * COUNTERS, &lost, UNITS);
    }
}

/// Every piece times the factor of its range, of which there may be fewer than ranges: they begin again then.
#[cube(launch)]
pub(crate) fn scale_kernel(
    x: &Array<f32>,
    table: &Array<i32>,
    factors: &Array<f32>,
    y: &mut Array<f32>,
    ranges: u32,
) {
    let piece = CUBE_POS as u32;
    if piece < first_piece(table, ranges) {
        let range = range_of(table, ranges, piece);
        let start = piece_start(table, range, piece);
        let end = piece_end(table, range, start);
        let factor = factors[range as usize % factors.len()];
        let mut i = start + UNIT_POS as usize;
        while i < end {
            y[i] = x[i] * factor;
            i += UNITS as usize;
        }
    }
}

/// See [`crate::Kernels::scale_ranges`].
pub(super) fn scale<R: CubeRuntime>(
    x: &CubeTensor<R>,
    ranges: &Ranges,
    factors: &[f32],
) -> CubeTensor<R> {
    let table = table(x, ranges, &[]);
    let bytes = bytemuck::cast_slice(factors);
    let factors: CubeTensor<R> = send(&x.device, bytes, factors.len(), DType::F32);
    let (count, dim, _) = pieces(ranges);
    let y = beside(x, x.shape());
    let (from, to, number) = (flat(x), flat(&y), ranges.count() as u32);
    let (table, factors) = (flat(&table), flat(&factors));
    scale_kernel::launch::<R>(&x.client, count, dim, from, table, factors, to, number);
    y
}

/// See [`crate::Kernels::summarise`].
pub(super) fn summarise<R: CubeRuntime>(x: CubeTensor<R>, ranges: &Ranges) -> CubeTensor<R> {
    let table = table(&x, ranges, &[]);
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
    let table = table(&x, ranges, &rounding.chosen);
    let (count, dim, _) = pieces(ranges);
    let y = beside(&x, x.shape());
    let counters = new_counters(&x, ranges.count());
    let point = Point {
        format: Some(rounding.format).into(),
        saturates: rounding.saturates,
    };
    round_ranges_kernel::launch::<R>(
        &x.client,
        count,
        dim,
        flat(&x),
        flat(&table),
        flat(&y),
        flat(&counters),
        ranges.count() as u32,
        point,
    );
    [y, take(&counters)]
}
