//! Prompted tasks (`LargeScale` `glm/collator.py`).

use super::gmask::target_position;
use super::{Kind, Sample};
use experiments_config::ObjectiveConfig;
use experiments_text::SpecialIds;

/// Share of the window that a text keeps whatever the length of its target.
const LEAST_TEXT: usize = 4;

/// A task sequence: `text [MASK] sop target`, one sub-sample per pair of text and target. Where a pair
/// does not fit, the text keeps its head, at least a quarter of the window, and then the target is
/// cut; a target that is cut has no eop.
pub(crate) fn sample_task(
    config: &ObjectiveConfig,
    special: &SpecialIds,
    tasks: &[(&[u32], &[u32])],
    seq_len: usize,
) -> Sample {
    let window = seq_len / tasks.len();
    let mut sample = Sample::new(Kind::Task);
    for (text, target) in tasks {
        let start = sample.tokens.len();
        let room = window.saturating_sub(target.len() + 2);
        let text = &text[..text.len().min(room.max(window / LEAST_TEXT))];
        for (position, token) in text.iter().enumerate() {
            sample.show(*token, position);
        }
        let prefix = text.len() + 1;
        sample.show(special.mask, text.len());
        let room = window - prefix - 1;
        let (target, end) = if target.len() > room {
            (&target[..room + 1], None)
        } else {
            (*target, Some(special.eop))
        };
        let first = target_position(config, prefix);
        sample.generate(special, target, end, |i| first + i);
        sample.close(start, prefix, window, special.pad);
    }
    sample
}
