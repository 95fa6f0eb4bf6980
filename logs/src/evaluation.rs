//! What in a run deserved an alarm, and which detectors raised one.
//!
//! The truth comes first and from elsewhere: [`label`] has the rule, which looks at both sides of a step and so can use
//! what no detector knows yet; causes planted on purpose; or the user's own list. [`measure`](mod@measure) then runs every detector
//! of the registry over the records at a family of thresholds and holds its alarms against the truth. Rates, intervals and the
//! comparison over many runs are in `sweeps::evaluation`.

pub mod label;
pub mod measure;

pub use label::{Planted, Truth};
pub use measure::{Detection, Measured, Outcome, factors, measure};

/// Steps before an event in which an alarm counts as its warning.
pub const BEFORE: u64 = 32;
/// Steps after the first one of an event in which an alarm still finds it, late. Also the steps after the last one in
/// which alarms are of its aftermath and count neither way.
pub const AFTER: u64 = 8;

/// One thing that a detector should find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Its first step; leads are counted from here.
    pub first: u64,
    /// First step at which an alarm counts for it.
    pub from: u64,
    /// Last step at which an alarm counts for it.
    pub to: u64,
    /// Last step of its aftermath, in which alarms count neither way; at least `to`.
    pub end: u64,
}

/// Steps, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
}

impl Span {
    /// Whether `step` is one of them.
    #[must_use]
    pub fn holds(self, step: u64) -> bool {
        (self.from..=self.to).contains(&step)
    }
}

#[cfg(test)]
mod tests;
