//! From the rows with a target to their losses and back, logits in place.
//!
//! The vocabulary is cut into blocks, and all rows go through one block while its logits lie in the
//! cache. Blocks run side by side, forward for themselves, backward in groups that each sum up their own
//! gradient of the input.

use crate::layers::rows::{GROUPS, cut, pieces};
use crate::ranks::Ranks;
use kernels::slices::rows::{add, exp_scaled, exp_sum};
use kernels::slices::{ForwardWeight, Linear};
use kernels::{Buffer, Matrix, Onto, Pass, Prepared, Rounding, store};
use rayon::prelude::*;
use std::ops::Range;

/// Logits of a block, where there are not too many rows: they shall stay in the second-level cache.
const BLOCK: usize = 1 << 18;

/// Tokens of a block.
const FEWEST: usize = 128;
const MOST: usize = 512;

/// Projection to the vocabulary and cross-entropy, the latter in FP32 from stored logits.
#[derive(Debug)]
pub(crate) struct Vocabulary<'a> {
    /// `[v, h]`
    pub(crate) weight: &'a [f32],
    /// Width h.
    pub(crate) width: usize,
    /// Where logits are rounded.
    pub(crate) logits: Option<&'a Rounding>,
    /// The ranks that share the vocabulary, where there are several: `weight` is then this rank's tokens.
    pub(crate) tensor: Option<&'a Ranks>,
    /// The first of them.
    pub(crate) first: usize,
    /// What [`prepare`] made of `weight`, where many passes share it.
    pub(crate) prepared: Option<&'a [ForwardWeight<'a>]>,
}

/// The projection, ready for the forward products of many passes: blocks of the most tokens, whatever the rows of a pass.
pub(crate) fn prepare(weight: &[f32], width: usize) -> Vec<ForwardWeight<'_>> {
    let linear = |block: Range<usize>| linear(weight, width, &block).forward_weight();
    let blocks = pieces(weight.len() / width, MOST);
    blocks.into_iter().map(linear).collect()
}

/// The projection to the tokens of a block.
fn linear<'a>(weight: &'a [f32], width: usize, block: &Range<usize>) -> Linear<'a> {
    Linear {
        weight: &weight[block.start * width..block.end * width],
        bias: None,
        inputs: width,
        outputs: block.len(),
    }
}

/// Of every row with a target.
#[derive(Debug)]
pub(crate) struct TokenLosses {
    /// Cross-entropy in nats, `[t]`.
    pub(crate) losses: Vec<f32>,
    /// Logarithm of the softmax's denominator, `[t]`.
    pub(crate) log_z: Vec<f32>,
    /// Stored logits, block after block of the vocabulary, each `[t, tokens]`.
    logits: Buffer,
    /// Tokens of each block.
    blocks: Vec<Range<usize>>,
}

impl TokenLosses {
    /// Stored logits, `[t, v]`.
    pub(crate) fn logits(&self) -> Vec<f32> {
        let t = self.losses.len();
        let v = self.blocks.last().map_or(0, |block| block.end);
        let mut rows = vec![0.0; t * v];
        for block in &self.blocks {
            let own = &self.logits[block.start * t..block.end * t];
            let rows = rows.chunks_exact_mut(v);
            for (row, own) in rows.zip(own.chunks_exact(block.len())) {
                row[block.clone()].copy_from_slice(own);
            }
        }
        rows
    }

    fn logit(&self, row: usize, token: usize, rows: usize) -> f32 {
        // Blocks are equally long, except the last.
        let block = &self.blocks[token / self.blocks[0].len()];
        self.logits[block.start * rows + row * block.len() + token - block.start]
    }
}

/// Gradients of [`TokenLosses`], `[t]` each.
#[derive(Debug)]
pub(crate) struct TokenGradients<'a> {
    /// Of the losses.
    pub(crate) losses: &'a [f32],
    /// Of the logarithms; absent where nothing depends on them.
    pub(crate) log_z: Option<&'a [f32]>,
}

/// What a row's logits in one block come to.
#[derive(Debug, Clone, Copy)]
struct Row {
    largest: f32,
    /// Of `e^(x - largest)`.
    sum: f32,
}

impl Row {
    /// Of no logits.
    const NOTHING: Self = Self {
        largest: f32::NEG_INFINITY,
        sum: 0.0,
    };

    /// Of both blocks' logits.
    fn with(self, other: Self) -> Self {
        let largest = if other.largest > self.largest {
            other.largest
        } else {
            self.largest
        };
        // Nothing of a block whose logits are all -inf; NaN of one with NaN.
        let term = |row: Self| {
            if row.sum == 0.0 {
                0.0
            } else {
                row.sum * (row.largest - largest).exp()
            }
        };
        Self {
            largest,
            sum: term(self) + term(other),
        }
    }
}

/// From two numbers for every row of each rank's tokens to those of all.
fn over_ranks(ranks: &Ranks, own: &[f32]) -> Vec<Row> {
    let told = ranks.share_out(own);
    let row = |numbers: &[f32], index: usize| Row {
        largest: numbers[2 * index],
        sum: numbers[2 * index + 1],
    };
    let all = (0..own.len() / 2).map(|index| {
        let of_ranks = told.iter().map(|numbers| row(numbers, index));
        of_ranks.fold(Row::NOTHING, Row::with)
    });
    all.collect()
}

impl Vocabulary<'_> {
    fn size(&self) -> usize {
        self.weight.len() / self.width
    }

    /// Blocks of the vocabulary for so many rows.
    fn blocks(&self, rows: usize) -> Vec<Range<usize>> {
        if self.prepared.is_some() {
            return pieces(self.size(), MOST);
        }
        let tokens = BLOCK / rows.max(1) / 32 * 32;
        pieces(self.size(), tokens.clamp(FEWEST, MOST))
    }

    /// The projection to the tokens of a block.
    fn linear(&self, block: &Range<usize>) -> Linear<'_> {
        linear(self.weight, self.width, block)
    }

    /// # Shapes
    /// - y: `[t, h]`, targets: `[t]`
    ///
    /// # Panics
    /// If a target is not in the vocabulary or a length does not fit.
    pub(crate) fn forward(&self, y: &[f32], targets: &[usize]) -> TokenLosses {
        let (t, v) = (targets.len(), self.size());
        assert_eq!(y.len(), t * self.width);
        let blocks = self.blocks(t);
        let mut logits = Buffer::new(t * v);
        let rows: Vec<Vec<Row>> = cut(&mut logits, t, &blocks)
            .into_par_iter()
            .with_max_len(1)
            .zip(blocks.par_iter().enumerate())
            .map(|(logits, (index, block))| {
                let linear = self.linear(block);
                match self.prepared {
                    Some(prepared) => linear.forward(&prepared[index], logits, y, false),
                    None => linear.forward(&linear.forward_weight(), logits, y, false),
                }
                store(logits, self.logits, Pass::Forward);
                let row = |row: &[f32]| {
                    let (largest, sum) = exp_sum(row);
                    Row { largest, sum }
                };
                logits.chunks_exact(block.len()).map(row).collect()
            })
            .collect();
        let mut tokens = TokenLosses {
            losses: Vec::with_capacity(t),
            log_z: Vec::with_capacity(t),
            logits,
            blocks,
        };
        let own = (0..t).map(|index| {
            let all = rows.iter().map(|rows| rows[index]);
            all.fold(Row::NOTHING, Row::with)
        });
        let all: Vec<Row> = match self.tensor {
            None => own.collect(),
            Some(ranks) => {
                let own: Vec<f32> = own.flat_map(|row| [row.largest, row.sum]).collect();
                over_ranks(ranks, &own)
            }
        };
        let logits: Vec<f32> = targets
            .iter()
            .enumerate()
            .map(|(index, target)| match self.own_token(*target) {
                Some(token) => tokens.logit(index, token, t),
                None => 0.0,
            })
            .collect();
        let logits = match self.tensor {
            None => logits,
            Some(ranks) => {
                let mut sums = logits;
                ranks.sum(&mut sums);
                sums
            }
        };
        for (Row { largest, sum }, logit) in all.into_iter().zip(logits) {
            let loss = sum.ln() - (logit - largest);
            tokens.losses.push(loss);
            tokens.log_z.push(logit + loss);
        }
        tokens
    }

    /// The place of a token among this rank's; none where another has it.
    fn own_token(&self, token: usize) -> Option<usize> {
        let own = token.checked_sub(self.first)?;
        (own < self.size()).then_some(own)
    }

    /// Overwrites the weight's gradient `[v, h]` and returns that of `y`, `[t, h]`, of this rank's tokens. The logits in
    /// `forward` become their own gradients: `dL/dx = g (softmax(x) - onehot) + g_z softmax(x)`.
    ///
    /// # Panics
    /// If a length does not fit.
    pub(crate) fn backward(
        &self,
        y: &[f32],
        targets: &[usize],
        forward: &mut TokenLosses,
        gradients: &TokenGradients,
        weight: &mut [f32],
    ) -> Buffer {
        let (t, h) = (targets.len(), self.width);
        let TokenLosses {
            log_z,
            logits,
            blocks,
            ..
        } = forward;
        let y = Prepared::new(Matrix::new(y, t, h));
        let logits = cut(logits, t, blocks);
        let mut jobs: Vec<_> = blocks
            .iter()
            .zip(logits.into_iter().zip(cut(weight, h, blocks)))
            .collect();
        let sums: Vec<Buffer> = jobs
            .par_chunks_mut(blocks.len().div_ceil(GROUPS))
            .with_max_len(1)
            .map(|group| {
                let mut dy = Buffer::new(t * h);
                let mut onto = Onto::Nothing;
                for (block, (logits, weight)) in group {
                    for (index, row) in logits.chunks_exact_mut(block.len()).enumerate() {
                        let loss = gradients.losses[index];
                        let own = gradients.log_z.map_or(0.0, |log_z| log_z[index]);
                        exp_scaled(row, log_z[index], loss + own);
                        let own = self.own_token(targets[index]);
                        if let Some(token) = own.filter(|token| block.contains(token)) {
                            row[token - block.start] -= loss;
                        }
                    }
                    store(logits, self.logits, Pass::Backward);
                    let linear = self.linear(block);
                    let dlogits = Matrix::new(logits, t, block.len()).transposed();
                    y.matmul_here(weight, dlogits);
                    linear.backward_onto(&mut dy, logits, onto);
                    onto = Onto::Sum;
                }
                dy
            })
            .collect();
        let mut sums = sums.into_iter();
        let mut dy = sums.next().unwrap_or_default();
        for sum in sums {
            add(&mut dy, &sum);
        }
        dy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of more than one block, and rows that would make other ones.
    #[test]
    fn a_projection_that_is_prepared_once_gives_the_same_bits() {
        let (width, size) = (5, 2 * MOST + 77);
        let values = |len: usize| -> Vec<f32> { (0..len).map(|i| (i as f32).sin()).collect() };
        let weight = values(size * width);
        let prepared = prepare(&weight, width);
        assert_eq!(prepared.len(), 3);
        for rows in [1, 3, 1200] {
            let logits = |prepared| {
                let vocabulary = Vocabulary {
                    weight: &weight,
                    width,
                    logits: None,
                    tensor: None,
                    first: 0,
                    prepared,
                };
                let targets = vec![0; rows];
                vocabulary.forward(&values(rows * width), &targets).logits()
            };
            assert_eq!(logits(Some(&prepared[..])), logits(None), "{rows} rows");
        }
    }
}
