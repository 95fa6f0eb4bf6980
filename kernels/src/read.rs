//! Reading memory as fast as it can be read: what bounds a product that uses every byte once.

use crate::simd::{fetch, vectorised};
use rayon::prelude::*;

/// Bytes that a thread takes at a time.
const PART: usize = 1 << 19;

/// Words of a line of the cache.
const LINE: usize = 8;

/// How far ahead lines are asked for, in bytes.
const AHEAD: usize = 4096;

/// Sum of all words of 64 bits, modulo 2⁶⁴; of what is left over nothing is read. It is spread over rayon's threads and has the
/// widest loads of this CPU.
#[must_use]
pub fn sum_of_words(bytes: &[u8]) -> u64 {
    let sums = bytes.par_chunks(PART).with_max_len(1).map(sum);
    sums.reduce(|| 0, u64::wrapping_add)
}

vectorised! {
    fn sum(bytes: &[u8]) -> u64 {
        // As many lines as hide an addition behind the next.
        let mut sums = [[0_u64; LINE]; 4];
        let (words, _) = bytes.as_chunks::<8>();
        let (lines, _) = words.as_chunks::<LINE>();
        let (blocks, rest) = lines.as_chunks::<4>();
        for block in blocks {
            for (sums, line) in sums.iter_mut().zip(block) {
                fetch(line, AHEAD);
                for (sum, word) in sums.iter_mut().zip(line) {
                    *sum = sum.wrapping_add(u64::from_le_bytes(*word));
                }
            }
        }
        let left = &words[lines.len() * LINE..];
        let left = rest.as_flattened().iter().chain(left);
        let left = left.fold(0_u64, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)));
        sums.as_flattened().iter().fold(left, |sum, own| sum.wrapping_add(*own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_once() {
        for length in [0, 7, 8, 9, 255, 256, 1000, PART + 24, 3 * PART + 520] {
            let bytes: Vec<u8> = (0..length).map(|i| (i * 37 + i / 251) as u8).collect();
            let words = bytes.as_chunks::<8>().0.iter();
            let expected = words.fold(0_u64, |sum, word| {
                sum.wrapping_add(u64::from_le_bytes(*word))
            });
            assert_eq!(sum_of_words(&bytes), expected, "{length}");
        }
    }
}
