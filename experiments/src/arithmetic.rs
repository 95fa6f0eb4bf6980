//! What a step does to whole gradients and to the optimiser's state, beside its passes: on the host, on a device, or over
//! several ranks, wherever a run's arrays lie. What is decided from their norms is decided elsewhere, and the same way for all.

pub(crate) mod block;
pub(crate) mod device;
pub(crate) mod host;
pub(crate) mod orders;
pub(crate) mod ranks;

use crate::array::Gradient;
use crate::later::Later;
use crate::layers::tap::larger;
use crate::optimizer::adamw::{AdamW, UpdateReport, UpdateRule};
use crate::parameters::Parameters;
use kernels::{RangeCount, Ranges, Rounding, Summary};

/// How large a parameter's gradient is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Size {
    /// Sum of the squares.
    pub(crate) squared: f64,
    /// Largest magnitude; NaN before infinity before numbers.
    pub(crate) largest: f32,
}

impl From<Summary> for Size {
    fn from(summary: Summary) -> Self {
        Self {
            squared: summary.squares(),
            largest: summary.magnitude,
        }
    }
}

impl Size {
    /// Of both parts of a gradient.
    pub(crate) fn join(self, other: Self) -> Self {
        let largest = larger(self.largest.into(), other.largest.into());
        Self {
            squared: self.squared + other.squared,
            largest: largest as f32,
        }
    }
}

/// The arithmetic of a step. Ranges are those of the parameters in a flat gradient.
pub(crate) trait Arithmetic {
    /// `sum += gradient`
    fn add(&self, sum: &mut Gradient, gradient: &Gradient);

    /// Rounds the gradient of every parameter that has a rounding; returns what that lost, per parameter. All
    /// roundings are alike.
    fn round(
        &self,
        flat: &mut Gradient,
        ranges: &Ranges,
        roundings: &[Option<Rounding>],
    ) -> Later<Vec<RangeCount>>;

    /// Multiplies by `factor` in FP32; returns the size of every parameter's gradient after it.
    fn scale(&self, flat: &mut Gradient, ranges: &Ranges, factor: f32) -> Later<Vec<Size>>;

    /// Sum of the squares.
    fn squares(&self, gradient: &Gradient) -> Later<f64>;

    /// See [`AdamW::update`]; one report per parameter.
    fn update(
        &self,
        adam: &mut AdamW,
        parameters: &mut Parameters,
        gradient: &Gradient,
        rule: UpdateRule,
    ) -> Vec<UpdateReport>;
}
