//! The chance that a card's claim is found, if what its author expects is the truth: by simulating
//! sweeps and deciding each with the code that decides the real one.

mod truth;

use crate::VerdictStatus;
use crate::card::{Arm, Card, Role};
use crate::criterion::{SimulatedRuns, WANTED};
use crate::verdict::{decide, overall};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::collections::BTreeMap;

/// Seeds that are tried for it.
pub(crate) const MOST_SEEDS: usize = 40;
/// Sweeps simulated at a time.
const BATCH: usize = 100;
/// Most sweeps for a number that is printed: twice its standard error is at most 0.022.
const MOST_SWEEPS: usize = 2_000;
/// Most sweeps to tell on which side of [`WANTED`] a number of seeds lies.
const MOST_TRIED: usize = 400;
/// Twice the standard error that is good enough to print.
const PRECISE: f64 = 0.01;
/// Seed of every simulation: a planned design always reads the same.
const SEED: u64 = 130;

/// A simulated probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Power {
    /// Share of simulated sweeps that succeeded.
    pub share: f64,
    /// Twice the standard error of this share: what the simulation leaves open.
    pub error: f64,
}

impl Power {
    fn of(hits: usize, sweeps: usize) -> Self {
        // Two successes and two failures more (Agresti and Coull): a share of 1 has an error too.
        let (n, k) = (sweeps as f64 + 4.0, hits as f64 + 2.0);
        Self {
            share: hits as f64 / sweeps as f64,
            error: 2.0 * (k / n * (1.0 - k / n) / n).sqrt(),
        }
    }
}

/// Power of each criterion, `None` where nothing is expected or nothing left to chance, and that
/// of the verdict: that all confirmatory criteria hold.
pub(super) struct Powers {
    pub(super) criteria: Vec<Option<Power>>,
    pub(super) verdict: Option<Power>,
}

/// Simulates the sweeps of a card.
pub(super) struct Simulation<'a> {
    card: &'a Card,
    arms: Vec<Arm>,
    /// Hits of every criterion and of the verdict, by number of seeds.
    tried: BTreeMap<usize, Hits>,
}

/// Sweeps in which each criterion held, in which all confirmatory ones did, and all sweeps.
#[derive(Clone)]
struct Hits {
    criteria: Vec<usize>,
    verdict: usize,
    sweeps: usize,
}

impl Hits {
    /// The power of each criterion, then that of the verdict.
    fn powers(&self) -> impl Iterator<Item = Power> {
        let shares = self.criteria.iter().chain([&self.verdict]);
        shares.map(|share| Power::of(*share, self.sweeps))
    }
}

/// What is asked for: a criterion by its place, or the verdict.
#[derive(Clone, Copy)]
pub(super) enum Of {
    Criterion(usize),
    Verdict,
}

impl<'a> Simulation<'a> {
    pub(super) fn new(card: &'a Card) -> Self {
        Self {
            card,
            arms: card.arms(),
            tried: BTreeMap::new(),
        }
    }

    /// The power of the card's own seeds.
    pub(super) fn powers(&self) -> Powers {
        let mut truths = self.truths(None);
        let precise = |hits: &Hits| hits.powers().all(|power| power.error <= PRECISE);
        let hits = self.simulate(&mut truths, MOST_SWEEPS, precise);
        let known = truths.iter().map(Option::is_some);
        Powers {
            criteria: known
                .zip(&hits.criteria)
                .map(|(known, held)| known.then(|| Power::of(*held, hits.sweeps)))
                .collect(),
            verdict: self
                .is_known()
                .then(|| Power::of(hits.verdict, hits.sweeps)),
        }
    }

    /// Fewest seeds per arm, from 2 to [`MOST_SEEDS`], for which power reaches [`WANTED`]. Power of
    /// tests on counts is a saw-tooth in the seeds, so a few more may fall below it again.
    pub(super) fn seeds_needed(&mut self, of: Of) -> Option<usize> {
        let (mut too_few, mut enough) = (1, MOST_SEEDS);
        // Many seeds take long to test, and are rarely needed.
        for seeds in [6, 12, 20, 30, MOST_SEEDS] {
            if self.reaches(of, seeds) {
                enough = seeds;
                break;
            }
            too_few = seeds;
        }
        if too_few == MOST_SEEDS {
            return None;
        }
        while enough - too_few > 1 {
            let middle = usize::midpoint(too_few, enough);
            if self.reaches(of, middle) {
                enough = middle;
            } else {
                too_few = middle;
            }
        }
        Some(enough)
    }

    fn reaches(&mut self, of: Of, seeds: usize) -> bool {
        if !self.tried.contains_key(&seeds) {
            let is_clear = |power: Power| (power.share - WANTED).abs() > 1.5 * power.error;
            let clear = |hits: &Hits| hits.powers().all(is_clear);
            let mut truths = self.truths(Some(seeds));
            let hits = self.simulate(&mut truths, MOST_TRIED, clear);
            self.tried.insert(seeds, hits);
        }
        self.tried.get(&seeds).is_some_and(|hits| {
            let held = match of {
                Of::Criterion(place) => hits.criteria[place],
                Of::Verdict => hits.verdict,
            };
            held as f64 >= WANTED * hits.sweeps as f64
        })
    }

    /// Whether the power of the verdict can be told: every confirmatory criterion is in the budget and
    /// has a truth or knows no chance, and some has a truth.
    fn is_known(&self) -> bool {
        let counted = || self.card.confirmatory();
        !self.card.is_smoke()
            && self.card.undecided.is_empty()
            && counted().all(|c| c.expect.is_some() || !c.has_chance())
            && counted().any(|c| c.expect.is_some() && c.has_chance())
    }

    fn truths(&self, seeds: Option<usize>) -> Vec<Option<SimulatedRuns<'a>>> {
        let criteria = self.card.criteria.iter();
        criteria
            .map(|criterion| truth::of(self.card, criterion, &self.arms, seeds))
            .collect()
    }

    /// Simulates batches of sweeps until `enough`, at most `most`.
    fn simulate(
        &self,
        truths: &mut [Option<SimulatedRuns<'a>>],
        most: usize,
        enough: impl Fn(&Hits) -> bool,
    ) -> Hits {
        let mut generator = ChaCha8Rng::seed_from_u64(SEED);
        let mut hits = Hits {
            criteria: vec![0; truths.len()],
            verdict: 0,
            sweeps: 0,
        };
        while hits.sweeps < most && (hits.sweeps == 0 || !enough(&hits)) {
            for _ in 0..BATCH {
                self.one(truths, &mut generator, &mut hits);
            }
            hits.sweeps += BATCH;
        }
        hits
    }

    /// One sweep. Criteria without a truth are taken to hold.
    fn one(
        &self,
        truths: &mut [Option<SimulatedRuns<'a>>],
        generator: &mut ChaCha8Rng,
        hits: &mut Hits,
    ) {
        let mut counted = Vec::new();
        let criteria = self.card.criteria.iter().zip(truths);
        for ((criterion, truth), held) in criteria.zip(&mut hits.criteria) {
            let status = match truth {
                Some(truth) => {
                    criterion.test().draw(truth, generator);
                    decide(self.card, &self.arms, criterion, &truth.states)
                }
                None => VerdictStatus::Reproduced,
            };
            *held += usize::from(status == VerdictStatus::Reproduced);
            if criterion.role == Role::Confirmatory {
                counted.push(status);
            }
        }
        let verdict = overall(self.card, &counted);
        hits.verdict += usize::from(verdict == VerdictStatus::Reproduced);
    }
}
