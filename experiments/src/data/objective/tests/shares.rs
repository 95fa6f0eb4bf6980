//! Chances of `[MASK]` sub-samples.

use super::super::span_length::SpanLength;
use super::super::spans::draw_lengths;
use super::*;
use statrs::distribution::{Discrete, DiscreteCDF, Poisson};

/// Exact expected number of spans and of covered tokens where spans are drawn until they sum to
/// `wanted`: a renewal process, and Wald's identity.
pub(super) fn expected(wanted: usize) -> (f64, f64) {
    let poisson = Poisson::new(3.0).unwrap();
    let inside = poisson.cdf(39) - poisson.pmf(0);
    // Probability that some number of spans sums to exactly `sum`.
    let mut reached = vec![1.0];
    for sum in 1..wanted {
        let last = (1..=sum.min(39)).map(|k| reached[sum - k] * poisson.pmf(k as u64) / inside);
        let probability = last.sum();
        reached.push(probability);
    }
    let spans: f64 = reached.iter().sum();
    (spans, spans * 3.0 / inside)
}

#[test]
fn masked_share_is_a_little_above_the_ratio() {
    let config = ObjectiveConfig {
        single_span_prob: 0.0,
        ..default()
    };
    let (draws, len) = (100_000, 200);
    let length = SpanLength::of(&config);
    let mut rng = stream(1, "masked share", 0);
    let (mut spans, mut covered) = (0, 0);
    for _ in 0..draws {
        let lengths = draw_lengths(&config, &length, len, &mut rng);
        spans += lengths.len();
        covered += lengths.iter().sum::<usize>();
    }
    let (expected_spans, expected_covered) = expected(30);
    let [spans, covered] = [spans, covered].map(|sum| sum as f64 / f64::from(draws));
    assert!((spans - expected_spans).abs() < 0.02, "{spans}");
    assert!((covered - expected_covered).abs() < 0.02, "{covered}");
    // 30 tokens are wanted; the last span is kept whole.
    assert!((31.4..31.6).contains(&covered), "{covered}");
}

/// Both chances at once, read off finished rows: whole texts want more masked than the longest
/// span covers.
#[test]
fn single_spans_and_short_texts_have_their_shares() {
    let config = ObjectiveConfig {
        max_span: 4,
        ..default()
    };
    let window = 60;
    let texts = [text(text_len(Kind::Mask, &config, window))];
    assert!((config.mask_ratio * texts[0].len() as f64) as usize > config.max_span);
    let (draws, mut single, mut short) = (100_000, 0, 0);
    let mut rng = stream(1, "shares", 0);
    for _ in 0..draws {
        let sample = sample_mask(&config, &SPECIAL, &texts, window, &mut rng);
        let (tokens, spans) = tokens_and_spans(&sample);
        let is_short = tokens < texts[0].len();
        short += u64::from(is_short);
        single += u64::from(!is_short && spans == 1);
    }
    assert_share(short, draws, config.short_seq_prob);
    assert_share(single, draws - short, config.single_span_prob);
}

/// Uniform over 32 and more, the whole text excluded.
#[test]
fn short_texts_have_uniform_lengths() {
    let config = ObjectiveConfig {
        short_seq_prob: 1.0,
        ..default()
    };
    let window = 60;
    let texts = [text(text_len(Kind::Mask, &config, window))];
    let mut counts = vec![0; texts[0].len() - 32];
    let mut rng = stream(1, "short texts", 0);
    for _ in 0..100_000 {
        let sample = sample_mask(&config, &SPECIAL, &texts, window, &mut rng);
        counts[tokens_and_spans(&sample).0 - 32] += 1;
    }
    assert_uniform(&counts);
}

/// Which blank is filled first, second, third: all orders alike.
#[test]
fn targets_come_in_all_orders_alike() {
    // Three spans of one token each.
    let config = ObjectiveConfig {
        max_span: 1,
        span_lambda: 1.0,
        mask_ratio: 0.3,
        single_span_prob: 0.0,
        short_seq_prob: 0.0,
        ..default()
    };
    let mut counts = vec![0; 27];
    let mut rng = stream(1, "orders", 0);
    for _ in 0..100_000 {
        let sample = sample_mask(&config, &SPECIAL, &[text(10)], 16, &mut rng);
        let starts = (0..16).filter(|slot| sample.tokens[*slot] == SPECIAL.sop);
        let order: Vec<_> = starts.map(|slot| sample.positions[slot]).collect();
        assert_eq!(order.len(), 3);
        let rank = |p: &u32| order.iter().filter(|other| *other < p).count();
        counts[order.iter().fold(0, |code, p| 3 * code + rank(p))] += 1;
    }
    counts.retain(|count| *count > 0);
    assert_eq!(counts.len(), 6);
    assert_uniform(&counts);
}
