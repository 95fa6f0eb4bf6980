//! A row under construction, sub-sample after sub-sample.

use super::{Kind, Sample, Segment};

pub(super) struct Row {
    sample: Sample,
    /// First slot of the present sub-sample.
    start: usize,
    /// Source slots of the present sub-sample.
    prefix: usize,
}

impl Row {
    pub(super) fn new(kind: Kind, seq_len: usize) -> Self {
        Self {
            sample: Sample {
                kind,
                tokens: Vec::with_capacity(seq_len),
                positions: Vec::with_capacity(seq_len),
                block_positions: Vec::with_capacity(seq_len),
                targets: Vec::with_capacity(seq_len),
                segments: Vec::new(),
            },
            start: 0,
            prefix: 0,
        }
    }

    /// The next slot, counted within the sub-sample.
    pub(super) fn slot(&self) -> usize {
        self.sample.tokens.len() - self.start
    }

    /// Puts a token into the next slot.
    pub(super) fn push(&mut self, token: u32, position: usize, block: u32, target: Option<u32>) {
        self.sample.tokens.push(token);
        self.sample.positions.push(position as u32);
        self.sample.block_positions.push(block);
        self.sample.targets.push(target);
    }

    /// A token of the source part; all of them come before the first piece. A blank is one slot,
    /// so a hidden span of any length counts as one position.
    pub(super) fn source(&mut self, token: u32) {
        self.push(token, self.slot(), 0, None);
        self.prefix = self.slot();
    }

    /// What fills a blank: sop and all targets but the last as inputs, at positions `first`,
    /// `first + step`, ..
    pub(super) fn piece(
        &mut self,
        sop: u32,
        targets: impl IntoIterator<Item = u32>,
        first: usize,
        step: usize,
    ) {
        let (mut input, mut position) = (sop, first);
        for (block, target) in (1..).zip(targets) {
            self.push(input, position, block, Some(target));
            input = target;
            position += step;
        }
    }

    /// Ends the sub-sample: cuts or pads it to `window` slots.
    pub(super) fn close(&mut self, window: usize, pad: u32) {
        let (start, end) = (self.start, self.start + window);
        self.sample.tokens.resize(end, pad);
        self.sample.positions.resize(end, 0);
        self.sample.block_positions.resize(end, 0);
        self.sample.targets.resize(end, None);
        self.sample.segments.push(Segment {
            start,
            len: window,
            prefix: self.prefix.min(window),
        });
        (self.start, self.prefix) = (end, 0);
    }

    pub(super) fn finish(self) -> Sample {
        self.sample
    }
}
