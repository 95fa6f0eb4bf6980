//! What a card's design can show, before anything runs: power for the effects its author expects,
//! and the smallest effects it would find.

use super::power::{Of, Power, Simulation};
use crate::card::{Arm, Card};
use crate::criterion::{Criterion, Expect, SeedUse, Size};
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
    let without_chance = counted().filter(|c| !c.has_chance());
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
    let arms = all.iter().filter(|arm| criterion.arms().has(arm));
    let arms: Vec<&Arm> = arms.collect();
    let seeds = seeds_of_a_side(criterion, &arms);
    Design {
        criterion: criterion.name.clone(),
        test: criterion.test.name().to_owned(),
        seeds,
        expected: criterion.expect.as_ref().map(|e| words(criterion, e)),
        power,
        seeds_needed,
        limits: criterion.test().limits(Size {
            seeds,
            arms: arms.len(),
            runs: arms.iter().map(|arm| arm.seeds.len()).sum(),
            alpha: criterion.alpha,
        }),
    }
}

/// What is expected, and where that is from.
fn words(criterion: &Criterion, expect: &Expect) -> String {
    let what = criterion.test().expected(expect);
    match &expect.source {
        Some(source) => format!("{what} ({source})"),
        None => what,
    }
}

/// [`seeds`] of one side: of pooled arms the sum over the values that are pooled.
fn seeds_of_a_side(criterion: &Criterion, arms: &[&Arm]) -> usize {
    let cells = criterion.arms().cells(arms);
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
    match criterion.test().seed_use() {
        SeedUse::Paired => {
            let shared = |seed: &&u64| arms.iter().all(|arm| arm.seeds.contains(seed));
            fewest.seeds.iter().filter(shared).count()
        }
        SeedUse::Independent | SeedUse::Within => fewest.seeds.len(),
    }
}

#[cfg(test)]
mod tests;
