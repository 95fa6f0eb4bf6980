//! Softmax over scores with forbidden places: see [`crate::masked_softmax()`].

use super::row::{beside, cubes, flat, largest, row, sum, units};
use burn::tensor::TensorMetadata;
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Where the mask `[b, 1, q, k]` of row `[b, n, q]` begins.
#[cube]
fn mask_start(row: usize, heads: u32, queries: u32, width: usize) -> usize {
    let batch = row / (heads * queries) as usize;
    let query = row % queries as usize;
    (batch * queries as usize + query) * width
}

#[cube(launch)]
pub(crate) fn softmax_kernel<M: Int>(
    x: &Array<f32>,
    forbidden: &Array<M>,
    p: &mut Array<f32>,
    fill: f32,
    heads: u32,
    queries: u32,
    width: u32,
    #[comptime] units: u32,
    #[define(M)] _mask: StorageType,
) {
    let width = width as usize;
    let row = row(x, width);
    let start = row * width;
    let mask = mask_start(row, heads, queries, width);
    // Smaller than any score, and not an infinity.
    let mut own = f32::new(-3.0e38);
    let mut i = UNIT_POS as usize;
    while i < width {
        let mut value = x[start + i];
        if forbidden[mask + i] != M::from_int(0) {
            value = fill;
        }
        // Each unit reads again only what it has written itself.
        p[start + i] = value;
        if value > own {
            own = value;
        }
        i += units as usize;
    }
    let most = largest::<f32>(own, units);
    let mut own = 0.0f32;
    let mut i = UNIT_POS as usize;
    while i < width {
        let e = f32::exp(p[start + i] - most);
        p[start + i] = e;
        own += e;
        i += units as usize;
    }
    let total = sum::<f32>(own, units);
    let mut i = UNIT_POS as usize;
    while i < width {
        p[start + i] = p[start + i] / total;
        i += units as usize;
    }
}

#[cube(launch)]
pub(crate) fn softmax_backward_kernel<M: Int>(
    p: &Array<f32>,
    forbidden: &Array<M>,
    dp: &Array<f32>,
    dx: &mut Array<f32>,
    heads: u32,
    queries: u32,
    width: u32,
    #[comptime] units: u32,
    #[define(M)] _mask: StorageType,
) {
    let width = width as usize;
    let row = row(p, width);
    let start = row * width;
    let mask = mask_start(row, heads, queries, width);
    let mut own = 0.0f32;
    let mut i = UNIT_POS as usize;
    while i < width {
        own += p[start + i] * dp[start + i];
        i += units as usize;
    }
    let along = sum::<f32>(own, units);
    let mut i = UNIT_POS as usize;
    while i < width {
        let mut value = p[start + i] * (dp[start + i] - along);
        if forbidden[mask + i] != M::from_int(0) {
            value = 0.0f32;
        }
        dx[start + i] = value;
        i += units as usize;
    }
}

/// Probabilities of every row.
pub(super) fn forward<R: CubeRuntime>(
    x: CubeTensor<R>,
    forbidden: CubeTensor<R>,
    fill: f32,
) -> CubeTensor<R> {
    let [b, n, q, k] = x.shape().dims();
    let (p, units) = (beside(&x, x.shape()), units(k));
    let (count, dim) = cubes(b * n * q, units);
    softmax_kernel::launch::<R>(
        &x.client,
        count,
        dim,
        flat(&x),
        flat(&forbidden),
        flat(&p),
        fill,
        n as u32,
        q as u32,
        k as u32,
        units,
        forbidden.dtype.into(),
    );
    p
}

/// Gradient of the scores.
pub(super) fn backward<R: CubeRuntime>(
    p: CubeTensor<R>,
    forbidden: CubeTensor<R>,
    dp: CubeTensor<R>,
) -> CubeTensor<R> {
    let [b, n, q, k] = p.shape().dims();
    let (dx, units) = (beside(&p, p.shape()), units(k));
    let (count, dim) = cubes(b * n * q, units);
    softmax_backward_kernel::launch::<R>(
        &p.client,
        count,
        dim,
        flat(&p),
        flat(&forbidden),
        flat(&dp),
        flat(&dx),
        n as u32,
        q as u32,
        k as u32,
        units,
        forbidden.dtype.into(),
    );
    dx
}
