//! Exact GELU, `x Φ(x)` with the normal distribution function Φ (arXiv 1606.08415), not its tanh
//! approximation. burn has the forward pass; its default backward pass, which some backends use, is
//! the derivative of the approximation.
//!
//! `dx = dy (Φ(x) + x φ(x))`

use crate::{Kernels, unary};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorPrimitive};
use std::f64::consts::{PI, SQRT_2};

/// GELU of every element.
///
/// # Shapes
/// - input and output: any, the same
pub fn gelu<B: Kernels, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    let x = x.into_primitive().tensor();
    Tensor::from_primitive(TensorPrimitive::Float(B::exact_gelu(x)))
}

/// The specification of the backward pass.
pub(crate) fn plain_backward<B: Kernels>(x: FloatTensor<B>, dy: FloatTensor<B>) -> FloatTensor<B> {
    let distribution = B::float_erf(B::float_mul_scalar(x.clone(), (1.0 / SQRT_2).into()));
    let distribution = B::float_add_scalar(distribution, 1.0.into());
    let distribution = B::float_mul_scalar(distribution, 0.5.into());
    let square = B::float_mul(x.clone(), x.clone());
    let density = B::float_exp(B::float_mul_scalar(square, (-0.5).into()));
    let density = B::float_mul_scalar(density, (2.0 * PI).sqrt().recip().into());
    let slope = B::float_add(distribution, B::float_mul(x, density));
    B::float_mul(dy, slope)
}

/// The operation on the autodiff graph.
pub(crate) fn differentiable<B: Kernels, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
) -> FloatTensor<Autodiff<B, C>> {
    let forward = |x: FloatTensor<B>| (B::exact_gelu(x.clone()), x);
    unary::differentiable::<B, C, _>(x, forward, B::exact_gelu_backward)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;
    use burn_flex::Flex;

    #[test]
    fn the_cpu_slope_equals_the_plain_one_and_the_difference_quotient() {
        let points: Vec<f32> = (-60..=60).map(|i| i as f32 / 10.0).collect();
        let of = |v: &[f32]| Tensor::<Flex, 1>::from_data(TensorData::from(v), &Default::default());
        let slopes = |f: fn(FloatTensor<Flex>, FloatTensor<Flex>) -> FloatTensor<Flex>| {
            let ones = of(&vec![1.0; points.len()]).into_primitive().tensor();
            let slope = f(of(&points).into_primitive().tensor(), ones);
            let slope = Tensor::<Flex, 1>::from_primitive(TensorPrimitive::Float(slope));
            slope.into_data().to_vec::<f32>().unwrap()
        };
        let (cpu, plain) = (
            slopes(Flex::exact_gelu_backward),
            slopes(plain_backward::<Flex>),
        );
        let moved = |step: f32| -> Vec<f32> {
            let points: Vec<f32> = points.iter().map(|x| x + step).collect();
            gelu(of(&points)).into_data().to_vec().unwrap()
        };
        let (up, down) = (moved(1e-2), moved(-1e-2));
        for i in 0..points.len() {
            assert!((cpu[i] - plain[i]).abs() < 1e-6, "at {}", points[i]);
            // The tanh approximation would be off by up to 4e-4 and more.
            let quotient = (up[i] - down[i]) / 2e-2;
            assert!(
                (cpu[i] - quotient).abs() < 1e-4,
                "at {}: {} {quotient}",
                points[i],
                cpu[i]
            );
        }
    }
}
