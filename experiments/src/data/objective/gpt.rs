//! The unidirectional control.

use super::{Kind, Sample, Segment};

/// Every next token of a text of `seq_len + 1` tokens predicted from the ones before. There is no
/// blank, so the block positions are 0.
#[must_use]
pub(crate) fn sample_gpt(text: &[u32], seq_len: usize) -> Sample {
    Sample {
        kind: Kind::Gpt,
        tokens: text[..seq_len].to_vec(),
        positions: (0..seq_len as u32).collect(),
        block_positions: vec![0; seq_len],
        targets: text[1..=seq_len].iter().copied().map(Some).collect(),
        segments: vec![Segment {
            start: 0,
            len: seq_len,
            prefix: 0,
        }],
    }
}
