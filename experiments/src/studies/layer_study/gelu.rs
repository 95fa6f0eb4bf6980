//! GELU of slices, by the operation that the trainer uses.

use burn::backend::Flex;
use burn::tensor::{Tensor, TensorData, TensorPrimitive};
use kernels::Kernels;

type Vector = Tensor<Flex, 1>;

fn tensor(values: Vec<f32>) -> Vector {
    let len = values.len();
    Tensor::from_data(TensorData::new(values, [len]), &Default::default())
}

fn host(x: Vector) -> Vec<f32> {
    // An FP32 tensor of the CPU backend.
    x.into_data().to_vec().expect("FP32 tensor")
}

pub(super) fn gelu(values: Vec<f32>) -> Vec<f32> {
    host(kernels::gelu(tensor(values)))
}

/// Gradient of the input from that of the output.
pub(super) fn gelu_backward(x: Vec<f32>, dy: Vec<f32>) -> Vec<f32> {
    let primitive = |values| tensor(values).into_primitive().tensor();
    let dx = Flex::exact_gelu_backward(primitive(x), primitive(dy));
    host(Tensor::from_primitive(TensorPrimitive::Float(dx)))
}
