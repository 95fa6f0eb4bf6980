//! Prompted task sets for multi-task instruction pre-training (MIP; arXiv 2210.02414 §2.2 and
//! appendix C).
//!
//! The way of a set: [`mod@catalogue`] entry with its own prompts, or file and templates of the user →
//! rows → text and target of each sample → [`TaskMixture`], tokenised once and found again by
//! content like every other product of this crate. What a sample looks like to the model
//! (`text [MASK] <sop> target <eop>`) and how it is cut to the window is decided elsewhere.
//!
//! Data come from the user: the program ships names and prompts only. Evaluation splits never
//! enter: the catalogue names training files, and below the folder of task data any file that is
//! not called `train*` is refused.

mod catalogue;
mod check;
mod error;
mod locate;
mod mixture;
mod prompter;
mod set;
mod set_tokens;
mod source;

pub use catalogue::{BuiltIn, CatalogueEntry, Group, Prompt, catalogue, find};
pub use check::{TaskCheck, check, resolve};
pub use error::TaskError;
pub use locate::{Availability, DATA_VARIABLE, availability, locate};
pub use mixture::{SetInfo, TaskMixture, TaskSample};
