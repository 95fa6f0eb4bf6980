//! The seeds of listed runs: what makes pairs, and what cannot be one.

use crate::PlannedRun;
use crate::card::{Arm, Card};
use crate::criterion::{Criterion, SeedUse};
use crate::reader::RunState;
use std::collections::BTreeSet;
use std::path::Path;

/// Refuses runs without a seed where runs are compared seed by seed, and two runs of one seed in an arm.
pub(super) fn check_seeds(card: &Card, states: &[(RunState, bool)]) -> Result<(), String> {
    let pairing = card.criteria.iter().find(|one| pairs(one));
    let unknown = states.iter().find(|(_, is_known)| !is_known);
    if let (Some(criterion), Some((run, _))) = (pairing, unknown) {
        return Err(format!(
            "the criterion `{}` compares runs of the same seed, and the seed of `{}` is not known: give `seed` with each run",
            criterion.name, run.id
        ));
    }
    for (number, (run, _)) in states.iter().enumerate() {
        let same = |(other, _): &&(RunState, bool)| other.arm == run.arm && other.seed == run.seed;
        if let Some((other, _)) = states[..number].iter().find(same) {
            return Err(format!(
                "`{}` and `{}` are both seed {} of the arm `{}`",
                other.id, run.id, run.seed, run.arm
            ));
        }
    }
    for (number, (run, _)) in states.iter().enumerate() {
        let place = |run: &RunState| Path::new(&run.id).canonicalize().ok();
        if states[..number]
            .iter()
            .any(|(other, _)| place(other) == place(run))
        {
            return Err(format!("`{}` is listed twice", run.id));
        }
    }
    Ok(())
}

/// Whether a test compares runs of one seed.
fn pairs(criterion: &Criterion) -> bool {
    match criterion.test().seed_use() {
        SeedUse::Paired | SeedUse::Within => true,
        SeedUse::Independent => false,
    }
}

/// Refuses a run whose seed no other arm has that it is compared with. Runs that are not listed yet may have it, and
/// seeds that the card plans for one arm only need no other.
pub(super) fn check_partners(
    card: &Card,
    arms: &[Arm],
    states: &[(RunState, bool)],
) -> Result<(), String> {
    let pairing = card.criteria.iter().filter(|one| pairs(one));
    for criterion in pairing {
        let looked_at: Vec<&Arm> = arms
            .iter()
            .filter(|arm| criterion.arms().has(arm))
            .collect();
        for arm in &looked_at {
            let others: Vec<&Arm> = looked_at
                .iter()
                .copied()
                .filter(|o| o.label != arm.label)
                .collect();
            let Some(run) = without_partner(arm, &others, states) else {
                continue;
            };
            let known: BTreeSet<u64> = others.iter().flat_map(|o| seeds(o, states)).collect();
            let known: Vec<String> = known.iter().map(u64::to_string).collect();
            return Err(format!(
                "the criterion `{}` compares runs of the same seed, and none of its other arms has seed {}, that of `{}`; their seeds are {}",
                criterion.name,
                run.seed,
                run.id,
                known.join(", ")
            ));
        }
    }
    Ok(())
}

/// The seeds of the runs of an arm.
fn seeds<'a>(arm: &'a Arm, states: &'a [(RunState, bool)]) -> impl Iterator<Item = u64> + 'a {
    let runs = states.iter().filter(|(run, _)| run.arm == arm.label);
    runs.map(|(run, _)| run.seed)
}

/// The first run of an arm for whose seed no place is left in the others.
fn without_partner<'a>(
    arm: &Arm,
    others: &[&Arm],
    states: &'a [(RunState, bool)],
) -> Option<&'a RunState> {
    // Two metrics of one run are compared in a single arm.
    if others.is_empty() {
        return None;
    }
    let unlisted = |other: &&Arm| {
        other
            .seeds
            .len()
            .saturating_sub(seeds(other, states).count())
    };
    let unlisted: usize = others.iter().map(unlisted).sum();
    let is_single = |seed: &&u64| others.iter().all(|other| !other.seeds.contains(seed));
    let single = arm.seeds.iter().filter(is_single).count();
    let alone = |run: &&RunState| {
        others
            .iter()
            .all(|other| seeds(other, states).all(|seed| seed != run.seed))
    };
    let runs = states.iter().map(|(run, _)| run);
    let mut alone = runs.filter(|run| run.arm == arm.label).filter(alone);
    alone.nth(unlisted + single)
}

/// Adds the runs that the card plans for an arm and the list lacks; they have no outcome.
pub(super) fn complete(arm: &Arm, states: &mut Vec<(RunState, bool)>) -> Result<(), String> {
    let own: BTreeSet<u64> = seeds(arm, states).collect();
    let (listed, planned_runs) = (own.len(), arm.seeds.len());
    if listed > planned_runs {
        return Err(format!(
            "the card plans {planned_runs} runs of the arm `{}`, and {listed} are listed",
            arm.label
        ));
    }
    // They pair with the runs of other arms that have no partner yet, and then with each other.
    let known = states.iter().filter(|(_, is_known)| *is_known);
    let known: BTreeSet<u64> = known.map(|(run, _)| run.seed).collect();
    let free = known.iter().copied().filter(|seed| !own.contains(seed));
    let fresh = (0..).map(|number| u64::MAX / 2 - number);
    let fresh = fresh.filter(|seed| !known.contains(seed));
    let lacking: Vec<u64> = free.chain(fresh).take(planned_runs - listed).collect();
    for (number, seed) in (listed..).zip(lacking) {
        let id = format!("{} {} of {planned_runs}, not listed", arm.label, number + 1);
        states.push((
            RunState::new(&PlannedRun::without_plan(id, arm, seed)),
            false,
        ));
    }
    Ok(())
}
