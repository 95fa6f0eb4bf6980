//! What a device can do, and what it must.

use super::attention;
use super::product::on_matrix_units;
use super::row;
use crate::HalfFormat;
use crate::gpu::{Abilities, Gpu};
use burn_cubecl::CubeRuntime;
use cubecl::client::ComputeClient;
use cubecl::features::TypeUsage;
use cubecl::ir::{ElemType, FloatKind, IntKind, StorageType, UIntKind};

const fn float(kind: FloatKind) -> StorageType {
    StorageType::Scalar(ElemType::Float(kind))
}

/// Every format of values, as users know it.
const FORMATS: [(&str, StorageType); 4] = [
    ("fp32", float(FloatKind::F32)),
    ("fp16", float(FloatKind::F16)),
    ("bf16", float(FloatKind::BF16)),
    ("fp64", float(FloatKind::F64)),
];

/// What tensors are made of. 16-bit formats are not among them: values are FP32 in memory.
const NEEDED: [(&str, StorageType); 4] = [
    ("fp32 values", float(FloatKind::F32)),
    (
        "32-bit integers",
        StorageType::Scalar(ElemType::Int(IntKind::I32)),
    ),
    (
        "unsigned 32-bit integers",
        StorageType::Scalar(ElemType::UInt(UIntKind::U32)),
    ),
    ("bytes", StorageType::Scalar(ElemType::UInt(UIntKind::U8))),
];

fn stores<R: CubeRuntime>(client: &ComputeClient<R>, element: StorageType) -> bool {
    let usage = TypeUsage::Buffer | TypeUsage::Conversion;
    client.properties().type_usage(element).is_superset(usage)
}

/// [`crate::Gpus::abilities`] of any runtime.
pub(super) fn abilities<R: CubeRuntime>(client: &ComputeClient<R>) -> Abilities {
    let stored = FORMATS
        .iter()
        .filter(|(_, element)| stores(client, *element));
    let halves = [("fp16", HalfFormat::Fp16), ("bf16", HalfFormat::Bf16)];
    let multiplied = halves
        .iter()
        .filter(|(_, half)| on_matrix_units(client, *half));
    let missing = NEEDED
        .iter()
        .filter(|(_, element)| !stores(client, *element));
    let mut lacking: Vec<_> = missing
        .map(|(name, _)| format!("storage of {name}"))
        .collect();
    let units = client.properties().hardware.max_units_per_cube;
    if (units as usize) < row::MOST {
        lacking.push(format!("{} units in a cube (it has {units})", row::MOST));
    }
    let shared = client.properties().hardware.max_shared_memory_size;
    if shared < attention::SHARED {
        lacking.push(format!(
            "{} bytes of shared memory (it has {shared})",
            attention::SHARED
        ));
    }
    Abilities {
        formats: stored.map(|(name, _)| *name).collect(),
        matrix_units: multiplied.map(|(name, _)| *name).collect(),
        lacking,
    }
}

/// That a number is not among the devices.
#[cfg(any(feature = "cuda", feature = "vulkan"))]
pub(super) fn no_such(kind: &str, all: &[Gpu]) -> String {
    let names = all.iter().enumerate();
    let names: Vec<_> = names
        .map(|(index, gpu)| format!("`{kind}:{index}` is {}", gpu.name))
        .collect();
    format!("there is no such device; {}", names.join(", "))
}
