//! Sequences of integers expanded on the device: see [`crate::Compact`].

use super::ranges::send;
use super::row::{flat, grid};
use crate::Compact;
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeRuntime;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// A value of a piece: `number` is its first value, or where its values lie in the words.
#[cube]
fn value(words: &Array<u32>, kind: u32, number: u32, i: u32, data: u32) -> i32 {
    let mut value = number as i32;
    if kind == 1u32 {
        value += i as i32;
    }
    if kind == 2u32 {
        let pair = words[(data + number + i / 2u32) as usize];
        value = (pair >> (16u32 * (i % 2u32)) & 0xffffu32) as i32;
    }
    if kind == 3u32 {
        value = words[(data + number + i) as usize] as i32;
    }
    value
}

/// Every element from the piece that it is of.
#[cube(launch)]
pub(crate) fn expand_kernel(words: &Array<u32>, y: &mut Array<i32>, pieces: u32) {
    if ABSOLUTE_POS < y.len() {
        let place = ABSOLUTE_POS as u32;
        let mut low = 0u32;
        let mut high = pieces;
        while high - low > 1u32 {
            let middle = (low + high) / 2u32;
            if words[2 * middle as usize] / 4u32 <= place {
                low = middle;
            } else {
                high = middle;
            }
        }
        let head = words[2 * low as usize];
        let number = words[2 * low as usize + 1];
        let i = place - head / 4u32;
        y[ABSOLUTE_POS] = value(words, head % 4u32, number, i, 2u32 * pieces);
    }
}

/// See [`crate::Kernels::expand`].
pub(super) fn expand<R: CubeRuntime>(compact: &Compact, device: &R::Device) -> CubeTensor<R> {
    let words = compact.words();
    let bytes = bytemuck::cast_slice(&words);
    let sent: CubeTensor<R> = send(device, bytes, words.len(), DType::U32);
    let (client, shape) = (sent.client.clone(), Shape::new([compact.len()]));
    let y = empty_device_contiguous_dtype(client, device.clone(), shape, DType::I32);
    let (count, dim) = grid(&sent, compact.len());
    let (from, to, pieces) = (flat(&sent), flat(&y), compact.pieces() as u32);
    expand_kernel::launch::<R>(&sent.client, count, dim, from, to, pieces);
    y
}
