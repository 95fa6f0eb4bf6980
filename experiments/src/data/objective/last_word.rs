//! The end of a text predicted from what stands before it: an evaluation, never trained on as such.

use super::gmask::blank_at_end;
use super::row::Row;
use super::{Kind, Sample, Segment};
use experiments_config::{ObjectiveConfig, ObjectiveMode};
use experiments_text::SpecialIds;

/// `word` after `context`, both at least one token and together fewer than `seq_len`: in GLM mode as the
/// blank after a bidirectional prefix, in GPT mode read from left to right. Only the word has targets.
#[must_use]
pub(crate) fn sample_last_word(
    config: &ObjectiveConfig,
    special: &SpecialIds,
    context: &[u32],
    word: &[u32],
    seq_len: usize,
) -> Sample {
    let hidden = word.iter().copied();
    match config.mode {
        ObjectiveMode::Glm => {
            let mut row = Row::new(Kind::Gmask, seq_len);
            let blank = [special.gmask, special.sop];
            blank_at_end(&mut row, config, context, blank, hidden);
            row.close(seq_len, special.pad);
            row.finish()
        }
        ObjectiveMode::Gpt => {
            let mut tokens = [context, word].concat();
            tokens.resize(seq_len, special.pad);
            let mut targets = vec![None; seq_len];
            // Every token is predicted by the slot before it.
            for (slot, token) in (context.len() - 1..).zip(hidden) {
                targets[slot] = Some(token);
            }
            Sample {
                kind: Kind::Gpt,
                tokens,
                positions: (0..seq_len as u32).collect(),
                block_positions: vec![0; seq_len],
                targets,
                segments: vec![Segment {
                    start: 0,
                    len: seq_len,
                    prefix: 0,
                }],
            }
        }
    }
}
