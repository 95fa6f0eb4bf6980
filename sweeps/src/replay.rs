//! A step of a run again, under changes: what the twins are, what is read off them, and what they say of the cause.
//!
//! A *twin* is a fork that begins with the exact state before a spike and differs in one thing from the run. [`TWINS`]
//! is the registry, [`Table`] what happened to each, and [`attribute`] the rule that turns the table into a cause. The rule
//! is a pure function and was fixed before the first cause was planted.

mod attribution;
mod branches;
mod document;
mod table;
mod twins;

pub use attribution::{Answer, Attribution, Cause, Control, Facts, Fate, attribute, deciding};
pub use branches::Branch;
pub use document::{Replay, TWINS_DIR};
pub use logs::output::REPLAY_FILE;
pub use table::{End, NEAR, Row, Seen, Table, Told, control, deviation};
pub use twins::{CONTROL, Change, Place, TWINS, Twin, UnknownTwin, chosen};
