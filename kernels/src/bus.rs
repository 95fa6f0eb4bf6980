//! Values on their way between the host and a device, counted. Whatever a pass or a step sends or reads goes through
//! here; numbers that are arguments of a kernel are not counted.

use burn::tensor::backend::Backend;
use burn::tensor::{Element, Int, Tensor, TensorData};
use std::cell::Cell;

/// Bytes that crossed the bus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// To the device.
    pub up: u64,
    /// To the host.
    pub down: u64,
}

thread_local! {
    static MOVED: Cell<Moved> = const { Cell::new(Moved { up: 0, down: 0 }) };
}

/// What this thread moved since the last call.
#[must_use]
pub fn take() -> Moved {
    MOVED.take()
}

pub(crate) fn count(up: usize, down: usize) {
    MOVED.with(|cell| {
        let Moved { up: u, down: d } = cell.get();
        cell.set(Moved {
            up: u + up as u64,
            down: d + down as u64,
        });
    });
}

/// Bytes of an element as a backend holds it.
fn bytes<E: Element>(elements: usize) -> usize {
    elements * E::dtype().size()
}

/// Sends FP32 values.
///
/// # Panics
/// If the shape has another number of elements.
pub fn send<B: Backend, const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    device: &B::Device,
) -> Tensor<B, D> {
    count(bytes::<B::FloatElem>(values.len()), 0);
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Sends integers.
///
/// # Panics
/// If the shape has another number of elements.
pub fn send_integers<B: Backend, const D: usize>(
    values: Vec<i32>,
    shape: [usize; D],
    device: &B::Device,
) -> Tensor<B, D, Int> {
    count(bytes::<B::IntElem>(values.len()), 0);
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Waits for FP32 values and reads them.
///
/// # Panics
/// If the tensor is of another type.
#[must_use]
pub fn read<B: Backend, const D: usize>(x: Tensor<B, D>) -> Vec<f32> {
    let data = x.into_data();
    count(0, data.as_bytes().len());
    data.into_vec().expect("FP32 tensor")
}
