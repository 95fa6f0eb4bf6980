//! From the residual stream to the logits of the slots with a target: final norm and projection to the vocabulary.

pub(crate) mod graph;
pub(crate) mod host;
#[cfg(test)]
mod tests;
mod vocabulary;

const NORM: &str = "final_norm";
