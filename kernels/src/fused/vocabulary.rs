//! From the rows with a target to their losses and back, logits in place.

use super::linear::Linear;
use super::rows::{exp_scaled, log_sum_exp};
use super::spread::{cut, part, pieces};
use crate::matmul::Onto;
use crate::range::{Pass, store};
use crate::{Buffer, Rounding};
use rayon::prelude::*;

/// Rows of logits at a time.
const ROWS: usize = 64;

/// Projection to the vocabulary and cross-entropy, the latter in FP32 from stored logits.
#[derive(Debug)]
pub struct Vocabulary<'a> {
    /// `[v, h]`
    pub weight: &'a [f32],
    /// Width h.
    pub width: usize,
    /// Where logits are rounded.
    pub logits: Option<Rounding>,
}

/// Of every row with a target.
#[derive(Debug)]
pub struct TokenLosses {
    /// Cross-entropy in nats, `[t]`.
    pub losses: Vec<f32>,
    /// Logarithm of the softmax's denominator, `[t]`.
    pub log_z: Vec<f32>,
    /// Stored logits, `[t, v]`.
    pub logits: Buffer,
}

/// Gradients of [`TokenLosses`], `[t]` each.
#[derive(Debug)]
pub struct TokenGradients<'a> {
    /// Of the losses.
    pub losses: &'a [f32],
    /// Of the logarithms; absent where nothing depends on them.
    pub log_z: Option<&'a [f32]>,
}

impl Vocabulary<'_> {
    fn size(&self) -> usize {
        self.weight.len() / self.width
    }

    fn linear(&self) -> Linear<'_> {
        Linear {
            weight: self.weight,
            bias: None,
            inputs: self.width,
            outputs: self.size(),
        }
    }

    /// # Shapes
    /// - y: `[t, h]`, targets: `[t]`
    ///
    /// # Panics
    /// If a target is not in the vocabulary or a length does not fit.
    #[must_use]
    pub fn forward(&self, y: &[f32], targets: &[usize]) -> TokenLosses {
        let (t, v) = (targets.len(), self.size());
        assert_eq!(y.len(), t * self.width);
        let mut logits = Buffer::new(t * v);
        let pieces = pieces(t, ROWS);
        let alone = pieces.len() == 1;
        let linear = self.linear();
        let weight = linear.forward_weight();
        let both: Vec<[f32; 2]> = cut(&mut logits, v, &pieces)
            .into_par_iter()
            .with_max_len(1)
            .zip(&pieces)
            .flat_map_iter(|(logits, piece)| {
                let y = part(y, self.width, piece);
                linear.forward(&weight, logits, y, alone);
                store(logits, self.logits.as_ref(), Pass::Forward);
                let rows = logits.chunks_exact(v).zip(&targets[piece.clone()]);
                let losses: Vec<_> = rows
                    .map(|(row, target)| {
                        let (largest, log_sum) = log_sum_exp(row);
                        let loss = log_sum - (row[*target] - largest);
                        [loss, row[*target] + loss]
                    })
                    .collect();
                losses
            })
            .collect();
        TokenLosses {
            losses: both.iter().map(|[loss, _]| *loss).collect(),
            log_z: both.iter().map(|[_, log_z]| *log_z).collect(),
            logits,
        }
    }

    /// Overwrites the weight's gradient `[v, h]` and returns that of `y`, `[t, h]`. The logits in
    /// `forward` become their own gradients: `dL/dx = g (softmax(x) - onehot) + g_z softmax(x)`.
    ///
    /// # Panics
    /// If a length does not fit.
    #[must_use]
    pub fn backward(
        &self,
        y: &[f32],
        targets: &[usize],
        forward: &mut TokenLosses,
        gradients: &TokenGradients,
        weight: &mut [f32],
    ) -> Buffer {
        let (t, v) = (targets.len(), self.size());
        let mut dy = Buffer::new(t * self.width);
        let pieces = pieces(t, ROWS);
        let alone = pieces.len() == 1;
        let linear = self.linear();
        let linear_weight = linear.backward_weight();
        let log_z = &forward.log_z;
        cut(&mut forward.logits, v, &pieces)
            .into_par_iter()
            .zip(cut(&mut dy, self.width, &pieces))
            .with_max_len(1)
            .zip(&pieces)
            .for_each(|((logits, dy), piece)| {
                let rows = logits.chunks_exact_mut(v).zip(piece.clone());
                for (row, index) in rows {
                    let loss = gradients.losses[index];
                    let own = gradients.log_z.map_or(0.0, |log_z| log_z[index]);
                    exp_scaled(row, log_z[index], loss + own);
                    row[targets[index]] -= loss;
                }
                store(logits, self.logits.as_ref(), Pass::Backward);
                linear.backward(&linear_weight, dy, logits, alone);
            });
        linear.weight_gradient(weight, &forward.logits, y, Onto::Nothing, true);
        dy
    }
}

/// Copies the rows `indices` of a table, `[n, h]`, into consecutive rows.
///
/// # Panics
/// If an index lies outside the table.
pub fn gather_rows(out: &mut [f32], table: &[f32], indices: &[usize], width: usize) {
    for (row, index) in out.chunks_exact_mut(width).zip(indices) {
        row.copy_from_slice(&table[index * width..(index + 1) * width]);
    }
}

/// Adds consecutive rows to the rows `indices` of a table, in order.
///
/// # Panics
/// If an index lies outside the table.
pub fn scatter_rows(table: &mut [f32], rows: &[f32], indices: &[usize], width: usize) {
    for (row, index) in rows.chunks_exact(width).zip(indices) {
        super::rows::add(&mut table[index * width..(index + 1) * width], row);
    }
}
