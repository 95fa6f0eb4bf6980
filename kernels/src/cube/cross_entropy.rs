//! Cross-entropy of rows of logits: see [`crate::cross_entropy()`]. Probabilities are never stored.

use super::row::{beside, cubes, flat, largest, row, sum, units};
use burn::tensor::{Shape, TensorMetadata};
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

#[cube(launch)]
pub(crate) fn entropy_kernel<T: Int>(
    logits: &Array<f32>,
    tokens: &Array<T>,
    output: &mut Array<f32>,
    width: u32,
    #[comptime] units: u32,
    #[define(T)] _token: StorageType,
) {
    let width = width as usize;
    let row = row(logits, width);
    let start = row * width;
    let mut own = f32::new(-3.0e38);
    let mut i = UNIT_POS as usize;
    while i < width {
        let value = logits[start + i];
        if value > own {
            own = value;
        }
        i += units as usize;
    }
    let most = largest::<f32>(own, units);
    let mut own = 0.0f32;
    let mut i = UNIT_POS as usize;
    while i < width {
        own += f32::exp(logits[start + i] - most);
        i += units as usize;
    }
    let z = f32::ln(sum::<f32>(own, units)) + most;
    if UNIT_POS == 0 {
        let token = u32::cast_from(tokens[row]) as usize;
        output[2 * row] = z - logits[start + token];
        output[2 * row + 1] = z;
    }
}

#[cube(launch)]
pub(crate) fn entropy_backward_kernel<T: Int>(
    logits: &Array<f32>,
    tokens: &Array<T>,
    output: &Array<f32>,
    dy: &Array<f32>,
    dx: &mut Array<f32>,
    width: u32,
    #[comptime] units: u32,
    #[define(T)] _token: StorageType,
) {
    let width = width as usize;
    let row = row(logits, width);
    let start = row * width;
    let z = output[2 * row + 1];
    let of_loss = dy[2 * row];
    let both = of_loss + dy[2 * row + 1];
    let token = u32::cast_from(tokens[row]) as usize;
    let mut i = UNIT_POS as usize;
    while i < width {
        let mut value = f32::exp(logits[start + i] - z) * both;
        if i == token {
            value -= of_loss;
        }
        dx[start + i] = value;
        i += units as usize;
    }
}

/// Loss and log-denominator of every row, `[t, 2]`.
pub(super) fn forward<R: CubeRuntime>(
    logits: CubeTensor<R>,
    tokens: CubeTensor<R>,
) -> CubeTensor<R> {
    let [t, v] = logits.shape().dims();
    let (output, units) = (beside(&logits, Shape::new([t, 2])), units(v));
    let (count, dim) = cubes(t, units);
    entropy_kernel::launch::<R>(
        &logits.client,
        count,
        dim,
        flat(&logits),
        flat(&tokens),
        flat(&output),
        v as u32,
        units,
        tokens.dtype.into(),
    );
    output
}

/// Gradient of the logits.
pub(super) fn backward<R: CubeRuntime>(
    logits: CubeTensor<R>,
    tokens: CubeTensor<R>,
    output: CubeTensor<R>,
    dy: CubeTensor<R>,
) -> CubeTensor<R> {
    let [t, v] = logits.shape().dims();
    let (dx, units) = (beside(&logits, logits.shape()), units(v));
    let (count, dim) = cubes(t, units);
    entropy_backward_kernel::launch::<R>(
        &logits.client,
        count,
        dim,
        flat(&logits),
        flat(&tokens),
        flat(&output),
        flat(&dy),
        flat(&dx),
        v as u32,
        units,
        tokens.dtype.into(),
    );
    dx
}
