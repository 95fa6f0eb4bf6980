//! What a trained model does with text: it fills blanks, goes on, and is asked what it knows.
//!
//! Nothing here knows a tensor. A model is a [`Model`]: it reads tokens, each of which attends to what its [`Row`] says,
//! and gives logits. How texts become rows, how tokens are chosen and how answers are judged is written once, for every
//! model.
//!
//! | word | meaning |
//! | --- | --- |
//! | [`Layout`] | how a run lays texts out: objective, positions, special tokens |
//! | [`Prompt`] | a text laid out, with its blank |
//! | [`Decoding`] | how tokens are chosen: greedily, by chance, by a search over beams |
//! | [`Answer`] | what was generated |
//! | [`TextStream`] | whole characters from tokens that end inside them |

mod decode;
mod error;
mod model;
mod prompt;
mod random;
mod stream;
#[cfg(test)]
mod toy;

pub use decode::{Answer, Decoding, End, Method, decode};
pub use error::{NotFinite, PromptError};
pub use model::{Model, Row, log_sum_exp};
pub use prompt::{Blank, Layout, Prompt};
pub use stream::TextStream;
