//! Tensors on their way into a safetensors file.

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError};
use std::collections::HashMap;

/// Named tensors with their bytes, little-endian, in the order in which they were pushed.
#[derive(Default)]
pub(super) struct Tensors(Vec<(String, Dtype, Vec<usize>, Vec<u8>)>);

impl Tensors {
    /// Adds one, `shape` elements of `dtype` wide.
    pub(super) fn push(&mut self, name: String, dtype: Dtype, shape: &[usize], bytes: Vec<u8>) {
        self.0.push((name, dtype, shape.to_vec(), bytes));
    }

    /// The bytes of the file.
    pub(super) fn encode(
        &self,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<u8>, SafeTensorError> {
        let mut views = Vec::with_capacity(self.0.len());
        for (name, dtype, shape, bytes) in &self.0 {
            views.push((name, TensorView::new(*dtype, shape.clone(), bytes)?));
        }
        safetensors::serialize(views, Some(metadata))
    }
}
