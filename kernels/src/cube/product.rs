//! Matrix products in 16 bits, on matrix units where there are any.
//!
//! The kernel follows from the shape and the device. Left to itself burn times several and remembers the fastest, so that
//! the order of a sum, and with it a run's bits, would depend on what else the machine did.

mod blocks;

use super::exact;
use super::row::beside;
use crate::HalfFormat;
use burn::tensor::{DType, TensorMetadata};
use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::cast;
use burn_cubecl::tensor::CubeTensor;
use cubecl::client::ComputeClient;
use cubecl::features::TypeUsage;
use cubecl::ir::{ElemType, FloatKind, StorageType};
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};
use cubek::matmul::launch::{Strategy, launch_ref};
use cubek::matmul::routines::BlueprintStrategy;
use cubek::std::InputBinding;

/// Sides of the blocks that every NVIDIA card multiplies, and units that do it together.
pub(super) const BLOCK: usize = 16;
pub(super) const PLANE: usize = 32;

/// The format as the device names it.
pub(super) fn element(format: HalfFormat) -> StorageType {
    StorageType::Scalar(ElemType::Float(match format {
        HalfFormat::Fp16 => FloatKind::F16,
        HalfFormat::Bf16 => FloatKind::BF16,
    }))
}

/// Whether the device stores the format and has units that multiply it and sum in FP32.
pub(super) fn on_matrix_units<R: CubeRuntime>(
    client: &ComputeClient<R>,
    format: HalfFormat,
) -> bool {
    let element = element(format);
    let sum = StorageType::Scalar(ElemType::Float(FloatKind::F32));
    let stored = TypeUsage::Buffer | TypeUsage::Conversion;
    let units = &client.features().matmul.cmma;
    client.properties().type_usage(element).is_superset(stored)
        && units
            .iter()
            .any(|unit| unit.a_type == element && unit.b_type == element && unit.cd_type == sum)
}

/// Whether it has units for blocks of [`BLOCK`] values along each side, and planes of [`PLANE`] units and no others.
pub(super) fn on_square_blocks<R: CubeRuntime>(
    client: &ComputeClient<R>,
    format: HalfFormat,
) -> bool {
    let hardware = &client.properties().hardware;
    let planes = [hardware.plane_size_min, hardware.plane_size_max];
    let blocks = client.features().matmul.cmma.iter().any(|unit| {
        unit.a_type == element(format) && [unit.m, unit.n, unit.k] == [BLOCK as u32; 3]
    });
    on_matrix_units(client, format) && blocks && planes == [PLANE as u32; 2]
}

/// Operands cast to the format, multiplied, summed in FP32 and given back in FP32: the operands are
/// that format's values, so nothing is lost before the sum. In FP32 where the device has no units for the format.
pub(super) fn half<R: CubeRuntime>(
    a: CubeTensor<R>,
    b: CubeTensor<R>,
    format: HalfFormat,
) -> CubeTensor<R> {
    if !on_matrix_units(&a.client, format) {
        return exact::product(a, b);
    }
    let dtype = match format {
        HalfFormat::Fp16 => DType::F16,
        HalfFormat::Bf16 => DType::BF16,
    };
    let (short_a, short_b) = (cast(a.clone(), dtype), cast(b.clone(), dtype));
    // The same product, only slower, where no 16-bit kernel takes the shape.
    in_blocks(&short_a, &short_b, format).unwrap_or_else(|| exact::product(a, b))
}

/// Memory for the FP32 product: without gaps, which burn's own puts between rows on CUDA, and which the next kernel would close
/// by a copy.
pub(super) fn output<R: CubeRuntime>(a: &CubeTensor<R>, b: &CubeTensor<R>) -> CubeTensor<R> {
    let mut shape = a.shape();
    let last = shape.num_dims() - 1;
    shape[last] = b.shape()[last];
    beside(a, shape)
}

/// The FP32 product of 16-bit values by the first kernel that takes them.
fn in_blocks<R: CubeRuntime>(
    a: &CubeTensor<R>,
    b: &CubeTensor<R>,
    format: HalfFormat,
) -> Option<CubeTensor<R>> {
    let output = output(a, b);
    let elements = MatmulGlobalElems {
        lhs: a.dtype.into(),
        rhs: b.dtype.into(),
        out: DType::F32.into(),
    };
    let own = on_square_blocks(&a.client, format)
        .then(|| blocks::blueprint(a, b, &output, &elements))
        .flatten()
        .map(BlueprintStrategy::Forced);
    // By stages in pairs only where it reads none that is not there.
    let in_pairs = (!blocks::is_odd(a.meta.shape()[a.rank() - 1])).then(BlueprintStrategy::default);
    let strategies = [
        own.map(Strategy::DoubleCyclicCmma),
        in_pairs.map(Strategy::DoubleCyclicCmma),
        Some(Strategy::SimpleCyclicCmma(BlueprintStrategy::default())),
    ];
    let operand = |x: &CubeTensor<R>| InputBinding::new(x.clone().binding(), x.dtype.into());
    let launched = strategies.iter().flatten().any(|strategy| {
        let (lhs, rhs, out) = (operand(a), operand(b), output.clone().binding());
        let mut elements = MatmulElems::from_globals(&elements);
        launch_ref(strategy, &output.client, lhs, rhs, out, &mut elements).is_ok()
    });
    launched.then_some(output)
}
