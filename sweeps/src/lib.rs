//! From an experiment card to a verdict: expansion, execution, outcomes, statistics.
//!
//! One decision shapes this crate: a sweep is a *directory*, and everything that follows it —
//! status, monitor, report, verdict, a second executor tomorrow — reads that directory. The
//! executor keeps nothing in memory that would be missed if it were killed. What decides the
//! verdict is written down and hashed before the first run starts.
//!
//! - [`card`] is the question: hypothesis, axes, seeds, metric, outcome rules, criterion.
//! - [`criterion`] has the statistical tests that decide, one file each.
//! - [`plan`] turns it into runs, whose ids depend on their configuration and nothing else.
//! - [`sweep`] is the directory, [`reader`] follows it, [`overview`] prints it.
//! - [`executor`] runs it: as processes of this machine, of several, or as jobs of Slurm.
//! - [`outcome`] says how a run ended, [`stats`] compares arms, [`verdict`] decides, and
//!   [`result`] is what is kept of it.
//! - [`by_axis`] counts and compares runs along the axes, for tables and curves of many arms.
//! - [`evaluation`] compares detectors over many runs.
//! - [`journal`] re-enacts a documented run, and says where a proxy behaves the same.
//! - [`replay`] takes a step of a run again under changes, and says what they say of its cause.
//!
//! The crate knows no tensor, and of a run only what the `logs` crate reads from its directory.

pub mod by_axis;
pub mod card;
pub mod criterion;
mod error;
pub mod evaluation;
mod event;
pub mod executor;
pub mod journal;
pub mod learning;
pub mod outcome;
pub mod overview;
pub mod plan;
pub mod reader;
pub mod recorded;
pub mod replay;
pub mod rerun;
pub mod result;
pub mod stats;
pub mod sweep;
#[cfg(test)]
mod testing;
pub mod verdict;
mod wording;

pub use by_axis::ByAxis;
pub use card::{Card, Role, Settings};
pub use criterion::VerdictStatus;
pub use error::SweepError;
pub use evaluation::{Evaluation, EvaluationError};
pub use event::Event;
pub use executor::{
    EXECUTORS, Executor, LocalExecutor, Progress, SharedExecutor, SlurmError, SlurmExecutor,
    SlurmOptions, StillRunning, StopNews, Tally, Unreached, Waiting, last_error,
};
pub use outcome::{Classified, Outcome, OutcomeRules, classify, judge};
pub use overview::{PlanOverview, Status};
pub use plan::{Origin, Plan, PlannedRun, Weights};
pub use reader::{RunState, State, SweepReader};
pub use recorded::not_recorded;
pub use result::CardResult;
pub use sweep::{CardText, ExecutorProcess, Registration, Request, Sweep, check_place};
pub use verdict::Verdict;
