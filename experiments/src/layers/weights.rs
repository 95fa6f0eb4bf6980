//! The working copy of the weights for one pass: matrices and biases rounded to its format, layer norms in FP32.

pub(crate) mod graph;
pub(crate) mod host;

/// The output projection where it is not the word embedding.
pub(crate) const HEAD: &str = "head.weight";
