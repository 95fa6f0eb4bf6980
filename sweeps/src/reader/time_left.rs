//! How long a sweep will go on: what is at work and to come, put on as many workers as there are, in the order of the plan.
//!
//! A run of an arm is taken to need as long as those of the arm that are done, from start to end: their evaluations are in that, and
//! so is that an arm may end early. Of an arm of which no run is done, one at work says how long a step takes; of one that has not
//! begun, the others do, in proportion to tokens times parameters.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// What is known of the time of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timed {
    /// Number of its arm.
    pub(super) arm: usize,
    /// Planned steps.
    pub(super) steps: u64,
    /// What one of them costs, in any unit that all runs share.
    pub(super) work: f64,
    /// When its attempt began, seconds since 1970.
    pub(super) began: Option<f64>,
    pub(super) phase: Phase,
}

/// Where a run is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Phase {
    /// Done: seconds of the whole run and of its last attempt, and the part of the former that steps took.
    Done {
        all: f64,
        attempt: f64,
        stepping: f64,
    },
    /// At work, with so many steps to go, of which each takes so many seconds.
    AtWork { left: u64, step: Option<f64> },
    /// To be begun or continued, with so many steps to go.
    ToCome { left: u64 },
    /// Nothing will come of it.
    Over,
}

/// Seconds after the beginning of a run until those that began with it are at work as well.
const TOGETHER: f64 = 5.0;

/// Seconds until nothing is left to do; none where no run is at work or nothing is known of how long steps take.
pub(super) fn seconds_left(runs: &[Timed]) -> Option<f64> {
    let rates = Rates::of(runs);
    let mut workers: BinaryHeap<Reverse<u64>> = BinaryHeap::new();
    let mut to_come = Vec::new();
    for run in runs {
        match run.phase {
            Phase::AtWork { left, step } => {
                let rate = step.map(|step| step * rates.around).or(rates.of_arm(run));
                workers.push(Reverse(milliseconds(left as f64 * rate?)));
            }
            Phase::ToCome { left } => to_come.push(left as f64 * rates.of_arm(run)?),
            Phase::Done { .. } | Phase::Over => {}
        }
    }
    if workers.is_empty() {
        return None;
    }
    for _ in workers.len()..width(runs) {
        workers.push(Reverse(0));
    }
    for seconds in to_come {
        let Reverse(free) = workers.pop()?;
        workers.push(Reverse(free.saturating_add(milliseconds(seconds))));
    }
    let last = workers.into_iter().map(|Reverse(end)| end).max()?;
    Some(last as f64 / 1000.0)
}

/// Whole, since a heap wants an order.
fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1000.0).round() as u64
}

/// How many runs are at work together: as many as now, or as there were when one of these began, since a worker between two runs
/// shows none.
fn width(runs: &[Timed]) -> usize {
    let is_at_work = |run: &&Timed| matches!(run.phase, Phase::AtWork { .. });
    let at = |time: f64| {
        let here = |run: &&Timed| {
            let Some(began) = run.began.filter(|began| *began <= time) else {
                return false;
            };
            match run.phase {
                Phase::Done { attempt, .. } => began + attempt > time,
                Phase::AtWork { .. } => true,
                Phase::ToCome { .. } | Phase::Over => false,
            }
        };
        runs.iter().filter(here).count()
    };
    let at_work = runs.iter().filter(is_at_work);
    let then = at_work
        .clone()
        .filter_map(|run| Some(at(run.began? + TOGETHER)));
    then.max().unwrap_or(0).max(at_work.count())
}

/// Seconds of a step by arm, with what is around the steps of a run.
struct Rates {
    of_arms: BTreeMap<usize, f64>,
    /// Seconds for a unit of work, where an arm has no rate.
    of_work: Option<f64>,
    /// Seconds of a run for one of its steps.
    around: f64,
}

impl Rates {
    fn of(runs: &[Timed]) -> Self {
        let (mut all, mut stepping) = (0.0, 0.0);
        // Seconds and steps of the runs that are done, else of those at work.
        let mut done: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
        let mut at_work: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
        let add = |sums: &mut BTreeMap<usize, (f64, f64)>, arm, seconds, steps| {
            let sum = sums.entry(arm).or_insert((0.0, 0.0));
            *sum = (sum.0 + seconds, sum.1 + steps);
        };
        for run in runs.iter().filter(|run| run.steps > 0) {
            match run.phase {
                Phase::Done {
                    all: own,
                    stepping: steps,
                    ..
                } => {
                    add(&mut done, run.arm, own, run.steps as f64);
                    if steps > 0.0 {
                        (all, stepping) = (all + own, stepping + steps);
                    }
                }
                Phase::AtWork {
                    step: Some(step), ..
                } => add(&mut at_work, run.arm, step, 1.0),
                Phase::AtWork { step: None, .. } | Phase::ToCome { .. } | Phase::Over => {}
            }
        }
        let around = if stepping > 0.0 {
            (all / stepping).max(1.0)
        } else {
            1.0
        };
        let mut of_arms: BTreeMap<usize, f64> = at_work
            .into_iter()
            .map(|(arm, (seconds, steps))| (arm, seconds / steps * around))
            .collect();
        of_arms.extend(
            done.into_iter()
                .map(|(arm, (seconds, steps))| (arm, seconds / steps)),
        );
        let works: BTreeMap<usize, f64> = runs.iter().map(|run| (run.arm, run.work)).collect();
        let of_known = |value: &dyn Fn(usize, f64) -> f64| -> f64 {
            of_arms.iter().map(|(arm, rate)| value(*arm, *rate)).sum()
        };
        let work = of_known(&|arm, _| works.get(&arm).copied().unwrap_or(0.0));
        Self {
            of_work: (work > 0.0).then(|| of_known(&|_, rate| rate) / work),
            of_arms,
            around,
        }
    }

    fn of_arm(&self, run: &Timed) -> Option<f64> {
        let known = self.of_arms.get(&run.arm).copied();
        known.or_else(|| Some(self.of_work? * run.work))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// A sweep whose truth is known.
    struct Simulated {
        workers: usize,
        /// Runs that one worker trains together.
        pack: usize,
        /// Seconds of a step by arm, alone.
        costs: Vec<f64>,
        /// What the estimate knows of them.
        works: Vec<f64>,
        seeds: usize,
        steps: u64,
        /// Seconds around the steps of a run.
        around: f64,
        /// Share of the attempts that break off half way and are taken up again.
        broken: f64,
        /// Share of the steps after which runs of an arm end, by arm.
        ends: Vec<f64>,
    }

    /// An attempt as it happened: run, begin, end, steps done before and after it.
    #[derive(Clone, Copy)]
    struct Attempt {
        run: usize,
        began: f64,
        ended: f64,
        steps: (u64, u64),
        step: f64,
    }

    impl Simulated {
        fn arm(&self, run: usize) -> usize {
            run % self.costs.len()
        }

        fn runs(&self) -> usize {
            self.costs.len() * self.seeds
        }

        /// Everything that happens, run by run in the order of the plan.
        fn play(&self, random: &mut impl Rng) -> Vec<Attempt> {
            let mut queue: Vec<(usize, u64)> = (0..self.runs()).map(|run| (run, 0)).collect();
            let mut free = vec![0.0_f64; self.workers];
            let mut all = Vec::new();
            while !queue.is_empty() {
                let worker = (0..self.workers).min_by(|a, b| free[*a].total_cmp(&free[*b]));
                let worker = worker.unwrap();
                // A worker is a moment without a run between two.
                let began = free[worker] + 1.0;
                let arm = self.arm(queue[0].0);
                let mut pack: Vec<(usize, u64)> = Vec::new();
                while let Some(at) = queue.iter().position(|(run, _)| self.arm(*run) == arm)
                    && pack.len() < self.pack
                {
                    pack.push(queue.remove(at));
                }
                // Runs together share what they wait for.
                let shared = 0.4 + 0.6 * pack.len() as f64;
                let breaks = random.random_bool(self.broken);
                let wobble = 1.0 + 0.1 * (random.random::<f64>() - 0.5);
                let step = self.costs[arm] * shared * wobble;
                let end = (self.steps as f64 * self.ends[arm]) as u64;
                let mut last = began;
                for (run, done) in pack {
                    let to = if breaks { done + (end - done) / 2 } else { end };
                    let ended = began + self.around + step * (to - done) as f64;
                    all.push(Attempt {
                        run,
                        began,
                        ended,
                        steps: (done, to),
                        step,
                    });
                    last = last.max(ended);
                    if breaks {
                        queue.push((run, to - to / 10));
                    }
                }
                free[worker] = last;
            }
            all
        }

        /// What a reader sees at a time.
        fn seen(&self, all: &[Attempt], now: f64) -> Vec<Timed> {
            let run = |run: usize| {
                let arm = self.arm(run);
                let own = all.iter().filter(|a| a.run == run && a.began <= now);
                let own: Vec<&Attempt> = own.collect();
                let end = (self.steps as f64 * self.ends[arm]) as u64;
                let phase = match own.last() {
                    None => Phase::ToCome { left: self.steps },
                    Some(last) if last.ended > now => {
                        let (from, to) = last.steps;
                        let share = ((now - last.began - self.around)
                            / (last.ended - last.began - self.around))
                            .max(0.0);
                        let done = from + ((to - from) as f64 * share) as u64;
                        Phase::AtWork {
                            left: self.steps - done,
                            step: (done > from).then_some(last.step),
                        }
                    }
                    Some(last) if last.steps.1 == end => {
                        let stepping = own
                            .iter()
                            .map(|a| a.step * (a.steps.1 - a.steps.0) as f64)
                            .sum();
                        let attempt = last.ended - last.began;
                        Phase::Done {
                            all: attempt.max(stepping),
                            attempt,
                            stepping,
                        }
                    }
                    Some(last) => Phase::ToCome {
                        left: self.steps - last.steps.1,
                    },
                };
                Timed {
                    arm,
                    steps: self.steps,
                    work: self.works[arm],
                    began: own.last().map(|last| last.began),
                    phase,
                }
            };
            (0..self.runs()).map(run).collect()
        }

        /// The largest error of the time left from a tenth of the sweep on, as a share of it; `until` is in twentieths.
        fn error(&self, seed: u64, until: u32) -> f64 {
            let all = self.play(&mut ChaCha8Rng::seed_from_u64(seed));
            let end = all.iter().map(|attempt| attempt.ended).fold(0.0, f64::max);
            let at = |tenths: u32| {
                let now = end * f64::from(tenths) / 20.0;
                let seen = self.seen(&all, now);
                let Some(found) = seconds_left(&seen) else {
                    let at_work = |run: &Timed| matches!(run.phase, Phase::AtWork { .. });
                    assert!(!seen.iter().any(at_work), "between two runs of one worker");
                    return 0.0;
                };
                (found / (end - now) - 1.0).abs()
            };
            (2..=until).map(at).fold(0.0, f64::max)
        }

        fn even(arms: usize, seeds: usize) -> Self {
            Self {
                workers: 4,
                pack: 1,
                costs: vec![0.1; arms],
                works: vec![1.0; arms],
                seeds,
                steps: 1000,
                around: 5.0,
                broken: 0.0,
                ends: vec![1.0; arms],
            }
        }
    }

    /// The bound that users are promised, over several sweeps of each kind.
    fn assert_steady(what: &str, sweep: &Simulated) {
        // Nobody knows beforehand which of the last attempts will break off.
        let until = if sweep.broken > 0.0 { 14 } else { 18 };
        let errors: Vec<f64> = (0..10).map(|seed| sweep.error(seed, until)).collect();
        assert!(
            errors.iter().all(|error| *error < 0.25),
            "{what}: {errors:.3?}"
        );
    }

    #[test]
    fn the_time_left_is_within_a_quarter_from_a_tenth_of_the_sweep_on() {
        let even = || Simulated::even(20, 6);
        assert_steady("arms alike", &even());
        let unequal: Vec<f64> = (0..20).map(|arm| 0.02 * 1.2_f64.powi(arm)).collect();
        let unequal = || Simulated {
            works: unequal.clone(),
            costs: unequal.clone(),
            ..even()
        };
        assert_steady("arms up to 32 times as dear", &unequal());
        let off = |(arm, cost): (usize, &f64)| cost * if arm % 3 == 0 { 1.3 } else { 0.8 };
        assert_steady(
            "whose cost is known badly",
            &Simulated {
                works: unequal().costs.iter().enumerate().map(off).collect(),
                ..unequal()
            },
        );
        assert_steady(
            "packs",
            &Simulated {
                pack: 3,
                workers: 2,
                ..unequal()
            },
        );
        assert_steady(
            "attempts that break off",
            &Simulated {
                broken: 0.1,
                ..unequal()
            },
        );
        let ends = (0..20)
            .map(|arm| if arm % 4 == 3 { 0.3 } else { 1.0 })
            .collect();
        assert_steady("arms that end early", &Simulated { ends, ..even() });
        assert_steady(
            "one worker",
            &Simulated {
                workers: 1,
                ..unequal()
            },
        );
        assert_steady(
            "long starts",
            &Simulated {
                around: 60.0,
                ..even()
            },
        );
    }

    #[test]
    fn nothing_at_work_or_nothing_known_is_no_estimate() {
        assert_eq!(seconds_left(&[]), None);
        let run = |phase| Timed {
            arm: 0,
            steps: 10,
            work: 1.0,
            began: None,
            phase,
        };
        assert_eq!(seconds_left(&[run(Phase::ToCome { left: 10 })]), None);
        let begun = run(Phase::AtWork {
            left: 10,
            step: None,
        });
        assert_eq!(seconds_left(&[begun]), None);
        let known = run(Phase::AtWork {
            left: 10,
            step: Some(0.5),
        });
        assert_eq!(
            seconds_left(&[known, run(Phase::ToCome { left: 4 })]),
            Some(7.0)
        );
        assert_eq!(
            seconds_left(&[known, begun]),
            Some(5.0),
            "by the other of its arm"
        );
    }
}
