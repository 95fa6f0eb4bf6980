//! The six special tokens. They have the last six ids, so that the first 256 ids are the bytes
//! whatever the vocabulary size.

/// Names of the special tokens in the order of their ids: blank to fill (`[MASK]`), blank to
/// generate to the end (`[gMASK]`), start and end of a generated piece, end of a document, padding
/// (the set of GLM-130B, arXiv 2210.02414 §2.2).
pub const SPECIAL: [&str; 6] = ["[MASK]", "[gMASK]", "<sop>", "<eop>", "<eos>", "<pad>"];

/// Ids of the special tokens in one vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialIds {
    /// `[MASK]`: a short span inside the sequence is blank here.
    pub mask: u32,
    /// `[gMASK]`: the rest of the sequence is blank here.
    pub gmask: u32,
    /// `<sop>`: a generated piece starts.
    pub sop: u32,
    /// `<eop>`: a generated piece ends.
    pub eop: u32,
    /// `<eos>`: a document ends.
    pub eos: u32,
    /// `<pad>`: an empty slot.
    pub pad: u32,
}

impl SpecialIds {
    /// The last six ids of a vocabulary of `vocab_size` ids (at least 262, which the
    /// configuration checks).
    #[must_use]
    pub fn of(vocab_size: usize) -> Self {
        let first = (vocab_size - SPECIAL.len()) as u32;
        Self {
            mask: first,
            gmask: first + 1,
            sop: first + 2,
            eop: first + 3,
            eos: first + 4,
            pad: first + 5,
        }
    }
}
