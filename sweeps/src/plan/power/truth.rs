//! Runs as they would be if what a criterion's author expects were the truth.

use crate::card::{
    Arm, Bound, Card, Criterion, Expect, Pair, Settings, Test, matches, number, same,
};
use crate::reader::{RunState, State};
use crate::{Classified, Event, Outcome, PlannedRun};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use std::collections::BTreeMap;

/// The runs of a criterion's arms, drawn anew for every simulated sweep.
pub(super) struct Truth<'a> {
    criterion: &'a Criterion,
    expect: &'a Expect,
    arms: Vec<Arm>,
    /// Place of every arm among those that are pooled with it; 0 where nothing is pooled.
    cell_of: Vec<usize>,
    states: Vec<RunState>,
    /// Place of its arm in `arms`, for every state.
    arm_of: Vec<usize>,
    /// Place of the metric where it is compared with another one of the same runs.
    within: Option<usize>,
}

impl<'a> Truth<'a> {
    /// All runs of the criterion's arms, with the seeds of the card or with 1 to `seeds`, dealt out in turn to arms that
    /// are pooled. `None`
    /// where the card says no effect, or the test knows no chance.
    pub(super) fn new(
        card: &Card,
        criterion: &'a Criterion,
        all: &[Arm],
        seeds: Option<usize>,
    ) -> Option<Self> {
        let expect = criterion.expect.as_ref()?;
        if matches!(criterion.test, Test::Exact { .. }) {
            return None;
        }
        let arms = all.iter().filter(|arm| criterion.test.looks_at(arm));
        let arms: Vec<Arm> = arms.cloned().collect();
        let metrics = card.metrics().len();
        let metric = card.metric_of(criterion);
        let place = card.metrics().iter().position(|known| *known == metric);
        let within = place.filter(|_| criterion.control_metric.is_some());
        let cell_of = criterion.test.cells(&arms.iter().collect::<Vec<_>>());
        let cells = cell_of.iter().max().map_or(1, |last| last + 1);
        let (mut states, mut arm_of) = (Vec::new(), Vec::new());
        for (place, arm) in arms.iter().enumerate() {
            let first = cell_of[place] as u64 + 1;
            let dealt = seeds.map(|count| (first..=count as u64).step_by(cells).collect());
            for seed in dealt.unwrap_or_else(|| arm.seeds.clone()) {
                states.push(finished(arm, seed, metrics));
                arm_of.push(place);
            }
        }
        Some(Self {
            criterion,
            expect,
            arms,
            cell_of,
            states,
            arm_of,
            within,
        })
    }

    /// The runs of one simulated sweep.
    pub(super) fn draw(&mut self, generator: &mut ChaCha8Rng) -> &[RunState] {
        let mean = self.expect.difference.unwrap_or(0.0);
        let sd = self.expect.sd.unwrap_or(0.0);
        match &self.criterion.test {
            Test::Fisher { arms, event, .. } | Test::Mcnemar { arms, event, .. } => {
                let (treatment, control) = (self.expect.treatment, self.expect.control);
                let shares = self.by_arm(|arm| {
                    let share = if matches(&arm.settings, &arms.treatment) {
                        treatment
                    } else {
                        control
                    };
                    share.unwrap_or(0.0)
                });
                self.outcomes(event, |place| shares[place], generator);
            }
            Test::Permutation { .. } if self.within.is_some() => self.differ(mean, sd, generator),
            Test::Permutation { arms, minus, .. } => {
                self.contrast(arms, minus.as_ref(), mean, sd, generator);
            }
            Test::Tost { arms, .. } => self.contrast(arms, None, mean, sd, generator),
            Test::Slope { along, bound, .. } => {
                self.slopes(along, slope(*bound, mean), sd, generator);
            }
            Test::Jonckheere {
                along, direction, ..
            } => {
                let step = if direction.is_up() {
                    mean.abs()
                } else {
                    -mean.abs()
                };
                self.steps(along, step, sd, generator);
            }
            Test::Ld50 {
                along, arms, event, ..
            } => self.doses(along, arms, event, generator),
            // `new` has no truth for it.
            Test::Exact { .. } => {}
        }
        &self.states
    }

    fn by_arm(&self, value: impl Fn(&Arm) -> f64) -> Vec<f64> {
        self.arms.iter().map(value).collect()
    }

    /// The axis value of every arm.
    fn along(&self, key: &str) -> Vec<f64> {
        self.by_arm(|arm| arm.settings.get(key).and_then(number).unwrap_or(f64::NAN))
    }

    fn set(&mut self, value: impl Fn(usize, u64) -> f64) {
        for (state, arm) in self.states.iter_mut().zip(&self.arm_of) {
            state.metrics.fill(Some(value(*arm, state.seed)));
        }
    }

    /// Events with the chance of each arm, independently.
    fn outcomes(
        &mut self,
        event: &[Event],
        chance: impl Fn(usize) -> f64,
        generator: &mut ChaCha8Rng,
    ) {
        let counts = |outcome: &Outcome| event.contains(&Event::Outcome(*outcome));
        let shown = Outcome::ALL.into_iter().find(counts);
        let other = Outcome::ALL.into_iter().rev().find(|o| !counts(o));
        for (state, arm) in self.states.iter_mut().zip(&self.arm_of) {
            let hit = generator.random::<f64>() < chance(*arm);
            // Either way of showing the event will do; where no outcome shows it, the run spiked.
            let outcome = shown.filter(|_| hit).or(other);
            state.spiked = Some(hit && shown.is_none());
            if let (Some(found), Some(outcome)) = (&mut state.classified, outcome) {
                found.outcome = outcome;
            }
        }
    }

    /// Differences of two metrics of the same runs with this mean and standard deviation; the other metric is 0.
    fn differ(&mut self, mean: f64, sd: f64, generator: &mut ChaCha8Rng) {
        for state in &mut self.states {
            state.metrics.fill(Some(0.0));
            let compared = self.within.and_then(|place| state.metrics.get_mut(place));
            if let Some(value) = compared {
                *value = Some(mean + sd * normal(generator));
            }
        }
    }

    /// Differences with this mean and standard deviation in one of the arms; the others are 0.
    fn contrast(
        &mut self,
        arms: &Pair,
        minus: Option<&Pair>,
        mean: f64,
        sd: f64,
        generator: &mut ChaCha8Rng,
    ) {
        // How often the contrast counts each arm: an arm may be in both pairs.
        let counts = |at: &Settings, arm: &Arm| f64::from(u8::from(matches(&arm.settings, at)));
        let side =
            |pair: &Pair, arm: &Arm| counts(&pair.treatment, arm) - counts(&pair.control, arm);
        let weights =
            self.by_arm(|arm| side(arms, arm) - minus.map_or(0.0, |minus| side(minus, arm)));
        let Some(carrier) = weights.iter().position(|weight| *weight != 0.0) else {
            return;
        };
        let (test, arms, cell_of) = (&self.criterion.test, &self.arms, &self.cell_of);
        // The carrier, and the arms that are pooled with it.
        let carries: Vec<bool> = arms
            .iter()
            .map(|arm| is_pooled(test, &arm.settings, &arms[carrier].settings))
            .collect();
        let mut drawn: BTreeMap<(usize, u64), f64> = BTreeMap::new();
        for (state, arm) in self.states.iter().zip(&self.arm_of) {
            let key = (cell_of[*arm], state.seed);
            drawn
                .entry(key)
                .or_insert_with(|| mean + sd * normal(generator));
        }
        for (state, arm) in self.states.iter_mut().zip(&self.arm_of) {
            let drawn = drawn.get(&(cell_of[*arm], state.seed));
            let drawn = drawn.filter(|_| carries[*arm]);
            let value = drawn.map_or(0.0, |value| value / weights[carrier]);
            state.metrics.fill(Some(value));
        }
    }

    fn by_seed(&self, mut value: impl FnMut() -> f64) -> BTreeMap<u64, f64> {
        let mut drawn = BTreeMap::new();
        for state in &self.states {
            drawn.entry(state.seed).or_insert_with(&mut value);
        }
        drawn
    }

    /// Power laws whose exponents have this mean and standard deviation over seeds.
    fn slopes(&mut self, along: &str, mean: f64, sd: f64, generator: &mut ChaCha8Rng) {
        let places = self.along(along);
        let exponents = self.by_seed(|| mean + sd * normal(generator));
        self.set(|arm, seed| places[arm].powf(exponents.get(&seed).copied().unwrap_or(mean)));
    }

    /// Groups whose means rise by `step` from each value of the axis to the next.
    fn steps(&mut self, along: &str, step: f64, sd: f64, generator: &mut ChaCha8Rng) {
        let places = self.along(along);
        let rank = |place: f64| places.iter().filter(|other| **other < place).count() as f64;
        let means: Vec<f64> = places.iter().map(|place| step * rank(*place)).collect();
        for (state, arm) in self.states.iter_mut().zip(&self.arm_of) {
            state
                .metrics
                .fill(Some(means[*arm] + sd * normal(generator)));
        }
    }

    /// Runs that fail with logistic chance, independently: the log odds rise by the steepness per
    /// doubling of the axis and are 0 at the LD50, the control's half the ratio below the geometric
    /// middle of the range and the treatment's half above.
    fn doses(&mut self, along: &str, arms: &Pair, event: &[Event], generator: &mut ChaCha8Rng) {
        let doses: Vec<f64> = self.along(along).into_iter().map(f64::log2).collect();
        let low = doses.iter().copied().fold(f64::INFINITY, f64::min);
        let high = doses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let half = self.expect.ratio.unwrap_or(1.0).log2() / 2.0;
        let steepness = self.expect.steepness.unwrap_or(0.0);
        let sides = self.by_arm(|arm| {
            let treated = matches(&arm.settings, &arms.treatment);
            if treated { half } else { -half }
        });
        let chance = |arm: usize| {
            let odds = steepness * (doses[arm] - f64::midpoint(low, high) - sides[arm]);
            1.0 / (1.0 + (-odds).exp())
        };
        self.outcomes(event, chance, generator);
    }
}

/// The slope that lies `distance` within the bound from its nearest end; of an interval that is to
/// contain a value, this value: cards have no distance beside it.
fn slope(bound: Bound, distance: f64) -> f64 {
    match bound {
        Bound::Above(end) | Bound::AtLeast(end) | Bound::Inside([end, _]) => end + distance,
        Bound::Below(end) | Bound::AtMost(end) => end - distance,
        Bound::Contains(value) | Bound::Equals(value) => value + distance,
    }
}

/// Whether two arms differ in nothing but pooled axes.
fn is_pooled(test: &Test, a: &Settings, b: &Settings) -> bool {
    let pool = test.pool();
    let mut keys = a.keys().filter(|key| !pool.contains(key));
    keys.all(|key| b.get(key).is_some_and(|other| same(&a[key], other)))
}

/// A run that has finished well, with room for all metrics of the card.
fn finished(arm: &Arm, seed: u64, metrics: usize) -> RunState {
    let planned = PlannedRun {
        id: String::new(),
        arm: arm.label.clone(),
        settings: Settings::new(),
        seed,
        role: arm.role,
        steps: 0,
        tokens: 0,
        disk_bytes: 0,
        config_hash: String::new(),
    };
    let mut state = RunState::new(&planned);
    state.state = State::Finished;
    state.metrics = vec![Some(0.0); metrics];
    state.classified = Some(Classified {
        outcome: Outcome::Ok,
        value: None,
        stuck_line: 0.0,
        diverged_line: None,
        crossed_at: None,
        reason: String::new(),
    });
    state
}

fn normal(generator: &mut ChaCha8Rng) -> f64 {
    generator.sample(StandardNormal)
}
