//! Running some of a sweep's runs again, to see whether they give the same numbers.
//!
//! Which ones is drawn by a seed, so that nobody chooses them after having looked at the results.

use crate::{Plan, Registration, Sweep, SweepError};
use logs::output::CARD_FILE;
use logs::{Record, RunReader, TIMINGS};
use serde::Serialize;
use std::fmt;
use std::path::Path;

/// How two executions of a run compare.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// Run id.
    pub run: String,
    /// Records compared.
    pub records: usize,
    /// Values compared, timings left out.
    pub values: usize,
    /// The first difference; absent where all bits are the same.
    pub difference: Option<String>,
}

/// A comparison of two sweeps, run by run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The runs, in the order of the plan.
    pub runs: Vec<Compared>,
}

impl Comparison {
    /// Whether all runs gave the same bits.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.runs.iter().all(|run| run.difference.is_none())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for run in &self.runs {
            match &run.difference {
                None => writeln!(
                    f,
                    "same bits  {} ({} values in {} records)",
                    run.run, run.values, run.records
                )?,
                Some(difference) => writeln!(f, "DIFFERENT  {}: {difference}", run.run)?,
            }
        }
        let same = self.runs.iter().filter(|run| run.difference.is_none());
        writeln!(
            f,
            "{} of {} runs give the same bits, timings apart",
            same.count(),
            self.runs.len()
        )
    }
}

impl Sweep {
    /// A sweep in `dir` of a share of this one's runs, at least one, drawn by `seed`.
    pub fn sample(&self, dir: &Path, share: f64, seed: u64) -> Result<Self, SweepError> {
        let Registration { plan, command, .. } = self.registration();
        let lot = |id: &str| *blake3::hash(format!("{seed} {id}").as_bytes()).as_bytes();
        let mut drawn: Vec<_> = plan.runs.iter().collect();
        drawn.sort_by_key(|run| lot(&run.id));
        let count = (share * drawn.len() as f64).ceil().max(1.0) as usize;
        drawn.truncate(count);
        let mut runs = plan.runs.clone();
        runs.retain(|run| drawn.iter().any(|other| other.id == run.id));
        let plan = Plan {
            runs,
            ..plan.clone()
        };
        let path = self.dir().join(CARD_FILE);
        let text = logs::disk::read_text(&path).map_err(|source| SweepError::Read {
            path: path.clone(),
            source,
        })?;
        Self::create_or_open(dir, &plan, &text, command)
    }

    /// Compares the runs of `again` with those of this sweep, value by value.
    pub fn compare(&self, again: &Self) -> Result<Comparison, SweepError> {
        let runs = again.runs().iter().map(|run| {
            let first = RunReader::open(&self.run_dir(&run.id))?;
            let second = RunReader::open(&again.run_dir(&run.id))?;
            Ok(compare(&run.id, first.records(), second.records()))
        });
        Ok(Comparison {
            runs: runs.collect::<Result<_, SweepError>>()?,
        })
    }
}

fn compare(run: &str, first: &[Record], second: &[Record]) -> Compared {
    let mut compared = Compared {
        run: run.to_owned(),
        records: first.len(),
        values: 0,
        difference: None,
    };
    if first.is_empty() || first.len() != second.len() {
        compared.difference = Some(format!("{} records against {}", first.len(), second.len()));
        return compared;
    }
    for (before, after) in first.iter().zip(second) {
        let (a, b) = (values(before), values(after));
        compared.values += a.len();
        let differs = a.iter().zip(&b).find(|(a, b)| a != b);
        if a.len() != b.len() || differs.is_some() {
            let step = before.step;
            compared.difference = Some(match differs {
                Some(((name, x), (_, y))) => format!(
                    "`{name}` of step {step} is {} against {}",
                    f64::from_bits(*x),
                    f64::from_bits(*y)
                ),
                None => format!("step {step} has {} values against {}", a.len(), b.len()),
            });
            return compared;
        }
    }
    compared
}

/// Step and all values of a record that are no timing, as bits; every NaN is the same.
fn values(record: &Record) -> Vec<(String, u64)> {
    let bits = |value: f64| {
        if value.is_nan() {
            f64::NAN.to_bits()
        } else {
            value.to_bits()
        }
    };
    let scalars = record
        .scalars
        .iter()
        .filter(|(name, _)| !TIMINGS.contains(&name.as_str()));
    let layers = record.layers.iter().flat_map(|(name, values)| {
        let numbered = values.iter().enumerate();
        numbered.map(move |(layer, value)| (format!("{name}[{layer}]"), *value))
    });
    std::iter::once(("step".to_owned(), record.step))
        .chain(scalars.map(|(name, value)| (name.to_string(), bits(*value))))
        .chain(layers.map(|(name, value)| (name, bits(value))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{finish, sweep};

    #[test]
    fn the_draw_depends_on_the_seed_and_nothing_else() {
        let (directory, sweep) = sweep();
        let draw = |name: &str, share, seed| -> Vec<String> {
            let drawn = sweep.sample(&directory.path().join(name), share, seed);
            drawn
                .unwrap()
                .runs()
                .iter()
                .map(|run| run.id.clone())
                .collect()
        };
        let first = draw("a", 0.3, 1);
        assert_eq!(first.len(), 3, "0.3 of 8, rounded up");
        assert_eq!(first, draw("b", 0.3, 1));
        assert_eq!(draw("c", 0.01, 1).len(), 1, "at least one");
        let seeds: Vec<_> = (1..9)
            .map(|seed| draw(&format!("s{seed}"), 0.3, seed))
            .collect();
        assert!(seeds.iter().any(|other| *other != first));
    }

    #[test]
    fn one_other_bit_is_found_and_timings_are_not_compared() {
        let (directory, sweep) = sweep();
        let again = sweep
            .sample(&directory.path().join("again"), 1.0, 1)
            .unwrap();
        for run in sweep.runs() {
            finish(&sweep.run_dir(&run.id), 3.2);
            let other = if run.seed == 2 { 3.2 + 1e-15 } else { 3.2 };
            finish(&again.run_dir(&run.id), other);
        }
        let comparison = sweep.compare(&again).unwrap();
        assert!(!comparison.is_same());
        for (run, compared) in sweep.runs().iter().zip(&comparison.runs) {
            assert_eq!(compared.difference.is_some(), run.seed == 2, "{compared:?}");
        }
        assert!(
            comparison.to_string().contains("`held_out_loss`"),
            "{comparison}"
        );

        let mut slow = Record::new(1);
        slow.set_named("step_seconds", 2.0);
        assert_eq!(values(&slow), values(&Record::new(1)));
    }
}
