//! The gate: an operation that lets values through, changed only by rounding, and lets gradients
//! back, changed only by a factor and rounding.
//!
//! `forward: y = round(x)` or `y = x` · `backward: dx = round(factor · dy)`
//!
//! Three uses share it: rounding a stored activation (both passes), rounding the gradient of one
//! of several consumers (backward only), and embedding gradient shrink, identity forward and
//! gradient times α (arXiv 2210.02414 §3).

use crate::range::Pass;
use crate::{Kernels, Rounding, bus, unary};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Shape, Tensor, TensorData, TensorMetadata, TensorPrimitive};
use std::sync::Arc;

/// What happens to values and gradients at a gate.
#[derive(Debug, Clone)]
pub struct Gate {
    /// Rounding of the value; absent lets it through.
    pub forward: Option<Rounding>,
    /// Factor on the gradient.
    pub factor: Factor,
    /// Rounding of the gradient, after the factor.
    pub backward: Option<Rounding>,
}

/// What a gate multiplies gradients by.
#[derive(Debug, Clone, PartialEq)]
pub enum Factor {
    /// The same number everywhere.
    One(f32),
    /// A number for each of as many equal parts of the tensor, in the order of its elements.
    Parts(Arc<[f32]>),
}

impl Factor {
    fn apply<B: Kernels>(&self, x: FloatTensor<B>) -> FloatTensor<B> {
        match self {
            Self::One(1.0) => x,
            Self::One(factor) => B::float_mul_scalar(x, (*factor).into()),
            Self::Parts(factors) => {
                let (shape, parts) = (x.shape(), factors.len());
                let device = B::float_device(&x);
                let factors = TensorData::new(factors.to_vec(), [parts, 1]);
                let factors = B::float_from_data(factors, &device);
                let rest = shape.num_elements() / parts;
                let x = B::float_reshape(x, Shape::new([parts, rest]));
                B::float_reshape(B::float_mul(x, factors), shape)
            }
        }
    }
}

impl Gate {
    /// Rounds values and gradients.
    #[must_use]
    pub fn round(rounding: Rounding) -> Self {
        Self {
            forward: Some(rounding.clone()),
            factor: Factor::One(1.0),
            backward: Some(rounding),
        }
    }

    /// Rounds gradients only.
    #[must_use]
    pub fn round_gradient(rounding: Rounding) -> Self {
        Self {
            forward: None,
            factor: Factor::One(1.0),
            backward: Some(rounding),
        }
    }

    /// Multiplies gradients by `factor`, then rounds them where asked.
    #[must_use]
    pub fn shrink_gradient(factor: f32, rounding: Option<Rounding>) -> Self {
        Self {
            forward: None,
            factor: Factor::One(factor),
            backward: rounding,
        }
    }

    /// Multiplies the gradients of each of as many equal parts by its own factor, then rounds them
    /// where asked.
    #[must_use]
    pub fn shrink_parts(factors: &[f32], rounding: Option<Rounding>) -> Self {
        let factor = match factors {
            [first, rest @ ..] if rest.iter().all(|f| f == first) => Factor::One(*first),
            _ => Factor::Parts(factors.into()),
        };
        Self {
            forward: None,
            factor,
            backward: rounding,
        }
    }
}

pub(crate) fn apply<B: Kernels>(
    x: FloatTensor<B>,
    rounding: Option<&Rounding>,
    pass: Pass,
) -> FloatTensor<B> {
    match rounding {
        Some(rounding) => {
            rounding.look(pass, || home::<B>(x.clone()));
            B::store(x, rounding, pass)
        }
        None => x,
    }
}

/// The values of a tensor of any shape.
fn home<B: Kernels>(x: FloatTensor<B>) -> Vec<f32> {
    let elements = x.shape().num_elements();
    let x = B::float_reshape(x, Shape::new([elements]));
    bus::read(Tensor::<B, 1>::from_primitive(TensorPrimitive::Float(x)))
}

/// [`Kernels::store`].
pub(crate) fn store<B: Kernels>(
    x: FloatTensor<B>,
    rounding: &Rounding,
    pass: Pass,
) -> FloatTensor<B> {
    let (rounded, count) = B::round(x, rounding.format);
    rounding.count(pass, count);
    if rounding.saturates_in(pass) {
        saturated::<B>(rounded, rounding.format.largest())
    } else {
        rounded
    }
}

/// Infinities become `largest` with their sign. NaN stays, which a backend's own clamp does not promise.
fn saturated<B: Kernels>(x: FloatTensor<B>, largest: f32) -> FloatTensor<B> {
    let shape = x.shape();
    let elements = shape.num_elements();
    let x = B::float_reshape(x, Shape::new([elements]));
    let x = Tensor::<B, 1>::from_primitive(TensorPrimitive::Float(x));
    let (above, below) = (
        x.clone().greater_elem(largest),
        x.clone().lower_elem(-largest),
    );
    let x = x.mask_fill(above, largest).mask_fill(below, -largest);
    B::float_reshape(x.into_primitive().tensor(), shape)
}

/// The operation on the autodiff graph.
pub(crate) fn differentiable<B: Kernels, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    gate: &Gate,
) -> FloatTensor<Autodiff<B, C>> {
    let forward = |x| (B::gate(x, gate), gate.clone());
    unary::differentiable::<B, C, _>(x, forward, |gate: Gate, dy| {
        let dy = gate.factor.apply::<B>(dy);
        apply::<B>(dy, gate.backward.as_ref(), Pass::Backward)
    })
}

/// Sends a tensor through a gate.
///
/// # Shapes
/// - input and output: any, the same
pub fn gate<B: Kernels, const D: usize>(x: Tensor<B, D>, gate: &Gate) -> Tensor<B, D> {
    let x = x.into_primitive().tensor();
    Tensor::from_primitive(TensorPrimitive::Float(B::gate(x, gate)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HalfFormat, RangeSite};
    use burn::tensor::backend::Backend;
    use burn_flex::Flex;

    type Cpu = Autodiff<Flex>;

    fn tensor(values: &[f32]) -> Tensor<Cpu, 1> {
        Tensor::from_data(TensorData::from(values), &Default::default())
    }

    fn values<B: Backend>(t: Tensor<B, 1>) -> Vec<f32> {
        t.into_data().to_vec().unwrap()
    }

    fn fp16(site: Option<Arc<RangeSite>>) -> Rounding {
        Rounding {
            format: HalfFormat::Fp16,
            site,
            saturates: false,
        }
    }

    #[test]
    fn rounding_acts_forward_and_backward_and_counts_both() {
        let site = Arc::new(RangeSite::new("test", None));
        let x = tensor(&[0.1, 70_000.0, 1e-8]).require_grad();
        let y = gate(x.clone(), &Gate::round(fp16(Some(site.clone()))));
        assert_eq!(
            values(y.clone().inner()),
            [0.099_975_586, f32::INFINITY, 0.0]
        );
        let grads = (y * tensor(&[0.1, 1e-9, 1e6])).sum().backward();
        let grad = values(x.grad(&grads).unwrap());
        assert_eq!(grad, [0.099_975_586, 0.0, f32::INFINITY]);
        let totals = site.take();
        assert_eq!((totals.forward.overflow, totals.forward.underflow), (1, 1));
        assert_eq!(
            (totals.backward.overflow, totals.backward.underflow),
            (1, 1)
        );
    }

    /// As in a pass by hand, a site that is watched sees what comes before it is rounded.
    #[test]
    fn a_watched_point_sees_values_and_gradients() {
        let site = Arc::new(RangeSite::new("test", None).watched());
        let x = tensor(&[0.1, 70_000.0, f32::NAN]).require_grad();
        let y = gate(x.clone(), &Gate::round(fp16(Some(site.clone()))));
        (y * tensor(&[0.5, 0.0, 2.0])).sum().backward();
        let [forward, backward] = site.take_watched().unwrap();
        assert_eq!((forward.nonzero, forward.nonfinite), (2, 1));
        assert_eq!(forward.largest, 70_000.0);
        assert_eq!((backward.nonzero, backward.largest), (2, 2.0));
    }

    #[test]
    fn shrink_leaves_the_value_and_scales_the_gradient() {
        let x = tensor(&[0.3, -7.0]).require_grad();
        let y = gate(x.clone(), &Gate::shrink_gradient(0.125, None));
        assert_eq!(values(y.clone().inner()), [0.3, -7.0]);
        let grads = y.sum().backward();
        assert_eq!(values(x.grad(&grads).unwrap()), [0.125, 0.125]);
    }

    /// Runs of a pack lie one after another, each with its own shrink.
    #[test]
    fn every_part_has_its_own_factor() {
        let x = tensor(&[0.1, 0.2, 0.3, 0.4]).require_grad();
        let y = gate(x.clone(), &Gate::shrink_parts(&[0.5, 0.25], None));
        assert_eq!(values(y.clone().inner()), [0.1, 0.2, 0.3, 0.4]);
        let grads = (y * tensor(&[1.0, 2.0, 3.0, 4.0])).sum().backward();
        assert_eq!(values(x.grad(&grads).unwrap()), [0.5, 1.0, 0.75, 1.0]);
        let equal = Gate::shrink_parts(&[0.5, 0.5], None);
        assert_eq!(equal.factor, Factor::One(0.5), "one number costs no tensor");
    }

    /// Why the shrink is no sum: the literal `αe + (1-α)e` of 2210.02414 §3 changes about 30 % of FP32
    /// values at α = 0.1 (`glm130b-facts` §5.1).
    #[test]
    fn the_literal_sum_would_change_three_values_in_ten() {
        let alpha = 0.1_f32;
        let values = (0..100_000_u32).map(|i| f32::from_bits(0x3f80_0000 + i * 83));
        let changed = values.filter(|e| alpha * e + (1.0 - alpha) * e != *e);
        let share = changed.count() as f64 / 1e5;
        assert!((0.25..0.35).contains(&share), "{share}");
    }

    #[test]
    fn rounding_a_view_leaves_the_rest_of_its_buffer_alone() {
        let whole = tensor(&[0.1, 0.2, 0.3]).inner();
        let view = whole.clone().slice(1..2);
        let rounded = gate(view, &Gate::round(fp16(None)));
        assert_eq!(values(rounded), [0.199_951_17]);
        assert_eq!(values(whole), [0.1, 0.2, 0.3]);
    }
}
