//! Why a text cannot be answered.

use experiments_text::TextError;

/// What is wrong with a prompt, and what was expected.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// No blank, in GLM mode.
    #[error(
        "has no blank; put one `[MASK]` where words are missing, or `[gMASK]` at the end for what follows"
    )]
    Missing,
    /// More than one.
    #[error("has {count} blanks; expected one `[MASK]`, or one `[gMASK]` at the end")]
    Several {
        /// How many.
        count: usize,
    },
    /// Text behind `[gMASK]`.
    #[error(
        "has text behind `[gMASK]`, which stands for all that follows; put it at the end, or `[MASK]` in its place"
    )]
    Behind,
    /// A blank, in GPT mode.
    #[error(
        "has `{name}`, which a run with `objective.mode = \"gpt\"` does not know; give the text that is to go on"
    )]
    NoBlanks {
        /// The blank.
        name: &'static str,
    },
    /// Nothing to go on from, in GPT mode.
    #[error("is empty; a run with `objective.mode = \"gpt\"` needs text that is to go on")]
    Empty,
    /// No slot is left.
    #[error("takes {found} slots of `model.seq_len` = {slots}; shorten it")]
    Long {
        /// Slots that it takes.
        found: usize,
        /// Slots that there are.
        slots: usize,
    },
    /// It cannot be written in tokens.
    #[error(transparent)]
    Text(#[from] TextError),
}

/// A model whose predictions are no numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the model's predictions are not finite: its weights, or what it computes from them, have left the range of numbers"
)]
pub struct NotFinite;
