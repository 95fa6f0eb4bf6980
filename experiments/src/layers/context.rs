//! What a pass needs beside weights and activations.

pub(crate) mod graph;
pub(crate) mod host;
