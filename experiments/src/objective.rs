//! GLM blank infilling (arXiv 2210.02414 §2.2; details from `LargeScale` `glm/collator.py`).
//!
//! ```text
//! [gMASK]  inputs   t1 .. tp [gMASK] sop  t(p+1) .. t(n-1)      prefix: t1 .. [gMASK]
//!          targets  -  .. -    -     t(p+1)  ..      tn         positions 0, 1, 2, ..
//!
//! [MASK]   inputs   t1 [MASK] t4 .. tn  sop s1 .. sk  sop ..    prefix: the corrupted text
//!          targets  -     -   -  .. -   s1 .. sk eop  s1 ..     positions: a span counts as one
//! ```

use experiments_config::ObjectiveConfig;
use experiments_text::SpecialIds;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Poisson};

/// Which objective a sequence has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Generation of the rest of a text after a bidirectional prefix.
    Gmask,
    /// Filling of short spans.
    Mask,
}

/// One sequence, padded to `seq_len` slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Objective.
    pub kind: Kind,
    /// Input token ids, `[seq_len]`.
    pub tokens: Vec<u32>,
    /// Rotary position ids, `[seq_len]`; they may repeat.
    pub positions: Vec<u32>,
    /// Target token per slot; absent where no loss is taken. `[seq_len]`.
    pub targets: Vec<Option<u32>>,
    /// Slots that every slot may attend to; beyond them attention is causal.
    pub prefix: usize,
}

impl Sample {
    /// Slots with a target.
    #[must_use]
    pub fn target_count(&self) -> usize {
        self.targets.iter().flatten().count()
    }

    fn push(&mut self, token: u32, position: usize, target: Option<u32>) {
        self.tokens.push(token);
        self.positions.push(position as u32);
        self.targets.push(target);
    }

    fn pad(mut self, seq_len: usize, pad: u32) -> Self {
        self.tokens.resize(seq_len, pad);
        self.positions.resize(seq_len, 0);
        self.targets.resize(seq_len, None);
        self
    }

    fn empty(kind: Kind) -> Self {
        Self {
            kind,
            tokens: Vec::new(),
            positions: Vec::new(),
            targets: Vec::new(),
            prefix: 0,
        }
    }
}

/// Text tokens that a [gMASK] sequence takes: [gMASK] and sop come in, the last token never does.
#[must_use]
pub(crate) fn gmask_text_len(seq_len: usize) -> usize {
    seq_len - 1
}

/// Text tokens that a [MASK] sequence takes. Every span adds two slots (its [MASK] and its sop),
/// so the text is sized to leave room for as many spans as are expected, plus one; what does not
/// fit after all stays unmasked.
///
/// The original cuts 500 tokens of text and their targets at 512 slots, which loses about a third
/// of the targets; here nothing is cut.
#[must_use]
pub(crate) fn mask_text_len(config: &ObjectiveConfig, seq_len: usize) -> usize {
    let mean = truncated_mean(config.span_lambda, config.max_span);
    let per_token = 1.0 + 2.0 * config.mask_ratio / mean;
    (((seq_len - 2) as f64 / per_token) as usize).max(2)
}

/// Mean of a Poisson variable conditioned on `1..=max`.
fn truncated_mean(lambda: f64, max: usize) -> f64 {
    let (mut weight, mut total, mut mean) = ((-lambda).exp(), 0.0, 0.0);
    for k in 1..=max {
        weight *= lambda / k as f64;
        total += weight;
        mean += weight * k as f64;
    }
    mean / total
}

/// A [gMASK] sequence: the generated length is uniform in `floor(min_gmask_ratio · n) ..= n` of the
/// `n` text tokens, at least 1. No eop: the text does not end where the window does.
pub fn sample_gmask(
    config: &ObjectiveConfig,
    special: &SpecialIds,
    text: &[u32],
    seq_len: usize,
    rng: &mut impl Rng,
) -> Sample {
    let least = ((config.min_gmask_ratio * text.len() as f64) as usize).max(1);
    let generated = rng.random_range(least..=text.len());
    let kept = text.len() - generated;
    let mut sample = Sample::empty(Kind::Gmask);
    sample.prefix = kept + 1;
    for (position, token) in text[..kept].iter().enumerate() {
        sample.push(*token, position, None);
    }
    sample.push(special.gmask, kept, None);
    let inputs = std::iter::once(&special.sop).chain(&text[kept..]);
    for ((i, input), target) in inputs.enumerate().zip(&text[kept..]) {
        sample.push(*input, kept + 1 + i, Some(*target));
    }
    sample.pad(seq_len, special.pad)
}

/// A [MASK] sequence: spans with truncated-Poisson lengths cover `mask_ratio` of the text, at
/// least one kept token between any two, their targets in shuffled order; all slots of a span
/// carry the position of its [MASK], and every span ends with eop.
pub fn sample_mask(
    config: &ObjectiveConfig,
    special: &SpecialIds,
    text: &[u32],
    seq_len: usize,
    rng: &mut impl Rng,
) -> Sample {
    let short = text.len() > 32 && rng.random_bool(config.short_seq_prob);
    let text = if short {
        &text[..rng.random_range(32..text.len())]
    } else {
        text
    };
    let mut lengths = span_lengths(config, text.len(), rng);
    // Slots: kept text, and for every span its [MASK], its sop and its tokens.
    while text.len() + 2 * lengths.len() > seq_len && lengths.len() > 1 {
        lengths.pop();
    }
    let spans = place_spans(&lengths, text.len(), rng);
    corrupt(special, text, &spans, rng).pad(seq_len, special.pad)
}

/// Span lengths summing to at least `floor(mask_ratio · len)`, as far as they leave a kept token
/// between spans; one span only with `single_span_prob`.
fn span_lengths(config: &ObjectiveConfig, len: usize, rng: &mut impl Rng) -> Vec<usize> {
    let single = rng.random_bool(config.single_span_prob);
    let wanted = ((config.mask_ratio * len as f64) as usize).max(1);
    let (mut lengths, mut covered) = (Vec::new(), 0);
    while covered < wanted {
        let span = truncated_poisson(config.span_lambda, config.max_span, rng).min(len - 1);
        if covered + span + lengths.len() > len {
            break;
        }
        covered += span;
        lengths.push(span);
        if single {
            break;
        }
    }
    lengths
}

/// A Poisson draw conditioned on `1..=max`, by rejection. Where rejection would take long (λ far
/// above `max`) the result is `max`.
fn truncated_poisson(lambda: f64, max: usize, rng: &mut impl Rng) -> usize {
    // λ is checked to be above 0 with the configuration.
    let Ok(poisson) = Poisson::new(lambda) else {
        return max;
    };
    (0..1000)
        .map(|_| poisson.sample(rng) as usize)
        .find(|n| (1..=max).contains(n))
        .unwrap_or(max)
}

/// Places spans in random order, uniformly over all placements with at least one kept token
/// between neighbours. Returns `(start, length)` in text order.
fn place_spans(lengths: &[usize], len: usize, rng: &mut impl Rng) -> Vec<(usize, usize)> {
    let mut lengths = lengths.to_vec();
    lengths.shuffle(rng);
    let covered: usize = lengths.iter().sum();
    // Choosing k gaps out of `kept + 1` (before, between and after kept tokens), each at most
    // once, is exactly a placement without neighbours.
    let kept = len - covered;
    let mut gaps = rand::seq::index::sample(rng, kept + 1, lengths.len()).into_vec();
    gaps.sort_unstable();
    let mut before = 0;
    gaps.into_iter()
        .zip(lengths)
        .map(|(gap, length)| {
            let start = gap + before;
            before += length;
            (start, length)
        })
        .collect()
}

fn corrupt(
    special: &SpecialIds,
    text: &[u32],
    spans: &[(usize, usize)],
    rng: &mut impl Rng,
) -> Sample {
    let mut sample = Sample::empty(Kind::Mask);
    let mut at = 0;
    let mut blanks = Vec::with_capacity(spans.len());
    for (start, length) in spans {
        for token in &text[at..*start] {
            sample.push(*token, sample.tokens.len(), None);
        }
        blanks.push((sample.tokens.len(), &text[*start..start + length]));
        sample.push(special.mask, sample.tokens.len(), None);
        at = start + length;
    }
    for token in &text[at..] {
        sample.push(*token, sample.tokens.len(), None);
    }
    sample.prefix = sample.tokens.len();
    blanks.shuffle(rng);
    for (position, span) in blanks {
        let inputs = std::iter::once(&special.sop).chain(span);
        let targets = span.iter().chain(std::iter::once(&special.eop));
        for (input, target) in inputs.zip(targets) {
            sample.push(*input, position, Some(*target));
        }
    }
    sample
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream;
    use proptest::prelude::*;

    const SPECIAL: SpecialIds = SpecialIds {
        mask: 900,
        gmask: 901,
        sop: 902,
        eop: 903,
        eos: 904,
        pad: 905,
    };

    fn text(len: usize) -> Vec<u32> {
        (0..len as u32).collect()
    }

    #[test]
    fn gmask_layout_is_that_of_the_collator() {
        let config = ObjectiveConfig {
            min_gmask_ratio: 1.0,
            ..ObjectiveConfig::default()
        };
        let sample = sample_gmask(&config, &SPECIAL, &text(3), 5, &mut stream(1, "t", 0));
        assert_eq!(sample.tokens, [901, 902, 0, 1, 905]);
        assert_eq!(sample.targets, [None, Some(0), Some(1), Some(2), None]);
        assert_eq!(sample.positions, [0, 1, 2, 3, 0]);
        assert_eq!(sample.prefix, 1);
    }

    #[test]
    fn a_mask_span_counts_as_one_position_and_ends_with_eop() {
        let sample = corrupt(&SPECIAL, &text(6), &[(1, 2)], &mut stream(1, "t", 0));
        assert_eq!(sample.tokens, [0, 900, 3, 4, 5, 902, 1, 2]);
        assert_eq!(sample.positions, [0, 1, 2, 3, 4, 1, 1, 1]);
        assert_eq!(sample.targets[5..], [Some(1), Some(2), Some(903)]);
        assert_eq!(sample.prefix, 5);
    }

    #[test]
    fn spans_have_the_mean_and_coverage_of_the_facts() {
        let config = ObjectiveConfig::default();
        let mut rng = stream(1, "t", 0);
        let draws: Vec<_> = (0..100_000)
            .map(|_| truncated_poisson(3.0, 39, &mut rng))
            .collect();
        let mean = draws.iter().sum::<usize>() as f64 / draws.len() as f64;
        assert!((mean - truncated_mean(3.0, 39)).abs() < 0.02, "{mean}");
        assert!((truncated_mean(3.0, 39) - 3.0 / (1.0 - (-3.0_f64).exp())).abs() < 1e-9);
        let mut masked = 0;
        for i in 0..2000 {
            let lengths = span_lengths(&config, 500, &mut stream(2, "t", i));
            masked += lengths.iter().sum::<usize>();
        }
        // 15 % or a little more: the last span is kept whole (facts §2).
        let ratio = masked as f64 / 1e6;
        assert!((0.145..0.156).contains(&ratio), "{ratio}");
    }

    proptest! {
        #[test]
        fn prop_gmask_generates_the_text_it_hides(len in 7_usize..200, seed: u64) {
            let sample = sample_gmask(&ObjectiveConfig::default(), &SPECIAL, &text(len), len + 1, &mut stream(seed, "t", 0));
            let kept = sample.prefix - 1;
            prop_assert_eq!(sample.tokens.len(), len + 1);
            prop_assert_eq!(sample.target_count(), len - kept);
            prop_assert!(len - kept >= (0.2 * len as f64) as usize);
            let shown = sample.tokens[..kept].iter().copied();
            let hidden = sample.targets.iter().flatten().copied();
            prop_assert_eq!(shown.chain(hidden).collect::<Vec<_>>(), text(len));
        }

        #[test]
        fn prop_mask_hides_separated_spans_and_loses_nothing(seq_len in 16_usize..300, seed: u64) {
            let config = ObjectiveConfig::default();
            let len = mask_text_len(&config, seq_len);
            let sample = sample_mask(&config, &SPECIAL, &text(len), seq_len, &mut stream(seed, "t", 0));
            prop_assert_eq!(sample.tokens.len(), seq_len);
            let prefix = &sample.tokens[..sample.prefix];
            prop_assert!(prefix.windows(2).all(|pair| pair != [900, 900]), "neighbouring spans");
            let spans = prefix.iter().filter(|t| **t == 900).count();
            let eops = sample.targets.iter().flatten().filter(|t| **t == 903).count();
            prop_assert!(spans >= 1 && spans == eops);
            // Every text token is either shown or a target, exactly once.
            let mut seen: Vec<u32> = prefix.iter().copied().filter(|t| *t < 900).collect();
            seen.extend(sample.targets.iter().flatten().filter(|t| **t < 900));
            seen.sort_unstable();
            let whole = seen.len() as u32;
            prop_assert_eq!(seen, (0..whole).collect::<Vec<_>>());
        }
    }
}
