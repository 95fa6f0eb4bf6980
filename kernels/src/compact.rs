//! Sequences of integers in few bytes, as they cross the bus: ids of slots are mostly constant or rise by 1, and those of
//! tokens mostly have 16 bits.

use std::ops::Range;

/// Where a sequence begins is a multiple of this, so that a device need not copy it to read it alone.
const STEP: usize = 128;

/// How the values of a piece follow from its number.
const CONSTANT: u32 = 0;
const RISING: u32 = 1;
/// The number is a place in the data: two values in a word there, and one.
const HALVES: u32 = 2;
const WORDS: u32 = 3;

/// Several sequences. A device expands them into one array, of which each is a part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compact {
    /// Of every piece its first element times 4, plus its kind, and its number.
    pieces: Vec<[u32; 2]>,
    data: Vec<u32>,
    parts: Vec<Range<usize>>,
}

impl Compact {
    /// Adds a sequence; where it lies is [`Compact::parts`]' next.
    pub fn add(&mut self, values: &[i32]) {
        let start = self.len();
        let pieces = pieces(values);
        let words = 2 * pieces.len();
        let fits_16 = values.iter().all(|value| u16::try_from(*value).is_ok());
        let stored = if fits_16 {
            values.len().div_ceil(2)
        } else {
            values.len()
        };
        if words <= stored {
            let all = pieces.into_iter();
            let all = all.map(|(first, kind, value)| (start + first, kind, value as u32));
            self.pieces.extend(all.map(piece));
        } else {
            let place = self.data.len() as u32;
            let kind = if fits_16 { HALVES } else { WORDS };
            self.pieces.push(piece((start, kind, place)));
            if fits_16 {
                let pairs = values.chunks(2);
                let pair = |pair: &[i32]| {
                    pair[0] as u32 | pair.get(1).map_or(0, |high| (*high as u32) << 16)
                };
                self.data.extend(pairs.map(pair));
            } else {
                self.data.extend(values.iter().map(|value| *value as u32));
            }
        }
        let end = start + values.len();
        if end < end.next_multiple_of(STEP) {
            self.pieces.push(piece((end, CONSTANT, 0)));
        }
        self.parts.push(start..end);
    }

    /// Where the sequences lie in the array, in the order in which they were added.
    #[must_use]
    pub fn parts(&self) -> &[Range<usize>] {
        &self.parts
    }

    /// Elements of the array.
    #[must_use]
    pub fn len(&self) -> usize {
        let end = self.parts.last().map_or(0, |part| part.end);
        end.next_multiple_of(STEP)
    }

    /// Whether there is nothing to expand.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What crosses the bus: the pieces, then the data.
    #[must_use]
    pub fn words(&self) -> Vec<u32> {
        [self.pieces.as_flattened(), &self.data].concat()
    }

    /// How many pieces there are.
    #[must_use]
    pub fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// The array.
    #[must_use]
    pub fn expanded(&self) -> Vec<i32> {
        let ends = self
            .pieces
            .iter()
            .skip(1)
            .map(|[head, _]| *head as usize / 4);
        let ends = ends.chain([self.len()]);
        let all = self
            .pieces
            .iter()
            .zip(ends)
            .flat_map(|([head, number], end)| {
                let (len, place) = (end - *head as usize / 4, *number as usize);
                (0..len).map(move |i| match head % 4 {
                    RISING => *number as i32 + i as i32,
                    HALVES => (self.data[place + i / 2] >> (16 * (i % 2)) & 0xffff) as i32,
                    WORDS => self.data[place + i] as i32,
                    _ => *number as i32,
                })
            });
        all.collect()
    }
}

fn piece((first, kind, number): (usize, u32, u32)) -> [u32; 2] {
    [4 * first as u32 + kind, number]
}

/// Stretches that are constant or rise by 1: first element, kind and first value.
fn pieces(values: &[i32]) -> Vec<(usize, u32, i32)> {
    let mut all = Vec::new();
    let mut first = 0;
    while first < values.len() {
        let step = |i: usize| values[i + 1].wrapping_sub(values[i]);
        let rises = first + 1 < values.len() && step(first) == 1;
        let mut end = first + 1;
        while end < values.len() && step(end - 1) == i32::from(rises) {
            end += 1;
        }
        all.push((first, if rises { RISING } else { CONSTANT }, values[first]));
        first = end;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(sequences: &[Vec<i32>]) -> usize {
        let mut compact = Compact::default();
        for sequence in sequences {
            compact.add(sequence);
        }
        let all = compact.expanded();
        assert_eq!(all.len(), compact.len());
        for (part, sequence) in compact.parts().iter().zip(sequences) {
            assert_eq!(all[part.clone()], sequence[..]);
            assert!(part.start.is_multiple_of(STEP));
        }
        4 * compact.words().len()
    }

    #[test]
    fn what_slots_have_takes_few_bytes() {
        let rising: Vec<i32> = (0..1000).collect();
        let spans: Vec<i32> = rising.iter().map(|i| i / 100 * 7).collect();
        let tokens: Vec<i32> = rising.iter().map(|i| i * 7919 % 50_000).collect();
        let many: Vec<i32> = rising.iter().map(|i| i * 79_199 % 150_000).collect();
        assert!(check(&[rising]) < 50);
        assert!(check(&[spans]) < 120);
        assert!(check(&[tokens]) < 2_050);
        assert!(check(&[many]) < 4_050);
    }

    #[test]
    fn nothing_and_the_ends_of_the_range_survive() {
        check(&[]);
        check(&[vec![i32::MAX, i32::MIN, -1, 0, i32::MAX]]);
        check(&[vec![5; 128], vec![65_535, 0, 65_536], vec![1]]);
    }

    proptest! {
        #[test]
        fn prop_what_is_sent_comes_back(
            sequences in prop::collection::vec(
                prop::collection::vec(prop_oneof![0..4, any::<i32>()], 1..300), 0..5,
            ),
        ) {
            check(&sequences);
        }
    }
}
