//! How large records may be.

/// Most layers that a per-layer signal may have.
pub(crate) const MOST_LAYERS: usize = 1 << 16;

/// Most names that the records of one run may have together. A reader keeps every name, and tables
/// have a column for each.
pub(crate) const MOST_NAMES: usize = 1024;
