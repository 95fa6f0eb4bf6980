//! Tables that hold for every batch of a model: each is sent to the device once.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use kernels::bus;
use std::sync::{Mutex, PoisonError};

/// What a table holds. It has its rows in order, so that a longer one begins as a shorter one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// Cosines of rotary positions.
    Cosines,
    /// Sines of rotary positions.
    Sines,
    /// What `ALiBi` takes off.
    Penalties,
}

/// Those of a model on a device of backend `B`.
pub(crate) struct Tables<B: Backend> {
    device: B::Device,
    sent: Mutex<Vec<(Table, Tensor<B, 2>)>>,
}

impl<B: Backend> Tables<B> {
    /// None yet.
    pub(crate) fn new(device: B::Device) -> Self {
        Self {
            device,
            sent: Mutex::default(),
        }
    }

    /// Where they are.
    pub(crate) fn device(&self) -> &B::Device {
        &self.device
    }

    /// A table of a shape, sent where it is not there in this shape.
    pub(crate) fn get(
        &self,
        table: Table,
        shape: [usize; 2],
        make: impl FnOnce() -> Vec<f32>,
    ) -> Tensor<B, 2> {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = sent.iter().filter(|(known, _)| *known == table);
        if let Some((_, there)) = known.find(|(_, there)| there.dims() == shape) {
            return there.clone();
        }
        let new = bus::send(make(), shape, &self.device);
        sent.retain(|(known, _)| *known != table);
        sent.push((table, new.clone()));
        new
    }
}
