//! The arms side by side: counts, means, intervals and the test.

use super::metric_name;
use crate::view::{Arm, Statistic};
use crate::words::{self, NONE, interval, loss, plural, shares};
use sweeps::card::Role;
use sweeps::stats::{Estimate, Proportion};
use sweeps::verdict::{ArmResult, Count, LEVEL};
use sweeps::{Card, Outcome, Verdict};

/// The table of arms, in the order of the card.
pub(crate) fn arms(card: &Card, verdict: &Verdict) -> Vec<Arm> {
    let row = |(colour, arm): (usize, &ArmResult)| {
        let metric = arm.metric.as_ref();
        Arm {
            name: arm.arm.clone(),
            colour: crate::plot::palette::colour_number(colour),
            role: role(arm.role).to_owned(),
            n: arm.planned,
            outcomes: Outcome::ALL
                .map(|outcome| arm.outcomes.get(&outcome).copied().unwrap_or(0) as u64)
                .to_vec(),
            events: events(events_of(card, arm)),
            mean: words::loss_or_dash(metric.map(|metric| metric.mean)),
            sd: words::loss_or_dash(metric.and_then(|metric| metric.sd)),
            interval: metric
                .and_then(|metric| metric.interval)
                .map_or(NONE.to_owned(), |ends| interval(ends.low, ends.high)),
        }
    };
    verdict.arms.iter().enumerate().map(row).collect()
}

/// The word for a role.
pub(crate) fn role(role: Role) -> &'static str {
    match role {
        Role::Confirmatory => "confirmatory",
        Role::Descriptive => "descriptive",
    }
}

/// Runs of an arm whose outcome the card counts as a failure to train.
fn events_of(card: &Card, arm: &ArmResult) -> Proportion {
    let counted = |wanted: &dyn Fn(&Outcome) -> bool| -> usize {
        arm.outcomes
            .iter()
            .filter(|(outcome, _)| wanted(outcome))
            .map(|(_, count)| count)
            .sum()
    };
    let events = counted(&|outcome| card.criterion.event.contains(outcome));
    Proportion::new(events as u64, counted(&|_| true) as u64)
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
    let events: Vec<&str> = card
        .criterion
        .event
        .iter()
        .map(|outcome| outcome.name())
        .collect();
    format!(
        "n counts planned runs. Failed to train: {}, of the runs that have an outcome, with the \
         exact 95 % interval of Clopper and Pearson. Mean, standard deviation and Student's t \
         interval are of the {}, over runs with a finite value, never over steps.",
        events.join(", "),
        metric_name(&card.metric.name)
    )
}

/// Every number the verdict rests on, with its method.
pub(crate) fn statistics(verdict: &Verdict) -> Vec<Statistic> {
    let mut rows = vec![
        Statistic {
            name: "p value".to_owned(),
            value: format!(
                "{} (α = {})",
                words::p_value(verdict.p_value),
                verdict.alpha
            ),
            note: "Fisher's exact test, two-sided, on the counts of failures to train".to_owned(),
        },
        share(&verdict.treatment, "treatment"),
        share(&verdict.control, "control"),
    ];
    if verdict.treatment.proportion.n > 0 && verdict.control.proportion.n > 0 {
        let ends = verdict.risk_difference_interval;
        rows.push(Statistic {
            name: "difference of shares".to_owned(),
            value: format!(
                "{} (95 %: {})",
                words::point(verdict.risk_difference),
                words::points(ends.low, ends.high)
            ),
            note: "treatment − control; interval of Newcombe on Wilson scores (1998, method 10)"
                .to_owned(),
        });
    }
    if let Some(Estimate {
        mean,
        sd,
        interval: ends,
        ..
    }) = verdict.metric_difference
    {
        let ends = ends.map_or(String::new(), |ends| {
            format!(" (95 %: {})", interval(ends.low, ends.high))
        });
        rows.push(Statistic {
            name: format!("difference of mean {}", metric_name(&verdict.metric)),
            value: format!("{}{ends}", loss(mean)),
            note: format!(
                "treatment − control; Welch's t interval, standard error {}; beside the test, \
                 not part of it",
                words::loss_or_dash(sd)
            ),
        });
    }
    rows
}

fn share(count: &Count, side: &str) -> Statistic {
    Statistic {
        name: format!("failed to train, {} ({side})", count.arm),
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
                plural(n, "run")
            ),
            (_, Some(metric)) => format!(
                "`{}`: {} of {}, mean {} {}",
                arm.arm,
                counts.join(" and "),
                plural(n, "run"),
                metric_name(&verdict.metric),
                loss(metric.mean)
            ),
        }
    };
    verdict.arms.iter().map(arm).collect()
}

/// The difference of means in a few words, for the headline.
pub(crate) fn means(verdict: &Verdict) -> Option<String> {
    let Estimate {
        mean,
        interval: ends,
        ..
    } = verdict.metric_difference?;
    let ends = ends.map_or(String::new(), |ends| {
        format!(" (95 %: {})", interval(ends.low, ends.high))
    });
    Some(format!(
        "mean {}: `{}` − `{}` = {}{ends}",
        metric_name(&verdict.metric),
        verdict.treatment.arm,
        verdict.control.arm,
        loss(mean)
    ))
}
