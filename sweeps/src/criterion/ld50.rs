//! The value of an axis at which half of the runs show the event, compared between arms.

use super::test::{
    Against, Arms, Compared, Detail, Direction, Effect, Expect, Fields, Finding, HIGHER, Needed,
    Open, Pair, Runs, SeedUse, Seeds, SimulatedRuns, Size, StatisticalTest, TooFew, word,
    wrong_way,
};
use crate::Event;
use crate::card::matches;
use crate::stats::{Interval, Known, Ld50 as Dose, Ratio, Trial};
use crate::stats::{failure_differences, ld50 as fit, ld50_ratio, sign_flip_least};
use crate::wording::{event_words, number, p_value, p_words, percent};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Of every bootstrap in a verdict, so that a verdict is the same each time.
const SEED: u64 = 20_221_005;

/// Ratio of the axis values at which half of the runs show the event; decided by its interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ld50 {
    /// The axis.
    pub along: String,
    /// The other axis values of the arms.
    #[serde(flatten)]
    pub arms: Pair,
    /// What counts as the event.
    pub event: Vec<Event>,
    /// The way the treatment's value must differ.
    pub direction: Direction,
}

impl StatisticalTest for Ld50 {
    fn method() -> &'static str {
        "sign-flip permutation test, two-sided, on the failed runs of each seed"
    }

    fn keys() -> &'static [&'static str] {
        &[
            "along",
            "treatment",
            "control",
            "direction",
            "event",
            "failed",
        ]
    }

    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            along: fields.along(),
            arms: fields.pair(),
            event: fields.event(),
            direction: fields.direction(HIGHER),
        }
    }

    fn arms(&self) -> Arms<'_> {
        Arms::PairAlong {
            along: &self.along,
            arms: &self.arms,
        }
    }

    fn compares(&self) -> Compared<'_> {
        Compared::Doses(&self.event)
    }

    fn seed_use(&self) -> SeedUse {
        SeedUse::Paired
    }

    fn too_few(&self, seeds: &Seeds, alpha: f64) -> Option<TooFew> {
        // The signs of the seeds of two doses.
        TooFew::pairs(seeds.pairs, alpha, sign_flip_least)
    }

    fn needed(&self, expect: &Expect) -> Vec<Needed> {
        vec![
            Needed::positive("ratio", expect.ratio),
            Needed::positive("steepness", expect.steepness),
        ]
    }

    fn against(&self, expect: &Expect) -> Option<Against> {
        Some(Against {
            key: "ratio",
            message: wrong_way(self.direction, expect.ratio?, 1.0, "1")?,
            hint: "it is treatment over control; turn `direction` round, or give 1 over it"
                .to_owned(),
        })
    }

    fn expected(&self, expect: &Expect) -> String {
        let (ratio, steepness) = (word(expect.ratio), word(expect.steepness));
        format!("a ratio of {ratio} at a steepness of {steepness} per doubling")
    }

    fn limits(&self, size: Size) -> String {
        let least = p_value(sign_flip_least(size.seeds));
        format!("smallest p {least}; a ratio outside the values swept cannot be told")
    }

    /// Runs that fail with logistic chance, independently: the log odds rise by the steepness per
    /// doubling of the axis and are 0 at the LD50, the control's half the ratio below the geometric
    /// middle of the range and the treatment's half above.
    fn draw(&self, runs: &mut SimulatedRuns<'_>, generator: &mut ChaCha8Rng) {
        let doses: Vec<f64> = runs.along(&self.along).into_iter().map(f64::log2).collect();
        let low = doses.iter().copied().fold(f64::INFINITY, f64::min);
        let high = doses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let half = runs.expect.ratio.unwrap_or(1.0).log2() / 2.0;
        let steepness = runs.expect.steepness.unwrap_or(0.0);
        let sides = runs.by_arm(|arm| {
            let treated = matches(&arm.settings, &self.arms.treatment);
            if treated { half } else { -half }
        });
        let chance = |arm: usize| {
            let odds = steepness * (doses[arm] - f64::midpoint(low, high) - sides[arm]);
            1.0 / (1.0 + (-odds).exp())
        };
        runs.outcomes(&self.event, chance, generator);
    }

    fn find(&self, runs: &Runs<'_>, finding: &mut Finding) {
        let (along, event, direction) = (&self.along, &self.event, self.direction);
        let trials = [&self.arms.treatment, &self.arms.control].map(|at| -> Vec<Trial> {
            let arms = runs.along(along, at);
            arms.iter()
                .flat_map(|(dose, arm)| {
                    runs.of_arm(&arm.label).filter_map(|run| {
                        Some(Trial {
                            seed: run.seed,
                            dose: *dose,
                            failed: runs.shows(run, event)?,
                        })
                    })
                })
                .collect()
        });
        let differences = failure_differences(&trials[0], &trials[1]);
        let p = runs.sign_flip(&differences);
        let more: f64 = differences.iter().sum();
        finding.p_value = Some(p);
        if finding.note_unknown(runs, event) > 0 {
            finding.leave_open(Open::SpikesLost);
        }
        finding.need_pairs(differences.len(), 1);
        finding.as_stated = direction.is_more(more, 0.0);
        let holds = finding.as_stated && p <= finding.alpha;
        if runs.detail == Detail::Decision && !holds {
            // Whatever the doses, it does not hold, and fits take long.
            finding.decide(false);
            return;
        }
        let doses = trials.each_ref().map(|trials| fit(trials));
        if finding.missing == 0 && same_side(doses) {
            finding.leave_open(Open::OutsideRange);
        } else if finding.missing == 0 && holds && !in_order(doses, direction) {
            // Fewer failures alone do not say where half of the runs fail.
            finding.leave_open(Open::NoOrder);
        }
        finding.decide(holds);
        if runs.detail == Detail::Decision {
            return;
        }
        let level = 1.0 - finding.alpha;
        let what = format!(
            "{along} at which half of the runs are {}",
            event_words(event)
        );
        let ratio = ld50_ratio(&trials[0], &trials[1], level, SEED);
        let effect = ratio.map(|ratio| effect(&what, ratio, p, finding.alpha));
        let [treatment, control] = [0, 1].map(|arm| dose(&trials[arm], doses[arm]));
        finding.sentence = format!(
            "{what}: {treatment} under treatment, {control} under control, {}; sign-flip permutation of \
             the failures of {} {}{}",
            match (ratio, &effect) {
                (Some(ratio), Some(effect)) => ratio_words(ratio, effect, differences.len()),
                _ => format!("which have no ratio{}", why_none(&trials, doses)),
            },
            seeds(differences.len()),
            p_words(p, finding.alpha),
            finding.opposite(0.0)
        );
        finding.effects.extend(effect);
    }
}

fn effect(what: &str, ratio: Ratio, p: f64, alpha: f64) -> Effect {
    // The bootstrap knows nothing of the test, which alone says whether 1 is ruled out.
    let interval = ratio.interval.map(|ends| {
        let ruled_out = p <= alpha;
        if ruled_out { ends } else { ends.with(1.0) }
    });
    let (end, method) = match ratio.known() {
        Known::Within(_) => ("", BOOTSTRAP),
        Known::Above(_) => (": a lower bound", ONE_SIDED),
        Known::Below(_) => (": an upper bound", ONE_SIDED),
    };
    Effect {
        what: format!("ratio of the {what}, treatment / control{end}").into(),
        value: ratio.middle(),
        interval,
        level: 1.0 - alpha,
        method: method.to_owned(),
    }
}

const BOOTSTRAP: &str = "Firth's logistic fit, or the two doses between which separated runs change; \
                         bootstrap over seeds, widened to hold 1 where the test does not rule it out";

const ONE_SIDED: &str =
    "a dose lies outside the values swept, so the ratio is known to one side only";

/// `ratio 1.13 (95 % interval 0.68 to 2.03)`, or between which ratios it lies.
fn ratio_words(ratio: Ratio, effect: &Effect, count: usize) -> String {
    let value = match ratio.known() {
        Known::Above(bound) => return format!("ratio above {}", number(bound)),
        Known::Below(bound) => return format!("ratio below {}", number(bound)),
        Known::Within(Interval { low, high }) if low < high => {
            format!("ratio between {} and {}", number(low), number(high))
        }
        Known::Within(ends) => format!("ratio {}", number(ends.low)),
    };
    match effect.interval {
        Some(ends) => format!(
            "{value} ({} % interval over {} {} to {})",
            percent(effect.level),
            seeds(count),
            number(ends.low),
            number(ends.high)
        ),
        None => format!("{value}, without an interval over {}", seeds(count)),
    }
}

fn seeds(count: usize) -> String {
    match count {
        1 => "1 seed".to_owned(),
        count => format!("{count} seeds"),
    }
}

/// Why two doses have no ratio.
fn why_none(trials: &[Vec<Trial>; 2], doses: [Dose; 2]) -> &'static str {
    if trials.iter().any(Vec::is_empty) {
        ": an arm has no run with an outcome"
    } else if same_side(doses) {
        ": neither lies within the values swept"
    } else {
        ": failures do not become more frequent along the axis"
    }
}

/// Whether neither arm's dose is known but for an end of the range that both lie beyond.
fn same_side([treatment, control]: [Dose; 2]) -> bool {
    matches!(
        (treatment, control),
        (Dose::AboveAll(_), Dose::AboveAll(_)) | (Dose::BelowAll(_), Dose::BelowAll(_))
    )
}

/// Whether the doses are known well enough to lie in the order of the claim.
fn in_order([treatment, control]: [Dose; 2], direction: Direction) -> bool {
    if direction.is_up() {
        treatment.lies_above(control)
    } else {
        control.lies_above(treatment)
    }
}

/// In words.
fn dose(trials: &[Trial], found: Dose) -> String {
    match found {
        Dose::NoTrend if trials.is_empty() => "no run with an outcome".to_owned(),
        Dose::At(dose) => number(dose),
        Dose::Between(ends) => format!("between {} and {}", number(ends.low), number(ends.high)),
        Dose::AboveAll(dose) => format!("above {}", number(dose)),
        Dose::BelowAll(dose) => format!("below {}", number(dose)),
        Dose::NoTrend => "no trend".to_owned(),
    }
}
