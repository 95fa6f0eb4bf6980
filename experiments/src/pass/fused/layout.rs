//! What sub-layers need to know of a batch.

use crate::data::Batch;
use crate::data::objective::Sample;
use crate::pass::model::{ids_of, slopes};
use experiments_config::ModelConfig;
use kernels::fused::{Alibi, Positions, Rotation, Rows};
use kernels::{HalfFormat, round_slice};
use std::ops::Range;

pub(super) fn rows(batch: &Batch, model: &ModelConfig, half: Option<HalfFormat>) -> Rows {
    let samples = &batch.samples;
    let flat = |ids: fn(&Sample) -> &Vec<u32>| -> Vec<u32> {
        samples.iter().flat_map(ids).copied().collect()
    };
    let encoding = model.positions.row();
    let blocks = encoding.rotates.iter().map(|ids| flat(ids_of(*ids)));
    let blocks: Vec<Vec<u32>> = blocks.collect();
    let positions = Positions {
        rotation: (!blocks.is_empty()).then(|| rotation(&blocks, model, half)),
        alibi: encoding.penalises.then(|| {
            let slopes = slopes(model.num_heads);
            let positions = flat(|sample| &sample.positions);
            Alibi {
                slopes: slopes.iter().map(|slope| *slope as f32).collect(),
                positions: positions.iter().map(|position| *position as f32).collect(),
            }
        }),
    };
    Rows::new(model.seq_len, spans(samples), positions)
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

/// Cosines and sines of angles `position · base^(-2i/w)` for each block of `w` dimensions, as the
/// plain model has them. A position occurs many times and is computed once.
fn rotation(blocks: &[Vec<u32>], model: &ModelConfig, half: Option<HalfFormat>) -> Rotation {
    let width = model.head_dim() / blocks.len();
    let angles = model.head_dim() / 2;
    let frequencies: Vec<f64> = (0..width / 2)
        .map(|i| model.rope_base.powf(-2.0 * i as f64 / width as f64))
        .collect();
    let places = blocks
        .iter()
        .flatten()
        .max()
        .map_or(0, |most| *most as usize + 1);
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
    Rotation {
        cos: table(f64::cos),
        sin: table(f64::sin),
        angles,
        block: frequencies.len(),
    }
}
