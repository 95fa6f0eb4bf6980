//! How well texts are predicted: perplexity per word and bits per byte, of one text or of many.

use super::question::Question;
use super::values::Metric;
use crate::record::{Outcome, Record};
use crate::summary::Estimate;
use std::collections::BTreeMap;

/// The exponent of a perplexity at the most.
const MOST: f64 = 20.0;

/// How long a text is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Size {
    /// Words between single spaces.
    words: f64,
    /// Bytes of UTF-8.
    bytes: f64,
}

impl Size {
    pub(super) fn of(text: &str) -> Self {
        Self {
            words: text.trim().split(' ').count() as f64,
            bytes: text.len() as f64,
        }
    }
}

/// A text that was read window by window.
#[derive(Debug, Clone, PartialEq)]
struct Read {
    /// Of each window, in nats.
    losses: Vec<f64>,
    size: Size,
}

/// What was found of texts. Where they are rows, each is one of many; else a file is one.
pub(super) fn estimates<'a>(
    records: impl Iterator<Item = (&'a Question, &'a Record)>,
    are_rows: bool,
) -> BTreeMap<Metric, Estimate> {
    let mut texts: BTreeMap<(&str, u64), Read> = BTreeMap::new();
    for (question, record) in records {
        if let (Outcome::Window { loss, .. }, Some(size)) = (&record.outcome, question.size()) {
            let row = if are_rows { question.line } else { 0 };
            let read = texts.entry((&question.file, row));
            let read = read.or_insert_with(|| Read {
                losses: Vec::new(),
                size,
            });
            read.losses.push(*loss);
        }
    }
    let texts: Vec<Read> = texts.into_values().collect();
    // From nats per unit: of a word its perplexity, of a byte its bits.
    let perplexity: fn(f64) -> f64 = |nats| nats.min(MOST).exp();
    let bits: fn(f64) -> f64 = |nats| nats / std::f64::consts::LN_2;
    let both = [
        (Metric::Ppl, perplexity, ratio(&texts, |size| size.words)),
        (Metric::Bpb, bits, ratio(&texts, |size| size.bytes)),
    ];
    let of = |(metric, scaled, found): (Metric, fn(f64) -> f64, Option<Estimate>)| {
        let found = found?;
        let estimate = Estimate {
            value: scaled(found.value),
            interval: found.interval.map(|ends| ends.map(scaled)),
            items: found.items,
        };
        Some((metric, estimate))
    };
    both.into_iter().filter_map(of).collect()
}

/// Nats per unit of all texts together. Many are resampled whole; of one text its windows are, and it has no less of them.
fn ratio(texts: &[Read], unit: fn(Size) -> f64) -> Option<Estimate> {
    if let [one] = texts {
        let per_window = one.losses.len() as f64 / unit(one.size);
        let found = Estimate::of(&one.losses)?;
        return Some(Estimate {
            value: found.value * per_window,
            interval: found.interval.map(|ends| ends.map(|end| end * per_window)),
            items: found.items,
        });
    }
    let sums = texts.iter();
    let sums: Vec<(f64, f64)> = sums
        .map(|text| (text.losses.iter().sum(), unit(text.size)))
        .collect();
    Estimate::of_all(&sums, |drawn| {
        let (loss, units) = drawn.fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
        loss / units
    })
}
