//! Products with weights in codes, against those of the CPU on slices.

use super::{Agreement, Draw, REORDERED, distance, download, upload};
use crate::{CodeBits, Codes, DeviceCodes, Kernels, codes_product};
use burn::tensor::{Tensor, TensorPrimitive};

/// `m` rows with a weight of `outputs` × `inputs`, in 8 bits and in 4, with scales of rows, of groups with zero points, and of
/// columns.
pub(crate) fn check_codes<B: Kernels>(
    device: &B::Device,
    [m, outputs, inputs]: [usize; 3],
    seed: u64,
) -> Vec<Agreement> {
    let shape = [outputs, inputs.next_multiple_of(4)];
    let (rows, groups, columns) = ([outputs, 1], [outputs, 2], [1, shape[1]]);
    let all = [
        ("product with INT8 by rows", CodeBits::Eight, rows),
        ("product with INT8 by groups", CodeBits::Eight, groups),
        ("product with INT8 by columns", CodeBits::Eight, columns),
        ("product with INT4 by rows", CodeBits::Four, rows),
        ("product with INT4 by groups", CodeBits::Four, groups),
        ("product with INT4 by columns", CodeBits::Four, columns),
    ];
    let one = |(operation, bits, grid)| {
        let shifted = grid == groups;
        check::<B>(device, (operation, m, seed), (bits, shape, grid), shifted)
    };
    all.map(one).into()
}

fn check<B: Kernels>(
    device: &B::Device,
    (operation, m, seed): (&'static str, usize, u64),
    (bits, shape, grid): (CodeBits, [usize; 2], [usize; 2]),
    shifted: bool,
) -> Agreement {
    let [outputs, inputs] = shape;
    let mut draw = Draw(seed);
    let bytes = draw.many(outputs * inputs / bits.per_byte(), 128.0);
    let packed: Vec<u8> = bytes
        .iter()
        .map(|value| value.floor() as i8 as u8)
        .collect();
    let blocks = grid[0] * grid[1];
    let scales: Vec<f32> = draw
        .many(blocks, 0.01)
        .iter()
        .map(|scale| scale.abs())
        .collect();
    let zeros: Vec<f32> = draw
        .many(blocks, 9.0)
        .iter()
        .map(|zero| zero.round())
        .collect();
    let codes = Codes {
        bits,
        shape,
        packed: &packed,
        grid,
        scales: &scales,
        zeros: shifted.then_some(&zeros),
    };
    let x = draw.many(m * inputs, 1.0);
    let mut expected = vec![0.0; m * outputs];
    codes_product(&mut expected, &x, &codes);
    let there = TensorPrimitive::Float(upload::<B>(&x, &[m, inputs], device));
    let found = DeviceCodes::<B>::send(&codes, device).product(Tensor::from_primitive(there));
    let found = download::<B>(found.into_primitive().tensor(), m * outputs);
    Agreement {
        operation,
        shape: vec![m, outputs, inputs],
        error: distance(&found, &expected),
        allowed: REORDERED,
    }
}
