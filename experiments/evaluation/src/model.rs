//! What a language model is to those who ask it: it reads tokens and says what it expects next.

use std::ops::Range;

/// One token that a model reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which of the model's sequences it is appended to. A sequence begins with its first row.
    pub sequence: usize,
    /// The token.
    pub token: u32,
    /// Position id.
    pub position: u32,
    /// Second id of 2-D positions: 0 in what is given, 1, 2, .. in what fills a blank.
    pub block: u32,
    /// The slots of its sequence that it attends to, its own among them: in order and apart.
    pub sees: Vec<Range<usize>>,
    /// Whether its logits are wanted.
    pub asks: bool,
}

/// A model that remembers what it has read.
pub trait Model {
    /// Ids of its vocabulary.
    fn vocabulary(&self) -> usize;

    /// Slots that a text and what answers it may have together, `model.seq_len`.
    fn slots(&self) -> usize;

    /// Forgets all sequences.
    fn clear(&mut self);

    /// Appends rows, those of one sequence next to one another, and gives the logits of the rows that ask, `[t, v]`.
    /// A row may attend to rows of its sequence that come later in the same call.
    fn read(&mut self, rows: &[Row]) -> Vec<f32>;
}

/// The natural logarithm of the sum of the exponentials of a row of logits; NaN where one is.
#[must_use]
pub fn log_sum_exp(logits: &[f32]) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|x| f64::from(x - largest).exp()).sum();
    f64::from(largest) + sum.ln()
}

/// All slots before one.
pub(crate) fn up_to(end: usize) -> Vec<Range<usize>> {
    std::iter::once(0..end).collect()
}

/// The place of the largest, the first of equals; none where there is no number.
pub(crate) fn largest(values: impl Iterator<Item = f64>) -> Option<usize> {
    let numbers = values.enumerate().filter(|(_, x)| !x.is_nan());
    let best = numbers.reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map(|(index, _)| index)
}
