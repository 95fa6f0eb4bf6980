//! Layer norm on slices: one pass per row forward, one backward.

#![expect(
    clippy::inline_always,
    reason = "only what is inlined is compiled for the CPU at hand"
)]

use crate::simd::{lane_sum, vectorised};

/// `y = γ x̂ + β` with `x̂` of mean 0 and variance 1 up to ε.
#[derive(Debug, Clone, Copy)]
pub struct Norm<'a> {
    /// γ, `[h]`
    pub gamma: &'a [f32],
    /// β, `[h]`
    pub beta: &'a [f32],
    /// ε
    pub eps: f32,
}

/// Where the gradients of a layer norm are added.
#[derive(Debug)]
pub struct NormGradient<'a> {
    /// `[h]`
    pub gamma: &'a mut [f32],
    /// `[h]`
    pub beta: &'a mut [f32],
}

impl NormGradient<'_> {
    /// The same place for one of several additions.
    #[must_use]
    pub fn reborrow(&mut self) -> NormGradient<'_> {
        NormGradient {
            gamma: self.gamma,
            beta: self.beta,
        }
    }
}

impl Norm<'_> {
    /// # Shapes
    /// - y and x: `[r, h]`
    pub fn forward(&self, y: &mut [f32], x: &[f32]) {
        norm_rows(y, x, self.gamma, self.beta, self.eps);
    }

    /// Overwrites `dx`, adds to `gradient`.
    ///
    /// # Shapes
    /// - dx, x and dy: `[r, h]`
    pub fn backward(&self, dx: &mut [f32], x: &[f32], dy: &[f32], gradient: NormGradient) {
        let NormGradient { gamma, beta } = gradient;
        norm_rows_backward(dx, gamma, beta, x, self.gamma, dy, self.eps);
    }
}

vectorised! {
    /// `y = γ x̂ + β` row by row.
    ///
    /// # Shapes
    /// - y and x: `[rows, width]`, gamma and beta: `[width]`
    pub(crate) fn norm_rows(y: &mut [f32], x: &[f32], gamma: &[f32], beta: &[f32], eps: f32) {
        let width = gamma.len();
        let beta = &beta[..width];
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            let (mean, r) = statistics(x, eps);
            for i in 0..width {
                y[i] = (x[i] - mean) * r * gamma[i] + beta[i];
            }
        }
    }

    /// Overwrites `dx`, adds to `dgamma` and `dbeta`.
    ///
    /// # Shapes
    /// - dx, x and dy: `[rows, width]`, gamma, dgamma and dbeta: `[width]`
    pub(crate) fn norm_rows_backward(
        dx: &mut [f32],
        dgamma: &mut [f32],
        dbeta: &mut [f32],
        x: &[f32],
        gamma: &[f32],
        dy: &[f32],
        eps: f32,
    ) {
        let width = gamma.len();
        let (dgamma, dbeta) = (&mut dgamma[..width], &mut dbeta[..width]);
        let rows = x.chunks_exact(width).zip(dy.chunks_exact(width));
        for ((x, dy), dx) in rows.zip(dx.chunks_exact_mut(width)) {
            let (mean, r) = statistics(x, eps);
            // The normalised input passes through `dx`.
            for i in 0..width {
                dx[i] = (x[i] - mean) * r;
                dgamma[i] += dy[i] * dx[i];
                dbeta[i] += dy[i];
            }
            let g_mean = lane_sum([gamma, dy], |[g, dy]| g * dy) / width as f32;
            let along = lane_sum([gamma, dy, dx], |[g, dy, x]| g * dy * x) / width as f32;
            for i in 0..width {
                dx[i] = (gamma[i] * dy[i] - g_mean - dx[i] * along) * r;
            }
        }
    }
}

/// Mean and `r` of one row.
#[inline(always)]
fn statistics(x: &[f32], eps: f32) -> (f32, f32) {
    let width = x.len() as f32;
    let mean = lane_sum([x], |[x]| x) / width;
    let variance = lane_sum([x], |[x]| (x - mean) * (x - mean)) / width;
    (mean, (variance + eps).sqrt().recip())
}
