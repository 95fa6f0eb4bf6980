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
//! | [`Task`] | a task of GLM-130B's evaluation: what is asked, of which files |
//! | [`Choosing`] | a prompt and the answers to choose from |
//! | [`Report`] | what is told of a task: shares with intervals, chance, what could not be asked |

mod decode;
mod error;
mod evaluate;
mod item;
mod lambada;
mod metrics;
mod model;
mod prompt;
mod published;
mod random;
mod record;
mod rows;
mod sample;
mod score;
mod stream;
mod summary;
mod task;
#[cfg(test)]
mod toy;

pub use decode::{Answer, Decoding, End, Method, decode};
pub use error::{NotFinite, PromptError};
pub use evaluate::{
    Asked, EvaluateError, FileReport, GroupReport, Metric, Options, OverGroups, QuestionChance,
    Report, Seams, Skipped, evaluate,
};
pub use model::{Model, Row, log_sum_exp};
pub use prompt::{Blank, Layout, Prompt};
pub use published::Published;
pub use score::{Choosing, choice_log_probabilities};
pub use stream::TextStream;
pub use summary::{Estimate, OverFiles};
pub use task::{Generation, Judge, Kind, SHIPPED, Task, TaskError, Templates, shipped};
