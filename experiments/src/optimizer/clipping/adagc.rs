//! `AdaGC` (arXiv 2502.11034; the authors' code, github.com/lishuai-97/AdaGC at 32c249f,
//! `megatron-gpt2.patch`, class `AdaGC`).

use super::{Clip, shrink_to};
use serde::{Deserialize, Serialize};

/// Steps clipped by the global norm at the start (`start_clip_steps`).
const WARMUP_STEPS: u64 = 100;
/// Share β of the old value in the moving average (`clip_beta`).
const EMA: f64 = 0.99;
/// How far above its moving average a tensor's norm may lie (`clip_ratio`, `λ_rel` of the paper).
const RELATIVE_LIMIT: f64 = 1.04;

/// Clips every tensor against the moving average γ of its own clipped norms.
///
/// For 100 steps the gradient is clipped by its global norm, and γ is the smallest norm the tensor
/// has had after that. Then a norm n is cut to `n* = min(n, 1.04 γ)` and `γ ← 0.99 γ + 0.01 n*`;
/// the global limit no longer applies.
///
/// One difference: a norm of exactly 0 does not count in warm-up. In the original it would make γ 0,
/// and with it every later gradient of the tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct AdaGc {
    /// Steps with finite norms.
    steps: u64,
    /// γ of each tensor, in units of the norm; none before its first norm above 0.
    averages: Vec<Option<f64>>,
}

impl AdaGc {
    pub(super) fn new(tensors: usize) -> Self {
        Self {
            steps: 0,
            averages: vec![None; tensors],
        }
    }

    /// The factors for finite norms.
    pub(super) fn coefficients(&mut self, limit: f64, global_norm: f64, norms: &[f64]) -> Clip {
        self.steps += 1;
        let tensors = self.averages.iter_mut().zip(norms);
        if self.steps <= WARMUP_STEPS {
            let coefficient = shrink_to(limit, global_norm);
            for (average, norm) in tensors.filter(|(_, norm)| **norm > 0.0) {
                let clipped = coefficient * norm;
                *average = Some(average.map_or(clipped, |smallest| smallest.min(clipped)));
            }
            return Clip::Global(coefficient);
        }
        Clip::PerTensor(tensors.map(|(average, norm)| cut(average, *norm)).collect())
    }
}

/// The factor for one tensor after warm-up.
fn cut(average: &mut Option<f64>, norm: f64) -> f64 {
    let Some(old) = *average else {
        *average = (norm > 0.0).then_some(norm);
        return 1.0;
    };
    let coefficient = shrink_to(RELATIVE_LIMIT * old, norm);
    *average = Some(EMA * old + (1.0 - EMA) * coefficient * norm);
    coefficient
}
