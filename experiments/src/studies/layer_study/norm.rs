//! Layer norm of rows, FP32 inside.

use super::stats::{Pass, Recorder};

/// `y = γ x̂ + β` with `x̂ = (x - mean) r`, `r = 1/√(var + ε)`.
pub(super) struct Norm {
    pub(super) name: String,
    pub(super) gamma: Vec<f32>,
    pub(super) beta: Vec<f32>,
    pub(super) eps: f64,
}

/// Mean and `r` of a row.
fn moments(row: &[f32], eps: f64) -> (f64, f64) {
    let n = row.len() as f64;
    let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
    let squares = row.iter().map(|x| (f64::from(*x) - mean).powi(2));
    (mean, (squares.sum::<f64>() / n + eps).sqrt().recip())
}

impl Norm {
    /// # Shapes
    /// - x and output: `[s, h]`
    pub(super) fn forward(&self, x_sh: &[f32]) -> Vec<f32> {
        let mut y_sh = Vec::with_capacity(x_sh.len());
        for row in x_sh.chunks_exact(self.gamma.len()) {
            let (mean, r) = moments(row, self.eps);
            let scaled = self.gamma.iter().zip(&self.beta);
            y_sh.extend(
                row.iter()
                    .zip(scaled)
                    .map(|(x, (gamma, beta))| ((f64::from(*x) - mean) * r) as f32 * gamma + beta),
            );
        }
        y_sh
    }

    /// Takes the statistics of both parameters' gradients; returns the input's gradient.
    /// `dx = r (g - mean(g) - x̂ mean(g x̂))`, `g = γ dy`.
    pub(super) fn backward(
        &self,
        dy_sh: &[f32],
        x_sh: &[f32],
        recorder: &mut Recorder,
    ) -> Vec<f32> {
        let h = self.gamma.len();
        let (mut dgamma, mut dbeta) = (vec![0.0_f32; h], vec![0.0_f32; h]);
        let mut dx_sh = Vec::with_capacity(x_sh.len());
        for (dy, x) in dy_sh.chunks_exact(h).zip(x_sh.chunks_exact(h)) {
            let (mean, r) = moments(x, self.eps);
            let normal = |x: f32| (f64::from(x) - mean) * r;
            let (mut of_g, mut of_gx) = (0.0, 0.0);
            for (i, (dy, x)) in dy.iter().zip(x).enumerate() {
                let g = f64::from(self.gamma[i] * dy);
                of_g += g;
                of_gx += g * normal(*x);
                dgamma[i] += dy * normal(*x) as f32;
                dbeta[i] += dy;
            }
            let (of_g, of_gx) = (of_g / h as f64, of_gx / h as f64);
            dx_sh.extend(dy.iter().zip(x).zip(&self.gamma).map(|((dy, x), gamma)| {
                (r * (f64::from(gamma * dy) - of_g - normal(*x) * of_gx)) as f32
            }));
        }
        // Layer norms keep FP32 gradients; their statistics are taken, nothing is rounded.
        let gradients = [("weight", &mut dgamma), ("bias", &mut dbeta)];
        for (part, values) in gradients {
            let name = format!("{}.{part}", self.name);
            recorder.look(&name, Pass::WeightGradient, values);
        }
        dx_sh
    }
}
