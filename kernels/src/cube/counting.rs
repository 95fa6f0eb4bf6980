//! Rounding at a point of a pass that counts what it loses: counters of all points lie in one array on the device,
//! which is read once a pass. Integer atomics add in any order to the same sum.

use super::elementwise::{Rounded, rounded};
use super::ranges::{INFINITY, PIECE, UNITS, larger, largest, magnitude_bits, total, within};
use super::row::{beside, cubes, flat};
use crate::range::Place;
use crate::ranges::COUNT_WIDTH;
use crate::{Pass, Rounding};
use burn::tensor::{DType, Shape, TensorMetadata};
use burn_cubecl::CubeRuntime;
use burn_cubecl::ops::numeric::zeros;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Counters of a point in one pass: overflow, underflow, and the bits of the largest magnitude that overflowed.
const COUNTERS: usize = 3;

/// Every element rounded; `first` is the place of the counters.
#[cube(launch)]
pub(crate) fn store_kernel(
    x: &Array<f32>,
    y: &mut Array<f32>,
    counters: &mut Array<Atomic<u32>>,
    first: u32,
    most: f32,
    #[comptime] format: Rounded,
    #[comptime] saturates: bool,
) {
    let start = CUBE_POS * PIECE;
    let mut end = start + PIECE;
    if end > y.len() {
        end = y.len();
    }
    let mut over = 0u32;
    let mut under = 0u32;
    let mut beyond = 0u32;
    let mut i = start + UNIT_POS as usize;
    while i < end {
        let stored = rounded(x[i], format);
        let before = magnitude_bits(x[i]);
        let after = magnitude_bits(stored);
        if before < INFINITY && after == INFINITY {
            over += 1u32;
            beyond = larger(beyond, before);
        }
        if before > 0u32 && after == 0u32 {
            under += 1u32;
        }
        let mut value = stored;
        if comptime!(saturates) {
            value = within(stored, most);
        }
        y[i] = value;
        i += UNITS as usize;
    }
    let over = total(over);
    let under = total(under);
    let beyond = largest(beyond);
    // Most passes lose nothing, and an atomic addition is not free.
    if UNIT_POS == 0 {
        let place = first as usize;
        if over > 0u32 {
            counters[place].fetch_add(over);
            counters[place + 2].fetch_max(beyond);
        }
        if under > 0u32 {
            counters[place + 1].fetch_add(under);
        }
    }
}

/// All counters as [`crate::RangeCount::all`] reads them, and zeros in their place.
#[cube(launch)]
pub(crate) fn take_kernel(counters: &mut Array<Atomic<u32>>, output: &mut Array<f32>, places: u32) {
    if ABSOLUTE_POS < places as usize {
        let from = ABSOLUTE_POS * COUNTERS;
        let to = ABSOLUTE_POS * COUNT_WIDTH;
        let over = counters[from].swap(0u32);
        let under = counters[from + 1].swap(0u32);
        // Parts of 16 bits, which FP32 holds.
        output[to] = f32::cast_from(over >> 16u32);
        output[to + 1] = f32::cast_from(over & 0xffffu32);
        output[to + 2] = f32::cast_from(under >> 16u32);
        output[to + 3] = f32::cast_from(under & 0xffffu32);
        output[to + 4] = f32::reinterpret(counters[from + 2].swap(0u32));
    }
}

/// What a unit has counted: zeros.
#[cube]
pub(super) fn nothing_lost() -> Array<u32> {
    let mut lost = Array::<u32>::new(COUNTERS);
    #[unroll]
    for i in 0..COUNTERS {
        lost[i] = 0u32;
    }
    lost
}

/// Counts what a value lost when it was stored.
#[cube]
pub(super) fn note(lost: &mut Array<u32>, value: f32, stored: f32) {
    let before = magnitude_bits(value);
    let after = magnitude_bits(stored);
    if before < INFINITY && after == INFINITY {
        lost[0] += 1u32;
        lost[2] = larger(lost[2], before);
    }
    if before > 0u32 && after == 0u32 {
        lost[1] += 1u32;
    }
}

/// Adds what a unit has counted to the counters at a place.
#[cube]
pub(super) fn settle(counters: &mut Array<Atomic<u32>>, place: usize, lost: &Array<u32>) {
    if lost[0] > 0u32 {
        counters[place].fetch_add(lost[0]);
        counters[place + 2].fetch_max(lost[2]);
    }
    if lost[1] > 0u32 {
        counters[place + 1].fetch_add(lost[1]);
    }
}

/// The counters of a point beside `x`, and its place among them; absent where it is not counted there.
pub(super) fn place<R: CubeRuntime>(
    rounding: Option<&Rounding>,
    pass: Pass,
    x: &CubeTensor<R>,
) -> Option<(CubeTensor<R>, usize)> {
    let place = rounding?.site.as_ref()?.place()?;
    Some((counters(place, x)?.clone(), place.of(pass) * COUNTERS))
}

/// The counters of a tally that counts on this device; absent where it counts on another already.
fn counters<'a, R: CubeRuntime>(place: &'a Place, x: &CubeTensor<R>) -> Option<&'a CubeTensor<R>> {
    let shape = Shape::new([place.tally.places() * COUNTERS]);
    place
        .tally
        .on(|| zeros(x.device.clone(), shape, DType::U32))
}

/// Rounds every element, and counts; none where the rounding has no place among the counters.
pub(super) fn store<R: CubeRuntime>(
    x: &CubeTensor<R>,
    rounding: &Rounding,
    pass: Pass,
) -> Option<CubeTensor<R>> {
    let place = rounding.site.as_ref()?.place()?;
    let counters = counters(place, x)?;
    let y = beside(x, x.shape());
    let (count, dim) = cubes(x.shape().num_elements().div_ceil(PIECE), UNITS);
    store_kernel::launch::<R>(
        &x.client,
        count,
        dim,
        flat(x),
        flat(&y),
        flat(counters),
        (place.of(pass) * COUNTERS) as u32,
        rounding.format.largest(),
        Some(rounding.format).into(),
        rounding.saturates_in(pass),
    );
    Some(y)
}

/// Reads all counters into a tensor, and sets them to 0.
pub(super) fn take<R: CubeRuntime>(counters: &CubeTensor<R>) -> CubeTensor<R> {
    let places = counters.shape().num_elements() / COUNTERS;
    let output = beside(counters, Shape::new([places * COUNT_WIDTH]));
    let dim = CubeDim::new_1d(UNITS);
    let count = CubeCount::Static((places as u32).div_ceil(UNITS), 1, 1);
    let (from, to) = (flat(counters), flat(&output));
    take_kernel::launch::<R>(&counters.client, count, dim, from, to, places as u32);
    output
}
