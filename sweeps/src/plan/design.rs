//! What a card's design can show, before anything runs: power for the effects its author expects,
//! and the smallest effects it would find.

use super::power::{Of, Power, Simulation, WANTED};
use crate::card::{Arm, Bound, Card, Criterion, Expect, Test};
use crate::stats::{Proportion, mean_interval_power, sign_flip_least};
use crate::stats::{sign_flip_power, tost_power, trend_power};
use crate::verdict::{number, p_value};
use serde::Serialize;

/// What the design of a card can show.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Designs {
    /// Of every criterion that can be tested.
    pub criteria: Vec<Design>,
    /// Of all confirmatory ones together; absent where the card does not say what each of them
    /// expects, at the budget `smoke`, and where there is only one.
    pub verdict: Option<VerdictDesign>,
}

/// The design of the verdict, which asks that all confirmatory criteria hold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerdictDesign {
    /// Confirmatory criteria.
    pub criteria: usize,
    /// Those of them without chance, which are taken to hold.
    pub taken_to_hold: usize,
    /// Probability that all hold if what each expects is the truth, criteria being independent.
    pub power: Power,
    /// Fewest seeds per arm for a power of 0.8, if at most 40.
    pub seeds_needed: Option<usize>,
}

/// The design of one criterion.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Design {
    /// Name of the criterion.
    pub criterion: String,
    /// Its test.
    pub test: String,
    /// Seeds per arm: the fewest of the arms it looks at, and of a paired test those that all of
    /// these arms have. Where arms are pooled, the sum over those of one side.
    pub seeds: usize,
    /// The effect its author expects; absent where the card does not say.
    pub expected: Option<String>,
    /// Probability that the criterion holds if that is the truth.
    pub power: Option<Power>,
    /// Fewest seeds for a power of 0.8, if at most 40.
    pub seeds_needed: Option<usize>,
    /// What the design can and cannot show.
    pub limits: String,
}

/// The designs of all criteria that can be tested, and of the verdict.
pub(super) fn of(card: &Card) -> Designs {
    let mut simulation = Simulation::new(card);
    let powers = simulation.powers();
    let all = card.arms();
    let criteria = card.criteria.iter().zip(powers.criteria).enumerate();
    let criteria = criteria.map(|(place, (criterion, power))| {
        let needed = power.and_then(|_| simulation.seeds_needed(Of::Criterion(place)));
        design(criterion, &all, power, needed)
    });
    Designs {
        criteria: criteria.collect(),
        verdict: powers
            .verdict
            .and_then(|power| verdict(card, power, &mut simulation)),
    }
}

fn verdict(card: &Card, power: Power, simulation: &mut Simulation<'_>) -> Option<VerdictDesign> {
    let counted = || card.confirmatory();
    let without_chance = counted().filter(|c| matches!(c.test, Test::Exact { .. }));
    (counted().count() > 1).then(|| VerdictDesign {
        criteria: counted().count(),
        taken_to_hold: without_chance.count(),
        power,
        seeds_needed: simulation.seeds_needed(Of::Verdict),
    })
}

fn design(
    criterion: &Criterion,
    all: &[Arm],
    power: Option<Power>,
    seeds_needed: Option<usize>,
) -> Design {
    let arms = all.iter().filter(|arm| criterion.test.looks_at(arm));
    let arms: Vec<&Arm> = arms.collect();
    let seeds = seeds_of_a_side(criterion, &arms);
    Design {
        criterion: criterion.name.clone(),
        test: criterion.test.name().to_owned(),
        seeds,
        expected: criterion
            .expect
            .as_ref()
            .map(|expect| words(criterion, expect)),
        power,
        seeds_needed,
        limits: limits(criterion, seeds, &arms),
    }
}

/// [`seeds`] of one side: of pooled arms the sum over the values that are pooled.
fn seeds_of_a_side(criterion: &Criterion, arms: &[&Arm]) -> usize {
    let cells = criterion.test.cells(arms);
    let count = cells.iter().max().map_or(0, |last| last + 1);
    let of_cell = |cell: usize| -> Vec<&Arm> {
        let placed = arms.iter().zip(&cells);
        placed
            .filter(|(_, place)| **place == cell)
            .map(|(arm, _)| *arm)
            .collect()
    };
    (0..count)
        .map(|cell| seeds(criterion, &of_cell(cell)))
        .sum()
}

/// Seeds that the test compares: of a paired one those that all arms have, else the fewest of an arm.
fn seeds(criterion: &Criterion, arms: &[&Arm]) -> usize {
    let fewest = arms.iter().min_by_key(|arm| arm.seeds.len());
    let Some(fewest) = fewest else { return 0 };
    match criterion.test {
        Test::Mcnemar { .. } | Test::Permutation { .. } | Test::Tost { .. } | Test::Ld50 { .. } => {
            let shared = |seed: &&u64| arms.iter().all(|arm| arm.seeds.contains(seed));
            fewest.seeds.iter().filter(shared).count()
        }
        Test::Fisher { .. } | Test::Slope { .. } | Test::Jonckheere { .. } | Test::Exact { .. } => {
            fewest.seeds.len()
        }
    }
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
        Test::Slope {
            bound: Bound::Contains(slope),
            ..
        } => format!(
            "a slope of {slope}, standard deviation {} over seeds",
            value(expect.sd)
        ),
        Test::Slope { .. } => format!(
            "a slope {} from the nearest end of the bound, standard deviation {} over seeds",
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
fn limits(criterion: &Criterion, seeds: usize, arms: &[&Arm]) -> String {
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
            let least = sign_flip_least(seeds);
            let found = smallest(
                &|size| sign_flip_power(size, 1.0, seeds, alpha) >= WANTED,
                "standard deviations",
            );
            format!("smallest p {}; {found}", p_value(least))
        }
        Test::Tost { margin, .. } => {
            format!("says that a difference is below {margin}, never that there is none")
        }
        Test::Slope { bound, .. } => match bound {
            Bound::Inside([low, high]) => widest_inside(*high - *low, seeds, alpha),
            Bound::Contains(_) => {
                "a wide interval contains everything, so that it does shows little".to_owned()
            }
            Bound::Equals(_)
            | Bound::AtMost(_)
            | Bound::AtLeast(_)
            | Bound::Above(_)
            | Bound::Below(_) => smallest(
                &|size| mean_interval_power(size, seeds, 1.0 - alpha) >= WANTED,
                "standard deviations from the bound",
            ),
        },
        Test::Jonckheere { .. } => smallest(
            &|size| trend_power(size, arms.len(), seeds, alpha) >= WANTED,
            "standard deviations per step",
        ),
        Test::Ld50 { .. } => {
            let least = p_value(sign_flip_least(seeds));
            format!("smallest p {least}; a ratio outside the values swept cannot be told")
        }
        Test::Exact { .. } => {
            format!("no statistics: one of {runs} runs outside the bound refutes it")
        }
    }
}

/// Of an interval that must lie between two ends: how much slopes may scatter.
fn widest_inside(width: f64, seeds: usize, alpha: f64) -> String {
    // The interval lies inside when both one-sided tests at half of alpha say so.
    let found = |sd: f64| tost_power(0.0, sd, width / 2.0, seeds, alpha / 2.0) >= WANTED;
    let shares = (1..=200).rev().map(|step| 0.005 * f64::from(step));
    let widest = shares.map(|share| share * width).find(|sd| found(*sd));
    match widest {
        Some(sd) => format!(
            "finds a slope in the middle of the bound with power {WANTED} up to a standard \
             deviation of {}",
            number(sd)
        ),
        None => format!("finds no slope within the bound with power {WANTED}"),
    }
}

#[cfg(test)]
mod tests;
