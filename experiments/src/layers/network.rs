//! All sub-layers together.

pub(crate) mod graph;
pub(crate) mod host;
