//! What a card's design can show, before anything runs: power for the effect its author expects,
//! and the smallest effect it would find.

use crate::card::{Arm, Bound, Card, Criterion, Expect, Test, number};
use crate::stats::{
    Proportion, fisher_power, ld50_power, mcnemar_power, mean_interval_power, seeds_needed,
    sign_flip_power, tost_power, trend_power,
};
use crate::verdict::p_value;
use serde::Serialize;

/// Power that a design should have.
pub(crate) const WANTED: f64 = 0.8;
/// Seeds that are tried for it.
pub(crate) const MOST_SEEDS: usize = 40;

/// The design of one criterion.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Design {
    /// Name of the criterion.
    pub criterion: String,
    /// Its test.
    pub test: String,
    /// Seeds per arm, the fewest of the arms it looks at.
    pub seeds: usize,
    /// The effect its author expects; absent where the card does not say.
    pub expected: Option<String>,
    /// Probability that the criterion holds if that is the truth.
    pub power: Option<f64>,
    /// Fewest seeds for a power of 0.8, if at most 40.
    pub seeds_needed: Option<usize>,
    /// What the design can and cannot show.
    pub limits: String,
}

/// The designs of all criteria that can be tested.
pub(super) fn of(card: &Card) -> Vec<Design> {
    card.criteria.iter().map(|c| design(card, c)).collect()
}

fn design(card: &Card, criterion: &Criterion) -> Design {
    let selectors = criterion.test.selectors();
    let arms: Vec<_> = selectors.iter().flat_map(|at| card.arms_at(at)).collect();
    let seeds = arms.iter().map(|arm| arm.seeds.len()).min().unwrap_or(0);
    let expect = criterion.expect.as_ref();
    let power_at = expect.and_then(|expect| power(card, criterion, expect));
    Design {
        criterion: criterion.name.clone(),
        test: criterion.test.name().to_owned(),
        seeds,
        expected: expect.map(|expect| words(criterion, expect)),
        power: power_at.as_ref().map(|power| power(seeds)),
        seeds_needed: power_at.and_then(|power| seeds_needed(power, WANTED, MOST_SEEDS)),
        limits: limits(criterion, seeds, &arms),
    }
}

/// Power as a function of the seeds per arm; `None` for tests without chance.
fn power<'a>(
    card: &Card,
    criterion: &Criterion,
    expect: &'a Expect,
) -> Option<Box<dyn Fn(usize) -> f64 + 'a>> {
    let alpha = criterion.alpha;
    Some(match &criterion.test {
        Test::Fisher { direction, .. } => {
            let (p, q, up) = (expect.treatment?, expect.control?, direction.is_up());
            Box::new(move |n| fisher_power(p, n as u64, q, n as u64, alpha, up))
        }
        Test::Mcnemar { direction, .. } => {
            let (p, q, up) = (expect.treatment?, expect.control?, direction.is_up());
            Box::new(move |n| mcnemar_power(p, q, n as u64, alpha, up))
        }
        Test::Permutation {
            direction, margin, ..
        } => {
            let sign = if direction.is_up() { 1.0 } else { -1.0 };
            let beyond = sign * expect.difference? - margin;
            let sd = expect.sd?;
            // The test is two-sided; the other side is no success.
            Box::new(move |n| {
                if beyond > 0.0 {
                    sign_flip_power(beyond, sd, n, alpha)
                } else {
                    0.0
                }
            })
        }
        Test::Tost { margin, .. } => {
            let (mean, sd, margin) = (expect.difference.unwrap_or(0.0), expect.sd?, *margin);
            Box::new(move |n| tost_power(mean, sd, margin, n, alpha))
        }
        Test::Slope { .. } => {
            let distance = expect.difference? / expect.sd?;
            Box::new(move |n| mean_interval_power(distance, n, 1.0 - alpha))
        }
        Test::Jonckheere { at, .. } => {
            let (step, groups) = (
                expect.difference?.abs() / expect.sd?,
                card.arms_at(at).len(),
            );
            Box::new(move |n| trend_power(step, groups, n, alpha))
        }
        Test::Ld50 {
            along,
            arms,
            direction,
            ..
        } => {
            let arms = card.arms_at(&arms.treatment).into_iter();
            let doses: Vec<f64> = arms
                .filter_map(|arm| number(arm.settings.get(along)?))
                .collect();
            if (expect.ratio? > 1.0) != direction.is_up() {
                return Some(Box::new(|_| 0.0));
            }
            let (ratio, steepness) = (expect.ratio?.log2(), expect.steepness?);
            Box::new(move |n| ld50_power(ratio, steepness, &doses, n, 1.0 - alpha))
        }
        Test::Exact { .. } => return None,
    })
}

fn words(criterion: &Criterion, expect: &Expect) -> String {
    let value = |value: Option<f64>| value.map_or("?".to_owned(), |value| value.to_string());
    let what = match criterion.test {
        Test::Fisher { .. } | Test::Mcnemar { .. } => format!(
            "the event in {} of treatment and {} of control runs",
            value(expect.treatment),
            value(expect.control)
        ),
        Test::Permutation { .. } => format!(
            "a mean difference of {} with a standard deviation of {}",
            value(expect.difference),
            value(expect.sd)
        ),
        Test::Tost { .. } => format!(
            "a mean difference of {} with a standard deviation of {}",
            expect.difference.unwrap_or(0.0),
            value(expect.sd)
        ),
        Test::Slope { .. } => format!(
            "a slope {} from the end of the bound, standard deviation {} over seeds",
            value(expect.difference),
            value(expect.sd)
        ),
        Test::Jonckheere { .. } => format!(
            "steps of {} between neighbouring groups, standard deviation {}",
            value(expect.difference),
            value(expect.sd)
        ),
        Test::Ld50 { .. } => format!(
            "a ratio of {} at a steepness of {} per doubling",
            value(expect.ratio),
            value(expect.steepness)
        ),
        Test::Exact { .. } => "the bound in every run".to_owned(),
    };
    match &expect.source {
        Some(source) => format!("{what} ({source})"),
        None => what,
    }
}

/// What remains possible whatever is found, and the smallest effect found with power 0.8.
fn limits(criterion: &Criterion, seeds: usize, arms: &[Arm]) -> String {
    let alpha = criterion.alpha;
    let runs: usize = arms.iter().map(|arm| arm.seeds.len()).sum();
    let smallest = |found: &dyn Fn(f64) -> bool, unit: &str| {
        let sizes = (1..=40).map(|step| 0.25 * f64::from(step));
        sizes.into_iter().find(|size| found(*size)).map_or(
            format!("finds no effect below 10 {unit} with power {WANTED}"),
            |size| format!("finds effects from {size} {unit} on with power {WANTED}"),
        )
    };
    match &criterion.test {
        Test::Fisher { .. } | Test::Mcnemar { .. } => {
            let none = Proportion::new(0, seeds as u64).clopper_pearson(0.95).high;
            format!(
                "no event in {seeds} runs still allows a share of {:.0} %",
                100.0 * none
            )
        }
        Test::Permutation { .. } => {
            let least = 2f64.powi(1 - i32::try_from(seeds).unwrap_or(i32::MAX));
            let found = smallest(
                &|size| sign_flip_power(size, 1.0, seeds, alpha) >= WANTED,
                "standard deviations",
            );
            format!("smallest p {}; {found}", p_value(least))
        }
        Test::Tost { margin, .. } => {
            format!("says that a difference is below {margin}, never that there is none")
        }
        Test::Slope { bound, .. } => {
            let open = match bound {
                Bound::Contains(_) => "; a wide interval contains everything, so it shows little",
                _ => "",
            };
            let found = smallest(
                &|size| mean_interval_power(size, seeds, 1.0 - alpha) >= WANTED,
                "standard deviations from the bound",
            );
            format!("{found}{open}")
        }
        Test::Jonckheere { .. } => smallest(
            &|size| trend_power(size, arms.len(), seeds, alpha) >= WANTED,
            "standard deviations per step",
        ),
        Test::Ld50 { .. } => "a ratio outside the values swept cannot be told".to_owned(),
        Test::Exact { .. } => {
            format!("no statistics: one of {runs} runs outside the bound refutes it")
        }
    }
}

#[cfg(test)]
mod tests;
