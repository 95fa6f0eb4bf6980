//! A training journal re-enacted by a proxy: what was done at which step, and whether the proxy behaves the same.
//!
//! A [`Journal`] is a file of dated entries. Together they make the main line, one run in which everything is done where it was done; an entry that
//! was undone is a branch off it. The other side of each entry, without what was done, is a fork of the main line at the entry's step, so both sides
//! have the same state before and differ in one thing. [`judge()`] is the rule that compares them: a pure function that can say no.

mod document;
mod entry;
mod judge;

pub use document::{Row, Told};
pub use entry::{Entry, Journal, JournalError, Side};
pub use judge::{Behaviour, Finding, MARGIN, Rule, Sides, judge};
pub use logs::output::JOURNAL_FILE;
