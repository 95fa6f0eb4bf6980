//! Tensors of one pass, kept for a parity file.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// A tensor on the host.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Captured {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

/// What a pass was asked to keep, in the order in which it arose.
#[derive(Debug, Clone, Default)]
pub(crate) struct Capture {
    pub(crate) tensors: Vec<Captured>,
}

impl Capture {
    pub(crate) fn tensor<B: Backend, const D: usize>(&mut self, name: String, x: &Tensor<B, D>) {
        let data = x.clone().detach().into_data();
        self.tensors.push(Captured {
            name,
            shape: x.dims().to_vec(),
            // Activations are FP32 tensors on every backend.
            values: data.to_vec().expect("FP32 tensor"),
        });
    }

    pub(crate) fn values(&mut self, name: String, shape: Vec<usize>, values: &[f32]) {
        let values = values.to_vec();
        self.tensors.push(Captured {
            name,
            shape,
            values,
        });
    }
}
