//! A quantized matrix: codes, scales, zero points, and what they stand for.

use crate::bits::Bits;
use crate::blocks::Blocks;
use crate::error::QuantizeError;
use crate::gptq::{self, Calibration};
use crate::scale::Scale;
use crate::scheme::Scheme;
use half::f16;
use rayon::prelude::*;

/// A matrix that is to be quantized.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Its name, for errors.
    pub name: &'a str,
    /// Rows (outputs) and columns (inputs).
    pub shape: [usize; 2],
    /// Its values, row by row; each is rounded to FP16 first.
    pub values: &'a [f32],
    /// Tensor-parallel ranks that its columns (inputs) are divided over; each quantizes what it has. GLM-130B's attention
    /// output and second feed-forward matrix are divided like that, so a row of them has one scale on each rank and the
    /// degree changes the weights (`quantization/layers.py`, `QuantizedRowParallelLinear`).
    pub ranks: usize,
    /// Inputs that it has seen, for calibrated rules.
    pub calibration: Option<&'a Calibration>,
}

/// A matrix as it lies in a file: the bytes of [`Quantized::packed`], and a scale, perhaps a zero point, for each block of
/// `grid`.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Blocks along the rows, and along the columns.
    pub grid: [usize; 2],
    /// Of a code.
    pub bits: Bits,
    /// Codes as bytes, row by row.
    pub packed: &'a [u8],
    /// Row by row of the grid.
    pub scales: &'a [f16],
    /// The same for zero points, where there are some.
    pub zeros: Option<&'a [i32]>,
}

/// Codes and scales of a matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantized {
    blocks: Blocks,
    bits: Bits,
    codes: Vec<i8>,
    scales: Vec<Scale>,
    clipped: u64,
}

/// Quantizes a matrix.
///
/// # Panics
///
/// Where the source has not as many values as its shape says.
pub fn quantize(source: &Source, scheme: Scheme, bits: Bits) -> Result<Quantized, QuantizeError> {
    let Source { name, shape, .. } = *source;
    let blocks = Blocks::new(name, shape, scheme.sharing, source.ranks, bits)?;
    let values = in_fp16(source)?;
    if scheme.rule.is_calibrated() {
        let missing = || QuantizeError::Calibration {
            matrix: name.to_owned(),
            problem: format!("{scheme} has to see inputs of the matrix, and there are none"),
        };
        let calibration = source.calibration.ok_or_else(missing)?;
        let made = gptq::quantize(name, &values, blocks, scheme.rule, bits, calibration);
        let (codes, scales) = made?;
        return Ok(Quantized::new(blocks, bits, codes, scales, &values));
    }
    let scales: Vec<Scale> = (0..blocks.len())
        .into_par_iter()
        .map(|block| {
            let own: Vec<f32> = blocks.elements(block).map(|at| values[at]).collect();
            scheme.rule.fit(&own, bits)
        })
        .collect();
    let columns = shape[1];
    let codes = values.par_iter().enumerate();
    let codes = codes.map(|(at, value)| scales[blocks.of(at / columns, at % columns)].code(*value));
    let codes = codes.collect();
    Ok(Quantized::new(blocks, bits, codes, scales, &values))
}

impl Parts<'_> {
    /// Refuses what does not fit together.
    pub fn check(&self, matrix: &str) -> Result<(), QuantizeError> {
        self.blocks(matrix).map(drop)
    }

    fn blocks(&self, matrix: &str) -> Result<Blocks, QuantizeError> {
        let ([rows, columns], [down, across]) = (self.shape, self.grid);
        let refuse = |problem: String| Err(QuantizeError::shape(matrix, self.shape, problem));
        let blocks = Blocks::of_grid(matrix, self.shape, self.grid)?;
        let per_byte = self.bits.codes_per_byte();
        if self.packed.len() * per_byte != rows * columns || !columns.is_multiple_of(per_byte) {
            let (bytes, bits) = (self.packed.len(), self.bits.count());
            return refuse(format!("{bytes} bytes hold other codes of {bits} bits"));
        }
        let zeros_fit = self.zeros.is_none_or(|zeros| zeros.len() == blocks.len());
        if self.scales.len() != blocks.len() || !zeros_fit {
            return refuse(format!("expected {down} × {across} scales and zero points"));
        }
        Ok(blocks)
    }
}

impl Source<'_> {
    /// The first value that FP16 cannot hold, as the error that it is.
    pub(crate) fn value_out_of_range(&self) -> Option<QuantizeError> {
        let columns = self.shape[1];
        let is_held = |value: &f32| f16::from_f32(*value).is_finite();
        let at = self.values.iter().position(|value| !is_held(value))?;
        Some(QuantizeError::Value {
            matrix: self.name.to_owned(),
            row: at / columns,
            column: at % columns,
            value: self.values[at].to_string(),
        })
    }
}

/// The values in FP16, of which none may be infinite or NaN.
fn in_fp16(source: &Source) -> Result<Vec<f32>, QuantizeError> {
    assert_eq!(source.values.len(), source.shape[0] * source.shape[1]);
    if let Some(problem) = source.value_out_of_range() {
        return Err(problem);
    }
    let halves = source.values.iter();
    Ok(halves.map(|value| f16::from_f32(*value).to_f32()).collect())
}

impl Quantized {
    pub(crate) fn new(
        blocks: Blocks,
        bits: Bits,
        codes: Vec<i8>,
        scales: Vec<Scale>,
        values: &[f32],
    ) -> Self {
        let mut made = Self {
            blocks,
            bits,
            codes,
            scales,
            clipped: 0,
        };
        let columns = made.columns();
        let clipped = values.iter().enumerate().filter(|(at, value)| {
            let scale = made.scales[blocks.of(at / columns, at % columns)];
            let half_a_step = f64::from(scale.step.to_f32()) * 0.5;
            let worth = f64::from(scale.value(made.codes[*at]));
            i32::from(made.codes[*at]).abs() == scale.largest
                && (f64::from(**value) - worth).abs() > half_a_step
        });
        made.clipped = clipped.count() as u64;
        made
    }

    /// Rows and columns.
    #[must_use]
    pub fn shape(&self) -> [usize; 2] {
        [self.codes.len() / self.columns(), self.columns()]
    }

    /// A matrix from what a file holds of it.
    pub fn from_parts(matrix: &str, parts: &Parts) -> Result<Self, QuantizeError> {
        let blocks = parts.blocks(matrix)?;
        let (bits, zeros) = (parts.bits, parts.zeros);
        let scales = parts.scales.iter().enumerate().map(|(at, scale)| Scale {
            step: *scale,
            zero: zeros.map(|zeros| zeros[at]),
            largest: bits.largest(),
        });
        let packed = parts.packed.iter();
        let codes = match bits {
            Bits::Eight => packed.map(|byte| *byte as i8).collect(),
            Bits::Four => packed.flat_map(|byte| unpacked(*byte)).collect(),
        };
        Ok(Self {
            blocks,
            bits,
            codes,
            scales: scales.collect(),
            clipped: 0,
        })
    }

    fn columns(&self) -> usize {
        self.blocks.columns
    }

    /// Blocks along the rows, and along the columns: the shape of scales and zero points.
    #[must_use]
    pub fn grid(&self) -> [usize; 2] {
        self.blocks.grid
    }

    /// Bits of a code.
    #[must_use]
    pub fn bits(&self) -> Bits {
        self.bits
    }

    /// One code for each element, row by row.
    #[must_use]
    pub fn codes(&self) -> &[i8] {
        &self.codes
    }

    /// The codes as bytes, row by row: one in a byte; of four bits two, the even column in the upper half.
    #[must_use]
    pub fn packed(&self) -> Vec<u8> {
        match self.bits {
            Bits::Eight => self.codes.iter().map(|code| *code as u8).collect(),
            Bits::Four => {
                let pairs = self.codes.chunks_exact(2);
                let bytes = pairs.map(|pair| (pair[0] as u8) << 4 | pair[1] as u8 & 0x0f);
                bytes.collect()
            }
        }
    }

    /// One scale for each block, row by row of [`Self::grid`].
    pub fn scales(&self) -> impl Iterator<Item = f16> {
        self.scales.iter().map(|scale| scale.step)
    }

    /// One zero point for each block, where the rule has them.
    #[must_use]
    pub fn zeros(&self) -> Option<Vec<i32>> {
        self.scales.iter().map(|scale| scale.zero).collect()
    }

    /// What the codes stand for, in FP16, row by row.
    #[must_use]
    pub fn values(&self) -> Vec<f32> {
        let columns = self.columns();
        let codes = self.codes.par_iter().enumerate();
        let values = codes.map(|(at, code)| {
            let block = self.blocks.of(at / columns, at % columns);
            self.scales[block].value(*code)
        });
        values.collect()
    }

    /// Elements outside the range of their block's codes.
    #[must_use]
    pub fn clipped(&self) -> u64 {
        self.clipped
    }

    /// Blocks whose scale is 0: nothing is left of what they held.
    #[must_use]
    pub fn empty_blocks(&self) -> u64 {
        let empty = self.scales.iter();
        empty.filter(|scale| scale.step == f16::ZERO).count() as u64
    }

    /// Bytes of codes, scales and zero points.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let zeros = self.scales.iter().filter(|scale| scale.zero.is_some());
        let codes = self.codes.len() / self.bits.codes_per_byte();
        (codes + 2 * self.scales.len() + 4 * zeros.count()) as u64
    }
}

/// The codes of a byte, the even column first: from its upper half, sign extended.
fn unpacked(byte: u8) -> [i8; 2] {
    [byte as i8 >> 4, (byte << 4) as i8 >> 4]
}
