//! Text, tokenizer and tokens of a run. It knows no tensor and no model.
//!
//! One decision shapes this crate: *work is done once and found again by content*. A text is
//! fetched and cleaned once ([`get`]), a tokenizer trained once and a text tokenised once
//! ([`Corpus::prepare`]); each product is a file in the [`Cache`] whose name is a hash of
//! everything it depends on, written to a temporary name and renamed. The many processes of a
//! sweep therefore share one copy and start within milliseconds, a changed text or setting can
//! never meet a stale file, and deleting the cache costs nothing but time.
//!
//! The way of a text: [`catalogue`] entry or file of the user → [`resolve_sources`] (what is
//! really there) → documents → [`Tokenizer`] → token file → [`Corpus::sample`]. Prompted task sets
//! go the same way beside it: see [`tasks`].

pub mod catalogue;
pub mod tasks;

mod cache;
mod clean;
mod corpus;
mod error;
mod fetch;
mod json_lines;
mod source_text;
mod sources;
mod special;
mod tokenizer;
mod tokens;

pub use cache::{Cache, content_hash};
pub use corpus::{Corpus, Passage, Split};
pub use error::TextError;
pub use fetch::{CachedText, cached, get, verify};
pub use sources::{Resolved, resolve_sources};
pub use special::{SPECIAL, SpecialIds};
pub use tokenizer::Tokenizer;
