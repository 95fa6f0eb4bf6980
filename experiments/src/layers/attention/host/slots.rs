//! What attention knows of the slots of a batch: which of them each one attends to, and where they stand.

use crate::data::Batch;
use crate::data::objective::Sample;
use crate::layers::attention::{frequencies, ids_of, slopes};
use experiments_config::ModelConfig;
use kernels::slices::rows::{add_distance, turn};
use kernels::{HalfFormat, round_slice};
use std::ops::Range;

/// Of all rows of a batch.
pub(crate) struct Slots {
    /// For every row the slots of its own sequence that it attends to.
    pub(super) spans: Vec<Range<usize>>,
    pub(super) rotation: Option<Rotation>,
    pub(super) alibi: Option<Alibi>,
}

impl Slots {
    /// # Panics
    /// If a slot attends to nothing, or to what lies outside its sequence.
    pub(crate) fn new(batch: &Batch, model: &ModelConfig, half: Option<HalfFormat>) -> Self {
        let samples = &batch.samples;
        let flat = |ids: fn(&Sample) -> &Vec<u32>| -> Vec<u32> {
            samples.iter().flat_map(ids).copied().collect()
        };
        let encoding = model.positions.row();
        let blocks = encoding.rotates.iter().map(|ids| flat(ids_of(*ids)));
        let blocks: Vec<Vec<u32>> = blocks.collect();
        let spans = spans(samples);
        let slots = samples.iter().map(|sample| sample.tokens.len()).max();
        let is_inside = |span: &Range<usize>| span.start < span.end && Some(span.end) <= slots;
        assert!(spans.iter().all(is_inside));
        Self {
            spans,
            rotation: (!blocks.is_empty()).then(|| Rotation::new(&blocks, model, half)),
            alibi: (encoding.penalises)
                .then(|| Alibi::new(model.num_heads, &flat(|sample| &sample.positions))),
        }
    }
}

/// What every slot attends to: the prefix of its segment, and beyond it what came before.
fn spans(samples: &[Sample]) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    for sample in samples {
        for segment in &sample.segments {
            let (start, prefix) = (segment.start, segment.start + segment.prefix);
            spans.extend((start..start + segment.len).map(|slot| start..prefix.max(slot + 1)));
        }
    }
    spans
}

/// Rotary positions of all rows (arXiv 2104.09864).
pub(super) struct Rotation {
    /// Cosines and sines, `[r, d/2]`: for each block of dimensions its frequencies.
    cos: Vec<f32>,
    sin: Vec<f32>,
    /// Angles of a row, d/2.
    angles: usize,
    /// Frequencies of a block: element `i` of the block turns with element `i + block`.
    block: usize,
}

impl Rotation {
    /// Angles `position · base^(-2i/w)` for each block of `w` dimensions, as the graph has them. A position
    /// occurs many times and is computed once.
    fn new(blocks: &[Vec<u32>], model: &ModelConfig, half: Option<HalfFormat>) -> Self {
        let width = model.head_dim() / blocks.len();
        let angles = model.head_dim() / 2;
        let frequencies: Vec<f64> = frequencies(model.rope_base, width).collect();
        let places = blocks.iter().flatten().max();
        let places = places.map_or(0, |most| *most as usize + 1);
        let table = |function: fn(f64) -> f64| {
            let of = |position| {
                frequencies
                    .iter()
                    .map(move |f| function(position as f64 * f) as f32)
            };
            let mut known: Vec<f32> = (0..places).flat_map(of).collect();
            if let Some(format) = half {
                round_slice(&mut known, format);
            }
            let mut values = Vec::with_capacity(blocks[0].len() * angles);
            for row in 0..blocks[0].len() {
                for block in blocks {
                    let place = block[row] as usize * frequencies.len();
                    values.extend_from_slice(&known[place..place + frequencies.len()]);
                }
            }
            values
        };
        Self {
            cos: table(f64::cos),
            sin: table(f64::sin),
            angles,
            block: frequencies.len(),
        }
    }

    /// Turns the heads of query and key of row `index`; `sign` -1 turns back.
    pub(super) fn turn(&self, row: &mut [f32], index: usize, sign: f32) {
        let place = index * self.angles..(index + 1) * self.angles;
        let (cos, sin) = (&self.cos[place.clone()], &self.sin[place]);
        turn(row, cos, sin, self.block, sign);
    }
}

/// Linear biases by distance (arXiv 2108.12409): `slope · |p_i - p_j|` is taken off each score.
pub(super) struct Alibi {
    /// One per head.
    slopes: Vec<f32>,
    /// Position of every row.
    positions: Vec<f32>,
}

impl Alibi {
    fn new(heads: usize, positions: &[u32]) -> Self {
        Self {
            slopes: slopes(heads).iter().map(|slope| *slope as f32).collect(),
            positions: positions.iter().map(|position| *position as f32).collect(),
        }
    }

    /// Takes the distances off the scores of a row, those to the slots `span`. `sequence` is the first row
    /// of its sequence, and `slot` its own place there.
    pub(super) fn penalise(
        &self,
        scores: &mut [f32],
        head: usize,
        sequence: usize,
        slot: usize,
        span: Range<usize>,
    ) {
        let positions = &self.positions[sequence..];
        self.take_off(scores, head, &positions[span], positions[slot]);
    }

    /// Takes the distances of `positions` from `own` off scores of a head.
    pub(super) fn take_off(&self, scores: &mut [f32], head: usize, positions: &[f32], own: f32) {
        add_distance(scores, positions, own, -self.slopes[head]);
    }
}
