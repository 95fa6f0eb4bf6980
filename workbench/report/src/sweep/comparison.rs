//! The arms side by side: counts, means, intervals and the test.

use super::metric_name;
use crate::arms::ArmLook;
use crate::prose::{self, NONE, interval, loss, shares};
use crate::view::{Arm, Statistic};
use sweeps::card::Role;
use sweeps::criterion::{self, Beside, Count, Effect, Finding, LEVEL, Quantity};
use sweeps::stats::Proportion;
use sweeps::verdict::ArmResult;
use sweeps::{Card, Event, Outcome, Verdict};
use words::counted;

/// The table of arms, in the order of the card.
pub(crate) fn arms(verdict: &Verdict, looks: &[ArmLook]) -> Vec<Arm> {
    let row = |(number, (arm, look)): (usize, (&ArmResult, &ArmLook))| {
        let metric = arm.metric.as_ref();
        Arm {
            name: arm.arm.clone(),
            brief: look.name.clone(),
            number,
            colour: look.paint.class(),
            role: role(arm.role).to_owned(),
            n: arm.planned,
            outcomes: Outcome::ALL
                .map(|outcome| arm.outcomes.get(&outcome).copied().unwrap_or(0) as u64)
                .to_vec(),
            spiked: spiked(arm),
            events: events(arm.events),
            mean: prose::loss_or_dash(metric.map(|metric| metric.mean)),
            sd: prose::loss_or_dash(metric.and_then(|metric| metric.sd)),
            interval: metric
                .and_then(|metric| metric.interval)
                .map_or(NONE.to_owned(), |ends| interval(ends.low, ends.high)),
        }
    };
    verdict
        .arms
        .iter()
        .zip(looks)
        .enumerate()
        .map(row)
        .collect()
}

/// The word for a role.
pub(crate) fn role(role: Role) -> &'static str {
    match role {
        Role::Confirmatory => "confirmatory",
        Role::Descriptive => "descriptive",
    }
}

/// How many runs' losses spiked; of how many, where that is not known of all that have an outcome.
fn spiked(arm: &ArmResult) -> String {
    let Proportion { events, n } = arm.spiked;
    let finished: usize = arm.outcomes.values().sum();
    match n {
        0 => NONE.to_owned(),
        n if n == finished as u64 => events.to_string(),
        n => format!("{events} of {n}"),
    }
}

/// `5 of 6 (36–99.6 %)`.
fn events(proportion: Proportion) -> String {
    if proportion.n == 0 {
        return NONE.to_owned();
    }
    let ends = proportion.clopper_pearson(LEVEL);
    let share = shares(ends.low, ends.high);
    format!("{} of {} ({share})", proportion.events, proportion.n)
}

/// How the table of arms is to be read.
pub(crate) fn arms_note(card: &Card) -> String {
    let event = card.event();
    let counted = if event == Event::FAILURES {
        let events: Vec<&str> = event.iter().map(|event| event.name()).collect();
        format!("Failed to train: {}, of", events.join(", "))
    } else {
        format!("What the card counts: {}, of", card.event_name())
    };
    format!(
        "n counts planned runs, spiked those whose loss had a spike. {counted} the runs of which it is \
         known, with the exact 95 % interval of Clopper and Pearson. Mean, standard deviation and \
         Student's t interval are of the {}, over runs with a finite value, never over steps.",
        metric_name(&card.metric.label())
    )
}

/// Every number the verdict rests on, with its method.
pub(crate) fn statistics(card: &Card, verdict: &Verdict) -> Vec<Statistic> {
    let event = card.event_name();
    let several = verdict.findings.len() > 1;
    let findings = verdict.findings.iter().zip(&card.criteria);
    let rows = findings.flat_map(|(finding, criterion)| {
        let mut rows = numbers(finding, criterion.has_chance(), &event);
        if several {
            for row in &mut rows {
                row.name = format!("{}: {}", finding.name, row.name);
            }
        }
        rows
    });
    rows.collect()
}

fn numbers(finding: &Finding, has_chance: bool, event: &str) -> Vec<Statistic> {
    let mut rows = Vec::new();
    if let Some(p) = finding.p_value {
        let adjusted = finding
            .p_adjusted
            .filter(|adjusted| (adjusted - p).abs() > 1e-12);
        let adjusted = adjusted.map_or(String::new(), |adjusted| {
            format!("; {} after Holm's correction", prose::p_value(adjusted))
        });
        rows.push(Statistic {
            name: "p value".to_owned(),
            value: format!("{} (α = {}{adjusted})", prose::p_value(p), finding.alpha),
            note: method(&finding.test),
        });
        rows.extend(finding.beside.as_ref().map(beside));
    } else if finding.effects.is_empty() {
        let name = if has_chance { "found" } else { "every run" };
        rows.push(Statistic {
            name: name.to_owned(),
            value: finding.sentence.clone(),
            note: method(&finding.test),
        });
    }
    for (count, side) in finding.counts.iter().zip(["treatment", "control"]) {
        rows.push(share(count, side, event));
    }
    rows.extend(finding.effects.iter().map(effect));
    rows
}

/// The test of the same counts that does not decide.
fn beside(other: &Beside) -> Statistic {
    Statistic {
        name: "p value beside it, which does not decide".to_owned(),
        value: prose::p_value(other.p_value),
        note: method(&other.test),
    }
}

/// What a test is, in words; of one that this program does not know its name.
fn method(test: &str) -> String {
    criterion::method(test).unwrap_or(test).to_owned()
}

fn effect(effect: &Effect) -> Statistic {
    let shares = effect.what == Quantity::ShareDifference;
    let value = if shares {
        prose::point(effect.value)
    } else {
        prose::significant(effect.value, 4)
    };
    let ends = effect.interval.map_or(String::new(), |ends| {
        let ends = if shares {
            prose::points(ends.low, ends.high)
        } else {
            let (low, high) = (
                prose::significant(ends.low, 4),
                prose::significant(ends.high, 4),
            );
            format!("{low} to {high}")
        };
        format!(" ({:.0} %: {ends})", 100.0 * effect.level)
    });
    Statistic {
        name: effect.what.to_string(),
        value: format!("{value}{ends}"),
        note: effect.method.clone(),
    }
}

fn share(count: &Count, side: &str, event: &str) -> Statistic {
    Statistic {
        name: format!("{event}, {} ({side})", count.arm),
        value: events(count.proportion),
        note: "exact 95 % interval of Clopper and Pearson (1934)".to_owned(),
    }
}

/// What was measured, to stand beside the claim of the source.
pub(crate) fn measured(verdict: &Verdict) -> Vec<String> {
    let arm = |arm: &ArmResult| {
        let n: usize = arm.outcomes.values().sum();
        let counts: Vec<String> = arm
            .outcomes
            .iter()
            .map(|(outcome, count)| format!("{count} {outcome}"))
            .collect();
        match (n, arm.metric.as_ref()) {
            (0, _) => format!("`{}`: no outcome yet", arm.arm),
            (_, None) => format!(
                "`{}`: {} of {}",
                arm.arm,
                counts.join(" and "),
                counted(n as u64, "run")
            ),
            (_, Some(metric)) => format!(
                "`{}`: {} of {}, mean {} {}{}",
                arm.arm,
                counts.join(" and "),
                counted(n as u64, "run"),
                metric_name(&verdict.metric),
                loss(metric.mean),
                prose::of_finite(metric.n, n)
            ),
        }
    };
    verdict.arms.iter().map(arm).collect()
}

/// What a headline says beside its sentence: the effect that a single test does not name itself, or
/// what each of several criteria found.
pub(crate) fn headline(verdict: &Verdict) -> Vec<String> {
    match verdict.findings.as_slice() {
        [finding] => {
            let is_mean = |e: &&Effect| matches!(e.what, Quantity::MeanDifference(_));
            let means = finding.effects.iter().filter(is_mean);
            means
                .map(|found| {
                    let row = effect(found);
                    format!("{} = {}", row.name, row.value)
                })
                .collect()
        }
        findings => findings.iter().map(Finding::line).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points are for the difference of shares alone, whatever the name of a metric.
    #[test]
    fn a_metric_that_is_called_shares_is_no_share() {
        let shown = |what: &str| {
            let what = Quantity::from(what.to_owned());
            let (interval, level, method) = (None, LEVEL, String::new());
            let value = 0.25;
            effect(&Effect {
                what,
                value,
                interval,
                level,
                method,
            })
            .value
        };
        assert_eq!(
            shown("difference of shares, treatment − control"),
            "25 percentage points"
        );
        assert_eq!(
            shown("difference of mean shares_of_rows, treatment − control"),
            "0.25"
        );
        assert_eq!(shown("exponent of shares_of_rows in optimizer.lr"), "0.25");
    }
}
