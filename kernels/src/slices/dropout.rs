//! Dropout by masks that the caller has drawn.

#![expect(
    clippy::inline_always,
    reason = "only what is inlined is compiled for the CPU at hand"
)]

use crate::simd::{LANES, vectorised};

/// How a mask is drawn from a `ChaCha` stream: an element is dropped where the next number of 64 bits is below the
/// threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskDraws {
    /// Key of the generator.
    pub key: [u32; 8],
    /// Number of its stream.
    pub stream: u64,
    /// Where in the stream the mask begins, in words of 32 bits; even.
    pub word: u64,
    /// `p · 2^64` for a probability of dropping p.
    pub threshold: u64,
    /// What kept elements are multiplied by, `1 / (1 - p)`.
    pub keep: f32,
}

/// Which elements of a tensor of rows dropout keeps, a bit for each.
#[derive(Debug, Clone)]
pub struct Mask {
    width: usize,
    /// What kept elements are multiplied by.
    keep: f32,
    /// Every row begins with a word; a set bit keeps, the lowest first.
    words: Vec<u16>,
}

/// Elements of a word.
const WORD: usize = u16::BITS as usize;

impl Mask {
    /// Words of a row of `width` elements.
    #[must_use]
    pub fn words_of_row(width: usize) -> usize {
        width.div_ceil(WORD)
    }

    /// A mask over rows of `width` elements, from [`Mask::words_of_row`] words for each: its lowest bit
    /// is the first element's, and a set bit keeps. What is kept is multiplied by `keep`, `1 / (1 - p)`
    /// for a probability of dropping p.
    ///
    /// # Panics
    /// If the words are not those of whole rows.
    #[must_use]
    pub fn new(width: usize, keep: f32, words: Vec<u16>) -> Self {
        assert!(words.len().is_multiple_of(Self::words_of_row(width)));
        Self { width, keep, words }
    }

    /// The words of the rows from `first` on.
    fn words(&self, first: usize) -> &[u16] {
        &self.words[first * Self::words_of_row(self.width)..]
    }

    /// Multiplies rows, the first of which is row `first` of the tensor, by 0 or `keep`: what is not
    /// finite is dropped to NaN.
    pub fn apply(&self, first: usize, rows: &mut [f32]) {
        drop_rows(rows, self.width, self.words(first), self.keep);
    }

    /// The factors of all elements, row by row.
    #[must_use]
    pub fn factors(&self) -> Vec<f32> {
        let rows = self.words.len() / Self::words_of_row(self.width);
        let mut factors = vec![1.0; rows * self.width];
        self.apply(0, &mut factors);
        factors
    }
}

vectorised! {
    fn drop_rows(rows: &mut [f32], width: usize, words: &[u16], keep: f32) {
        let words = words.chunks_exact(Mask::words_of_row(width));
        for (row, words) in rows.chunks_exact_mut(width).zip(words) {
            let (blocks, rest) = row.as_chunks_mut::<LANES>();
            for (block, word) in blocks.iter_mut().zip(words) {
                drop_block(block, *word, keep);
            }
            if let Some(word) = words.get(blocks.len()) {
                drop_block(rest, *word, keep);
            }
        }
    }
}

#[inline(always)]
fn drop_block(block: &mut [f32], word: u16, keep: f32) {
    for (i, x) in block.iter_mut().enumerate() {
        let kept = u32::from(word) >> i & 1;
        *x *= kept as f32 * keep;
    }
}

// A block of vector code takes a word.
const _: () = assert!(LANES == WORD);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_has_its_own_bit() {
        // Two rows of two words each, the second of which is used in part.
        let words = vec![0b1, 0b100, 0xffff, 0b11];
        let mask = Mask::new(19, 2.0, words);
        let factors = mask.factors();
        let kept: Vec<usize> = (0..38).filter(|i| factors[*i] == 2.0).collect();
        let expected: Vec<usize> = [0, 18].into_iter().chain(19..37).collect();
        assert_eq!(kept, expected);
        assert!(factors.iter().all(|factor| [0.0, 2.0].contains(factor)));

        let mut second = vec![3.0; 19];
        mask.apply(1, &mut second);
        assert_eq!((second[17], second[18]), (6.0, 0.0));
    }

    #[test]
    fn what_is_not_finite_stays_so() {
        let mut row = [f32::INFINITY, f32::NAN];
        Mask::new(2, 1.0, vec![0]).apply(0, &mut row);
        assert!(row.iter().all(|x| x.is_nan()));
    }
}
