//! What cards rest on: the facts that a probe is there to show must hold in a case that is known.

mod attention_softmax;
mod egs_twin;
mod update_law;

use crate::data::Batch;
use crate::data::objective::{Kind, Sample, Segment};
use experiments_config::{Config, Position};

const VOCAB: usize = 40;

/// Two layers of width 16.
fn config(change: impl Fn(&mut Config)) -> Config {
    let mut config = Config::default();
    config.model.layers = 2;
    config.model.hidden_size = 16;
    config.model.ffn_hidden_size = 24;
    config.model.seq_len = 10;
    config.tokenizer.vocab_size = VOCAB;
    config.batch.micro_batch = 2;
    change(&mut config);
    config
}

/// Sequences that differ with their number.
fn batch(config: &Config, Position(first): Position) -> Batch {
    let s = config.model.seq_len as u32;
    let sample = |number: u64| {
        let number = number as u32;
        let token = move |slot: u32| (slot * (7 + number % 5) + 3 * number) % VOCAB as u32;
        Sample {
            kind: Kind::Gmask,
            tokens: (0..s).map(token).collect(),
            positions: (0..s).collect(),
            block_positions: vec![0; s as usize],
            targets: (0..s).map(|i| (i > 3).then_some(token(i + 1))).collect(),
            segments: vec![Segment {
                start: 0,
                len: s as usize,
                prefix: 4,
            }],
        }
    };
    let numbers = first..first + config.batch.micro_batch as u64;
    Batch {
        samples: numbers.clone().map(sample).collect(),
        languages: numbers.map(|_| None).collect(),
    }
}
