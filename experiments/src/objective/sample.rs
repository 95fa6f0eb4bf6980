//! One sequence of a batch.

use experiments_text::SpecialIds;

/// Which objective a sequence has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Generation of the rest of a text after a bidirectional prefix.
    Gmask,
    /// Filling of short spans.
    Mask,
    /// A prompted task.
    Task,
    /// Prediction of every next token.
    Gpt,
}

/// A sub-sample: slots that see one another and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    /// First slot.
    pub(crate) start: usize,
    /// Slots, padding included.
    pub(crate) len: usize,
    /// The first so many are seen by all of the segment; beyond them attention is causal.
    pub(crate) prefix: usize,
}

/// One sequence; all vectors have `seq_len` entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Objective.
    pub(crate) kind: Kind,
    /// Input token ids.
    pub(crate) tokens: Vec<u32>,
    /// Position ids; they may repeat.
    pub(crate) positions: Vec<u32>,
    /// Positions inside a target span, from 1 at its sop; 0 in the prefix. Only 2-D positions read
    /// them.
    pub(crate) block_positions: Vec<u32>,
    /// Target token per slot; absent where no loss is taken.
    pub(crate) targets: Vec<Option<u32>>,
    /// Sub-samples in order, which cover all slots.
    pub(crate) segments: Vec<Segment>,
}

impl Sample {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            tokens: Vec::new(),
            positions: Vec::new(),
            block_positions: Vec::new(),
            targets: Vec::new(),
            segments: Vec::new(),
        }
    }

    /// Slots with a target; every sample has one.
    #[must_use]
    pub(crate) fn target_count(&self) -> usize {
        self.targets.iter().flatten().count()
    }

    /// Whether slot `from` may attend to slot `to`.
    #[must_use]
    pub(crate) fn may_attend(&self, from: usize, to: usize) -> bool {
        let inside =
            |segment: &&Segment| (segment.start..segment.start + segment.len).contains(&from);
        self.segments.iter().find(inside).is_some_and(|segment| {
            to >= segment.start && (to <= from || to < segment.start + segment.prefix)
        })
    }

    /// With the first id of 2-D positions: the targets of [gMASK] and tasks all carry the position of
    /// the mask they fill, and only the second id counts on (GLM, arXiv 2103.10360 §2.2). [MASK] spans
    /// do so in any case.
    #[must_use]
    pub(crate) fn with_block_positions(mut self) -> Self {
        if self.kind == Kind::Gpt {
            return self;
        }
        for segment in &self.segments {
            let slots = segment.start + segment.prefix..segment.start + segment.len;
            if self.kind == Kind::Mask || segment.prefix == 0 {
                continue;
            }
            let mask = self.positions[segment.start + segment.prefix - 1];
            for slot in slots {
                if self.block_positions[slot] > 0 {
                    self.positions[slot] = mask;
                }
            }
        }
        self
    }

    /// Adds a slot of the prefix.
    pub(super) fn show(&mut self, token: u32, position: usize) {
        self.push(token, position, 0, None);
    }

    /// Adds the slots of one target: `sop` and the target's tokens in, the tokens and what ends them
    /// (if anything does) out. `position` gives the position of the slot with that number.
    pub(super) fn generate(
        &mut self,
        special: &SpecialIds,
        target: &[u32],
        end: Option<u32>,
        position: impl Fn(usize) -> usize,
    ) {
        let inputs = std::iter::once(&special.sop).chain(target);
        let targets = target.iter().chain(&end);
        for (i, (input, target)) in inputs.zip(targets).enumerate() {
            self.push(*input, position(i), i + 1, Some(*target));
        }
    }

    fn push(&mut self, token: u32, position: usize, block: usize, target: Option<u32>) {
        self.tokens.push(token);
        self.positions.push(position as u32);
        self.block_positions.push(block as u32);
        self.targets.push(target);
    }

    /// Ends a sub-sample that began at slot `start`: cuts it to `window` slots, or pads it.
    pub(super) fn close(&mut self, start: usize, prefix: usize, window: usize, pad: u32) {
        let end = start + window;
        self.tokens.resize(end, pad);
        self.positions.resize(end, 0);
        self.block_positions.resize(end, 0);
        self.targets.resize(end, None);
        self.segments.push(Segment {
            start,
            len: window,
            prefix: prefix.min(window),
        });
    }
}
