//! Attention without scores in memory: see [`crate::masked_attention()`].
//!
//! A cube has a block of queries, or of keys, and goes through all blocks of the others in order: no sum depends on which
//! cube is first. Scores are computed again for each use. A query's largest score and its sum come first, since a
//! probability can be rounded only when they are known.

pub(crate) mod backward;
pub(crate) mod forward;
mod scores;
mod tile;

use super::counting::{self, COUNTERS, Point, no_counters};
use super::product::{element, on_square_blocks};
use super::row::{beside, cubes, flat};
use crate::{HalfFormat, Pass, Scoring};
use backward::{key_gradient_kernel, query_gradient_kernel};
use burn::tensor::{Shape, TensorMetadata};
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::{ElemType, FloatKind, StorageType};
use cubecl::prelude::*;
use forward::attention_kernel;
use tile::{TILE, UNITS, memory, operand_memory};

/// Smaller than any score, and not an infinity.
const LEAST: f32 = -3.0e38;

/// Bytes of shared memory that a cube takes, more than any other kernel here: two tiles of operands, two of values, and a number
/// and counts of its units. On matrix units it is less.
pub(super) const SHARED: usize =
    (2 * operand_memory(false) + 2 * memory(false) + (1 + COUNTERS) * UNITS) * size_of::<f32>();

/// Numbers of a query that the forward pass keeps.
const KEPT: usize = 2;

/// What kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Case {
    /// Of a head.
    pub(crate) width: usize,
    pub(crate) scores: Point,
    pub(crate) probabilities: Point,
    /// Whether losses of range are counted.
    pub(crate) counts: bool,
    /// Whether products of tiles are matrix units'.
    pub(crate) on_units: bool,
}

/// Sizes and numbers of a launch.
#[derive(CubeType, CubeLaunch)]
pub(crate) struct Sizes {
    /// Of each sequence.
    pub(super) heads: usize,
    pub(super) queries: usize,
    pub(super) keys: usize,
    pub(super) factor: f32,
    pub(super) fill: f32,
    /// Heads of each run, which has counters of its own.
    pub(super) each: usize,
    /// Places of the first run's counters; without meaning where nothing is counted.
    pub(super) of_scores: usize,
    pub(super) of_probabilities: usize,
}

/// What the launches of a pass share.
struct Launch<R: CubeRuntime> {
    /// Of `q` and `k`: sequences, heads, rows, width.
    queries: [usize; 4],
    keys: [usize; 4],
    case: Case,
    factor: f32,
    fill: f32,
    counters: CubeTensor<R>,
    /// Of the first run's counters of scores and of probabilities.
    places: [usize; 2],
    runs: usize,
    /// What the kernels' tiles of operands hold.
    operands: StorageType,
}

/// The format of scores and probabilities, where products of it run on matrix units.
fn units_format<R: CubeRuntime>(x: &CubeTensor<R>, scoring: &Scoring) -> Option<HalfFormat> {
    let [scores, probabilities] = [&scoring.scores, &scoring.probabilities]
        .map(|rounding| rounding.as_ref().map(|rounding| rounding.format));
    let both = scores.filter(|format| probabilities == Some(*format));
    both.filter(|format| on_square_blocks(&x.client, *format))
}

impl<R: CubeRuntime> Launch<R> {
    fn new([q, k, _]: &[CubeTensor<R>; 3], scoring: &Scoring, pass: Pass) -> Self {
        let points = [&scoring.scores, &scoring.probabilities].map(Option::as_ref);
        let counted = match points.map(|point| counting::place(point, pass, q)) {
            [Some((counters, scores)), Some((_, probabilities))] => {
                Some((counters, [scores, probabilities]))
            }
            [_, None] | [None, _] => None,
        };
        let queries: [usize; 4] = q.shape().dims();
        let on_units = units_format(q, scoring);
        let case = Case {
            width: queries[3],
            scores: Point::new(points[0], pass),
            probabilities: Point::new(points[1], pass),
            counts: counted.is_some(),
            on_units: on_units.is_some(),
        };
        let (counters, places) = counted.unwrap_or_else(|| (no_counters(q), [0; 2]));
        Self {
            queries,
            keys: k.shape().dims(),
            case,
            factor: scoring.factor,
            fill: scoring.fill,
            counters,
            places,
            runs: counting::runs(points[0]),
            operands: on_units.map_or(
                StorageType::Scalar(ElemType::Float(FloatKind::F32)),
                element,
            ),
        }
    }

    fn sizes(&self) -> SizesLaunch<R> {
        let ([sequences, heads, queries, _], [_, _, keys, _]) = (self.queries, self.keys);
        let [scores, probabilities] = self.places;
        SizesLaunch::new(
            heads,
            queries,
            keys,
            self.factor,
            self.fill,
            sequences * heads / self.runs,
            scores,
            probabilities,
        )
    }

    /// Shape of `numbers` for each query.
    fn per_query(&self, numbers: usize) -> Shape {
        let [sequences, heads, queries, _] = self.queries;
        Shape::new([sequences, heads, queries, numbers])
    }
}

/// One cube for each block of rows of every head.
fn blocks([sequences, heads, rows, _]: [usize; 4]) -> (CubeCount, CubeDim) {
    cubes(rows.div_ceil(TILE) * heads * sequences, UNITS as u32)
}

/// Context, and the largest score and the sum of every query.
pub(super) fn context<R: CubeRuntime>(
    qkv: [CubeTensor<R>; 3],
    forbidden: CubeTensor<R>,
    scoring: &Scoring,
) -> [CubeTensor<R>; 2] {
    let launch = Launch::new(&qkv, scoring, Pass::Forward);
    let [q, k, v] = &qkv;
    let (y, statistics) = (beside(q, q.shape()), beside(q, launch.per_query(KEPT)));
    let (count, dim) = blocks(launch.queries);
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
        flat(&launch.counters),
        launch.sizes(),
        launch.case,
        [forbidden.dtype.into(), launch.operands],
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
    let launch = Launch::new(&qkv, scoring, Pass::Backward);
    let [q, k, v] = &qkv;
    let [dq, dk, dv] = [q, k, v].map(|x| beside(x, x.shape()));
    let sums = beside(q, launch.per_query(1));
    let (count, dim) = blocks(launch.queries);
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
        flat(&launch.counters),
        launch.sizes(),
        launch.case,
        [forbidden.dtype.into(), launch.operands],
    );
    let (count, dim) = blocks(launch.keys);
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
        [forbidden.dtype.into(), launch.operands],
    );
    [dq, dk, dv]
}
