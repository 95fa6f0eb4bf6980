//! Pipeline parallelism: in which order the stages work through the micro-batches of one step, how
//! long that takes, and how much of it is idle.
//!
//! [`simulate`] plays a schedule operation by operation, [`closed_form()`] is what the papers say;
//! both agree wherever the formula applies, and the simulation also tells what sending costs and
//! what each stage must hold. Draw the result with [`timeline_svg`] or [`timeline_text`].

mod closed_form;
mod input;
mod order;
mod run;
mod svg;
mod text;
mod timeline;
mod view;

#[cfg(test)]
mod tests;

pub use closed_form::closed_form;
pub use input::{MAX_OPERATIONS, PipelineInput};
pub use run::simulate;
pub use svg::timeline_svg;
pub use text::timeline_text;
pub use timeline::{Event, Pass, Timeline};
