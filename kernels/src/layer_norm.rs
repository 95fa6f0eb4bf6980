//! Layer norm over the last dimension, forward and backward in one pass per row.
//!
//! `y = γ x̂ + β`, `x̂ = (x - mean) r`, `r = 1 / sqrt(var + ε)`, biased variance (arXiv 1607.06450)
//!
//! `dx = r (g - mean(g) - x̂ mean(g x̂))` with `g = γ dy`; `dγ = Σ dy x̂`, `dβ = Σ dy` over rows
//!
//! FP32 throughout. The CPU version is [`norm_rows`].

use crate::Kernels;
use crate::fused::{norm_rows, norm_rows_backward};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorData, TensorPrimitive};
use burn_flex::{Flex, FlexTensor};

/// Gradients of layer norm: `[rows, width]`, `[width]`, `[width]`.
pub struct LayerNormGradients<B: Kernels> {
    /// With respect to the input.
    pub x: FloatTensor<B>,
    /// With respect to γ.
    pub gamma: FloatTensor<B>,
    /// With respect to β.
    pub beta: FloatTensor<B>,
}

/// Layer norm of each row.
///
/// # Shapes
/// - x: `[rows, width]`, gamma and beta: `[width]`
/// - output: `[rows, width]`
pub fn layer_norm<B: Kernels>(
    x: Tensor<B, 2>,
    gamma: Tensor<B, 1>,
    beta: Tensor<B, 1>,
    eps: f64,
) -> Tensor<B, 2> {
    let primitive = |t: TensorPrimitive<B>| t.tensor();
    let output = B::norm_rows(
        primitive(x.into_primitive()),
        primitive(gamma.into_primitive()),
        primitive(beta.into_primitive()),
        eps,
    );
    Tensor::from_primitive(TensorPrimitive::Float(output))
}

fn tensor<B: Kernels, const D: usize>(x: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(x))
}

fn primitive<B: Kernels, const D: usize>(x: Tensor<B, D>) -> FloatTensor<B> {
    x.into_primitive().tensor()
}

/// Normalised input and `r`, `[rows, width]` and `[rows, 1]`.
fn normalise<B: Kernels>(x: Tensor<B, 2>, eps: f64) -> (Tensor<B, 2>, Tensor<B, 2>) {
    let centred = x.clone() - x.mean_dim(1);
    let r = ((centred.clone() * centred.clone()).mean_dim(1) + eps)
        .sqrt()
        .recip();
    (centred * r.clone(), r)
}

/// The specification, in burn tensor operations.
pub(crate) fn plain<B: Kernels>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    eps: f64,
) -> FloatTensor<B> {
    let (normal, _) = normalise(tensor::<B, 2>(x), eps);
    primitive(normal * tensor::<B, 1>(gamma).unsqueeze() + tensor::<B, 1>(beta).unsqueeze())
}

/// The specification of the backward pass.
pub(crate) fn plain_backward<B: Kernels>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    dy: FloatTensor<B>,
    eps: f64,
) -> LayerNormGradients<B> {
    let (normal, r) = normalise(tensor::<B, 2>(x), eps);
    let dy = tensor::<B, 2>(dy);
    let g = dy.clone() * tensor::<B, 1>(gamma).unsqueeze();
    let along = (g.clone() * normal.clone()).mean_dim(1);
    LayerNormGradients {
        x: primitive((g.clone() - g.mean_dim(1) - normal.clone() * along) * r),
        gamma: primitive((dy.clone() * normal).sum_dim(0).squeeze_dim::<1>(0)),
        beta: primitive(dy.sum_dim(0).squeeze_dim::<1>(0)),
    }
}

/// A contiguous copy of the values, or the values themselves.
fn values(x: &FlexTensor) -> std::borrow::Cow<'_, [f32]> {
    match x.as_slice::<f32>() {
        Some(slice) => slice.into(),
        None => x.to_contiguous().storage::<f32>().to_vec().into(),
    }
}

fn from_values(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.to_vec()))
}

pub(crate) fn flex(x: &FlexTensor, gamma: &FlexTensor, beta: &FlexTensor, eps: f64) -> FlexTensor {
    let (x, gamma, beta) = (values(x), values(gamma), values(beta));
    let width = gamma.len();
    let mut y = vec![0.0; x.len()];
    norm_rows(&mut y, &x, &gamma, &beta, eps as f32);
    let rows = y.len() / width;
    from_values(y, &[rows, width])
}

pub(crate) fn flex_backward(
    x: &FlexTensor,
    gamma: &FlexTensor,
    dy: &FlexTensor,
    eps: f64,
) -> LayerNormGradients<Flex> {
    let (x, gamma, dy) = (values(x), values(gamma), values(dy));
    let width = gamma.len();
    let mut dx = vec![0.0; x.len()];
    let (mut dgamma, mut dbeta) = (vec![0.0_f32; width], vec![0.0_f32; width]);
    norm_rows_backward(
        &mut dx,
        &mut dgamma,
        &mut dbeta,
        &x,
        &gamma,
        &dy,
        eps as f32,
    );
    let rows = dx.len() / width;
    LayerNormGradients {
        x: from_values(dx, &[rows, width]),
        gamma: from_values(dgamma, &[width]),
        beta: from_values(dbeta, &[width]),
    }
}

/// The operation on the autodiff graph.
pub(crate) fn differentiable<B: Kernels, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    gamma: FloatTensor<Autodiff<B, C>>,
    beta: FloatTensor<Autodiff<B, C>>,
    eps: f64,
) -> FloatTensor<Autodiff<B, C>> {
    #[derive(Debug)]
    struct LayerNormBackward;

    impl<B: Kernels> Backward<B, 3> for LayerNormBackward {
        type State = (FloatTensor<B>, FloatTensor<B>, f64);

        fn backward(
            self,
            ops: Ops<Self::State, 3>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let dy = grads.consume::<B>(&ops.node);
            let (x, gamma, eps) = ops.state;
            let gradients = B::norm_rows_backward(x, gamma, dy, eps);
            let all = [gradients.x, gradients.gamma, gradients.beta];
            for (parent, gradient) in ops.parents.into_iter().zip(all) {
                if let Some(parent) = parent {
                    grads.register::<B>(parent.id, gradient);
                }
            }
        }
    }

    let output = B::norm_rows(
        x.primitive.clone(),
        gamma.primitive.clone(),
        beta.primitive,
        eps,
    );
    let nodes = [x.node, gamma.node, beta.node];
    match LayerNormBackward
        .prepare::<C>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => prepared.finish((x.primitive, gamma.primitive, eps), output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vec_of(x: FloatTensor<Flex>) -> Vec<f32> {
        x.into_data().to_vec().unwrap()
    }

    fn close(a: &[f32], b: &[f32]) -> bool {
        let scale = b.iter().fold(1e-3_f32, |m, v| m.max(v.abs()));
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 2e-5 * scale)
    }

    /// Loss `Σ w·LN(x)` in f64, for finite differences.
    fn loss(x: &[f64], gamma: &[f64], beta: &[f64], w: &[f64], eps: f64) -> f64 {
        let width = gamma.len();
        let rows = x.chunks(width).zip(w.chunks(width));
        rows.map(|(x, w)| {
            let mean = x.iter().sum::<f64>() / width as f64;
            let var = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / width as f64;
            let r = (var + eps).sqrt().recip();
            (0..width)
                .map(|i| w[i] * ((x[i] - mean) * r * gamma[i] + beta[i]))
                .sum::<f64>()
        })
        .sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn prop_cpu_version_equals_plain_version_and_finite_differences(
            rows in 1_usize..5, width in 2_usize..40, seed in any::<u64>(),
        ) {
            let mut state = seed;
            let mut draw = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ((state >> 40) as f32 / (1 << 23) as f32) - 1.0
            };
            let x: Vec<f32> = (0..rows * width).map(|_| 3.0 * draw()).collect();
            let dy: Vec<f32> = (0..rows * width).map(|_| draw()).collect();
            let gamma: Vec<f32> = (0..width).map(|_| 1.0 + 0.5 * draw()).collect();
            let beta: Vec<f32> = (0..width).map(|_| draw()).collect();
            let two = |v: &[f32]| from_values(v.to_vec(), &[rows, width]);
            let one = |v: &[f32]| from_values(v.to_vec(), &[width]);
            let eps = 1e-5;

            let fused = vec_of(flex(&two(&x), &one(&gamma), &one(&beta), eps));
            let spec = vec_of(plain::<Flex>(two(&x), one(&gamma), one(&beta), eps));
            prop_assert!(close(&fused, &spec));

            let fused = flex_backward(&two(&x), &one(&gamma), &two(&dy), eps);
            let spec = plain_backward::<Flex>(two(&x), one(&gamma), two(&dy), eps);
            let dx = vec_of(fused.x);
            prop_assert!(close(&dx, &vec_of(spec.x)));
            prop_assert!(close(&vec_of(fused.gamma), &vec_of(spec.gamma)));
            prop_assert!(close(&vec_of(fused.beta), &vec_of(spec.beta)));

            let wide = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
            let (gamma, beta, dy) = (wide(&gamma), wide(&beta), wide(&dy));
            let at = |i: usize, step: f64| {
                let mut x = wide(&x);
                x[i] += step;
                loss(&x, &gamma, &beta, &dy, eps)
            };
            for (i, ours) in dx.iter().enumerate() {
                let slope = (at(i, 1e-5) - at(i, -1e-5)) / 2e-5;
                prop_assert!((f64::from(*ours) - slope).abs() < 1e-3 * (1.0 + slope.abs()), "{ours} {slope}");
            }
        }
    }
}
