//! What the model is given for one row.

use std::ops::Range;

/// Which objective a row has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Generation of the rest of a text after a bidirectional prefix.
    Gmask,
    /// Filling of short spans.
    Mask,
    /// A prompted task: its answer generated after its text.
    Task,
    /// Every next token predicted from the ones before: the control.
    Gpt,
}

/// Slots that see one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    /// First slot.
    pub(crate) start: usize,
    /// Slots, padding included.
    pub(crate) len: usize,
    /// The first `prefix` slots of the segment are visible to all of it, beyond them attention is
    /// causal.
    pub(crate) prefix: usize,
}

impl Segment {
    fn contains(&self, slot: usize) -> bool {
        (self.start..self.start + self.len).contains(&slot)
    }

    /// The slots that a slot of the segment may attend to.
    fn visible(&self, from: usize) -> Range<usize> {
        let causal = from + 1;
        self.start..causal.max(self.start + self.prefix)
    }
}

/// One row of `seq_len` slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Objective.
    pub(crate) kind: Kind,
    /// Input token ids, `[seq_len]`.
    pub(crate) tokens: Vec<u32>,
    /// Position ids, `[seq_len]`; they start at 0 in every segment and may repeat.
    pub(crate) positions: Vec<u32>,
    /// Second id of 2-D positions, `[seq_len]`: 1, 2, .. from sop on inside what fills a blank, 0
    /// elsewhere.
    pub(crate) block_positions: Vec<u32>,
    /// Target token per slot; absent where no loss is taken. `[seq_len]`.
    pub(crate) targets: Vec<Option<u32>>,
    /// They cover the whole row in order.
    pub(crate) segments: Vec<Segment>,
}

impl Sample {
    /// A row with these targets for a test that reads nothing else but its tokens, which are 0, 1, 2 and so on.
    #[cfg(test)]
    pub(crate) fn with_targets(kind: Kind, targets: &[Option<u32>]) -> Self {
        let len = targets.len();
        Self {
            kind,
            tokens: (0..len as u32).collect(),
            positions: vec![0; len],
            block_positions: vec![0; len],
            targets: targets.to_vec(),
            segments: vec![Segment {
                start: 0,
                len,
                prefix: 1,
            }],
        }
    }

    /// Slots with a target.
    #[must_use]
    pub(crate) fn target_count(&self) -> usize {
        self.targets.iter().flatten().count()
    }

    /// The slots that slot `from` may attend to. Padding is like any other slot: it comes last, so that no slot with
    /// a target sees it.
    #[must_use]
    pub(crate) fn visible(&self, from: usize) -> Range<usize> {
        let mut segments = self.segments.iter();
        let own = segments.find(|segment| segment.contains(from));
        own.map_or(0..0, |segment| segment.visible(from))
    }

    /// Whether slot `from` may attend to slot `to`.
    #[must_use]
    pub(crate) fn may_attend(&self, from: usize, to: usize) -> bool {
        self.visible(from).contains(&to)
    }

    /// The row as 2-D positions want it (GLM, arXiv 2103.10360 §2.2): what fills the blank of a
    /// `[gMASK]` or task segment carries the position of the blank, as a `[MASK]` span does
    /// already; the block positions tell its slots apart.
    #[must_use]
    pub(crate) fn with_block_positions(mut self) -> Self {
        if let Kind::Gmask | Kind::Task = self.kind {
            for segment in &self.segments {
                // The blank ends the prefix.
                let first = segment.start + segment.prefix;
                let blank = self.positions[first - 1];
                for slot in first..segment.start + segment.len {
                    if self.targets[slot].is_some() {
                        self.positions[slot] = blank;
                    }
                }
            }
        }
        self
    }
}
