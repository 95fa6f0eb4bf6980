//! Rounding at a point of a pass that counts what it loses: counters of all points lie in one array on the device,
//! which is read once a pass. Integer atomics add in any order to the same sum.

use super::rounding::{INFINITY, Rounded, larger, magnitude_bits, rounded};
use super::row::{PIECE, UNITS, beside, cubes, flat, largest, sum};
use crate::range::Place;
use crate::ranges::COUNT_WIDTH;
use crate::{HalfFormat, Pass, Rounding};
use burn::tensor::{DType, Shape, TensorMetadata};
use burn_cubecl::CubeRuntime;
use burn_cubecl::ops::numeric::{empty_device_contiguous_dtype, zeros};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Counters of a point in one pass: overflow, underflow, and the bits of the largest magnitude that overflowed.
pub(super) const COUNTERS: usize = 3;

/// How values are stored at a point, known when a kernel is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Point {
    pub(crate) format: Rounded,
    /// Whether what is beyond the range becomes the largest finite value.
    pub(crate) saturates: bool,
}

impl Point {
    /// Where values of a pass are stored; exact without a rounding.
    pub(super) fn new(rounding: Option<&Rounding>, pass: Pass) -> Self {
        Self {
            format: rounding.map(|rounding| rounding.format).into(),
            saturates: rounding.is_some_and(|rounding| rounding.saturates_in(pass)),
        }
    }

    /// The same in the forward pass, which does not saturate.
    pub(super) fn forward(self) -> Self {
        Self {
            saturates: false,
            ..self
        }
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

/// A value as it is stored; where it `counts`, what that loses is noted.
#[cube]
pub(super) fn stored(
    x: f32,
    lost: &mut Array<u32>,
    #[comptime] counts: bool,
    #[comptime] point: Point,
) -> f32 {
    let mut value = rounded(x, point.format);
    if comptime!(counts) {
        let before = magnitude_bits(x);
        let after = magnitude_bits(value);
        if before < INFINITY && after == INFINITY {
            lost[0] += 1u32;
            lost[2] = larger(lost[2], before);
        }
        if before > 0u32 && after == 0u32 {
            lost[1] += 1u32;
        }
    }
    if comptime!(point.saturates) {
        let most = f32::new(comptime!(limit(point.format)));
        // NaN is neither.
        if value > most {
            value = most;
        }
        if value < -most {
            value = -most;
        }
    }
    value
}

/// The largest finite value.
fn limit(format: Rounded) -> f32 {
    match format {
        Rounded::No => f32::MAX,
        Rounded::Fp16 => HalfFormat::Fp16.largest(),
        Rounded::Bf16 => HalfFormat::Bf16.largest(),
    }
}

/// Adds what the units of a cube have counted to the counters at a place. Most passes lose nothing, and an atomic addition
/// is not free.
#[cube]
pub(super) fn settle(
    counters: &mut Array<Atomic<u32>>,
    place: usize,
    lost: &Array<u32>,
    #[comptime] units: u32,
) {
    let over = sum::<u32>(lost[0], units);
    let under = sum::<u32>(lost[1], units);
    let beyond = largest::<u32>(lost[2], units);
    if UNIT_POS == 0 {
        if over > 0u32 {
            counters[place].fetch_add(over);
            counters[place + 2].fetch_max(beyond);
        }
        if under > 0u32 {
            counters[place + 1].fetch_add(under);
        }
    }
}

/// First element of the cube's piece of so many elements, the element behind it, and the run it is of, which has `each`
/// elements.
#[cube]
pub(super) fn piece(elements: usize, each: usize) -> (usize, usize, usize) {
    let pieces = each.div_ceil(PIECE);
    let run = CUBE_POS / pieces;
    let start = run * each + CUBE_POS % pieces * PIECE;
    let mut end = start + PIECE;
    if end > (run + 1) * each {
        end = (run + 1) * each;
    }
    if end > elements {
        end = elements;
    }
    (start, end, run)
}

/// Every element stored; `place` is that of the first run's counters, and a run has `each` elements.
#[cube(launch)]
pub(crate) fn store_kernel(
    x: &Array<f32>,
    y: &mut Array<f32>,
    counters: &mut Array<Atomic<u32>>,
    place: usize,
    each: usize,
    #[comptime] point: Point,
) {
    let (start, end, run) = piece(y.len(), each);
    let mut lost = nothing_lost();
    let mut i = start + UNIT_POS as usize;
    while i < end {
        y[i] = stored(x[i], &mut lost, true, point);
        i += UNITS as usize;
    }
    settle(counters, place + run * COUNTERS, &lost, UNITS);
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

/// The counters of a point beside `x`, and the place of the first run's among them; absent where it is not counted there.
pub(super) fn place<R: CubeRuntime>(
    rounding: Option<&Rounding>,
    pass: Pass,
    x: &CubeTensor<R>,
) -> Option<(CubeTensor<R>, usize)> {
    let place = rounding?.site.as_ref()?.place()?;
    let first = place.of(pass) * place.tally.runs() * COUNTERS;
    Some((counters(place, x)?.clone(), first))
}

/// Runs that are counted apart.
pub(super) fn runs(rounding: Option<&Rounding>) -> usize {
    let site = rounding.and_then(|rounding| rounding.site.as_ref());
    let place = site.and_then(|site| site.place());
    place.map_or(1, |place| place.tally.runs())
}

/// The same for a kernel that takes counters whether it counts or not, and whether it does.
pub(super) fn counted<R: CubeRuntime>(
    rounding: Option<&Rounding>,
    pass: Pass,
    x: &CubeTensor<R>,
) -> (CubeTensor<R>, usize, bool) {
    match place(rounding, pass, x) {
        Some((counters, place)) => (counters, place, true),
        None => (no_counters(x), 0, false),
    }
}

/// What stands in the place of counters where nothing is counted.
pub(super) fn no_counters<R: CubeRuntime>(x: &CubeTensor<R>) -> CubeTensor<R> {
    let (client, device) = (x.client.clone(), x.device.clone());
    empty_device_contiguous_dtype(client, device, Shape::new([1]), DType::U32)
}

/// The counters of a tally that counts on this device; absent where it counts on another already.
fn counters<'a, R: CubeRuntime>(place: &'a Place, x: &CubeTensor<R>) -> Option<&'a CubeTensor<R>> {
    place.tally.on(|| new_counters(x, place.tally.places()))
}

/// Counters at zero.
pub(super) fn new_counters<R: CubeRuntime>(x: &CubeTensor<R>, places: usize) -> CubeTensor<R> {
    zeros(
        x.device.clone(),
        Shape::new([places * COUNTERS]),
        DType::U32,
    )
}

/// One cube for each piece of so many elements, and how many are each run's.
pub(super) fn piece_cubes(elements: usize, runs: usize) -> (CubeCount, CubeDim, usize) {
    let each = elements / runs;
    let (count, dim) = cubes(runs * each.div_ceil(PIECE), UNITS);
    (count, dim, each)
}

/// Stores every element, and counts; none where the rounding has no place among the counters.
pub(super) fn store<R: CubeRuntime>(
    x: &CubeTensor<R>,
    rounding: &Rounding,
    pass: Pass,
) -> Option<CubeTensor<R>> {
    let (counters, place) = place(Some(rounding), pass, x)?;
    let y = beside(x, x.shape());
    let (count, dim, each) = piece_cubes(x.shape().num_elements(), runs(Some(rounding)));
    let (from, to, counters) = (flat(x), flat(&y), flat(&counters));
    let point = Point::new(Some(rounding), pass);
    store_kernel::launch::<R>(
        &x.client, count, dim, from, to, counters, place, each, point,
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
