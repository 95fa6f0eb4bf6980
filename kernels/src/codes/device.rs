//! A weight in codes on a device, and what its product is in tensor operations: the specification.

use super::{CodeBits, Codes};
use crate::{Kernels, bus};
use burn::tensor::ops::{FloatTensor, IntTensor};
use burn::tensor::{ElementConversion, Int, Tensor, TensorPrimitive};

/// How the codes of a weight lie on a device: those of an output begin with a 32-bit word of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodesLayout {
    /// Of a code.
    pub bits: CodeBits,
    /// Outputs and inputs.
    pub shape: [usize; 2],
    /// Equal blocks along both, each with a scale.
    pub grid: [usize; 2],
}

impl CodesLayout {
    /// Whether products know it: no block cuts a byte, unless all outputs share it.
    #[must_use]
    pub fn is_multiplied(&self) -> bool {
        self.grid[0] == 1 || self.block()[1].is_multiple_of(self.bits.per_byte())
    }

    /// Outputs and inputs of a block.
    #[must_use]
    pub fn block(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.shape[axis] / self.grid[axis])
    }
}

/// A weight in codes on a device.
#[derive(Debug, Clone)]
pub struct DeviceCodes<B: Kernels> {
    words: Tensor<B, 2, Int>,
    scales: Tensor<B, 2>,
    zeros: Option<Tensor<B, 2>>,
    layout: CodesLayout,
}

impl<B: Kernels> DeviceCodes<B> {
    /// Sends codes, scales and zero points.
    ///
    /// # Panics
    /// If `codes` are none.
    #[must_use]
    pub fn send(codes: &Codes, device: &B::Device) -> Self {
        codes.check();
        let [outputs, _] = codes.shape;
        let words = codes.row_bytes().div_ceil(4);
        let row = |row: &[u8]| {
            let mut padded = row.to_vec();
            padded.resize(4 * words, 0);
            let words = padded.as_chunks::<4>().0.iter();
            words
                .map(|word| i32::from_le_bytes(*word))
                .collect::<Vec<_>>()
        };
        let all = codes.packed.chunks_exact(codes.row_bytes()).flat_map(row);
        let values = |values: &[f32]| bus::send(values.to_vec(), codes.grid, device);
        Self {
            words: bus::send_integers(all.collect(), [outputs, words], device),
            scales: values(codes.scales),
            zeros: codes.zeros.map(values),
            layout: CodesLayout {
                bits: codes.bits,
                shape: codes.shape,
                grid: codes.grid,
            },
        }
    }

    /// `x Wᵀ`, see [`crate::codes_product()`].
    ///
    /// # Shapes
    /// - x: `[m, inputs]`
    /// - output: `[m, outputs]`
    #[must_use]
    pub fn product(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let primitive = |x: Tensor<B, 2>| x.into_primitive().tensor();
        float(B::codes_product(
            primitive(x),
            self.words.clone().into_primitive(),
            primitive(self.scales.clone()),
            self.zeros.clone().map(primitive),
            &self.layout,
        ))
    }
}

fn float<B: Kernels>(x: FloatTensor<B>) -> Tensor<B, 2> {
    Tensor::from_primitive(TensorPrimitive::Float(x))
}

/// The specification.
pub(crate) fn plain<B: Kernels>(
    x: FloatTensor<B>,
    words: IntTensor<B>,
    scales: FloatTensor<B>,
    zeros: Option<FloatTensor<B>>,
    layout: &CodesLayout,
) -> FloatTensor<B> {
    let [outputs, inputs] = layout.shape;
    let words = Tensor::<B, 2, Int>::from_primitive(words);
    let count = words.dims()[1];
    let (bits, flipped) = match layout.bits {
        CodeBits::Four => (4, 1),
        CodeBits::Eight => (8, 0),
    };
    let sign = 1_i32 << (bits - 1);
    let codes = (0..32 / bits).map(|place| {
        // The even input is in the upper half of its byte.
        let shift = (place ^ flipped) * bits;
        let code = words.clone().bitwise_right_shift_scalar(shift.elem());
        let code = code.bitwise_and_scalar((2 * sign - 1).elem());
        let code = code.bitwise_xor_scalar(sign.elem()).float() - f64::from(sign);
        code.reshape([outputs, count, 1])
    });
    let codes: Tensor<B, 3> = Tensor::cat(codes.collect(), 2);
    let codes = codes.reshape([outputs, count * 32 / bits as usize]);
    let mut weight: Tensor<B, 2> = codes.slice([0..outputs, 0..inputs]);
    if let Some(zeros) = zeros {
        weight = weight + spread(float(zeros), layout);
    }
    let weight = weight * spread(float(scales), layout);
    float(x)
        .matmul(weight.transpose())
        .into_primitive()
        .tensor()
}

/// A number for every element, from one for every block.
fn spread<B: Kernels>(blocks: Tensor<B, 2>, layout: &CodesLayout) -> Tensor<B, 2> {
    let ([down, across], [height, width]) = (layout.grid, layout.block());
    let all = blocks.reshape([down, 1, across, 1]);
    all.expand([down, height, across, width])
        .reshape(layout.shape)
}
