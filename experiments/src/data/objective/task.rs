//! Tasks: multi-task instruction pre-training (arXiv 2210.02414 §2.2), zero-shot.

use super::gmask::blank_at_end;
use super::row::Row;
use super::{Kind, Sample};
use experiments_config::ObjectiveConfig;
use experiments_text::SpecialIds;
use std::iter::once;

/// A row of tasks, each `(text, target)` in an equal part of the row: `text [MASK] sop target`
/// predicts `target eop`.
#[must_use]
pub(crate) fn sample_task(
    config: &ObjectiveConfig,
    special: &SpecialIds,
    tasks: &[(&[u32], &[u32])],
    seq_len: usize,
) -> Sample {
    let window = seq_len / tasks.len();
    let mut row = Row::new(Kind::Task, seq_len);
    for (text, target) in tasks {
        let (text, target) = fit(text, target, window);
        let target = target.iter().copied().chain(once(special.eop));
        blank_at_end(&mut row, config, text, [special.mask, special.sop], target);
        row.close(window, special.pad);
    }
    row.finish()
}

/// What does not fit goes: first the end of the text, of which a quarter of the window stays, then
/// the end of the target. eop follows a cut target too, as in the original.
fn fit<'a>(text: &'a [u32], target: &'a [u32], window: usize) -> (&'a [u32], &'a [u32]) {
    let room = window.saturating_sub(2);
    let text_len = text
        .len()
        .min((window / 4).max(room.saturating_sub(target.len())));
    let target_len = target.len().min(room.saturating_sub(text_len));
    (&text[..text_len], &target[..target_len])
}
