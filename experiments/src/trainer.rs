//! The training loop on three levels: the run (cadence, files), the step (timing, policy), and
//! the pass (pure maths, in `pass`).
//!
//! *Step* k means: k optimiser steps are finished. The record of step k describes the step that
//! led from k-1 to k, with the learning rate and loss scale it used.

mod alarms;
mod approach;
mod attempt;
mod beginning;
mod beside;
mod counters;
mod course;
mod doctor;
mod evaluation;
pub mod explain;
mod fork;
mod gradient;
mod identity;
mod layouts;
mod memory;
mod next;
mod noise;
mod pack;
mod probes;
mod quantized;
mod ranks;
mod repeat;
mod request;
mod resumption;
mod sequences;
mod session;
pub(crate) mod signals;
mod step;
#[cfg(test)]
mod tests;
mod text;
mod timing;
mod training;
mod update;
mod withheld;

pub use approach::check_reachable;
pub use doctor::{CheckpointAudit, CheckpointAuditRequest, audit};
pub use fork::{Child, ForkRequest, Forked, fork};
pub use identity::check_run;
pub(crate) use identity::check_tokenizer;
pub use layouts::ranks_of_step;
pub(crate) use memory::check_memory;
pub use memory::training_bytes;
pub use pack::{Member, PackRequest, train_pack};
pub use ranks::{Member as RankMember, refuse, serve, train_as_first, train_on_threads};
pub use repeat::{Repeat, parity};
pub use request::{Ending, Request};
pub use session::train;
pub(crate) use text::Text;
pub(crate) use timing::{Lap, first_gradient, time_steps};
pub(crate) use training::Training;
