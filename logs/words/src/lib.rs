//! Words for people: how numbers, spans of time, lists and tables are written, how a word is quoted for a
//! shell, which name was probably meant, and what of foreign text is safe to print.
//!
//! Every other crate may use this one; it knows none of them. What only one place writes (the axis of a
//! plot, the sentence of a verdict) stays there.

mod duration;
mod line;
mod named;
mod nearest;
mod number;
pub mod printable;
mod shell;
mod table;

pub use duration::{duration, short_duration};
pub use line::{counted, cut, cut_columns, hanging, quoted};
pub use named::Named;
pub use nearest::{closest, did_you_mean, hint, last_part};
pub use number::{approximate, bytes, decimal, number, thousands};
pub use printable::{printable, printable_line, printable_path};
pub use shell::{shell_command, shell_word};
pub use table::Table;
