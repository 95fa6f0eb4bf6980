//! That the runs of a card could decide it, whatever they show.

use super::arms::section;
use crate::card::check::fields::complain;
use crate::card::{Arm, Card, Criterion, Role, Settings, Test};
use crate::stats::{Proportion, fisher_exact, jonckheere, mcnemar_exact, sign_flip_least};
use crate::verdict::p_value;
use experiments_config::Complaint;

/// Most seeds that a hint suggests.
const MOST_SEEDS: usize = 10_000;

/// Refuses a card some of whose confirmatory criteria could not hold; `key` names its seeds.
pub(in crate::card::check) fn check_seeds(card: &Card, key: &str, complaints: &mut Vec<Complaint>) {
    if card.is_smoke() {
        return;
    }
    let criteria = card.criteria.iter().enumerate();
    for (index, criterion) in criteria.filter(|(_, c)| c.role == Role::Confirmatory) {
        let place = match card.criteria.len() {
            1 => String::new(),
            _ => format!(" in `{}`", section(card, index)),
        };
        match smallest_p(card, criterion) {
            Some(p) if p > criterion.alpha => {
                let (what, hint) = too_few(card, criterion, p);
                complain(complaints, key, format!("{what}{place}"), hint);
            }
            Some(_) => {}
            None => check_interval(card, criterion, key, &place, complaints),
        }
    }
}

/// The smallest p value that the runs can give; `None` where an interval or a bound decides, and 0
/// where it can be as small as one likes.
fn smallest_p(card: &Card, criterion: &Criterion) -> Option<f64> {
    let runs = |at: &Settings| shared(card, criterion, &[at]) as u64;
    match &criterion.test {
        Test::Fisher { arms, .. } => Some(fisher(runs(&arms.treatment), runs(&arms.control))),
        // Of the pairs all may differ.
        Test::Mcnemar { .. } => Some(mcnemar(pairs(card, criterion))),
        // The signs of the pairs, or of the seeds of two doses.
        Test::Permutation { .. } | Test::Ld50 { .. } => {
            Some(sign_flip_least(pairs(card, criterion)))
        }
        Test::Jonckheere { along, at, .. } => {
            let mut arms = card.arms_at(at);
            let value = |settings: &Settings| settings.get(along).and_then(crate::card::number);
            arms.sort_by(|a, b| {
                value(&a.settings)
                    .partial_cmp(&value(&b.settings))
                    .unwrap_or(std::cmp::Ordering::Equal)
            });
            let groups: Vec<Vec<f64>> = arms
                .iter()
                .enumerate()
                .map(|(group, arm)| {
                    let distinct =
                        (0..arm.seeds.len()).map(|index| (group * 100_000 + index) as f64);
                    distinct.collect()
                })
                .collect();
            Some(jonckheere(&groups).p_increasing)
        }
        Test::Tost { .. } if pairs(card, criterion) >= 2 => Some(0.0),
        Test::Tost { .. } | Test::Slope { .. } | Test::Exact { .. } => None,
    }
}

/// All against none.
fn fisher(n: u64, m: u64) -> f64 {
    fisher_exact(Proportion::new(n, n), Proportion::new(0, m))
}

/// Only the treatment shows the event, in every pair.
fn mcnemar(n: usize) -> f64 {
    mcnemar_exact(n as u64, 0)
}

/// Seeds that every arm of a criterion has.
fn pairs(card: &Card, criterion: &Criterion) -> usize {
    shared(card, criterion, &criterion.test.selectors())
}

/// Seeds that the first arms of all these have; of pooled arms the sum over those that are compared.
fn shared(card: &Card, criterion: &Criterion, selectors: &[&Settings]) -> usize {
    let sides: Vec<Vec<Arm>> = selectors.iter().map(|at| card.arms_at(at)).collect();
    let fewest = sides.iter().map(Vec::len).min().unwrap_or(0);
    let cells = if criterion.test.pool().is_empty() {
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

/// Why a smallest p value is too large, and what would do.
fn too_few(card: &Card, criterion: &Criterion, p: f64) -> (String, Option<String>) {
    let alpha = criterion.alpha;
    match &criterion.test {
        Test::Fisher { arms, .. } => {
            let [n, m] = [&arms.treatment, &arms.control].map(|at| shared(card, criterion, &[at]));
            let enough = (1..=MOST_SEEDS as u64).find(|k| fisher(*k, *k) <= alpha);
            (
                format!(
                    "{n} runs against {m} cannot reach p ≤ {alpha}: all against none gives p = {p:.3}"
                ),
                enough.map(|k| format!("{k} seeds in each arm can")),
            )
        }
        Test::Mcnemar { .. } | Test::Permutation { .. } | Test::Ld50 { .. } => {
            let n = pairs(card, criterion);
            let counts_pairs = matches!(criterion.test, Test::Mcnemar { .. });
            let least = if counts_pairs {
                mcnemar
            } else {
                sign_flip_least
            };
            let enough = (1..=MOST_SEEDS).find(|k| least(*k) <= alpha);
            let p = if p < 1e-3 {
                p_value(p)
            } else {
                format!("{p:.3}")
            };
            (
                format!("{n} pairs cannot reach p ≤ {alpha}: the smallest p is {p}"),
                enough.map(|k| format!("{k} seeds can")),
            )
        }
        _ => (
            format!("cannot reach p ≤ {alpha}: runs in perfect order give p = {p:.3}"),
            Some("more seeds can".to_owned()),
        ),
    }
}

/// One run has no spread, and so no interval.
fn check_interval(
    card: &Card,
    criterion: &Criterion,
    key: &str,
    place: &str,
    complaints: &mut Vec<Complaint>,
) {
    if matches!(criterion.test, Test::Exact { .. }) {
        return;
    }
    let selectors = criterion.test.selectors();
    let arms = selectors.iter().flat_map(|at| card.arms_at(at));
    let fewest = match criterion.test {
        Test::Tost { .. } => pairs(card, criterion),
        _ => arms.map(|arm| arm.seeds.len()).min().unwrap_or(0),
    };
    if fewest < 2 {
        let test = criterion.test.name();
        let message =
            format!("are {fewest}, but `{test}` needs an interval over at least 2{place}");
        complain(complaints, key, message, None);
    }
}
