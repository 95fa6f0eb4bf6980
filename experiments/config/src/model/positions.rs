//! Position encodings: how slots know where they are.

use words::named;

/// A kind of position ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// The position in the text.
    Position,
    /// The position inside the span: 0 in the prefix, 1 at sop.
    Span,
}

/// One position encoding; all off is none at all.
#[derive(Debug, Clone, Copy)]
pub struct PositionEncoding {
    /// Query and key are rotated (RoPE) by these ids, each in an equal part of a head's elements.
    pub rotates: &'static [Ids],
    /// A learned vector per position id is added to the embedding.
    pub is_learned: bool,
    /// Slope · distance is taken off the scores (`ALiBi`).
    pub penalises: bool,
    /// Where it comes from.
    pub source: &'static str,
}

const NONE: PositionEncoding = PositionEncoding {
    rotates: &[],
    is_learned: false,
    penalises: false,
    source: "",
};

named! {
    /// How slots know where they are.
    pub enum Positions: PositionEncoding {
        /// Rotary by position id: GLM-130B.
        Rope = "rope": PositionEncoding {
            rotates: &[Ids::Position],
            source: "arXiv 2104.09864, NeoX pairing",
            ..NONE
        },
        /// Half of each head rotated by position id, half by the position inside the span.
        Rope2d = "rope_2d": PositionEncoding {
            rotates: &[Ids::Position, Ids::Span],
            source: "GLM's code, off in GLM-130B",
            ..NONE
        },
        /// A learned vector per position id, added to the embedding.
        Learned = "learned": PositionEncoding {
            is_learned: true,
            source: "control",
            ..NONE
        },
        /// A penalty on scores that grows with the distance.
        Alibi = "alibi": PositionEncoding {
            penalises: true,
            source: "arXiv 2108.12409",
            ..NONE
        },
    }
}

impl Positions {
    /// Whether samples need the positions inside their spans.
    #[must_use]
    pub fn reads_spans(self) -> bool {
        self.row().rotates.contains(&Ids::Span)
    }

    /// A head's dimension must be a multiple of this: a rotation turns pairs.
    #[must_use]
    pub fn head_multiple(self) -> usize {
        (2 * self.row().rotates.len()).max(1)
    }
}
