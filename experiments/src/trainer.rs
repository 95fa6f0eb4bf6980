//! The training loop on three levels: the run (cadence, files), the step (timing, policy), and
//! the pass (pure maths, in `pass`).
//!
//! *Step* k means: k optimiser steps are finished. The record of step k describes the step that
//! led from k-1 to k, with the learning rate and loss scale it used.

mod alarms;
mod beginning;
mod doctor;
mod fork;
mod gradient;
mod identity;
mod pack;
mod probes;
mod repeat;
mod resumption;
mod session;
pub(crate) mod signals;
mod step;
#[cfg(test)]
mod tests;
mod text;
mod timing;
mod withheld;

pub use doctor::{CheckpointAudit, CheckpointAuditRequest, audit};
pub use fork::{Child, ForkRequest, Forked, fork};
pub(crate) use gradient::{accumulate, unscale};
pub(crate) use identity::check_memory;
pub use identity::check_run;
pub use pack::{Member, PackRequest, train_pack};
pub use repeat::{Repeat, parity};
pub use session::{Ending, Request, train};
pub(crate) use step::{Trained, Training, Update, decide, pass_over, update};
pub(crate) use text::Text;
pub(crate) use timing::{Between, FirstGradient, Lap, Stopwatch};
