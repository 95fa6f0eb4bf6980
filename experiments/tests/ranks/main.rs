//! A run that several ranks train is the run of one process.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]
#![allow(unreachable_pub, missing_docs, reason = "no library")]

mod bench;
mod checkpoints;
mod counted;
mod failures;
mod layouts;
mod meddling;
