//! How burn's kernel is to multiply where its own choice is wrong or slow.
//!
//! - It goes through the terms of a sum two stages at a time. Where an odd number of stages fills them exactly, it reads a stage
//!   beyond the last without asking whether it exists (cubek 0.2.0, `needed + needed % 2`), and adds what lies there. On an
//!   H200 gradients of width 2048 were NaN in every step, by 10,912 = 341 × 32 terms.
//! - Products much wider than they are tall, or the reverse, it takes in blocks of 8 × 32, of which one kernel needs more
//!   registers than a unit has. There one of 2048 × 4096 × 10,912 took 6.5 ms, one of 4096 × 2048 × 10,912, of the same
//!   work, 1.4 ms in blocks of 16 × 16.

use super::{BLOCK, PLANE};
use burn::tensor::TensorMetadata;
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::client::ComputeClient;
use cubecl::prelude::AddressType;
use cubek::matmul::components::stage::PartitionBuffering;
use cubek::matmul::components::tile::TileMatmulKind;
use cubek::matmul::definition::{MatmulGlobalElems, MatmulProblem, TilingBlueprint, TilingScheme};
use cubek::std::cube_count::{CubeCountStrategy, GlobalOrder, HypercubeBlueprint, SmAllocation};
use cubek::std::{PartitionSize, StageSize, TileSize};

/// Blocks along a side of what a cube has at a time, as burn has them for products that are nearly square; and values.
const BLOCKS: u32 = 8;
const SIDE: usize = BLOCK * BLOCKS as usize;

/// Terms of a stage.
const TERMS: u32 = 32;

/// Rows of a product from which a plane has two rows of blocks.
const TALL: usize = 8 * SIDE;

/// Whether so many terms are an odd number of stages.
pub(super) fn is_odd(terms: usize) -> bool {
    terms.div_ceil(TERMS as usize) % 2 == 1
}

/// In what blocks to multiply, where burn's own choice is not to be taken.
pub(super) fn blueprint<R: CubeRuntime>(
    a: &CubeTensor<R>,
    b: &CubeTensor<R>,
    output: &CubeTensor<R>,
    elements: &MatmulGlobalElems,
) -> Option<TilingBlueprint> {
    let problem = MatmulProblem::from_shapes_and_strides(
        a.shape(),
        b.shape(),
        output.shape(),
        a.meta.strides().clone(),
        b.meta.strides().clone(),
        output.meta.strides().clone(),
        elements.clone(),
        AddressType::U32,
        None,
        None,
    )
    .ok()?;
    let (m, n, k) = (problem.m, problem.n, problem.k);
    let uneven = (m >= 4 * n || n >= 4 * m) && m.min(n) >= SIDE;
    let odd = is_odd(k);
    if !uneven && !odd {
        return None;
    }
    let rows = if m > TALL { 2 } else { 1 };
    let scheme = TilingScheme::builder()
        .with_tile_size(TileSize::new(BLOCK as u32, BLOCK as u32, BLOCK as u32))
        .with_partition_size(PartitionSize::new(rows, BLOCKS, TERMS / BLOCK as u32))
        .with_stage_size(StageSize::new(BLOCKS / rows, 1, 1))
        .build()
        .ok()?;
    let hypercube = HypercubeBlueprint::builder()
        .global_order(GlobalOrder::SwizzleRow(4))
        .cube_count_strategy(cubes(&output.client))
        .build();
    let blueprint = TilingBlueprint::builder(TileMatmulKind::Cmma, scheme, PLANE as u32, &problem)
        .partition_buffering(PartitionBuffering::Double)
        .hypercube_blueprint(hypercube);
    let mut blueprint = blueprint.build();
    blueprint.check_k_bounds |= odd;
    Some(blueprint)
}

fn cubes<R: CubeRuntime>(client: &ComputeClient<R>) -> CubeCountStrategy {
    match client.properties().hardware.num_streaming_multiprocessors {
        Some(num_sms) => CubeCountStrategy::Sm {
            num_sms,
            sm_usage: SmAllocation::Exact,
            cubes_first: true,
        },
        None => CubeCountStrategy::FromProblem,
    }
}
