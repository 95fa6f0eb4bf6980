//! The optimiser's update of all parameters: one launch, or two where the learning rate of a parameter waits for the
//! root mean square of its surprise. Sums are summed over pieces as in [`super::ranges`].

use super::ranges::{
    each, elements, first_piece, piece_end, piece_start, pieces, range_of, send, table,
};
use super::row::{UNITS, beside, flat, row, sum};
use crate::slices::AdamW;
use crate::{AdamWState, AdamWStep, Ranges};
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Numbers of a range among the constants, in the order of [`numbers`]; zeros where the range stays as it is.
const COLUMNS: usize = 11;

/// What a launch does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// Moments and weights.
    Whole,
    /// Moments only.
    Moments,
    /// Weights, by the moments and the surprise of the whole range.
    Weights,
}

fn numbers(constants: &Option<(AdamW, f32)>) -> [f32; COLUMNS] {
    let Some((step, clip)) = constants else {
        return [0.0; COLUMNS];
    };
    [
        *clip,
        step.lr,
        step.beta1,
        1.0 - step.beta1,
        step.beta2,
        1.0 - step.beta2,
        step.eps,
        step.decay,
        step.correction1.recip(),
        step.correction2.recip(),
        1.0,
    ]
}

/// `g² / max(v̂, ε²)`, 0 where the limit is.
#[cube]
fn surprise(g: f32, hat: f32, eps: f32) -> f32 {
    let floor = eps * eps;
    let mut limit = floor;
    if hat > floor {
        limit = hat;
    }
    let mut surprise = 0.0f32;
    if limit > 0.0f32 {
        surprise = g * g / limit;
    }
    surprise
}

/// `m̂ / (√v̂ + ε)`, 0 where both moments or the denominator are.
#[cube]
fn direction(m: f32, v: f32, constants: &Array<f32>, place: usize) -> f32 {
    let denominator = f32::sqrt(v * constants[place + 9]) + constants[place + 6];
    let mut moved = 0.0f32;
    if denominator != 0.0f32 && (m != 0.0f32 || v != 0.0f32) {
        moved = m * constants[place + 8] / denominator;
    }
    moved
}

/// One update, or a part of it, of a piece, in place. `sums` holds what a first part has summed over the ranges.
#[cube(launch)]
pub(crate) fn adamw_kernel(
    gradient: &Array<f32>,
    weights: &mut Array<f32>,
    first: &mut Array<f32>,
    second: &mut Array<f32>,
    table: &Array<i32>,
    constants: &Array<f32>,
    sums: &Array<f32>,
    partial: &mut Array<f32>,
    ranges: u32,
    #[comptime] part: Part,
) {
    let piece = CUBE_POS as u32;
    if piece < first_piece(table, ranges) {
        let range = range_of(table, ranges, piece);
        let start = piece_start(table, range, piece);
        let end = piece_end(table, range, start);
        let place = range as usize * COLUMNS;
        let mut lr = constants[place + 1];
        if comptime!(part == Part::Weights) {
            let whole = f32::cast_from(elements(table, range));
            let rms = f32::sqrt(sums[range as usize * AdamWStep::WIDTH] / whole);
            if rms > 1.0f32 {
                lr /= rms;
            }
        }
        let mut surprises = 0.0f32;
        let mut changes = 0.0f32;
        let mut squares = 0.0f32;
        let mut i = start + UNIT_POS as usize;
        if constants[place + 10] == 0.0f32 {
            i = end;
        }
        while i < end {
            let mut m = first[i];
            let mut v = second[i];
            if comptime!(part != Part::Weights) {
                let g = gradient[i] * constants[place];
                m = constants[place + 2] * m + constants[place + 3] * g;
                v = constants[place + 4] * v + constants[place + 5] * (g * g);
                surprises += surprise(g, v * constants[place + 9], constants[place + 6]);
                first[i] = m;
                second[i] = v;
            }
            if comptime!(part != Part::Moments) {
                let w = weights[i];
                let adam = direction(m, v, constants, place);
                let change = lr * (adam + constants[place + 7] * w);
                let after = w - change;
                weights[i] = after;
                changes += change * change;
                squares += after * after;
            }
            i += UNITS as usize;
        }
        let surprises = sum::<f32>(surprises, UNITS);
        let changes = sum::<f32>(changes, UNITS);
        let squares = sum::<f32>(squares, UNITS);
        if UNIT_POS == 0 {
            let place = piece as usize * AdamWStep::WIDTH;
            if comptime!(part != Part::Weights) {
                partial[place] = surprises;
            }
            partial[place + 1] = changes;
            partial[place + 2] = squares;
        }
    }
}

/// The sums of every range, from its pieces'.
#[cube(launch)]
pub(crate) fn sums_of_pieces_kernel(
    partial: &Array<f32>,
    table: &Array<i32>,
    output: &mut Array<f32>,
) {
    let range = row(output, AdamWStep::WIDTH) as u32;
    let end = first_piece(table, range + 1u32);
    let mut surprises = 0.0f32;
    let mut changes = 0.0f32;
    let mut squares = 0.0f32;
    let mut piece = first_piece(table, range) + UNIT_POS;
    while piece < end {
        let place = piece as usize * AdamWStep::WIDTH;
        surprises += partial[place];
        changes += partial[place + 1];
        squares += partial[place + 2];
        piece += UNITS;
    }
    let surprises = sum::<f32>(surprises, UNITS);
    let changes = sum::<f32>(changes, UNITS);
    let squares = sum::<f32>(squares, UNITS);
    if UNIT_POS == 0 {
        let place = range as usize * AdamWStep::WIDTH;
        output[place] = surprises;
        output[place + 1] = changes;
        output[place + 2] = squares;
    }
}

/// What all launches of an update share.
struct Launch<'a, R: CubeRuntime> {
    ranges: &'a Ranges,
    table: CubeTensor<R>,
    constants: CubeTensor<R>,
    partial: CubeTensor<R>,
    sums: CubeTensor<R>,
}

impl<R: CubeRuntime> Launch<'_, R> {
    fn part(&self, gradient: &CubeTensor<R>, state: &AdamWState<CubeTensor<R>>, part: Part) {
        let (count, dim, _) = pieces(self.ranges);
        adamw_kernel::launch::<R>(
            &gradient.client,
            count,
            dim,
            flat(gradient),
            flat(&state.weights),
            flat(&state.first),
            flat(&state.second),
            flat(&self.table),
            flat(&self.constants),
            flat(&self.sums),
            flat(&self.partial),
            self.ranges.count() as u32,
            part,
        );
        let (count, dim) = each(self.ranges);
        sums_of_pieces_kernel::launch::<R>(
            &gradient.client,
            count,
            dim,
            flat(&self.partial),
            flat(&self.table),
            flat(&self.sums),
        );
    }
}

/// The tensor, or a copy where somebody else has it too.
fn own<R: CubeRuntime>(x: CubeTensor<R>) -> CubeTensor<R> {
    if x.can_mut() { x } else { x.copy() }
}

/// See [`crate::Kernels::adamw`].
pub(super) fn adamw<R: CubeRuntime>(
    state: AdamWState<CubeTensor<R>>,
    gradient: &CubeTensor<R>,
    ranges: &Ranges,
    step: &AdamWStep,
) -> (AdamWState<CubeTensor<R>>, CubeTensor<R>) {
    let constants: Vec<f32> = step.ranges.iter().flat_map(numbers).collect();
    let (_, _, pieces) = pieces(ranges);
    let launch = Launch {
        ranges,
        table: table(gradient, ranges, &[]),
        constants: send(
            &gradient.device,
            bytemuck::cast_slice(&constants),
            constants.len(),
            DType::F32,
        ),
        partial: beside(gradient, Shape::new([pieces * AdamWStep::WIDTH])),
        sums: beside(gradient, Shape::new([ranges.count() * AdamWStep::WIDTH])),
    };
    let state = AdamWState {
        weights: own(state.weights),
        first: own(state.first),
        second: own(state.second),
    };
    if step.update_clipping {
        launch.part(gradient, &state, Part::Moments);
        launch.part(gradient, &state, Part::Weights);
    } else {
        launch.part(gradient, &state, Part::Whole);
    }
    (state, launch.sums)
}
