//! Attention head by head; what a head needs in the backward pass is computed again.

use super::linear::Linear;
use super::stats::{Pass, Recorder};
use crate::layers::attention::{FORBIDDEN, frequencies};
use kernels::{Matrix, matmul};

/// `softmax(q kᵀ / √d) v` over heads, between two linear maps.
pub(super) struct Attention {
    /// `layers.34.attention`.
    pub(super) name: String,
    pub(super) qkv: Linear,
    pub(super) out: Linear,
    pub(super) num_heads: usize,
    /// L with query-key layer scaling, else 1: what stored scores lack.
    pub(super) missing: f64,
    /// Slots seen by all; beyond them attention is causal.
    pub(super) prefix: usize,
    /// Softmax rounds every step.
    pub(super) softmax_half: bool,
    pub(super) rope_base: f64,
}

/// Kept for the backward pass.
pub(super) struct Saved {
    qkv_s3h: Vec<f32>,
    context_sh: Vec<f32>,
}

/// One head: query after its scale, key, value `[s, d]`, probabilities before and after rounding
/// `[s, s]`.
struct Head {
    q_sd: Vec<f32>,
    k_sd: Vec<f32>,
    v_sd: Vec<f32>,
    exact_ss: Vec<f32>,
    p_ss: Vec<f32>,
}

/// Cosines and sines of all slots, `[s, d/2]`.
struct Rope {
    cos: Vec<f32>,
    sin: Vec<f32>,
    half: usize,
}

impl Rope {
    fn new(tokens: usize, head_dim: usize, base: f64, recorder: &Recorder) -> Self {
        let half = head_dim / 2;
        let angles = (0..tokens).flat_map(|slot| {
            frequencies(base, head_dim).map(move |frequency| slot as f64 * frequency)
        });
        let mut cos: Vec<f32> = angles.clone().map(|a| a.cos() as f32).collect();
        let mut sin: Vec<f32> = angles.map(|a| a.sin() as f32).collect();
        recorder.round(&mut cos);
        recorder.round(&mut sin);
        Self { cos, sin, half }
    }

    /// Turns every row; `sign` -1 turns back, which is the backward pass.
    fn turn(&self, x_sd: &mut [f32], sign: f32) {
        for (slot, row) in x_sd.chunks_exact_mut(2 * self.half).enumerate() {
            let (first, second) = row.split_at_mut(self.half);
            for (i, (a, b)) in first.iter_mut().zip(second).enumerate() {
                let (cos, sin) = (
                    self.cos[slot * self.half + i],
                    sign * self.sin[slot * self.half + i],
                );
                (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
            }
        }
    }
}

impl Attention {
    fn head_dim(&self) -> usize {
        self.out.inputs / self.num_heads
    }

    fn label(&self, part: &str) -> String {
        format!("{}.{part}", self.name)
    }

    /// Whether slot `from` may attend to slot `to`.
    fn allowed(&self, from: usize, to: usize) -> bool {
        to <= from || to < self.prefix
    }

    /// # Shapes
    /// - y and output: `[s, h]`
    pub(super) fn forward(
        &self,
        y_sh: &[f32],
        tokens: usize,
        recorder: &mut Recorder,
    ) -> (Vec<f32>, Saved) {
        let mut qkv_s3h = self.qkv.forward(y_sh, tokens);
        recorder.store(&self.label("qkv"), Pass::Forward, &mut qkv_s3h);
        let rope = Rope::new(tokens, self.head_dim(), self.rope_base, recorder);
        let d = self.head_dim();
        let mut context_sh = vec![0.0; tokens * self.out.inputs];
        for number in 0..self.num_heads {
            let head = self.head(number, &qkv_s3h, &rope, tokens, recorder, true);
            let mut context_sd = vec![0.0; tokens * d];
            let p = Matrix::new(&head.p_ss, tokens, tokens);
            matmul(&mut context_sd, p, Matrix::new(&head.v_sd, tokens, d));
            recorder.store(&self.label("context"), Pass::Forward, &mut context_sd);
            scatter(&context_sd, &mut context_sh, d, self.out.inputs, number * d);
        }
        let mut y_sh = self.out.forward(&context_sh, tokens);
        recorder.store(&self.label("out"), Pass::Forward, &mut y_sh);
        let saved = Saved {
            qkv_s3h,
            context_sh,
        };
        (y_sh, saved)
    }

    /// Query, key, value and probabilities of one head; `count` says whether this is the first time.
    fn head(
        &self,
        number: usize,
        qkv_s3h: &[f32],
        rope: &Rope,
        tokens: usize,
        recorder: &mut Recorder,
        count: bool,
    ) -> Head {
        let (d, h) = (self.head_dim(), self.out.inputs);
        let mut keep = |part: &str, values: &mut [f32]| {
            if count {
                recorder.store(&self.label(part), Pass::Forward, values);
            } else {
                recorder.round(values);
            }
        };
        let part = |index: usize| gather(qkv_s3h, d, 3 * h, index * h + number * d);
        let (mut q_sd, mut k_sd) = (part(0), part(1));
        rope.turn(&mut q_sd, 1.0);
        keep("query", &mut q_sd);
        rope.turn(&mut k_sd, 1.0);
        keep("key", &mut k_sd);
        let scale = self.query_scale();
        for q in &mut q_sd {
            *q *= scale;
        }
        keep("query_scaled", &mut q_sd);
        let mut scores_ss = vec![0.0; tokens * tokens];
        let k = Matrix::new(&k_sd, tokens, d);
        matmul(
            &mut scores_ss,
            Matrix::new(&q_sd, tokens, d),
            k.transposed(),
        );
        keep("scores", &mut scores_ss);
        let missing = self.missing as f32;
        for (i, score) in scores_ss.iter_mut().enumerate() {
            let allowed = self.allowed(i / tokens, i % tokens);
            *score = if allowed { *score * missing } else { FORBIDDEN };
        }
        let mut exact_ss = scores_ss;
        for row in exact_ss.chunks_exact_mut(tokens) {
            self.softmax(row, &mut keep);
        }
        let mut p_ss = exact_ss.clone();
        keep("probabilities", &mut p_ss);
        Head {
            q_sd,
            k_sd,
            v_sd: part(2),
            exact_ss,
            p_ss,
        }
    }

    fn query_scale(&self) -> f32 {
        ((self.head_dim() as f64).sqrt() * self.missing).recip() as f32
    }

    fn softmax(&self, row: &mut [f32], keep: &mut impl FnMut(&str, &mut [f32])) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        for x in row.iter_mut() {
            *x -= largest;
        }
        if self.softmax_half {
            keep("softmax", row);
        }
        for x in row.iter_mut() {
            *x = x.exp();
        }
        if self.softmax_half {
            keep("softmax", row);
        }
        let mut sum = [row.iter().sum::<f32>()];
        if self.softmax_half {
            keep("softmax", &mut sum);
        }
        for x in row.iter_mut() {
            *x /= sum[0];
        }
    }

    /// # Shapes
    /// - dy, y (the input of the forward pass) and output: `[s, h]`
    pub(super) fn backward(
        &self,
        dy_sh: &[f32],
        y_sh: &[f32],
        saved: Saved,
        tokens: usize,
        recorder: &mut Recorder,
    ) -> Vec<f32> {
        let (d, h) = (self.head_dim(), self.out.inputs);
        let Saved {
            qkv_s3h,
            context_sh,
        } = saved;
        let mut dcontext_sh = self.out.backward(dy_sh, &context_sh, tokens, recorder);
        drop(context_sh);
        recorder.store(&self.label("context"), Pass::Backward, &mut dcontext_sh);
        let rope = Rope::new(tokens, d, self.rope_base, recorder);
        let mut dqkv_s3h = vec![0.0; tokens * 3 * h];
        for number in 0..self.num_heads {
            let head = self.head(number, &qkv_s3h, &rope, tokens, recorder, false);
            let dcontext_sd = gather(&dcontext_sh, d, h, number * d);
            let parts = self.head_backward(&head, &dcontext_sd, &rope, tokens, recorder);
            for (index, values) in parts.iter().enumerate() {
                scatter(values, &mut dqkv_s3h, d, 3 * h, index * h + number * d);
            }
        }
        drop((qkv_s3h, dcontext_sh));
        recorder.store(&self.label("qkv"), Pass::Backward, &mut dqkv_s3h);
        self.qkv.backward(&dqkv_s3h, y_sh, tokens, recorder)
    }

    /// Gradients of query, key and value before positions, `[s, d]` each.
    fn head_backward(
        &self,
        head: &Head,
        dcontext_sd: &[f32],
        rope: &Rope,
        tokens: usize,
        recorder: &mut Recorder,
    ) -> [Vec<f32>; 3] {
        let d = self.head_dim();
        let square = |values| Matrix::new(values, tokens, tokens);
        let narrow = |values| Matrix::new(values, tokens, d);
        let mut dv_sd = vec![0.0; tokens * d];
        matmul(
            &mut dv_sd,
            square(&head.p_ss).transposed(),
            narrow(dcontext_sd),
        );
        let mut dp_ss = vec![0.0; tokens * tokens];
        matmul(
            &mut dp_ss,
            narrow(dcontext_sd),
            narrow(&head.v_sd).transposed(),
        );
        recorder.store(&self.label("probabilities"), Pass::Backward, &mut dp_ss);
        // ds = p (dp - Σ dp p), zero where attention is forbidden.
        let missing = self.missing as f32;
        for (from, (dp, p)) in dp_ss
            .chunks_exact_mut(tokens)
            .zip(head.exact_ss.chunks_exact(tokens))
            .enumerate()
        {
            let mean: f32 = dp.iter().zip(p).map(|(dp, p)| dp * p).sum();
            for (to, (dp, p)) in dp.iter_mut().zip(p).enumerate() {
                let allowed = self.allowed(from, to);
                *dp = if allowed {
                    missing * p * (*dp - mean)
                } else {
                    0.0
                };
            }
        }
        recorder.store(&self.label("scores"), Pass::Backward, &mut dp_ss);
        let (mut dq_sd, mut dk_sd) = (vec![0.0; tokens * d], vec![0.0; tokens * d]);
        matmul(&mut dq_sd, square(&dp_ss), narrow(&head.k_sd));
        matmul(&mut dk_sd, square(&dp_ss).transposed(), narrow(&head.q_sd));
        recorder.store(&self.label("query_scaled"), Pass::Backward, &mut dq_sd);
        let scale = self.query_scale();
        for g in &mut dq_sd {
            *g *= scale;
        }
        recorder.store(&self.label("query"), Pass::Backward, &mut dq_sd);
        recorder.store(&self.label("key"), Pass::Backward, &mut dk_sd);
        rope.turn(&mut dq_sd, -1.0);
        rope.turn(&mut dk_sd, -1.0);
        [dq_sd, dk_sd, dv_sd]
    }
}

/// Columns `first .. first + width` of rows `stride` wide.
fn gather(from: &[f32], width: usize, stride: usize, first: usize) -> Vec<f32> {
    let rows = from.chunks_exact(stride);
    rows.flat_map(|row| &row[first..first + width])
        .copied()
        .collect()
}

/// The way back.
fn scatter(from: &[f32], to: &mut [f32], width: usize, stride: usize, first: usize) {
    let rows = to.chunks_exact_mut(stride).zip(from.chunks_exact(width));
    for (row, values) in rows {
        row[first..first + width].copy_from_slice(values);
    }
}
