//! The linear maps of the layers in 8 or 4 bits, as GLM-130B has them (`quantization/layers.py`): query, key and value,
//! attention's output, and both maps of the feed-forward. Embedding, head, norms and biases become FP16.

mod calibration;
mod packed;

pub(crate) use calibration::{Calibrations, calibrate};
pub(crate) use packed::{PackedMap, PackedMaps};

use crate::parameters::{Parameter, Parameters, Role};
use experiments_quantization::{Bits, QuantizeError, Quantized, Scheme, Source, quantize};
use kernels::{HalfFormat, round_slice};
use std::collections::HashMap;

/// How a matrix is quantized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Method {
    pub(crate) scheme: Scheme,
    pub(crate) bits: Bits,
    /// Tensor-parallel ranks, each of which quantizes what it has of a row.
    pub(crate) tensor_parallel: usize,
}

/// Every linear map of the layers by its name. `calibrations` are read by calibrated rules alone.
pub(crate) fn quantize_maps(
    weights: &Parameters,
    method: Method,
    calibrations: &Calibrations,
) -> Result<HashMap<String, Quantized>, QuantizeError> {
    let mut made = HashMap::new();
    for parameter in weights.table() {
        let Some(ranks) = ranks(parameter, method.tensor_parallel) else {
            continue;
        };
        let source = Source {
            name: &parameter.name,
            shape: [parameter.shape[0], parameter.shape[1]],
            values: &weights.values()[parameter.range.clone()],
            ranks,
            calibration: calibrations.of(&parameter.name),
        };
        let matrix = quantize(&source, method.scheme, method.bits)?;
        made.insert(parameter.name.clone(), matrix);
    }
    Ok(made)
}

/// Ranks that the inputs of a linear map are divided over; none for what is not quantized.
///
/// Query, key, value and the first feed-forward matrix are divided by their outputs, so a row of them lies on one rank.
fn ranks(parameter: &Parameter, tensor_parallel: usize) -> Option<usize> {
    let divides_inputs =
        parameter.name.ends_with(".out.weight") || parameter.name.ends_with(".down.weight");
    is_map(parameter).then_some(if divides_inputs { tensor_parallel } else { 1 })
}

/// Whether it is the matrix of a linear map of a layer.
pub(crate) fn is_map(parameter: &Parameter) -> bool {
    matches!(parameter.role, Role::Attention | Role::Ffn) && parameter.shape.len() == 2
}

/// What stands for the weights: of each quantized matrix what its codes are worth, all else in FP16.
pub(crate) fn stand_in(weights: &Parameters, matrices: &HashMap<String, Quantized>) -> Parameters {
    let mut stand_in = in_fp16(weights);
    let (table, values) = stand_in.split_mut();
    for parameter in table {
        if let Some(matrix) = matrices.get(&parameter.name) {
            values[parameter.range.clone()].copy_from_slice(&matrix.values());
        }
    }
    stand_in
}

/// All parameters in FP16: what quantization is compared with.
pub(crate) fn in_fp16(weights: &Parameters) -> Parameters {
    let mut held = Parameters::zeros(weights.table().to_vec());
    held.values_mut().copy_from_slice(weights.values());
    round_slice(held.values_mut(), HalfFormat::Fp16);
    held
}
