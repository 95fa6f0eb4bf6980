//! Other runs at the step of an incident: did they read the same batches, and does it show in them?

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::incident::{Incident, Shape};
use crate::record::Record;
use crate::spike::{Definition, Level};

/// Steps before an incident whose losses are compared.
const COMPARED: u64 = 256;
/// Moves of the loss that two runs must have in common for a comparison.
const LEAST_MOVES: usize = 32;
/// Rank correlation of the moves from which on the batches are the same. Over 16 incidents of public runs it is 0.70 to 0.99
/// for the same batches, at every size, and at most 0.21 for others.
const SAME_BATCHES: f64 = 0.5;
/// Steps before an incident from which a level is taken.
const BEFORE: u64 = 192;
/// Steps that a spike may be early or late in another run; an excursion of one step may not.
const LATE: u64 = 2;

/// How the model of another run is related.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kin {
    /// The same model: of the same size, perhaps of another initialisation.
    SameSize,
    /// A model of another size.
    OtherSize,
}

/// Another run, given as one that read the same batches.
#[derive(Debug, Clone, Copy)]
pub struct Sibling<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its model.
    pub kin: Kin,
    /// Its records.
    pub records: &'a [Record],
}

/// What another run says of an incident.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// Its name.
    pub name: String,
    /// Its model.
    pub kin: Kin,
    /// Rank correlation of its moves from step to step with those of the run, before the incident. None where too few steps are common.
    pub correlation: Option<f64>,
    /// Whether it read the same batches, by that.
    pub same_batches: bool,
    /// Whether it has the very same losses, the incident's too: the run itself under another name, which says nothing more.
    pub same_run: bool,
    /// Its largest distance from its level at the step, in robust deviations; none where it cannot be judged.
    pub deviations: Option<f64>,
}

impl Compared {
    /// Compares a run with another one.
    pub(super) fn of(records: &[Record], incident: &Incident, sibling: &Sibling<'_>) -> Self {
        let end = incident.first;
        let correlation = correlation(&moves(records, end), &moves(sibling.records, end));
        let same_run = is_same_run(records, sibling.records, incident);
        Self {
            name: sibling.name.to_owned(),
            kin: sibling.kin,
            correlation,
            same_batches: !same_run && correlation.is_some_and(|found| found >= SAME_BATCHES),
            same_run,
            deviations: deviations(sibling.records, incident),
        }
    }

    /// Whether the incident shows in it: a spike's end, since the place is known; none where it cannot be judged.
    #[must_use]
    pub fn has_it(&self) -> Option<bool> {
        self.deviations.map(|found| found >= Definition::LOSS.exit)
    }
}

/// Whether two logs have the same bits of the loss at enough common steps before an incident, and in it.
fn is_same_run(records: &[Record], others: &[Record], incident: &Incident) -> bool {
    let from = incident.first.saturating_sub(COMPARED);
    let losses = |records, until| -> BTreeMap<u64, u64> {
        let loss = |record: &Record| Some((record.step, record.scalar("loss")?.to_bits()));
        within(records, from, until)
            .iter()
            .filter_map(loss)
            .collect()
    };
    let until = incident.last.saturating_add(1);
    let (ours, theirs) = (losses(records, until), losses(others, until));
    let mut common = ours.keys().filter(|step| theirs.contains_key(step));
    let enough = common.clone().count() > LEAST_MOVES && theirs.contains_key(&incident.peak);
    enough && common.all(|step| ours.get(step) == theirs.get(step))
}

/// Changes of the loss from each step to the next, by the later step, before `end`.
fn moves(records: &[Record], end: u64) -> BTreeMap<u64, f64> {
    let part = within(records, end.saturating_sub(COMPARED), end);
    let values: Vec<(u64, f64)> = part
        .iter()
        .filter_map(|record| Some((record.step, record.scalar("loss")?)))
        .collect();
    let step = |two: &[(u64, f64)]| (two[1].0, two[1].1 - two[0].1);
    let moves = values.windows(2).map(step);
    moves.filter(|(_, change)| change.is_finite()).collect()
}

fn within(records: &[Record], from: u64, end: u64) -> &[Record] {
    let at = |step| records.partition_point(|record| record.step < step);
    records.get(at(from)..at(end)).unwrap_or_default()
}

/// Spearman's rank correlation at the common steps; none of too few, or where a side never moves.
fn correlation(ours: &BTreeMap<u64, f64>, theirs: &BTreeMap<u64, f64>) -> Option<f64> {
    let both = ours
        .iter()
        .filter_map(|(step, ours)| Some((*ours, *theirs.get(step)?)));
    let (ours, theirs): (Vec<f64>, Vec<f64>) = both.unzip();
    if ours.len() < LEAST_MOVES {
        return None;
    }
    let (ours, theirs) = (ranks(&ours), ranks(&theirs));
    let sum = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let found = sum(&ours, &theirs) / (sum(&ours, &ours) * sum(&theirs, &theirs)).sqrt();
    found.is_finite().then_some(found)
}

/// Ranks about their mean, equal values sharing theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let middle = (values.len() as f64 - 1.0) / 2.0;
    let (mut ranks, mut first) = (vec![0.0; values.len()], 0);
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = first as f64 + (equal.len() as f64 - 1.0) / 2.0 - middle;
        for place in equal {
            ranks[*place] = rank;
        }
        first += equal.len();
    }
    ranks
}

/// The largest deviation from the level before, at the step of the incident or, of one that lasts, near it; downwards where the
/// incident is a fall, as the loss scale's. A value that is not finite is infinitely far.
fn deviations(records: &[Record], incident: &Incident) -> Option<f64> {
    let late = match incident.shape {
        Shape::OneStep => 0,
        Shape::NonFinite
        | Shape::Silent
        | Shape::OneValue
        | Shape::Spike
        | Shape::Collapse
        | Shape::Shift
        | Shape::Divergence
        | Shape::Unfinished => LATE,
    };
    let logarithmic = Definition::of(&incident.signal).logarithmic;
    let unit = |record: &Record| {
        let value = record.value(&incident.signal)?;
        Some(if logarithmic { value.ln() } else { value })
    };
    let from = incident.first.saturating_sub(late);
    let mut level = Level::default();
    let before = within(records, from.saturating_sub(BEFORE), from);
    let before = before.iter().filter_map(unit).filter(|v| v.is_finite());
    before.for_each(|value| level.push(value));
    let (level, scale) = level.get()?;
    let is_fall = incident.height().is_some_and(|height| height < 0.0);
    let towards = if is_fall { -1.0 } else { 1.0 };
    let near = within(
        records,
        from,
        incident.first.saturating_add(late.saturating_add(1)),
    );
    let far = |value: f64| {
        if value.is_finite() {
            towards * (value - level) / scale
        } else {
            f64::INFINITY
        }
    };
    near.iter().filter_map(unit).map(far).reduce(f64::max)
}
