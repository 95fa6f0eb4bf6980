//! The value of an axis at which half of the runs show the event, compared between arms.

use super::runs::{Runs, is_event};
use super::{Effect, Finding, Open};
use crate::Outcome;
use crate::card::{Direction, Pair};
use crate::stats::{Ld50, Trial, ld50 as fit, ld50_ratio};
use crate::verdict::text::{event_words, number};

/// Of every bootstrap in a verdict, so that a verdict is the same each time.
const SEED: u64 = 20_221_005;

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
    let doses = trials.each_ref().map(|trials| fit(trials));
    let [treatment, control] = doses.map(dose);
    let ratio = ld50_ratio(&trials[0], &trials[1], level, SEED);
    let what = format!(
        "{along} at which half of the runs are {}",
        event_words(event)
    );
    let Some(ratio) = ratio else {
        finding.sentence =
            format!("no ratio of the {what}: treatment {treatment}, control {control}");
        if finding.missing == 0 && same_side(doses) {
            finding.leave_open(Open::OutsideRange);
        }
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

/// Whether neither arm's dose is known but for an end of the range that both lie beyond.
fn same_side([treatment, control]: [Ld50; 2]) -> bool {
    matches!(
        (treatment, control),
        (Ld50::AboveAll(_), Ld50::AboveAll(_)) | (Ld50::BelowAll(_), Ld50::BelowAll(_))
    )
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
