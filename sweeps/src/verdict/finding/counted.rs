//! Tests that count outcomes.

use super::{Count, Effect, Finding, Runs, is_event};
use crate::Outcome;
use crate::card::{Direction, Pair};
use crate::stats::{
    Ld50, Proportion, Trial, fisher_exact, ld50 as fit, ld50_ratio, mean_difference,
    risk_difference,
};
use crate::verdict::text::{event_words, number, p_words, points};
use crate::verdict::{LEVEL, VerdictStatus};

pub(super) fn fisher(
    runs: &Runs<'_>,
    arms: &Pair,
    event: &[Outcome],
    direction: Direction,
    finding: &mut Finding,
) {
    let counts = [&arms.treatment, &arms.control].map(|at| {
        let arm = runs.arm(at).map(|arm| arm.label).unwrap_or_default();
        count(runs, &arm, event)
    });
    let [treatment, control] = &counts;
    let (a, b) = (treatment.proportion, control.proportion);
    let p = fisher_exact(a, b);
    finding.p_value = Some(p);
    finding.as_stated = as_stated(a, b, direction);
    finding.status = decide(treatment, control, direction, finding.alpha);
    let compared = a.n > 0 && b.n > 0;
    if compared {
        finding.effects.push(Effect {
            what: "difference of shares, treatment − control".to_owned(),
            value: a.share() - b.share(),
            interval: Some(risk_difference(a, b, LEVEL)),
            level: LEVEL,
            method: "Newcombe on Wilson scores (1998, method 10)".to_owned(),
        });
    }
    let values = |arm: &str| -> Vec<f64> {
        let values = runs.values(arm);
        values.into_iter().map(|(_, value)| value).collect()
    };
    let means = mean_difference(&values(&treatment.arm), &values(&control.arm), LEVEL);
    if let Some(difference) = means {
        finding.effects.push(Effect {
            what: format!(
                "difference of mean {}, treatment − control",
                runs.metric_label
            ),
            value: difference.mean,
            interval: difference.interval,
            level: LEVEL,
            method: "Welch's t interval; beside the test, not part of it".to_owned(),
        });
    }
    finding.sentence = format!(
        "{} in {} of {} runs with `{}` and {} of {} with `{}`; two-sided Fisher {}{}",
        event_words(event),
        a.events,
        a.n,
        treatment.arm,
        b.events,
        b.n,
        control.arm,
        p_words(p, finding.alpha),
        ending(finding, treatment, direction)
    );
    finding.counts = counts.into();
}

/// The effect, or that it goes the other way.
fn ending(finding: &Finding, treatment: &Count, direction: Direction) -> String {
    let opposite = finding.p_value.is_some_and(|p| p <= finding.alpha) && !finding.as_stated;
    if opposite {
        let often = if direction.is_up() { "more" } else { "less" };
        return format!(
            ", but in the direction opposite to the claim that `{}` fails {often} often",
            treatment.arm
        );
    }
    match finding.effects.first().and_then(|e| Some((e, e.interval?))) {
        Some((effect, ends)) if treatment.proportion.n > 0 && effect.what.contains("shares") => {
            format!(
                "; difference {} points, 95 % interval {} to {}",
                points(effect.value),
                points(ends.low),
                points(ends.high)
            )
        }
        _ => String::new(),
    }
}

fn count(runs: &Runs<'_>, arm: &str, event: &[Outcome]) -> Count {
    let known: Vec<bool> = runs
        .of_arm(arm)
        .filter_map(|run| is_event(run, event))
        .collect();
    let events = known.iter().filter(|is| **is).count();
    let proportion = Proportion::new(events as u64, known.len() as u64);
    Count {
        arm: arm.to_owned(),
        interval: proportion.clopper_pearson(LEVEL),
        missing: (runs.of_arm(arm).count() - known.len()) as u64,
        proportion,
    }
}

fn as_stated(a: Proportion, b: Proportion, direction: Direction) -> bool {
    if direction.is_up() {
        a.share() > b.share()
    } else {
        a.share() < b.share()
    }
}

/// Fills in the runs without an outcome in every possible way. Deciding early only when all ways
/// agree is no peeking: the decision is the one the whole sweep would give.
fn decide(treatment: &Count, control: &Count, direction: Direction, alpha: f64) -> VerdictStatus {
    let completions = |count: &Count| {
        let Proportion { events, n } = count.proportion;
        let whole = n + count.missing;
        (0..=count.missing).map(move |more| Proportion::new(events + more, whole))
    };
    let mut reproduced = completions(treatment).flat_map(|a| {
        completions(control).map(move |b| as_stated(a, b, direction) && fisher_exact(a, b) <= alpha)
    });
    let first = reproduced.next().unwrap_or(false);
    match (first, reproduced.all(|other| other == first)) {
        (_, false) => VerdictStatus::Inconclusive,
        (true, true) => VerdictStatus::Reproduced,
        (false, true) => VerdictStatus::NotReproduced,
    }
}

pub(super) fn ld50(
    runs: &Runs<'_>,
    along: &str,
    arms: &Pair,
    event: &[Outcome],
    direction: Direction,
    finding: &mut Finding,
) {
    let trials = [&arms.treatment, &arms.control].map(|at| -> Vec<Trial> {
        let arms = runs.along(along, at);
        arms.iter()
            .flat_map(|(dose, arm)| {
                runs.of_arm(&arm.label).filter_map(|run| {
                    Some(Trial {
                        seed: run.seed,
                        dose: *dose,
                        failed: is_event(run, event)?,
                    })
                })
            })
            .collect()
    });
    let level = 1.0 - finding.alpha;
    let [treatment, control] = trials.each_ref().map(|trials| dose(fit(trials)));
    let ratio = ld50_ratio(&trials[0], &trials[1], level, SEED);
    let what = format!(
        "{along} at which half of the runs are {}",
        event_words(event)
    );
    let Some(ratio) = ratio else {
        finding.sentence =
            format!("no ratio of the {what}: treatment {treatment}, control {control}");
        finding.decide(false);
        return;
    };
    finding.as_stated = (ratio.ratio > 1.0) == direction.is_up();
    let holds = if direction.is_up() {
        ratio.interval.low > 1.0
    } else {
        ratio.interval.high < 1.0
    };
    finding.sentence = format!(
        "{what}: {} under treatment, {} under control, ratio {} ({:.0} % bootstrap interval over seeds {} to {})",
        treatment,
        control,
        number(ratio.ratio),
        100.0 * level,
        number(ratio.interval.low),
        number(ratio.interval.high)
    );
    finding.effects.push(Effect {
        what: format!("ratio of the {what}, treatment / control"),
        value: ratio.ratio,
        interval: Some(ratio.interval),
        level,
        method: "Firth's logistic fit, bootstrap over seeds".to_owned(),
    });
    finding.decide(holds);
}

/// In words.
fn dose(found: Ld50) -> String {
    match found {
        Ld50::Between(dose) => number(dose),
        Ld50::AboveAll(dose) => format!("above {}", number(dose)),
        Ld50::BelowAll(dose) => format!("below {}", number(dose)),
        Ld50::NoTrend => "no trend".to_owned(),
    }
}

/// Of every bootstrap in a verdict, so that a verdict is the same each time.
const SEED: u64 = 20_221_005;
