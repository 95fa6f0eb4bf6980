//! Attention without scores in memory: see [`crate::masked_attention()`].
//!
//! A cube has a block of queries, or of keys, and goes through all blocks of the others in order: no sum depends on which
//! cube is first. Scores are computed again for each use. A query's largest score and its sum come first, since a
//! probability can be rounded only when they are known.

pub(crate) mod backward;
pub(crate) mod forward;
mod scores;
mod tile;

use super::elementwise::Rounded;
use super::row::{beside, cubes, flat};
use crate::{Pass, Rounding, Scoring};
use backward::{key_gradient_kernel, query_gradient_kernel};
use burn::tensor::{Shape, TensorMetadata};
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use forward::attention_kernel;
use tile::{TILE, UNITS};

/// Smaller than any score, and not an infinity.
const LEAST: f32 = -3.0e38;

/// Numbers of a query that the forward pass keeps.
const KEPT: usize = 2;

/// How values are stored at a point, known when a kernel is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Point {
    pub(crate) format: Rounded,
    /// Whether gradients beyond the range become the largest finite value.
    pub(crate) saturates: bool,
}

impl From<Option<&Rounding>> for Point {
    fn from(rounding: Option<&Rounding>) -> Self {
        Self {
            format: rounding.map(|rounding| rounding.format).into(),
            saturates: rounding.is_some_and(|rounding| rounding.saturates_in(Pass::Backward)),
        }
    }
}

/// What kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Case {
    /// Of a head.
    pub(crate) width: usize,
    pub(crate) scores: Point,
    pub(crate) probabilities: Point,
}

/// Sizes and numbers of a launch.
#[derive(CubeType, CubeLaunch)]
pub(crate) struct Sizes {
    /// Of each sequence.
    heads: usize,
    queries: usize,
    keys: usize,
    factor: f32,
    fill: f32,
}

/// Sizes, case and type of the mask of a launch, and rows of its queries and keys over all heads.
struct Launch {
    heads: usize,
    queries: usize,
    keys: usize,
    sequences: usize,
    case: Case,
    factor: f32,
    fill: f32,
}

impl Launch {
    fn new<R: CubeRuntime>([q, k, _]: &[CubeTensor<R>; 3], scoring: &Scoring) -> Self {
        let [sequences, heads, queries, width] = q.shape().dims();
        let [_, _, keys, _] = k.shape().dims();
        Self {
            heads,
            queries,
            keys,
            sequences,
            case: Case {
                width,
                scores: scoring.scores.as_ref().into(),
                probabilities: scoring.probabilities.as_ref().into(),
            },
            factor: scoring.factor,
            fill: scoring.fill,
        }
    }

    fn sizes<R: CubeRuntime>(&self) -> SizesLaunch<R> {
        SizesLaunch::new(self.heads, self.queries, self.keys, self.factor, self.fill)
    }

    /// One cube for each block of so many rows of every head.
    fn cubes(&self, rows: usize) -> (CubeCount, CubeDim) {
        let blocks = rows.div_ceil(TILE) * self.heads * self.sequences;
        cubes(blocks, UNITS as u32)
    }

    /// Shape of `numbers` for each query.
    fn per_query(&self, numbers: usize) -> Shape {
        Shape::new([self.sequences, self.heads, self.queries, numbers])
    }
}

/// Context, and the largest score and the sum of every query.
pub(super) fn context<R: CubeRuntime>(
    qkv: [CubeTensor<R>; 3],
    forbidden: CubeTensor<R>,
    scoring: &Scoring,
) -> [CubeTensor<R>; 2] {
    let launch = Launch::new(&qkv, scoring);
    let [q, k, v] = &qkv;
    let (y, statistics) = (beside(q, q.shape()), beside(q, launch.per_query(KEPT)));
    let (count, dim) = launch.cubes(launch.queries);
    attention_kernel::launch::<R>(
        &q.client,
        count,
        dim,
        flat(q),
        flat(k),
        flat(v),
        flat(&forbidden),
        flat(&y),
        flat(&statistics),
        launch.sizes(),
        launch.case,
        forbidden.dtype.into(),
    );
    [y, statistics]
}

/// Gradients of query, key and value.
pub(super) fn gradients<R: CubeRuntime>(
    qkv: [CubeTensor<R>; 3],
    forbidden: CubeTensor<R>,
    statistics: CubeTensor<R>,
    dy: CubeTensor<R>,
    scoring: &Scoring,
) -> [CubeTensor<R>; 3] {
    let launch = Launch::new(&qkv, scoring);
    let [q, k, v] = &qkv;
    let [dq, dk, dv] = [q, k, v].map(|x| beside(x, x.shape()));
    let sums = beside(q, launch.per_query(1));
    let (count, dim) = launch.cubes(launch.queries);
    query_gradient_kernel::launch::<R>(
        &q.client,
        count,
        dim,
        flat(q),
        flat(k),
        flat(v),
        flat(&forbidden),
        flat(&statistics),
        flat(&dy),
        flat(&dq),
        flat(&sums),
        launch.sizes(),
        launch.case,
        forbidden.dtype.into(),
    );
    let (count, dim) = launch.cubes(launch.keys);
    key_gradient_kernel::launch::<R>(
        &q.client,
        count,
        dim,
        flat(q),
        flat(k),
        flat(v),
        flat(&forbidden),
        flat(&statistics),
        flat(&sums),
        flat(&dy),
        flat(&dk),
        flat(&dv),
        launch.sizes(),
        launch.case,
        forbidden.dtype.into(),
    );
    [dq, dk, dv]
}
