//! Values on their way between the host and a device, counted. Whatever a pass or a step sends or reads goes through
//! here; numbers that are arguments of a kernel are not counted.

use crate::failure::give_up;
use crate::{Compact, Kernels};
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
    /// How often the host waited for values.
    pub reads: u64,
}

thread_local! {
    static MOVED: Cell<Moved> = const { Cell::new(Moved {
        up: 0,
        down: 0,
        reads: 0,
    }) };
}

/// What this thread moved since the last call.
#[must_use]
pub fn take() -> Moved {
    MOVED.take()
}

/// Counts bytes that are sent.
pub(crate) fn sent(bytes: usize) {
    MOVED.with(|cell| {
        let moved = cell.get();
        let up = moved.up + bytes as u64;
        cell.set(Moved { up, ..moved });
    });
}

/// Counts a read.
fn read_bytes(bytes: usize) {
    MOVED.with(|cell| {
        let moved = cell.get();
        cell.set(Moved {
            down: moved.down + bytes as u64,
            reads: moved.reads + 1,
            ..moved
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
    sent(bytes::<B::FloatElem>(values.len()));
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
    sent(bytes::<B::IntElem>(values.len()));
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Sends several sequences of integers in few bytes.
pub fn send_sequences<B: Kernels>(
    sequences: &[Vec<i32>],
    device: &B::Device,
) -> Vec<Tensor<B, 1, Int>> {
    let mut compact = Compact::default();
    for sequence in sequences {
        compact.add(sequence);
    }
    if compact.is_empty() {
        return Vec::new();
    }
    let all = Tensor::<B, 1, Int>::from_primitive(B::expand(&compact, device));
    let parts = compact.parts().iter();
    parts
        .map(|part| all.clone().slice([part.clone()]))
        .collect()
}

/// Sends FP32 values of which many that follow one another are the same.
pub fn send_repeated<B: Kernels>(values: Vec<f32>, device: &B::Device) -> Tensor<B, 1> {
    let mut of_value = Vec::with_capacity(values.len());
    let mut distinct: Vec<f32> = Vec::new();
    for value in &values {
        if distinct
            .last()
            .is_none_or(|last| last.to_bits() != value.to_bits())
        {
            distinct.push(*value);
        }
        of_value.push(distinct.len() as i32 - 1);
    }
    let len = values.len();
    if 3 * distinct.len() >= len {
        return send(values, [len], device);
    }
    let count = distinct.len();
    let distinct = send::<B, 1>(distinct, [count], device);
    let mut of_value = send_sequences::<B>(&[of_value], device);
    distinct.select(0, of_value.swap_remove(0))
}

/// Waits for FP32 values and reads them.
///
/// # Panics
/// If the tensor is of another type, or if its device fails: see [`crate::unless_a_device_fails`].
#[must_use]
pub fn read<B: Backend, const D: usize>(x: Tensor<B, D>) -> Vec<f32> {
    let data = x
        .try_into_data()
        .unwrap_or_else(|error| give_up(error.to_string()));
    read_bytes(data.as_bytes().len());
    data.into_vec().expect("FP32 tensor")
}
