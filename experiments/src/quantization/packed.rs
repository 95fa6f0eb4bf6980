//! Linear maps in codes, as a file holds them, which products read as they are.

use experiments_quantization::{Bits, Parts};
use kernels::{CodeBits, Codes, CodesLayout};
use std::collections::HashMap;

/// By the name of the matrix.
pub(crate) type PackedMaps = HashMap<String, PackedMap>;

/// From here on FP32 has no longer every integer.
const INTEGERS: i32 = 1 << 24;

/// A linear map in codes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PackedMap {
    layout: CodesLayout,
    packed: Vec<u8>,
    scales: Vec<f32>,
    zeros: Option<Vec<f32>>,
}

impl PackedMap {
    /// Those of a file, which have been checked; the codes themselves where products would have to cut a byte, or a zero point is
    /// more than FP32 can count. Of `parts` everything but the codes is read, which come as `packed`.
    pub(crate) fn new(parts: &Parts, packed: Vec<u8>) -> Result<Self, Vec<u8>> {
        let layout = CodesLayout {
            bits: match parts.bits {
                Bits::Four => CodeBits::Four,
                Bits::Eight => CodeBits::Eight,
            },
            shape: parts.shape,
            grid: parts.grid,
        };
        let mut zeros = parts.zeros.unwrap_or_default().iter();
        let are_counted = zeros.all(|zero| (-INTEGERS..=INTEGERS).contains(zero));
        if !layout.is_multiplied() || !are_counted {
            return Err(packed);
        }
        Ok(Self {
            layout,
            packed,
            scales: parts.scales.iter().map(|scale| scale.to_f32()).collect(),
            zeros: parts
                .zeros
                .map(|zeros| zeros.iter().map(|zero| *zero as f32).collect()),
        })
    }

    /// For products.
    pub(crate) fn codes(&self) -> Codes<'_> {
        Codes {
            bits: self.layout.bits,
            shape: self.layout.shape,
            packed: &self.packed,
            grid: self.layout.grid,
            scales: &self.scales,
            zeros: self.zeros.as_deref(),
        }
    }

    /// All that its values depend on beside shapes.
    pub(crate) fn bytes(&self) -> [&[u8]; 3] {
        let zeros = self.zeros.as_deref().unwrap_or_default();
        [
            &self.packed,
            bytemuck::cast_slice(&self.scales),
            bytemuck::cast_slice(zeros),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    /// 4 × 6 weights in 4 bits, all of code 1.
    fn map(grid: [usize; 2], zeros: Option<&[i32]>) -> Option<PackedMap> {
        let packed = vec![0x11; 12];
        let scales = vec![f16::ONE; grid[0] * grid[1]];
        let parts = Parts {
            shape: [4, 6],
            grid,
            bits: Bits::Four,
            packed: &packed,
            scales: &scales,
            zeros,
        };
        parts.check("m").unwrap();
        PackedMap::new(&parts, packed.clone()).ok()
    }

    #[test]
    fn what_products_do_not_know_stays_with_the_decoded_weights() {
        for grid in [[4, 1], [4, 3], [1, 6], [1, 1]] {
            assert!(map(grid, None).is_some(), "{grid:?}");
        }
        // Groups of three codes.
        assert_eq!(map([4, 2], None), None);
        assert!(map([4, 1], Some(&[1, -INTEGERS, INTEGERS, 0])).is_some());
        assert_eq!(map([4, 1], Some(&[1, 2, INTEGERS + 1, 0])), None);
        assert_eq!(map([4, 1], Some(&[1, i32::MIN, 3, 0])), None);
    }
}
