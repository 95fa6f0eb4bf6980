//! What one source holds, collected while it is read.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::names::Naming;
use crate::record::Record;
use crate::record::limits::MOST_NAMES;

/// What is less, in seconds since 1970, is no time of day but one since some start (this is in 1973).
const EARLIEST: f64 = 1e8;

/// Most attempts of one source; with more, its rows are in no order at all.
const MOST_ATTEMPTS: usize = 1000;

/// The numbers of one source, by attempt, step and name.
#[derive(Debug)]
pub(crate) struct Log {
    names: Vec<String>,
    places: HashMap<String, u32>,
    attempts: Vec<Attempt>,
    /// Whether a step backwards starts an attempt, as in a text that a restarted program appends to.
    /// Otherwise rows are put in order.
    sequential: bool,
    /// Damaged records, which were left out.
    pub(crate) damaged: u64,
    /// Numbers that came again at the same step with another value; the last one counts.
    pub(crate) contradicted: u64,
    /// Names beyond [`MOST_NAMES`], which were left out.
    dropped: HashSet<String>,
    /// Columns that say the step or the time of a row, and so are no signals.
    keys: BTreeSet<String>,
    /// When it was begun, seconds since 1970, where the source says so.
    pub(crate) clock: Option<f64>,
    /// What else a reader should know of the source.
    pub(crate) notes: Vec<String>,
}

/// Rows that one process wrote.
#[derive(Debug, Default)]
struct Attempt {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    step: u64,
    values: Vec<(u32, f64)>,
}

impl Log {
    /// An empty one. `sequential`: a step backwards starts an attempt.
    pub(crate) fn new(sequential: bool) -> Self {
        Self {
            names: Vec::new(),
            places: HashMap::new(),
            attempts: Vec::new(),
            sequential,
            damaged: 0,
            contradicted: 0,
            dropped: HashSet::new(),
            keys: BTreeSet::new(),
            clock: None,
            notes: Vec::new(),
        }
    }

    /// Goes to `step`; what is put next belongs to it.
    pub(crate) fn at(&mut self, step: u64) {
        let last = self.attempts.last().and_then(|attempt| attempt.rows.last());
        if last.is_some_and(|row| row.step == step) {
            return;
        }
        if last.is_none_or(|row| self.sequential && step < row.step) {
            self.attempts.push(Attempt::default());
        }
        if let Some(attempt) = self.attempts.last_mut() {
            let values = Vec::new();
            attempt.rows.push(Row { step, values });
        }
    }

    /// Adds a number to the present step.
    pub(crate) fn put(&mut self, name: &str, value: f64) {
        let Some(place) = self.place(name) else {
            return;
        };
        let row = self.attempts.last_mut().and_then(|a| a.rows.last_mut());
        if let Some(row) = row {
            row.values.push((place, value));
        }
    }

    fn place(&mut self, name: &str) -> Option<u32> {
        if let Some(&place) = self.places.get(name) {
            return Some(place);
        }
        if self.names.len() >= MOST_NAMES {
            // Enough to say that there are many.
            if self.dropped.len() < MOST_NAMES {
                self.dropped.insert(name.to_owned());
            }
            return None;
        }
        let place = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.places.insert(name.to_owned(), place);
        Some(place)
    }

    /// Remembers the earliest time met, in seconds or milliseconds since 1970.
    pub(crate) fn time(&mut self, seconds: f64) {
        let seconds = if seconds > 1e11 {
            seconds / 1000.0
        } else {
            seconds
        };
        if seconds.is_finite()
            && seconds >= EARLIEST
            && self.clock.is_none_or(|known| seconds < known)
        {
            self.clock = Some(seconds);
        }
    }

    /// Takes in that a column says the step or the time.
    pub(crate) fn key(&mut self, name: &str) {
        // It is asked for every row of some formats.
        if !self.keys.contains(name) {
            self.keys.insert(name.to_owned());
        }
    }

    /// Columns that say the step or the time, as the source has them.
    pub(crate) fn keys(&self) -> &BTreeSet<String> {
        &self.keys
    }

    /// The names met, as the source has them.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Puts every attempt in the order of its steps, with one row per step.
    pub(crate) fn settle(&mut self) {
        if self.attempts.len() > MOST_ATTEMPTS {
            let text = format!(
                "its steps go backwards {} times, so that they were put in order as one attempt",
                self.attempts.len() - 1
            );
            self.notes.push(text);
            let rows = self.attempts.drain(..).flat_map(|attempt| attempt.rows);
            let rows = rows.collect();
            self.attempts.push(Attempt { rows });
        }
        for attempt in &mut self.attempts {
            attempt.rows.sort_by_key(|row| row.step);
            let mut merged: Vec<Row> = Vec::with_capacity(attempt.rows.len());
            for row in attempt.rows.drain(..) {
                match merged.last_mut() {
                    Some(last) if last.step == row.step => last.values.extend(row.values),
                    _ => merged.push(row),
                }
            }
            for row in &mut merged {
                self.contradicted += deduplicate(&mut row.values);
            }
            merged.retain(|row| !row.values.is_empty());
            attempt.rows = merged;
        }
        self.attempts.retain(|attempt| !attempt.rows.is_empty());
        if !self.dropped.is_empty() {
            let text = format!("names beyond the first {MOST_NAMES} were left out");
            self.notes.push(text);
        }
    }

    /// The attempts as records, under the names that `naming` gives; empty where the source has no number.
    pub(crate) fn into_records(self, naming: &Naming) -> Vec<Vec<Record>> {
        let record = |row: Row| {
            let named = row.values.into_iter();
            let named = named.filter_map(|(place, value)| Some((naming.name(place)?, value)));
            Record {
                scalars: named.collect(),
                ..Record::new(row.step)
            }
        };
        let attempts = self.attempts.into_iter();
        attempts
            .map(|attempt| attempt.rows.into_iter().map(record).collect())
            .collect()
    }
}

/// Keeps the last value of each name; the number of names whose values differed.
fn deduplicate(values: &mut Vec<(u32, f64)>) -> u64 {
    values.sort_by_key(|(place, _)| *place);
    let mut differing = 0;
    let mut kept: Vec<(u32, f64)> = Vec::with_capacity(values.len());
    for &(place, value) in values.iter() {
        match kept.last_mut() {
            Some(last) if last.0 == place => {
                differing += u64::from(last.1.to_bits() != value.to_bits());
                last.1 = value;
            }
            _ => kept.push((place, value)),
        }
    }
    *values = kept;
    differing
}
