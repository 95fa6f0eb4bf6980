//! Which attempts make one run.
//!
//! A restarted job begins at its checkpoint, so its first step is one that an earlier attempt trained from
//! the same weights on the same batch, and gives the same loss; from there on the last bits of a GPU's sums
//! drive the two apart. So attempts belong together where they agree at the first step they share, or where
//! one begins as high as the other ended. Attempts that differ at their first common step are trainings of
//! their own, *rivals*.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::median::upper_median;
use crate::record::{Name, Record};

/// Largest relative difference of the same loss computed twice: FP32 sums in another order.
const SAME: f64 = 1e-5;
/// Steps behind a boundary that say how high the loss was and how much it moves.
const BEFORE: usize = 32;
/// Steps whose median is the level at a boundary: a single last step may be an excursion.
const LEVEL: usize = 8;
/// How many times its usual move the loss may move over a boundary.
const MOVES: f64 = 8.0;
/// What it may always move over a boundary, as a share of itself.
const SHARE: f64 = 0.02;

/// One attempt on its way into a run.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Number of its source.
    pub(crate) source: usize,
    /// When it was begun, seconds since 1970.
    pub(crate) clock: Option<f64>,
    /// Its records, sorted by step; there is at least one.
    pub(crate) records: Vec<Record>,
}

impl Segment {
    /// Its first step.
    pub(crate) fn first(&self) -> u64 {
        self.records.first().map_or(0, |record| record.step)
    }

    /// Its last step.
    pub(crate) fn last(&self) -> u64 {
        self.records.last().map_or(0, |record| record.step)
    }
}

/// How an attempt follows on those before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Join {
    /// It is the first.
    Start,
    /// It agrees at the first step that both have.
    Overlap {
        /// First step that both have.
        first: u64,
        /// Last step that both have.
        last: u64,
        /// Steps that both have.
        steps: u64,
        /// Those with equal values.
        equal: u64,
        /// Largest difference of the values at one step; those that are not finite are left out.
        largest_difference: f64,
    },
    /// It begins behind the end of the others, as high as they ended.
    Boundary {
        /// Last step before it.
        before: u64,
        /// Its own first step.
        first: u64,
    },
    /// It stands behind the others in the same file.
    SameFile,
    /// The user says so.
    Given,
}

impl Join {
    /// More for what says more: common steps before a boundary, a late boundary before an early one.
    fn rank(&self) -> (bool, u64) {
        match self {
            Self::Boundary { before, .. } => (false, *before),
            Self::Overlap { .. } | Self::Start | Self::SameFile | Self::Given => (true, 0),
        }
    }
}

impl std::fmt::Display for Join {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Start => f.write_str("the first"),
            Self::Overlap {
                steps,
                equal,
                largest_difference,
                ..
            } => write!(
                f,
                "{steps} steps again, {equal} of them equal, largest difference {largest_difference:.2e}"
            ),
            Self::Boundary { before, .. } => write!(f, "goes on behind step {before}"),
            Self::SameFile => f.write_str("behind the others in one file"),
            Self::Given => f.write_str("as listed"),
        }
    }
}

/// Attempts of one run, later ones last.
#[derive(Debug)]
pub(crate) struct Stitched {
    /// Numbers of the segments and how each joins.
    pub(crate) attempts: Vec<(usize, Join)>,
    /// The value at every step so far, of the latest attempt that has it.
    values: BTreeMap<u64, f64>,
    /// The steps of all its attempts.
    pub(crate) steps: BTreeSet<u64>,
}

/// The runs that `segments` make, the one with the most steps first; of equally long ones, that of the fewest
/// attempts.
pub(crate) fn stitch(segments: &[Segment]) -> Vec<Stitched> {
    let signal = common_signal(segments);
    let mut runs: Vec<Stitched> = Vec::new();
    for number in order(segments) {
        let values = values(&segments[number], signal.as_deref());
        let source = segments[number].source;
        let place = best_run(&runs, &values, |last| segments[last].source == source);
        let (place, join) = place.unwrap_or_else(|| {
            runs.push(Stitched::new());
            (runs.len() - 1, Join::Start)
        });
        runs[place].add(number, join, &segments[number], values);
    }
    runs.sort_by_key(|run| (std::cmp::Reverse(run.steps.len()), run.attempts.len()));
    runs
}

/// The run that an attempt with these values continues, and how. What stands behind an attempt in its file
/// was appended by the same job; where several runs end before the attempt, it is the one that ends last, and
/// of those the one that ends closest in value.
fn best_run(
    runs: &[Stitched],
    values: &[(u64, f64)],
    is_same_file: impl Fn(usize) -> bool,
) -> Option<(usize, Join)> {
    let mut best: Option<(usize, Join, f64)> = None;
    for (place, run) in runs.iter().enumerate() {
        if run
            .attempts
            .last()
            .is_some_and(|(last, _)| is_same_file(*last))
        {
            return Some((place, Join::SameFile));
        }
        let Some((join, distance)) = run.join(values) else {
            continue;
        };
        let is_better = best.as_ref().is_none_or(|(_, known, known_distance)| {
            join.rank()
                .cmp(&known.rank())
                .then_with(|| known_distance.total_cmp(&distance))
                .is_gt()
        });
        if is_better {
            best = Some((place, join, distance));
        }
    }
    best.map(|(place, join, _)| (place, join))
}

/// One run of all segments in the order given.
pub(crate) fn given(segments: &[Segment]) -> Stitched {
    let signal = common_signal(segments);
    let mut run = Stitched::new();
    for (number, segment) in segments.iter().enumerate() {
        let values = values(segment, signal.as_deref());
        let before = number.checked_sub(1).map(|before| segments[before].source);
        let join = match before {
            None => Join::Start,
            Some(source) if source == segment.source => Join::SameFile,
            Some(_) => Join::Given,
        };
        run.add(number, join, segment, values);
    }
    run
}

/// Sources in the order of their clocks, or, where one has none, by first step and then by length; the
/// attempts of one source stay together.
fn order(segments: &[Segment]) -> Vec<usize> {
    let clocked = segments.iter().all(|segment| segment.clock.is_some());
    let mut sources: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (number, segment) in segments.iter().enumerate() {
        sources.entry(segment.source).or_default().push(number);
    }
    let mut sources: Vec<Vec<usize>> = sources.into_values().collect();
    let length =
        |numbers: &[usize]| -> usize { numbers.iter().map(|&n| segments[n].records.len()).sum() };
    sources.sort_by(|a, b| {
        let (first, second) = (&segments[a[0]], &segments[b[0]]);
        let clocks = first
            .clock
            .unwrap_or(0.0)
            .total_cmp(&second.clock.unwrap_or(0.0));
        let steps = || {
            let (a, b) = (length(a), length(b));
            (first.first(), a).cmp(&(second.first(), b))
        };
        if clocked {
            clocks.then_with(steps)
        } else {
            steps()
        }
    });
    sources.concat()
}

/// The signal by which attempts are compared: the loss, else the name that most of them have.
fn common_signal(segments: &[Segment]) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for segment in segments {
        let names = segment
            .records
            .iter()
            .take(BEFORE)
            .flat_map(|r| r.scalars.keys());
        let names: BTreeSet<&str> = names.map(Name::as_str).collect();
        for name in names {
            *counts.entry(name).or_default() += 1;
        }
    }
    if counts.contains_key("loss") {
        return Some("loss".to_owned());
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    most.map(|(name, _)| name.to_owned())
}

fn values(segment: &Segment, signal: Option<&str>) -> Vec<(u64, f64)> {
    let Some(signal) = signal else {
        return Vec::new();
    };
    let value = |record: &Record| Some((record.step, record.scalar(signal)?));
    segment.records.iter().filter_map(value).collect()
}

impl Stitched {
    fn new() -> Self {
        Self {
            attempts: Vec::new(),
            values: BTreeMap::new(),
            steps: BTreeSet::new(),
        }
    }

    /// Adds an attempt, which wins at its steps.
    fn add(&mut self, number: usize, join: Join, segment: &Segment, values: Vec<(u64, f64)>) {
        self.attempts.push((number, join));
        self.values.extend(values);
        self.steps
            .extend(segment.records.iter().map(|record| record.step));
    }

    /// How an attempt with these values continues the run, if it does, and how far apart the values are.
    fn join(&self, values: &[(u64, f64)]) -> Option<(Join, f64)> {
        let &(first, value) = values.first()?;
        let common = |&(step, new): &(u64, f64)| Some((step, *self.values.get(&step)?, new));
        let mut common = values.iter().filter_map(common).peekable();
        if let Some(&(at, old, new)) = common.peek() {
            let continues = is_same(old, new) || (self.is_sparse(at) && self.fits(at, new));
            return continues.then(|| (overlap(common), (old - new).abs()));
        }
        let (&before, _) = self.values.last_key_value()?;
        let behind = first > before && self.fits(first, value);
        let level = median(self.before(first).take(LEVEL));
        behind.then_some((Join::Boundary { before, first }, (value - level).abs()))
    }

    /// The values before a step, the last one first.
    fn before(&self, step: u64) -> impl Iterator<Item = f64> {
        self.values.range(..step).rev().map(|(_, value)| *value)
    }

    /// Whether the run records only every so many steps, so that the first step of an attempt that it shares is
    /// not the one at which that attempt began. A training from the beginning shares its first record.
    fn is_sparse(&self, step: u64) -> bool {
        let mut before = self.values.range(..step).rev().map(|(step, _)| *step);
        before.next().is_some_and(|before| before + 1 < step)
    }

    /// Whether a value at `step` is no farther from the last one before it, or from the level of the last few,
    /// than the loss moves there.
    fn fits(&self, step: u64, value: f64) -> bool {
        let before: Vec<f64> = self.before(step).take(BEFORE).collect();
        let Some(&last) = before.first() else {
            return false;
        };
        let moves = before.windows(2).map(|pair| (pair[0] - pair[1]).abs());
        let allowed = (MOVES * median(moves)).max(SHARE * last.abs());
        let level = median(before.iter().copied().take(LEVEL));
        (value - last).abs() <= allowed || (value - level).abs() <= allowed || is_same(last, value)
    }
}

/// The median of the finite ones, the upper of two; 0 of none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    upper_median(&mut values).unwrap_or(0.0)
}

/// Whether two numbers are one, but for the last digits.
fn is_same(a: f64, b: f64) -> bool {
    (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= SAME * a.abs().max(b.abs())
}

fn overlap(common: impl Iterator<Item = (u64, f64, f64)>) -> Join {
    let (mut first, mut last, mut steps, mut equal) = (0, 0, 0, 0);
    let mut largest_difference: f64 = 0.0;
    for (step, old, new) in common {
        if steps == 0 {
            first = step;
        }
        last = step;
        steps += 1;
        equal += u64::from(old == new || (old.is_nan() && new.is_nan()));
        let difference = (old - new).abs();
        if difference.is_finite() {
            largest_difference = largest_difference.max(difference);
        }
    }
    Join::Overlap {
        first,
        last,
        steps,
        equal,
        largest_difference,
    }
}
