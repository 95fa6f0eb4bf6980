//! What a training run leaves behind: writing it, reading it while it grows, judging it, exporting it.
//!
//! One decision shapes this crate: *the files are the interface*. A run appends one checksummed
//! JSON line per step to a file of its own attempt and knows no reader; the monitor, the report and
//! the statistics tail the same files, so a run that is live, killed, finished or copied from
//! another machine is read by one path. The crate knows no tensor and no configuration type.
//!
//! - [`record`] is one step, [`signal`](mod@signal) the names it may hold, [`line`](mod@line) the checksummed line.
//! - [`run`] writes a run directory, under a [`lease`]; [`disk`] writes whole files; [`output`] those that a command is told to write, [`folder`] makes the folders.
//! - [`read`] follows a run directory.
//! - [`spike`] says what a spike is and finds them; [`alarm`] watches signals as they arrive.
//! - [`power`] is what the machine draws meanwhile.
//! - [`evaluation`] says what in a run deserved an alarm, and which detectors raised one.
//! - [`explain`] says what a log alone can tell of a spike.
//! - [`import`](mod@import) makes run directories of other programs' logs.
//! - [`proportion`] and [`quantile`](mod@quantile) say how sure a share is, and what summarises many values.
//! - [`decimate`] and [`smooth`] prepare curves for drawing, [`export`] writes CSV and `TensorBoard`.

pub mod alarm;
mod clock;
pub mod decimate;
pub mod disk;
mod error;
pub mod evaluation;
pub mod explain;
pub mod export;
pub mod folder;
pub mod import;
pub mod lease;
pub mod line;
mod machine;
mod median;
pub mod output;
pub mod power;
pub mod proportion;
pub mod quantile;
pub mod read;
pub mod record;
pub mod rows;
pub mod run;
pub mod signal;
pub mod smooth;
pub mod spike;
mod tfevent;

pub use alarm::{Alarm, AlarmKind, News, Sighting, Watch, WatchState, alarms, sightings};
pub use disk::{write_atomic, write_json_atomic};
pub use error::LogError;
pub use folder::FolderLock;
pub use lease::Lease;
pub use line::LineError;
pub use machine::{MachineFailure, is_machine_failure};
pub use read::{Liveness, RunReader};
pub use record::{Name, Record};
pub use run::{Engine, Event, EventKind, Manifest, RollBack, RunLease, RunWriter, Status, Summary};
pub use signal::{Needs, RunKind, SIGNALS, Signal, TIMINGS, signal, split_layer};
