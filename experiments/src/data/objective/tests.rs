//! Rules of the objective as properties, its chances as statistics.

mod gmask;
mod gpt;
mod last_word;
mod mask;
mod quirk;
mod rows;
mod shares;
mod spans;
mod task;
mod two_dimensional;

use super::span_length::SpanLength;
use super::{Kind, Sample, sample_gmask, sample_gpt, sample_mask, sample_task};
use super::{sub_samples, text_len};
use crate::random::stream;
use experiments_config::{GmaskPositions, MaskPositions, ObjectiveConfig, Packing};
use experiments_text::SpecialIds;
use proptest::prelude::*;
use rand::RngExt;
use statrs::distribution::{ChiSquared, ContinuousCDF};
use std::ops::Range;

const SPECIAL: SpecialIds = SpecialIds {
    mask: 90_000,
    gmask: 90_001,
    sop: 90_002,
    eop: 90_003,
    eos: 90_004,
    pad: 90_005,
};

/// A text whose tokens are their own places.
fn text(len: usize) -> Vec<u32> {
    (0..len as u32).collect()
}

fn default() -> ObjectiveConfig {
    ObjectiveConfig::default()
}

/// Any configuration that the range checks accept, and a row length that its parts divide.
fn settings() -> impl Strategy<Value = (ObjectiveConfig, usize)> {
    let spans = (1_usize..60).prop_flat_map(|max| (Just(max), 0.01..=max as f64));
    let shares = (0.0..=1.0, 0.01..=0.5, 0.0..=1.0, 0.0..=1.0);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (spans, shares, flags, 1_usize..5, 8_usize..150).prop_map(
        |((max_span, span_lambda), shares, flags, aggregated_samples, window)| {
            let config = ObjectiveConfig {
                min_gmask_ratio: shares.0,
                mask_ratio: shares.1,
                single_span_prob: shares.2,
                short_seq_prob: shares.3,
                span_lambda,
                max_span,
                aggregated_samples,
                packing: [Packing::Fitted, Packing::Original][usize::from(flags.0)],
                mask_positions: [MaskPositions::Span, MaskPositions::Plain][usize::from(flags.1)],
                gmask_positions: [GmaskPositions::Plain, GmaskPositions::Shifted]
                    [usize::from(flags.2)],
                ..default()
            };
            (config, window * aggregated_samples)
        },
    )
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::Gmask, Kind::Mask, Kind::Task, Kind::Gpt])
}

/// A row as the caller makes it; every sub-sample has the same text.
fn row(kind: Kind, config: &ObjectiveConfig, seq_len: usize, seed: u64) -> Sample {
    let mut rng = stream(seed, "objective test", 0);
    let text = text(text_len(kind, config, seq_len));
    let parts = sub_samples(kind, config);
    match kind {
        Kind::Gmask => sample_gmask(config, &SPECIAL, &text, seq_len, &mut rng),
        Kind::Mask => sample_mask(config, &SPECIAL, &vec![text; parts], seq_len, &mut rng),
        Kind::Gpt => sample_gpt(&text, seq_len),
        Kind::Task => {
            let task = text.split_at(rng.random_range(0..=text.len()));
            sample_task(config, &SPECIAL, &vec![task; parts], seq_len)
        }
    }
}

/// A sub-sample read back from its slots.
struct Part {
    tokens: Vec<u32>,
    positions: Vec<u32>,
    blocks: Vec<u32>,
    targets: Vec<Option<u32>>,
    prefix: usize,
}

impl Part {
    fn source(&self) -> &[u32] {
        &self.tokens[..self.prefix]
    }

    /// Slots of the pieces: each starts with sop and ends before the next, or where padding starts.
    fn pieces(&self) -> Vec<Range<usize>> {
        let end = self.used();
        let starts: Vec<_> = (self.prefix..end)
            .filter(|slot| self.tokens[*slot] == SPECIAL.sop)
            .collect();
        let ends = starts.iter().skip(1).copied().chain([end]);
        starts
            .iter()
            .copied()
            .zip(ends)
            .map(|(a, b)| a..b)
            .collect()
    }

    fn targets(&self, piece: Range<usize>) -> Vec<u32> {
        self.targets[piece].iter().flatten().copied().collect()
    }

    /// Slots before the padding.
    fn used(&self) -> usize {
        let last = self.tokens.iter().rposition(|t| *t != SPECIAL.pad);
        last.map_or(0, |slot| slot + 1)
    }
}

/// Text tokens and spans of a row that is one uncut `[MASK]` sub-sample.
fn tokens_and_spans(sample: &Sample) -> (usize, usize) {
    let source = &sample.tokens[..sample.segments[0].prefix];
    let spans = source.iter().filter(|t| **t == SPECIAL.mask).count();
    // Every span takes a slot of the source, and of the targets one for its eop.
    (source.len() + sample.target_count() - 2 * spans, spans)
}

fn parts(sample: &Sample) -> Vec<Part> {
    let part = |segment: &super::Segment| {
        let slots = segment.start..segment.start + segment.len;
        Part {
            tokens: sample.tokens[slots.clone()].to_vec(),
            positions: sample.positions[slots.clone()].to_vec(),
            blocks: sample.block_positions[slots.clone()].to_vec(),
            targets: sample.targets[slots].to_vec(),
            prefix: segment.prefix,
        }
    };
    sample.segments.iter().map(part).collect()
}

/// Asserts that counts agree with expected shares (χ², p above 10⁻³; the seeds are fixed). Cells
/// that expect fewer than five are taken together.
fn assert_distributed(counts: &[u64], shares: &[f64]) {
    assert_eq!(counts.len(), shares.len());
    let total: u64 = counts.iter().sum();
    let (mut statistic, mut cells, mut rest) = (0.0, 0, (0.0, 0.0));
    let mut add = |seen: f64, expected: f64| {
        statistic += (seen - expected).powi(2) / expected;
        cells += 1;
    };
    for (seen, share) in counts.iter().zip(shares) {
        let (seen, expected) = (*seen as f64, total as f64 * share);
        if expected < 5.0 {
            rest = (rest.0 + seen, rest.1 + expected);
        } else {
            add(seen, expected);
        }
    }
    if rest.1 > 0.0 {
        add(rest.0, rest.1);
    }
    let p = ChiSquared::new(f64::from(cells - 1)).unwrap().sf(statistic);
    assert!(p > 1e-3, "χ² = {statistic}, {cells} cells, p = {p}");
}

fn assert_uniform(counts: &[u64]) {
    assert_distributed(counts, &vec![1.0 / counts.len() as f64; counts.len()]);
}

/// Asserts that `hits` of `draws` agree with a probability, to four standard deviations.
fn assert_share(hits: u64, draws: u64, probability: f64) {
    let deviation = (probability * (1.0 - probability) / draws as f64).sqrt();
    let share = hits as f64 / draws as f64;
    assert!(
        (share - probability).abs() < 4.0 * deviation,
        "{share}, expected {probability} ± {deviation}"
    );
}
