//! The per-layer signals of one run at a time, read only while the heat map shows them.

use std::path::Path;

use logs::{Record, RunReader};

/// A reader with layers, for the run that was asked for last.
#[derive(Debug, Default)]
pub(super) struct Layers {
    open: Option<(usize, RunReader)>,
}

impl Layers {
    /// Takes in what is new of the run that is open.
    pub(super) fn poll(&mut self) {
        // The run's own reader reports what is wrong with its files; here they just yield nothing more.
        if let Some((_, reader)) = &mut self.open
            && reader.poll().is_err()
        {
            self.open = None;
        }
    }

    /// The records of a run, layers included. `plain` are those of the run's own reader: when they carry layers
    /// already, nothing is read twice.
    pub(super) fn records<'a>(
        &'a mut self,
        run: usize,
        plain: &'a [Record],
        dir: Option<&Path>,
    ) -> &'a [Record] {
        if plain.last().is_none_or(|record| !record.layers.is_empty()) {
            return plain;
        }
        if self.open.as_ref().is_none_or(|(open, _)| *open != run) {
            self.open = dir.and_then(|dir| Some((run, RunReader::open(dir).ok()?)));
        }
        self.open
            .as_ref()
            .map_or(&[], |(_, reader)| reader.records())
    }
}
