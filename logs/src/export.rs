//! Records for other programs.

mod csv;
mod growing;
mod hparams;
mod tensorboard;

pub use csv::{cell, csv, csv_file, quoted};
pub use growing::GrowingEvents;
pub use hparams::{Experiment, Hparam, Session};
pub use tensorboard::{Events, event_file, experiment, step_seconds, tensorboard};

use std::collections::BTreeSet;

use crate::record::{Name, Record};
use crate::signal::SIGNALS;

/// Scalar names that occur, in the order of [`SIGNALS`], unknown ones after them by name.
fn scalar_names(records: &[Record]) -> Vec<&str> {
    in_order(records.iter().flat_map(|record| record.scalars.keys()))
}

/// Per-layer names that occur, in the same order.
fn layer_names(records: &[Record]) -> Vec<&str> {
    in_order(records.iter().flat_map(|record| record.layers.keys()))
}

fn in_order<'a>(names: impl Iterator<Item = &'a Name>) -> Vec<&'a str> {
    let names: BTreeSet<&str> = names.map(Name::as_str).collect();
    let mut names: Vec<_> = names.into_iter().collect();
    let place = |name: &&str| SIGNALS.iter().position(|signal| signal.name == *name);
    names.sort_by_key(|name| place(name).unwrap_or(SIGNALS.len()));
    names
}
