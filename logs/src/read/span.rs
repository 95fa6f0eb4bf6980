//! What a per-layer signal does in one record, in eight bytes: enough to find the records in which some layer moves, so that of a long
//! run their lines are among those that are read. It follows from the record alone, whoever reads it and in whatever order.

use crate::record::{Name, Record};

/// Least and greatest value over the layers, and how rough the signal is over depth, each with the digits that eight bytes have
/// room for and none more: enough to tell which of two is greater.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) low: f32,
    /// Not a number where any value is not finite.
    pub(super) high: f32,
    /// Sum over all layers of how far the logarithm of a layer's magnitude is from the line between those of its neighbours, doubled.
    /// It changes when one layer moves, also where that stays between the least and the greatest of the others, and not when all
    /// layers move together.
    pub(super) rough: f32,
}

/// A span, or that there is none, as bits.
pub(super) type Bits = u64;

/// The bits where a record does not have the signal. Those of a span are others.
pub(super) const ABSENT: Bits = u64::MAX;
/// Bits of the least and the greatest value, and of the roughness: the upper ones of a 32-bit float.
const VALUE: u32 = 24;
const ROUGH: u32 = 16;

impl Span {
    /// Of the values of all layers; none without layers.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let first = *values.first()?;
        let (mut low, mut high) = (first, first);
        for value in values {
            (low, high) = (low.min(*value), high.max(*value));
        }
        if values.iter().any(|value| !value.is_finite()) {
            let high = f32::NAN;
            return Some(Self {
                low: low as f32,
                high,
                rough: 0.0,
            });
        }
        // A layer without gradient is as far from the others as the smallest number.
        let size = |value: &f64| value.abs().max(1e-30).ln();
        let bend =
            |three: &[f64]| (size(&three[0]) - 2.0 * size(&three[1]) + size(&three[2])).abs();
        let rough = values.windows(3).map(bend);
        Some(Self {
            low: low as f32,
            high: high as f32,
            rough: rough.sum::<f64>() as f32,
        })
    }

    pub(super) fn bits(self) -> Bits {
        let part = |value: f32, bits: u32| u64::from(value.to_bits() >> (32 - bits));
        part(self.high, VALUE) << (VALUE + ROUGH)
            | part(self.low, VALUE) << ROUGH
            | part(self.rough, ROUGH)
    }

    pub(super) fn from_bits(bits: Bits) -> Option<Self> {
        let part = |from: u32, width: u32| {
            let own = bits >> from & ((1 << width) - 1);
            f32::from_bits((own as u32) << (32 - width))
        };
        (bits != ABSENT).then(|| Self {
            high: part(VALUE + ROUGH, VALUE),
            low: part(ROUGH, VALUE),
            rough: part(0, ROUGH),
        })
    }
}

/// The bits of a signal in a record that has its layers.
pub(super) fn of_record(record: &Record, signal: &str) -> Bits {
    let values = record.layers.get(signal);
    values
        .and_then(|values| Span::of(values))
        .map_or(ABSENT, Span::bits)
}

/// Takes the layers of a record away, and leaves the bits of each in the order of `names`, which grows by those that are new.
pub(super) fn take(record: &mut Record, names: &mut Vec<Name>) -> Box<[Bits]> {
    let mut all = vec![ABSENT; names.len()];
    for (name, values) in std::mem::take(&mut record.layers) {
        let bits = Span::of(&values).map_or(ABSENT, Span::bits);
        put(&mut all, names, &name, bits);
    }
    all.into()
}

/// Puts the bits of a signal in their place.
pub(super) fn put(all: &mut Vec<Bits>, names: &mut Vec<Name>, name: &Name, bits: Bits) {
    let known = names.iter().position(|known| known == name);
    let at = known.unwrap_or_else(|| {
        names.push(name.clone());
        names.len() - 1
    });
    if all.len() <= at {
        all.resize(at + 1, ABSENT);
    }
    all[at] = bits;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn coded(values: &[f64]) -> Span {
        Span::from_bits(Span::of(values).unwrap().bits()).unwrap()
    }

    #[test]
    fn one_layer_that_moves_is_seen_wherever_it_moves_to() {
        let quiet = coded(&[1.0, 2.0, 4.0, 8.0]);
        assert!(coded(&[1.0, 2.0, 4.0, 16.0]).high > quiet.high);
        assert!(coded(&[0.1, 2.0, 4.0, 8.0]).low < quiet.low);
        let between = coded(&[1.0, 7.0, 4.0, 8.0]);
        assert_eq!((between.low, between.high), (quiet.low, quiet.high));
        assert!(between.rough > quiet.rough);
        // A curved profile that rises as a whole is as rough as before.
        let curved = |by: f64| coded(&[1.0 * by, 5.0 * by, 6.0 * by, 20.0 * by]).rough;
        assert!((curved(1.0) / curved(3.7) - 1.0).abs() < 0.01);
    }

    #[test]
    fn what_is_not_finite_and_what_is_not_there_are_told_apart() {
        assert!(coded(&[1.0, f64::NAN]).high.is_nan());
        assert!(coded(&[f64::NEG_INFINITY]).high.is_nan());
        assert_eq!(Span::of(&[]), None);
        assert_eq!(Span::from_bits(ABSENT), None);
    }

    proptest! {
        // Whatever is recorded: a greater value never becomes a lesser one, and no span looks like none.
        #[test]
        fn prop_coding_keeps_the_order(a in prop::collection::vec(any::<f64>(), 1..9), b in prop::collection::vec(any::<f64>(), 1..9)) {
            let (plain, codes) = ([&a, &b].map(|of| Span::of(of).unwrap()), [&a, &b].map(|of| Span::of(of).unwrap().bits()));
            prop_assert!(codes.iter().all(|bits| *bits != ABSENT));
            let read = codes.map(|bits| Span::from_bits(bits).unwrap());
            for part in [|span: &Span| span.low, |span: &Span| span.high, |span: &Span| span.rough] {
                if part(&plain[0]) < part(&plain[1]) {
                    prop_assert!(part(&read[0]) <= part(&read[1]));
                }
                prop_assert_eq!(part(&plain[0]).is_nan(), part(&read[0]).is_nan());
            }
        }
    }
}
