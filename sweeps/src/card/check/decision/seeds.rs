//! That the runs of a card could decide it, whatever they show.

use crate::card::check::fields::{complain, section};
use crate::card::{Arm, Card, Role, Settings, number};
use crate::criterion::{Criterion, Seeds};
use experiments_config::Complaint;

/// Refuses a card some of whose confirmatory criteria could not hold; `key` names its seeds.
pub(in crate::card::check) fn check_seeds(card: &Card, key: &str, complaints: &mut Vec<Complaint>) {
    if card.is_smoke() {
        return;
    }
    let criteria = card.criteria.iter().enumerate();
    for (index, criterion) in criteria.filter(|(_, c)| c.role == Role::Confirmatory) {
        let too_few = criterion
            .test()
            .too_few(&seeds(card, criterion), criterion.alpha);
        let Some(too_few) = too_few else { continue };
        let place = match card.criteria.len() {
            1 => String::new(),
            _ => format!(" in `{}`", section(false, index)),
        };
        let message = format!("{}{place}", too_few.message);
        complain(complaints, key, message, too_few.hint);
    }
}

fn seeds(card: &Card, criterion: &Criterion) -> Seeds {
    let selectors = criterion.arms().selectors();
    let runs = |at: &&Settings| shared(card, criterion, &[*at]);
    Seeds {
        sides: selectors.iter().map(runs).collect(),
        pairs: shared(card, criterion, &selectors),
        arms: of_arms(card, criterion, &selectors),
    }
}

/// Seeds of every arm, in the order of the axis where the test has one.
fn of_arms(card: &Card, criterion: &Criterion, selectors: &[&Settings]) -> Vec<usize> {
    let arms = selectors.iter().flat_map(|at| card.arms_at(at));
    let mut arms: Vec<Arm> = arms.collect();
    if let Some(along) = criterion.arms().along() {
        let value = |arm: &Arm| arm.settings.get(along).and_then(number).unwrap_or(f64::NAN);
        arms.sort_by(|a, b| value(a).total_cmp(&value(b)));
    }
    arms.iter().map(|arm| arm.seeds.len()).collect()
}

/// Seeds that the first arms of all these have; of pooled arms the sum over those that are compared.
fn shared(card: &Card, criterion: &Criterion, selectors: &[&Settings]) -> usize {
    let sides: Vec<Vec<Arm>> = selectors.iter().map(|at| card.arms_at(at)).collect();
    let fewest = sides.iter().map(Vec::len).min().unwrap_or(0);
    let cells = if criterion.arms().pool().is_empty() {
        1
    } else {
        fewest
    };
    let in_all = |cell: usize, seed: u64| {
        let mut arms = sides.iter().map(|side| side.get(cell));
        arms.all(|arm| arm.is_some_and(|arm| arm.seeds.contains(&seed)))
    };
    (0..cells)
        .map(|cell| {
            let seeds = card.seeds.iter();
            seeds.filter(|seed| in_all(cell, **seed)).count()
        })
        .sum()
}
