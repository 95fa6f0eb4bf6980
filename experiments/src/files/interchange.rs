//! Checkpoint interchange: with the public GLM-130B layout, `SwissArmyTransformer` ("SAT") files, one per
//! tensor-parallel rank; and, written only, with `transformers` (`interchange/gpt2.rs`).
//!
//! ```text
//! DIR/latest                                 the iteration, as text
//! DIR/ITERATION/mp_rank_00_model_states.pt   torch.save({'module': {name: tensor}})
//!               mp_rank_01_model_states.pt   …
//! ```
//!
//! File names: SAT `training/model_io.py` (`get_checkpoint_name`), GLM-130B `tools/convert_tp.py`
//! (`main`). Names, shapes and splits of the tensors, each with its source: `interchange/layout.rs`.
//! Going from n ranks to m is an import followed by an export.
//!
//! Plain safetensors with our own names need nothing from here: `checkpoint.rs` writes them.
//!
//! Why the files are read and written here and not by a crate: `burn-store` 0.21 and `candle-core`
//! 0.10 read them but write none, so the format has to be known here anyway; each is a tensor
//! library's companion with another `zip` and `safetensors` beside ours; and `burn-store` reserves
//! memory by the sizes a file claims, which a hostile file turns into an abort.

mod error;
mod export;
mod gpt2;
mod import;
mod layout;
mod pickle;
mod shape;
mod torch_reader;
mod torch_writer;

#[cfg(test)]
mod tests;

pub use error::InterchangeError;
pub use export::SatDtype;
pub(crate) use export::{SatExport, export_sat};
pub(crate) use gpt2::{check as check_gpt2, export_gpt2};
pub(crate) use import::import_sat;
pub(crate) use shape::SatShape;

/// A tensor by name, FP32, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NamedTensor {
    /// Our name, as in `Parameters::table`.
    pub(crate) name: String,
    /// `[out, in]` for matrices, `[n]` for biases and norms.
    pub(crate) shape: Vec<usize>,
    /// As many as the product of `shape`.
    pub(crate) values: Vec<f32>,
}
