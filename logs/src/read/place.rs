//! Where records stand in the files of metrics, and what their layers do there.

use super::span::Bits;

/// Where the line of a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The attempt whose file it is.
    pub(crate) attempt: u32,
    /// Its first byte in that file.
    pub(crate) offset: u64,
}

/// A line whose record is held without its layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) place: Place,
    /// What its per-layer signals do, in the order of the reader's names of them; it may end early.
    pub(crate) spans: Box<[Bits]>,
}

impl Line {
    /// Of which nobody asks what layers do.
    pub(crate) fn bare(place: Place) -> Self {
        let spans = Box::default();
        Self { place, spans }
    }
}
