//! Dropout masks drawn on the device: `ChaCha` with 8 rounds (Bernstein, 2008), the generator that draws them on the host.

#![expect(clippy::manual_rotate, reason = "a kernel has no operation for it")]

use super::ranges::send;
use super::row::{beside, flat, grid};
use crate::MaskDraws;
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Elements of a block of 16 words: an element takes a number of two words.
const BLOCK: usize = 8;

/// Places in the draws as they are sent.
const STREAM: usize = 8;
const COUNTER: usize = 10;
const THRESHOLD: usize = 12;

#[cube]
fn turned(x: u32, bits: u32) -> u32 {
    (x << bits) | (x >> (32u32 - bits))
}

#[cube]
fn quarter_round(state: &mut Array<u32>, a: usize, b: usize, c: usize, d: usize) {
    state[a] += state[b];
    state[d] = turned(state[d] ^ state[a], 16u32);
    state[c] += state[d];
    state[b] = turned(state[b] ^ state[c], 12u32);
    state[a] += state[b];
    state[d] = turned(state[d] ^ state[a], 8u32);
    state[c] += state[d];
    state[b] = turned(state[b] ^ state[c], 7u32);
}

/// One unit draws a block. `skipped` elements of the first block come before the mask.
#[cube(launch)]
pub(crate) fn mask_kernel(
    draws: &Array<u32>,
    mask: &mut Array<f32>,
    skipped: u32,
    keep: f32,
    blocks: u32,
) {
    if ABSOLUTE_POS < blocks as usize {
        let mut begin = Array::<u32>::new(16usize);
        // "expand 32-byte k"
        begin[0] = 0x6170_7865u32;
        begin[1] = 0x3320_646eu32;
        begin[2] = 0x7962_2d32u32;
        begin[3] = 0x6b20_6574u32;
        for i in 0..8usize {
            begin[4 + i] = draws[i];
        }
        let low = draws[COUNTER] + ABSOLUTE_POS as u32;
        let mut high = draws[COUNTER + 1];
        if low < draws[COUNTER] {
            high += 1u32;
        }
        begin[12] = low;
        begin[13] = high;
        begin[14] = draws[STREAM];
        begin[15] = draws[STREAM + 1];
        let mut state = Array::<u32>::new(16usize);
        for i in 0..16usize {
            state[i] = begin[i];
        }
        for _ in 0..4u32 {
            quarter_round(&mut state, 0, 4, 8, 12);
            quarter_round(&mut state, 1, 5, 9, 13);
            quarter_round(&mut state, 2, 6, 10, 14);
            quarter_round(&mut state, 3, 7, 11, 15);
            quarter_round(&mut state, 0, 5, 10, 15);
            quarter_round(&mut state, 1, 6, 11, 12);
            quarter_round(&mut state, 2, 7, 8, 13);
            quarter_round(&mut state, 3, 4, 9, 14);
        }
        for i in 0..BLOCK {
            let low = state[2 * i] + begin[2 * i];
            let high = state[2 * i + 1] + begin[2 * i + 1];
            let place = ABSOLUTE_POS * BLOCK + i;
            let first = skipped as usize;
            if place >= first && place - first < mask.len() {
                let mut factor = keep;
                let same = high == draws[THRESHOLD + 1];
                if high < draws[THRESHOLD + 1] || (same && low < draws[THRESHOLD]) {
                    factor = 0.0f32;
                }
                mask[place - first] = factor;
            }
        }
    }
}

/// See [`crate::Kernels::dropout_mask`].
pub(super) fn mask<R: CubeRuntime>(
    device: &R::Device,
    draws: &MaskDraws,
    len: usize,
) -> CubeTensor<R> {
    let parts = |number: u64| [number as u32, (number >> 32) as u32];
    let number = draws.word / 2;
    let (block, skipped) = (number / BLOCK as u64, number % BLOCK as u64);
    let mut words = draws.key.to_vec();
    for number in [draws.stream, block, draws.threshold] {
        words.extend(parts(number));
    }
    let sent: CubeTensor<R> = send(
        device,
        bytemuck::cast_slice(&words),
        words.len(),
        DType::U32,
    );
    let mask = beside(&sent, Shape::new([len]));
    let blocks = (skipped as usize + len).div_ceil(BLOCK);
    let (count, dim) = grid(&sent, blocks);
    let (from, to) = (flat(&sent), flat(&mask));
    let skipped = skipped as u32;
    mask_kernel::launch::<R>(
        &sent.client,
        count,
        dim,
        from,
        to,
        skipped,
        draws.keep,
        blocks as u32,
    );
    mask
}
