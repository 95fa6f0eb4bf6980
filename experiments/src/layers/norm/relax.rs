//! The layer-norm half of PB-Relax (CogView, arXiv 2105.13290 §2.4): a norm reads `x / (max|x| / 8)`,
//! with the maximum over the whole tensor. Layer norm undoes the factor, up to its ε.

use kernels::slices::rows::{divide, larger_or_nan, largest_magnitude, scale};
use kernels::{Buffer, Store};
use rayon::prelude::*;

/// What a tensor is divided by, a constant to its gradient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Divisor(f32);

impl Divisor {
    /// `max|x| / 8`; a tensor of zeros stays one.
    pub(crate) fn new(x: &[f32]) -> Self {
        /// Values that a thread takes at a time.
        const PART: usize = 1 << 14;
        let parts = x.par_chunks(PART).map(largest_magnitude);
        let largest = parts.reduce(|| 0.0, larger_or_nan) / 8.0;
        Self(if largest < f32::MIN_POSITIVE {
            f32::MIN_POSITIVE
        } else {
            largest
        })
    }

    /// From a tensor to what its norm reads, before that is stored.
    pub(crate) fn divide(self, x: &mut [f32]) {
        divide(x, self.0);
    }

    /// From the gradient of what the norm reads to the tensor's.
    pub(crate) fn backward(self, d: &mut [f32]) {
        scale(d, self.0.recip());
    }
}

/// What a norm reads instead of `x`, where that is divided.
pub(crate) fn relaxed(x: &[f32], divisor: Option<Divisor>, mut store: Store) -> Option<Buffer> {
    let divisor = divisor?;
    let mut relaxed = Buffer::of(x);
    divisor.divide(&mut relaxed);
    store.piece(&mut relaxed);
    Some(relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_magnitude_becomes_eight() {
        // Its place is in the second of several parts.
        let mut x = vec![1.0; 50_000];
        x[30_000] = -32.0;
        Divisor::new(&x).divide(&mut x);
        assert_eq!((x[30_000], x[0]), (-8.0, 0.25));
    }

    #[test]
    fn zeros_stay_and_what_is_no_number_is_not_hidden() {
        let mut zeros = [0.0, -0.0];
        Divisor::new(&zeros).divide(&mut zeros);
        assert_eq!(zeros, [0.0, 0.0]);
        let mut x = [1.0, f32::NAN, 2.0];
        Divisor::new(&x).divide(&mut x);
        assert!(x.iter().all(|x| x.is_nan()));
    }
}
