//! Symmetric absmax: scale = absmax / (2^(bits − 1) − 1) (`quantization/layers.py`).

use crate::bits::Bits;
use crate::scale::{Scale, largest_magnitude};

pub(super) fn fit(values: &[f32], bits: Bits) -> Scale {
    Scale::of_largest(largest_magnitude(values), bits)
}
