//! Span lengths and placements.

use super::super::span_length::SpanLength;
use super::super::spans::{Span, draw_lengths, place};
use super::*;
use statrs::distribution::{Discrete, DiscreteCDF, Poisson};
use std::collections::HashMap;

proptest! {
    #[test]
    fn prop_lengths_lie_in_their_range(max in 1_usize..200, share in 1e-6_f64..=1.0, seed: u64) {
        let length = SpanLength::new(share * max as f64, max);
        let mut rng = stream(seed, "t", 0);
        prop_assert!((0..50).all(|_| (1..=max).contains(&length.sample(&mut rng))));
        prop_assert!((1.0..=max as f64).contains(&length.mean()));
    }

    /// Spans are drawn until they cover the share, and no longer.
    #[test]
    fn prop_spans_cover_the_share((config, seq_len) in settings(), seed: u64) {
        let len = text_len(Kind::Mask, &config, seq_len).max(40);
        let config = ObjectiveConfig { max_span: config.max_span.min(8), span_lambda: config.span_lambda.min(8.0), ..config };
        let length = SpanLength::of(&config);
        let draw = |single_span_prob| {
            let config = ObjectiveConfig { single_span_prob, mask_ratio: config.mask_ratio / 2.0, ..config.clone() };
            draw_lengths(&config, &length, len, &mut stream(seed, "t", 0))
        };
        let wanted = (config.mask_ratio / 2.0 * len as f64).floor().max(1.0) as usize;
        let lengths = draw(0.0);
        let covered: usize = lengths.iter().sum();
        prop_assert!(covered >= wanted && covered - lengths[lengths.len() - 1] < wanted);
        prop_assert_eq!(draw(1.0), &lengths[..1]);
    }

    /// However much is asked for, the spans find places.
    #[test]
    fn prop_spans_find_places((config, _) in settings(), len in 2_usize..100, seed: u64) {
        let mut rng = stream(seed, "t", 0);
        let lengths = draw_lengths(&config, &SpanLength::of(&config), len, &mut rng);
        prop_assert!(!lengths.is_empty());
        let mut sorted = lengths.clone();
        let spans = place(lengths, len, &mut rng);
        let mut placed: Vec<_> = spans.iter().map(|span| span.len).collect();
        placed.sort_unstable();
        sorted.sort_unstable();
        prop_assert_eq!(placed, sorted);
        prop_assert!(spans.windows(2).all(|pair| pair[0].start + pair[0].len < pair[1].start));
        prop_assert!(spans.last().is_none_or(|last| last.start + last.len <= len));
    }
}

#[test]
fn lengths_are_a_truncated_poisson_variable() {
    let poisson = Poisson::new(3.0).unwrap();
    let inside = poisson.cdf(39) - poisson.pmf(0);
    let shares: Vec<_> = (1..=39).map(|k| poisson.pmf(k) / inside).collect();
    let length = SpanLength::new(3.0, 39);
    let mut counts = vec![0; 39];
    let mut rng = stream(1, "span lengths", 0);
    for _ in 0..100_000 {
        counts[length.sample(&mut rng) - 1] += 1;
    }
    assert_distributed(&counts, &shares);
    let mean: f64 = (1..)
        .zip(&shares)
        .map(|(k, share)| f64::from(k) * share)
        .sum();
    assert!((length.mean() - mean).abs() < 1e-12);
    assert!((mean - 3.0 / (1.0 - (-3.0_f64).exp())).abs() < 1e-12);
}

/// The table holds for any λ: small, or so large that e^λ overflows.
#[test]
fn length_table_neither_overflows_nor_vanishes() {
    assert!((SpanLength::new(1e-9, 10).mean() - 1.0).abs() < 1e-8);
    assert_eq!(SpanLength::new(0.5, 1).mean(), 1.0);
    for (lambda, max) in [(5_000.0, 20_000), (20_000.0, 100_000)] {
        let mean = SpanLength::new(lambda, max).mean();
        assert!((mean / lambda - 1.0).abs() < 1e-9, "{mean}");
    }
}

/// All placements of some spans, by exhaustion.
fn placements(lengths: &[usize], len: usize) -> Vec<Vec<Span>> {
    fn extend(left: &[usize], from: usize, len: usize, done: &[Span], all: &mut Vec<Vec<Span>>) {
        if left.is_empty() && !all.iter().any(|known| known == done) {
            all.push(done.to_vec());
        }
        for (i, span) in left.iter().enumerate() {
            let mut rest = left.to_vec();
            rest.remove(i);
            for start in from..=len.saturating_sub(*span) {
                let span = Span { start, len: *span };
                let done = [done, &[span]].concat();
                extend(&rest, start + span.len + 1, len, &done, all);
            }
        }
    }
    let mut all = Vec::new();
    extend(lengths, 0, len, &[], &mut all);
    all.retain(|spans| spans.iter().all(|span| span.start + span.len <= len));
    all
}

#[test]
fn all_placements_are_equally_likely() {
    let cases: [(&[usize], usize, usize); 5] = [
        (&[1, 1], 6, 10),
        (&[1, 2], 6, 12),
        (&[2, 2], 6, 3),
        (&[1, 2, 3], 9, 24),
        (&[1, 1, 2], 8, 30),
    ];
    for (lengths, len, number) in cases {
        let all = placements(lengths, len);
        assert_eq!(all.len(), number, "{lengths:?} in {len}");
        let index: HashMap<_, _> = all.into_iter().zip(0..).collect();
        let mut counts = vec![0; number];
        let mut rng = stream(1, "placements", len as u64);
        for _ in 0..100_000 {
            let spans = place(lengths.to_vec(), len, &mut rng);
            counts[index[&spans] as usize] += 1;
        }
        assert_uniform(&counts);
    }
}
