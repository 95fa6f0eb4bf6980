//! Sums of columns, in two stages over fixed groups of rows.

use super::row::{beside, flat};
use burn::tensor::{Shape, TensorMetadata};
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Rows of a group, and columns of a cube.
const GROUP: usize = 64;
const COLUMNS: u32 = 128;

/// The sums of one column over one group of the `each` rows of a run, into `sums` `[all groups, width]`.
#[cube(launch)]
pub(crate) fn columns_kernel(
    x: &Array<f32>,
    sums: &mut Array<f32>,
    width: usize,
    each: usize,
    group: usize,
) {
    let column = (CUBE_POS_X * CUBE_DIM_X + UNIT_POS_X) as usize;
    if column < width {
        let groups = each.div_ceil(group);
        let at = CUBE_POS_Y as usize;
        let begin = at / groups * each;
        let first = begin + at % groups * group;
        let mut end = first + group;
        if end > begin + each {
            end = begin + each;
        }
        let mut sum = 0.0f32;
        for row in first..end {
            sum += x[row * width + column];
        }
        sums[at * width + column] = sum;
    }
}

/// Of `x` `[rows, width]` the sum of every run's rows, `[runs·width]`.
pub(super) fn sums<R: CubeRuntime>(x: CubeTensor<R>, runs: usize) -> CubeTensor<R> {
    let [rows, width] = x.shape().dims();
    let each = rows / runs;
    let groups = each.div_ceil(GROUP);
    let stage = |x: CubeTensor<R>, each: usize, group: usize| {
        let all = runs * each.div_ceil(group);
        let sums = beside(&x, Shape::new([all * width]));
        let across = width.div_ceil(COLUMNS as usize) as u32;
        columns_kernel::launch::<R>(
            &x.client,
            CubeCount::Static(across, all as u32, 1),
            CubeDim::new_1d(COLUMNS),
            flat(&x),
            flat(&sums),
            width,
            each,
            group,
        );
        sums
    };
    stage(stage(x, each, GROUP), groups, groups)
}
