//! Layer norm over the last dimension, forward and backward in one pass per row.
//!
//! `y = γ x̂ + β`, `x̂ = (x - mean) r`, `r = 1 / sqrt(var + ε)`, biased variance (arXiv 1607.06450)
//!
//! `dx = r (g - mean(g) - x̂ mean(g x̂))` with `g = γ dy`; `dγ = Σ dy x̂`, `dβ = Σ dy` over rows
//!
//! Rows may belong to several models that lie one after another: γ and β then hold one set for each of
//! as many equal groups of rows.
//!
//! FP32 throughout. The CPU version is [`norm_rows`].

use crate::Kernels;
use crate::slices::{norm_rows, norm_rows_backward};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorData, TensorPrimitive};
use burn_flex::{Flex, FlexTensor};

/// Gradients of layer norm: `[rows, width]`, `[groups · width]`, `[groups · width]`.
pub struct LayerNormGradients<B: Kernels> {
    /// With respect to the input.
    pub x: FloatTensor<B>,
    /// With respect to γ.
    pub gamma: FloatTensor<B>,
    /// With respect to β.
    pub beta: FloatTensor<B>,
}

/// Layer norm of each row. The first `rows / groups` rows take the first γ and β, and so on.
///
/// # Shapes
/// - x: `[rows, width]`, gamma and beta: `[groups · width]`
/// - output: `[rows, width]`
///
/// # Panics
/// If gamma and beta do not divide the rows into equal groups.
pub fn layer_norm<B: Kernels>(
    x: Tensor<B, 2>,
    gamma: Tensor<B, 1>,
    beta: Tensor<B, 1>,
    eps: f64,
) -> Tensor<B, 2> {
    let ([rows, width], [len]) = (x.dims(), gamma.dims());
    assert!(
        len % width == 0 && rows % (len / width) == 0 && beta.dims() == [len],
        "{len} weights for {rows} rows of {width}"
    );
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

/// Rows in groups, `[groups, rows / groups, width]`.
fn grouped<B: Kernels>(x: Tensor<B, 2>, groups: usize) -> Tensor<B, 3> {
    let [rows, width] = x.dims();
    x.reshape([groups, rows / groups, width])
}

/// γ or β beside its group's rows, `[groups, 1, width]`.
fn beside<B: Kernels>(weights: FloatTensor<B>, width: usize) -> Tensor<B, 3> {
    let weights = tensor::<B, 1>(weights);
    let groups = weights.dims()[0] / width;
    weights.reshape([groups, 1, width])
}

/// The specification, in burn tensor operations.
pub(crate) fn plain<B: Kernels>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    eps: f64,
) -> FloatTensor<B> {
    let (normal, _) = normalise(tensor::<B, 2>(x), eps);
    let [rows, width] = normal.dims();
    let gamma = beside::<B>(gamma, width);
    let y = grouped(normal, gamma.dims()[0]) * gamma + beside::<B>(beta, width);
    primitive(y.reshape([rows, width]))
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
    let [rows, width] = dy.dims();
    let gamma = beside::<B>(gamma, width);
    let groups = gamma.dims()[0];
    let sums = |terms| {
        let sums: Tensor<B, 3> = grouped(terms, groups).sum_dim(1);
        primitive(sums.reshape([groups * width]))
    };
    let g = (grouped(dy.clone(), groups) * gamma).reshape([rows, width]);
    let along = (g.clone() * normal.clone()).mean_dim(1);
    LayerNormGradients {
        x: primitive((g.clone() - g.mean_dim(1) - normal.clone() * along) * r),
        gamma: sums(dy.clone() * normal),
        beta: sums(dy),
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

/// Rows, width, and values of one group.
fn extents(x: &FlexTensor, gamma: &FlexTensor) -> (usize, usize, usize) {
    let shape = x.layout().shape();
    let (rows, width) = (shape[0], shape[1]);
    let groups = gamma.layout().num_elements() / width;
    (rows, width, rows / groups * width)
}

pub(crate) fn flex(x: &FlexTensor, gamma: &FlexTensor, beta: &FlexTensor, eps: f64) -> FlexTensor {
    let (rows, width, group) = extents(x, gamma);
    let (x, gamma, beta) = (values(x), values(gamma), values(beta));
    let mut y = vec![0.0; x.len()];
    let weights = gamma.chunks_exact(width).zip(beta.chunks_exact(width));
    let groups = x.chunks_exact(group).zip(y.chunks_exact_mut(group));
    for ((x, y), (gamma, beta)) in groups.zip(weights) {
        norm_rows(y, x, gamma, beta, eps as f32);
    }
    from_values(y, &[rows, width])
}

pub(crate) fn flex_backward(
    x: &FlexTensor,
    gamma: &FlexTensor,
    dy: &FlexTensor,
    eps: f64,
) -> LayerNormGradients<Flex> {
    let (rows, width, group) = extents(x, gamma);
    let (x, gamma, dy) = (values(x), values(gamma), values(dy));
    let mut dx = vec![0.0; x.len()];
    let (mut dgamma, mut dbeta) = (vec![0.0_f32; gamma.len()], vec![0.0_f32; gamma.len()]);
    let sums = dgamma
        .chunks_exact_mut(width)
        .zip(dbeta.chunks_exact_mut(width));
    let groups = x.chunks_exact(group).zip(dy.chunks_exact(group));
    let groups = groups.zip(dx.chunks_exact_mut(group));
    for (((x, dy), dx), (gamma, (dgamma, dbeta))) in groups.zip(gamma.chunks_exact(width).zip(sums))
    {
        norm_rows_backward(dx, dgamma, dbeta, x, gamma, dy, eps as f32);
    }
    let weights = dgamma.len();
    LayerNormGradients {
        x: from_values(dx, &[rows, width]),
        gamma: from_values(dgamma, &[weights]),
        beta: from_values(dbeta, &[weights]),
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
    fn loss(x: &[f64], gamma: &[f64], beta: &[f64], w: &[f64], eps: f64, width: usize) -> f64 {
        let per_group = x.len() / gamma.len();
        let rows = x.chunks(width).zip(w.chunks(width)).enumerate();
        rows.map(|(row, (x, w))| {
            let own = row / per_group * width;
            let (gamma, beta) = (&gamma[own..own + width], &beta[own..own + width]);
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
            groups in 1_usize..4, per_group in 1_usize..5, width in 2_usize..40, seed in any::<u64>(),
        ) {
            let rows = groups * per_group;
            let mut state = seed;
            let mut draw = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ((state >> 40) as f32 / (1 << 23) as f32) - 1.0
            };
            let x: Vec<f32> = (0..rows * width).map(|_| 3.0 * draw()).collect();
            let dy: Vec<f32> = (0..rows * width).map(|_| draw()).collect();
            let gamma: Vec<f32> = (0..groups * width).map(|_| 1.0 + 0.5 * draw()).collect();
            let beta: Vec<f32> = (0..groups * width).map(|_| draw()).collect();
            let two = |v: &[f32]| from_values(v.to_vec(), &[rows, width]);
            let one = |v: &[f32]| from_values(v.to_vec(), &[groups * width]);
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
                loss(&x, &gamma, &beta, &dy, eps, width)
            };
            for (i, ours) in dx.iter().enumerate() {
                let slope = (at(i, 1e-5) - at(i, -1e-5)) / 2e-5;
                prop_assert!((f64::from(*ours) - slope).abs() < 1e-3 * (1.0 + slope.abs()), "{ours} {slope}");
            }
        }
    }
}
