//! Differences of a metric paired by seed, failed runs included: of the tests that compare these.

use super::arms::Pair;
use super::runs::{Runs, Side, Value};
use super::simulated::{SimulatedRuns, normal};
use super::worst::Worst;
use crate::card::{Arm, Settings, matches, same};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// The difference treatment − control of one seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Difference {
    /// All runs have a value.
    Finite(f64),
    /// Some runs failed. They rank behind every value, however large, so all that is left of the
    /// difference is by how many failed runs it goes up (or down): 0 when as many failed on either
    /// side.
    Beyond(i32),
}

/// The differences of the seeds that all arms have.
pub(super) struct Paired {
    /// What was taken from what.
    pub(super) what: String,
    pub(super) differences: Vec<Difference>,
    /// Seeds whose result cannot go up, because a run of the control has failed at that end.
    pub(super) blocked_up: usize,
    /// Seeds whose result cannot go down.
    pub(super) blocked_down: usize,
}

/// One arm of a contrast: +1 for what is added, −1 for what is taken off.
struct Term {
    sign: i32,
    is_control: bool,
    side: Side,
}

/// Treatment − control, less the same of `minus`.
pub(super) fn paired(runs: &Runs<'_>, arms: &Pair, minus: Option<&Pair>) -> Paired {
    let terms = |pair: &Pair, sign: i32| {
        [(&pair.treatment, sign, false), (&pair.control, -sign, true)].map(
            |(at, sign, is_control)| Term {
                sign,
                is_control,
                side: runs.side(at, &pair.pool),
            },
        )
    };
    let named = |pair: &[Term; 2]| format!("`{}` − `{}`", pair[0].side.label, pair[1].side.label);
    let first = terms(arms, 1);
    let what = match runs.control_label() {
        Some(control) => format!("to {control} with `{}`", first[0].side.label),
        None => named(&first),
    };
    let mut found = Paired {
        what,
        differences: Vec::new(),
        blocked_up: 0,
        blocked_down: 0,
    };
    let mut all = Vec::from(first);
    if let Some(minus) = minus {
        let second = terms(minus, -1);
        found.what = format!("({}) − ({})", found.what, named(&second));
        all.extend(second);
    }
    for run in runs.of_side(&all[0].side) {
        let value = |term: &Term| {
            let run = runs.twin(&term.side, run)?;
            let value = if term.is_control {
                runs.control_value(run)
            } else {
                runs.value(run)
            };
            Some((term.sign, value?))
        };
        if let Some(values) = all.iter().map(value).collect::<Option<Vec<_>>>() {
            found.take(&values, runs.worst);
        }
    }
    found
}

impl Paired {
    /// Takes in the signed values of one seed, that of the treatment first.
    fn take(&mut self, values: &[(i32, Value)], worst: Option<Worst>) {
        let Some(difference) = combine(values, worst) else {
            return;
        };
        self.differences.push(difference);
        // Whatever the treatment does, the difference cannot go beyond 0 where more of what is taken
        // off has failed.
        match combine(&values[1..], worst) {
            Some(Difference::Beyond(..0)) => self.blocked_up += 1,
            Some(Difference::Beyond(1..)) => self.blocked_down += 1,
            Some(Difference::Beyond(0) | Difference::Finite(_)) | None => {}
        }
    }
}

/// +1 where failed runs rank highest, −1 where lowest.
fn end_sign(worst: Worst) -> i32 {
    match worst {
        Worst::High => 1,
        Worst::Low => -1,
    }
}

/// The signed sum of the runs of one seed; `None` where one has no value and no rank.
fn combine(terms: &[(i32, Value)], worst: Option<Worst>) -> Option<Difference> {
    let (mut sum, mut beyond, mut failed) = (0.0, 0, false);
    for (sign, value) in terms {
        match value {
            Value::Finite(value) => sum += f64::from(*sign) * value,
            Value::Failed => {
                beyond += sign * end_sign(worst?);
                failed = true;
            }
            Value::Absent => return None,
        }
    }
    Some(if failed {
        Difference::Beyond(beyond)
    } else {
        Difference::Finite(sum)
    })
}

impl Paired {
    /// The differences of seeds of which all runs have a value.
    pub(super) fn finite(&self) -> Vec<f64> {
        let finite = self.differences.iter().filter_map(|found| match found {
            Difference::Finite(value) => Some(*value),
            Difference::Beyond(_) => None,
        });
        finite.collect()
    }

    /// Whether every seed has all its values.
    pub(super) fn is_finite(&self) -> bool {
        self.finite().len() == self.differences.len()
    }

    /// Numbers whose sums, whatever their signs, stand in the order that the sums of differences have
    /// when failed runs lie farther out than everything else together: `shift` makes of a finite
    /// difference what is tested, and a failed run weighs three times all of these.
    pub(super) fn numbers(&self, shift: impl Fn(f64) -> f64, up: f64) -> Vec<f64> {
        let finite = |found: &Difference| match found {
            Difference::Finite(value) => Some(shift(*value)),
            // As many failed on either side: no difference.
            Difference::Beyond(0) => Some(shift(0.0)),
            Difference::Beyond(_) => None,
        };
        let all: f64 = self
            .differences
            .iter()
            .filter_map(finite)
            .map(f64::abs)
            .sum();
        let weight = if all > 0.0 { 3.0 * all } else { 1.0 };
        let numbers = self.differences.iter().map(|found| match found {
            Difference::Beyond(beyond) if *beyond != 0 => up * f64::from(*beyond) * weight,
            other => finite(other).unwrap_or(0.0),
        });
        numbers.collect()
    }
}

/// Draws runs whose differences have the mean and standard deviation expected: one of the arms has them,
/// the others are 0.
pub(super) fn contrast(
    runs: &mut SimulatedRuns<'_>,
    arms: &Pair,
    minus: Option<&Pair>,
    generator: &mut ChaCha8Rng,
) {
    let (mean, sd) = runs.mean_and_sd();
    // How often the contrast counts each arm: an arm may be in both pairs.
    let counts = |at: &Settings, arm: &Arm| f64::from(u8::from(matches(&arm.settings, at)));
    let side = |pair: &Pair, arm: &Arm| counts(&pair.treatment, arm) - counts(&pair.control, arm);
    let weights = runs.by_arm(|arm| side(arms, arm) - minus.map_or(0.0, |minus| side(minus, arm)));
    let Some(carrier) = weights.iter().position(|weight| *weight != 0.0) else {
        return;
    };
    let (pool, cell_of) = (&arms.pool, &runs.cell_of);
    // The carrier, and the arms that are pooled with it.
    let carrying = &runs.arms[carrier].settings;
    let carries = runs.arms.iter();
    let carries: Vec<bool> = carries
        .map(|arm| is_pooled(pool, &arm.settings, carrying))
        .collect();
    let mut drawn: BTreeMap<(usize, u64), f64> = BTreeMap::new();
    for (state, arm) in runs.states.iter().zip(&runs.arm_of) {
        let key = (cell_of[*arm], state.seed);
        drawn
            .entry(key)
            .or_insert_with(|| mean + sd * normal(generator));
    }
    for (state, arm) in runs.states.iter_mut().zip(&runs.arm_of) {
        let drawn = drawn.get(&(cell_of[*arm], state.seed));
        let drawn = drawn.filter(|_| carries[*arm]);
        let value = drawn.map_or(0.0, |value| value / weights[carrier]);
        state.metrics.fill(Some(value));
    }
}

/// Whether two arms differ in nothing but pooled axes.
fn is_pooled(pool: &[String], a: &Settings, b: &Settings) -> bool {
    let mut keys = a.keys().filter(|key| !pool.contains(key));
    keys.all(|key| b.get(key).is_some_and(|other| same(&a[key], other)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::sign_flip;

    fn of(differences: &[Difference]) -> Paired {
        Paired {
            what: String::new(),
            differences: differences.to_vec(),
            blocked_up: 0,
            blocked_down: 0,
        }
    }

    /// The weight of a failed run stands for infinity: a larger one changes no p value.
    #[test]
    fn a_failed_run_outweighs_everything_and_no_more() {
        use Difference::{Beyond, Finite};
        let found = of(&[
            Finite(0.3),
            Finite(-0.8),
            Finite(0.1),
            Beyond(1),
            Beyond(1),
            Beyond(-1),
            Beyond(0),
            Finite(0.2),
        ]);
        let numbers = found.numbers(|value| value, 1.0);
        let p = sign_flip(&numbers);
        for factor in [10.0, 1e3] {
            let far: Vec<f64> = numbers
                .iter()
                .zip(&found.differences)
                .map(|(number, difference)| match difference {
                    Finite(_) => *number,
                    Beyond(_) => factor * number,
                })
                .collect();
            assert_eq!(sign_flip(&far), p);
        }
        let all_failed = of(&[Beyond(1); 6]).numbers(|value| value, 1.0);
        assert_eq!(sign_flip(&all_failed), 0.03125);
    }
}
