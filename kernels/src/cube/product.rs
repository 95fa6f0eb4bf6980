//! Matrix products: in 16 bits on tensor cores, and in FP32 that stays FP32.

use crate::HalfFormat;
use burn::tensor::DType;
use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::cast;
use burn_cubecl::kernel::matmul::{MatmulStrategy, init_matmul_output, matmul};
use burn_cubecl::tensor::CubeTensor;
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};
use cubek::matmul::launch::{Strategy, launch_ref};
use cubek::matmul::routines::double_unit::DoubleUnitSelectionArgs;
use cubek::matmul::routines::simple_unit::SimpleUnitSelectionArgs;
use cubek::matmul::routines::{BlueprintStrategy, TileSizeSelection};
use cubek::std::InputBinding;

/// Operands cast to the format, multiplied, summed in FP32 and given back in FP32: the operands are
/// that format's values, so nothing is lost before the sum. burn picks and remembers the fastest kernel
/// for a shape.
pub(super) fn half<R: CubeRuntime>(
    a: CubeTensor<R>,
    b: CubeTensor<R>,
    format: HalfFormat,
) -> CubeTensor<R> {
    let dtype = match format {
        HalfFormat::Fp16 => DType::F16,
        HalfFormat::Bf16 => DType::BF16,
    };
    let (short_a, short_b) = (cast(a.clone(), dtype), cast(b.clone(), dtype));
    let strategy = MatmulStrategy::default();
    // The same product, only slower, where no 16-bit kernel can be set up.
    matmul(short_a, short_b, None, strategy, DType::F32).unwrap_or_else(|_| exact(a, b))
}

/// In FP32 throughout. burn's own choice for FP32 tensors may be a kernel that cuts operands to TF32,
/// with 11 significant bits; those that run on plain units do not.
pub(super) fn exact<R: CubeRuntime>(a: CubeTensor<R>, b: CubeTensor<R>) -> CubeTensor<R> {
    let output = init_matmul_output(&a, &b, DType::F32);
    let rank = output.meta.num_dims();
    let (m, n) = (output.meta.shape()[rank - 2], output.meta.shape()[rank - 1]);
    // Large tiles reuse more; small matrices would leave most of one empty.
    let tile_size = if m.min(n) >= 256 {
        TileSizeSelection::MaxTileSize
    } else {
        TileSizeSelection::MinTileSize
    };
    let strategies = [
        Strategy::DoubleUnit(BlueprintStrategy::Inferred(DoubleUnitSelectionArgs {
            tile_size,
        })),
        Strategy::SimpleUnit(BlueprintStrategy::Inferred(SimpleUnitSelectionArgs {
            tile_size,
        })),
        Strategy::Naive,
    ];
    let fp32 = DType::F32;
    let launched = strategies.iter().any(|strategy| {
        let mut elements = MatmulElems::from_globals(&MatmulGlobalElems {
            lhs: fp32.into(),
            rhs: fp32.into(),
            out: fp32.into(),
        });
        let (lhs, rhs) = (a.clone().binding(), b.clone().binding());
        let (lhs, rhs) = (
            InputBinding::new(lhs, fp32.into()),
            InputBinding::new(rhs, fp32.into()),
        );
        let out = output.clone().binding();
        launch_ref(strategy, &output.client, lhs, rhs, out, &mut elements).is_ok()
    });
    // The naive kernel takes any shape, and burn relies on that too.
    assert!(launched, "no matrix product for {:?}", output.meta.shape());
    output
}
