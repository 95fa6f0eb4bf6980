//! Where records stand in the files of metrics.

/// Where the line of a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The attempt whose file it is.
    pub(crate) attempt: u32,
    /// Its first byte in that file.
    pub(crate) offset: u64,
}
