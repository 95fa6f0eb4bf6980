//! Layer norm: see [`crate::layer_norm()`] for the formulas.

use super::row::{beside, cubes, flat, row, sum, units};
use burn::tensor::{Shape, TensorMetadata};
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Rows whose contributions to dγ and dβ one unit of the first stage adds up.
const GROUP: usize = 64;

/// Units of a cube in the stages over rows: one for each column.
const COLUMNS: u32 = 64;

/// Mean of a row, as a sum over the units' own sums.
#[cube]
fn mean(x: &Array<f32>, start: usize, width: usize, #[comptime] units: u32) -> f32 {
    let mut own = 0.0f32;
    let mut i = UNIT_POS as usize;
    while i < width {
        own += x[start + i];
        i += units as usize;
    }
    sum::<f32>(own, units) / f32::cast_from(width as u32)
}

/// `1 / sqrt(var + ε)` of a row.
#[cube]
fn inverse_deviation(
    x: &Array<f32>,
    start: usize,
    width: usize,
    mean: f32,
    eps: f32,
    #[comptime] units: u32,
) -> f32 {
    let mut own = 0.0f32;
    let mut i = UNIT_POS as usize;
    while i < width {
        let centred = x[start + i] - mean;
        own += centred * centred;
        i += units as usize;
    }
    let variance = sum::<f32>(own, units) / f32::cast_from(width as u32);
    1.0f32 / f32::sqrt(variance + eps)
}

/// `each` rows one after another have γ and β of their own.
#[cube(launch)]
pub(crate) fn norm_kernel(
    x: &Array<f32>,
    gamma: &Array<f32>,
    beta: &Array<f32>,
    y: &mut Array<f32>,
    width: usize,
    each: usize,
    eps: f32,
    #[comptime] units: u32,
) {
    let row = row(x, width);
    let start = row * width;
    let own = row / each * width;
    let mean = mean(x, start, width, units);
    let r = inverse_deviation(x, start, width, mean, eps, units);
    let mut i = UNIT_POS as usize;
    while i < width {
        y[start + i] = (x[start + i] - mean) * r * gamma[own + i] + beta[own + i];
        i += units as usize;
    }
}

/// dx of a row; mean and `r` of it go into `statistics` `[rows, 2]` for the stages that follow.
#[cube(launch)]
pub(crate) fn norm_backward_kernel(
    x: &Array<f32>,
    gamma: &Array<f32>,
    dy: &Array<f32>,
    dx: &mut Array<f32>,
    statistics: &mut Array<f32>,
    width: usize,
    each: usize,
    eps: f32,
    #[comptime] units: u32,
) {
    let row = row(x, width);
    let start = row * width;
    let gammas = row / each * width;
    let mean = mean(x, start, width, units);
    let r = inverse_deviation(x, start, width, mean, eps, units);
    if UNIT_POS == 0 {
        statistics[2 * row] = mean;
        statistics[2 * row + 1] = r;
    }
    let mut own = 0.0f32;
    let mut own_along = 0.0f32;
    let mut i = UNIT_POS as usize;
    while i < width {
        let g = gamma[gammas + i] * dy[start + i];
        own += g;
        own_along += g * (x[start + i] - mean) * r;
        i += units as usize;
    }
    let g_mean = sum::<f32>(own, units) / f32::cast_from(width as u32);
    let along = sum::<f32>(own_along, units) / f32::cast_from(width as u32);
    let mut i = UNIT_POS as usize;
    while i < width {
        let normal = (x[start + i] - mean) * r;
        dx[start + i] = (gamma[gammas + i] * dy[start + i] - g_mean - normal * along) * r;
        i += units as usize;
    }
}

/// First stage: the sums of one column over one group of the `each` rows that share a γ, dγ and dβ into
/// `partial` `[2, all groups, width]`.
#[cube(launch)]
pub(crate) fn norm_groups_kernel(
    x: &Array<f32>,
    dy: &Array<f32>,
    statistics: &Array<f32>,
    partial: &mut Array<f32>,
    width: u32,
    each: u32,
    #[comptime] group: u32,
) {
    let column = CUBE_POS_X * CUBE_DIM_X + UNIT_POS_X;
    if column < width {
        let mut gamma = 0.0f32;
        let mut beta = 0.0f32;
        let groups = each.div_ceil(group);
        let begin = CUBE_POS_Y / groups * each;
        let first = begin + CUBE_POS_Y % groups * group;
        let mut end = first + group;
        if end > begin + each {
            end = begin + each;
        }
        for row in first..end {
            let place = row as usize * width as usize + column as usize;
            let mean = statistics[2 * row as usize];
            let r = statistics[2 * row as usize + 1];
            gamma += dy[place] * (x[place] - mean) * r;
            beta += dy[place];
        }
        let place = CUBE_POS_Y as usize * width as usize + column as usize;
        partial[place] = gamma;
        partial[CUBE_COUNT_Y as usize * width as usize + place] = beta;
    }
}

/// Second stage: the sums of one column over the groups of its rows.
#[cube(launch)]
pub(crate) fn norm_columns_kernel(
    partial: &Array<f32>,
    dgamma: &mut Array<f32>,
    dbeta: &mut Array<f32>,
    width: usize,
    groups: u32,
) {
    let column = ABSOLUTE_POS;
    if column < dgamma.len() {
        let mut gamma = 0.0f32;
        let mut beta = 0.0f32;
        let half = partial.len() / 2;
        let start = column / width * groups as usize * width + column % width;
        for group in 0..groups {
            let place = start + group as usize * width;
            gamma += partial[place];
            beta += partial[half + place];
        }
        dgamma[column] = gamma;
        dbeta[column] = beta;
    }
}

/// Layer norm of every row; as many rows for each γ.
pub(super) fn forward<R: CubeRuntime>(
    x: CubeTensor<R>,
    gamma: CubeTensor<R>,
    beta: CubeTensor<R>,
    eps: f32,
) -> CubeTensor<R> {
    let [rows, width] = x.shape().dims();
    let (y, units) = (beside(&x, x.shape()), units(width));
    let (count, dim) = cubes(rows, units);
    let each = rows / (gamma.shape()[0] / width);
    let (gamma, beta) = (flat(&gamma), flat(&beta));
    norm_kernel::launch::<R>(
        &x.client,
        count,
        dim,
        flat(&x),
        gamma,
        beta,
        flat(&y),
        width,
        each,
        eps,
        units,
    );
    y
}

/// Gradients of x, γ and β.
pub(super) fn backward<R: CubeRuntime>(
    x: CubeTensor<R>,
    gamma: CubeTensor<R>,
    dy: CubeTensor<R>,
    eps: f32,
) -> [CubeTensor<R>; 3] {
    let [rows, width] = x.shape().dims();
    let (units, runs) = (units(width), gamma.shape()[0] / width);
    let each = rows / runs;
    let dx = beside(&x, x.shape());
    let statistics = beside(&x, Shape::new([rows, 2]));
    let (count, dim) = cubes(rows, units);
    norm_backward_kernel::launch::<R>(
        &x.client,
        count,
        dim,
        flat(&x),
        flat(&gamma),
        flat(&dy),
        flat(&dx),
        flat(&statistics),
        width,
        each,
        eps,
        units,
    );
    let groups = each.div_ceil(GROUP);
    let partial = beside(&x, Shape::new([2, runs * groups, width]));
    let across = width.div_ceil(COLUMNS as usize) as u32;
    let dim = CubeDim::new_1d(COLUMNS);
    norm_groups_kernel::launch::<R>(
        &x.client,
        CubeCount::Static(across, (runs * groups) as u32, 1),
        dim,
        flat(&x),
        flat(&dy),
        flat(&statistics),
        flat(&partial),
        width as u32,
        each as u32,
        GROUP as u32,
    );
    let [dgamma, dbeta] = [(); 2].map(|()| beside(&x, gamma.shape()));
    let across = (runs * width).div_ceil(COLUMNS as usize) as u32;
    norm_columns_kernel::launch::<R>(
        &x.client,
        CubeCount::Static(across, 1, 1),
        dim,
        flat(&partial),
        flat(&dgamma),
        flat(&dbeta),
        width,
        groups as u32,
    );
    [dx, dgamma, dbeta]
}
