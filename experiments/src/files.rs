//! What a run leaves on disk and reads back, besides its log: checkpoints, weights for other programs, the
//! parity file, and what the manifest says about the machine.

pub(crate) mod checkpoint;
pub(crate) mod interchange;
pub(crate) mod parity;
pub(crate) mod provenance;
pub(crate) mod quantized;
mod tensors;
pub(crate) mod weights;
