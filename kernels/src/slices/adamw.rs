//! Passes over flat FP32 gradients, moments and weights. Sums are in f64 and in partial sums, so that
//! the compiler can use vector code; their order is fixed, and with it the bits.

use crate::simd::{LANES, vectorised};

/// One update of `AdamW` (arXiv 1711.05101, algorithm 2), without a schedule.
#[derive(Debug, Clone, Copy)]
pub struct AdamW {
    /// Learning rate.
    pub lr: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// ε
    pub eps: f32,
    /// Weight decay λ, decoupled.
    pub decay: f32,
    /// `1 - β₁^t`
    pub correction1: f32,
    /// `1 - β₂^t`
    pub correction2: f32,
}

/// A piece of the optimiser's state, slices of one length.
#[derive(Debug)]
pub struct Moments<'a> {
    /// Weights.
    pub weights: &'a mut [f32],
    /// First moments.
    pub first: &'a mut [f32],
    /// Second moments.
    pub second: &'a mut [f32],
}

/// Sums over the elements of an update.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct UpdateSums {
    /// Of `g² / max(v̂, ε²)`.
    pub surprise: f64,
    /// Of squares of the change to the weights, weight decay included.
    pub update_squared: f64,
    /// Of squares of the weights after it.
    pub weight_squared: f64,
}

impl std::ops::AddAssign for UpdateSums {
    fn add_assign(&mut self, other: Self) {
        self.surprise += other.surprise;
        self.update_squared += other.update_squared;
        self.weight_squared += other.weight_squared;
    }
}

impl AdamW {
    /// Takes the gradient times `clip` into both moments and moves the weights, in one pass:
    /// `w -= lr (m̂ / (√v̂ + ε) + λw)`. Where both moments are 0 the Adam part is 0 also with ε = 0.
    ///
    /// # Panics
    /// If the slices differ in length.
    #[must_use]
    pub fn update(&self, clip: f32, gradients: &[f32], state: Moments) -> UpdateSums {
        let Moments {
            weights,
            first,
            second,
        } = state;
        let surprise = self.moments(clip, gradients, first, second);
        let [update_squared, weight_squared] = self.apply(weights, first, second);
        UpdateSums {
            surprise,
            update_squared,
            weight_squared,
        }
    }

    /// Takes the gradient times `clip` into both moments; returns the sum of `g² / max(v̂, ε²)`.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn moments(
        &self,
        clip: f32,
        gradients: &[f32],
        first: &mut [f32],
        second: &mut [f32],
    ) -> f64 {
        assert!(gradients.len() == first.len() && gradients.len() == second.len());
        moments(self, clip, gradients, first, second)
    }

    /// Moves the weights by the moments; returns the sums of squares of the change and of the weights
    /// after it.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn apply(&self, weights: &mut [f32], first: &[f32], second: &[f32]) -> [f64; 2] {
        assert!(weights.len() == first.len() && weights.len() == second.len());
        apply(self, weights, first, second)
    }
}

vectorised! {
    fn moments(step: &AdamW, clip: f32, gradients: &[f32], first: &mut [f32], second: &mut [f32]) -> f64 {
        let floor = step.eps * step.eps;
        // Divisions are what this takes its time for; the corrections are the same for all.
        let unbias = step.correction2.recip();
        let mut sums = [0.0_f64; LANES];
        let one = |g: f32, m: &mut f32, v: &mut f32| {
            let g = g * clip;
            *m = step.beta1 * *m + (1.0 - step.beta1) * g;
            *v = step.beta2 * *v + (1.0 - step.beta2) * (g * g);
            let hat = *v * unbias;
            let limit = if hat > floor { hat } else { floor };
            if limit > 0.0 { f64::from(g * g / limit) } else { 0.0 }
        };
        let (g, g_rest) = gradients.as_chunks::<LANES>();
        let (m, m_rest) = first.as_chunks_mut::<LANES>();
        let (v, v_rest) = second.as_chunks_mut::<LANES>();
        for (g, (m, v)) in g.iter().zip(m.iter_mut().zip(v)) {
            for i in 0..LANES {
                sums[i] += one(g[i], &mut m[i], &mut v[i]);
            }
        }
        for (i, (m, v)) in m_rest.iter_mut().zip(v_rest).enumerate() {
            sums[i] += one(g_rest[i], m, v);
        }
        sums.iter().sum()
    }

    #[expect(
        clippy::needless_bitwise_bool,
        reason = "lazy operators branch, and vector code cannot"
    )]
    fn apply(step: &AdamW, weights: &mut [f32], first: &[f32], second: &[f32]) -> [f64; 2] {
        let unbias = [step.correction1.recip(), step.correction2.recip()];
        let mut sums = [[0.0_f64; LANES]; 2];
        let one = |w: &mut f32, m: f32, v: f32| {
            let denominator = (v * unbias[1]).sqrt() + step.eps;
            // The second moment may underflow where the first has not.
            let still = (denominator == 0.0) | ((m == 0.0) & (v == 0.0));
            let moved = m * unbias[0] / denominator;
            let adam = if still { 0.0 } else { moved };
            let change = step.lr * (adam + step.decay * *w);
            *w -= change;
            [change, *w].map(|x| f64::from(x) * f64::from(x))
        };
        let (w, w_rest) = weights.as_chunks_mut::<LANES>();
        let (m, m_rest) = first.as_chunks::<LANES>();
        let (v, v_rest) = second.as_chunks::<LANES>();
        for (w, (m, v)) in w.iter_mut().zip(m.iter().zip(v)) {
            for i in 0..LANES {
                let [change, weight] = one(&mut w[i], m[i], v[i]);
                sums[0][i] += change;
                sums[1][i] += weight;
            }
        }
        for (i, (w, (m, v))) in w_rest.iter_mut().zip(m_rest.iter().zip(v_rest)).enumerate() {
            let [change, weight] = one(w, *m, *v);
            sums[0][i] += change;
            sums[1][i] += weight;
        }
        sums.map(|lanes| lanes.iter().sum())
    }

    /// Sum of squares in f64.
    #[must_use]
    pub fn sum_of_squares(values: &[f32]) -> f64 {
        let mut lanes = [0.0_f64; LANES];
        let (blocks, rest) = values.as_chunks::<LANES>();
        for block in blocks {
            for (lane, value) in lanes.iter_mut().zip(block) {
                *lane += f64::from(*value) * f64::from(*value);
            }
        }
        for (lane, value) in lanes.iter_mut().zip(rest) {
            *lane += f64::from(*value) * f64::from(*value);
        }
        lanes.iter().sum()
    }

    /// Multiplies every gradient by `factor`; returns the sum of squares after it, which is not finite
    /// where any of them is not, and the largest magnitude, NaN before infinity before numbers.
    pub fn unscale(gradients: &mut [f32], factor: f32) -> (f64, f32) {
        let mut lanes = [0.0_f64; LANES];
        // Magnitudes are ordered as their bits are.
        let mut largest = [0_u32; LANES];
        let (blocks, rest) = gradients.as_chunks_mut::<LANES>();
        for block in blocks {
            for (i, g) in block.iter_mut().enumerate() {
                *g *= factor;
                lanes[i] += f64::from(*g) * f64::from(*g);
                largest[i] = largest[i].max(g.abs().to_bits());
            }
        }
        for (i, g) in rest.iter_mut().enumerate() {
            *g *= factor;
            lanes[i] += f64::from(*g) * f64::from(*g);
            largest[i] = largest[i].max(g.abs().to_bits());
        }
        let largest = largest.into_iter().fold(0, u32::max);
        (lanes.iter().sum(), f32::from_bits(largest))
    }
}
