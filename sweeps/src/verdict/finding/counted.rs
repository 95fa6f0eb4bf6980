//! Tests that count outcomes: Fisher's, of runs that are independent, and McNemar's, of pairs that
//! share a seed. Both are computed; the card says which decides.

mod settled;

use super::runs::{Detail, Runs, Side};
use super::{Beside, Count, Effect, Finding};
use crate::Event;
use crate::card::{Direction, Pair};
use crate::stats::{
    PairCounts, Proportion, fisher_exact, mcnemar_exact, mean_difference, risk_difference,
};
use crate::verdict::LEVEL;
use crate::verdict::text::{event_words, p_value, p_words, percent, points};

/// The test that decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Fisher,
    Mcnemar,
}

/// Whether the two runs of a seed show the event, treatment first; `None` where that is not known.
type Seen = [Option<bool>; 2];

pub(super) fn compare(
    runs: &Runs<'_>,
    arms: &Pair,
    event: &[Event],
    direction: Direction,
    by: By,
    finding: &mut Finding,
) {
    let sides = [&arms.treatment, &arms.control].map(|at| runs.side(at, &arms.pool));
    let counts = sides.each_ref().map(|side| count(runs, side, event));
    let seen = pairs(runs, &sides, event);
    let table = table(&seen);
    let [a, b] = counts.each_ref().map(|count| count.proportion);
    let p_fisher = fisher_exact(a, b);
    let p_mcnemar = mcnemar_exact(table.treatment_only, table.control_only);
    let (settled, p, as_stated, beside) = match by {
        By::Fisher => (
            settled::fisher(&counts, direction, finding.alpha),
            p_fisher,
            direction.is_more(a.share(), b.share()),
            ("mcnemar", p_mcnemar),
        ),
        By::Mcnemar => (
            settled::mcnemar(&seen, direction, finding.alpha),
            p_mcnemar,
            direction.is_more(table.treatment_only, table.control_only),
            ("fisher", p_fisher),
        ),
    };
    finding.p_value = Some(p);
    finding.as_stated = as_stated;
    finding.status = settled.status();
    finding.open = settled.open();
    finding.note_unknown(runs, event);
    if by == By::Mcnemar {
        finding.need_pairs(seen.len(), 1);
    }
    finding.pairs = Some(table);
    finding.beside = Some(Beside {
        test: beside.0.to_owned(),
        p_value: beside.1,
    });
    if runs.detail == Detail::Decision {
        return;
    }
    finding.effects = effects(runs, &sides, &counts, p, finding.alpha);
    finding.sentence = format!(
        "{} in {} of {} runs with `{}` and {} of {} with `{}`{}; {}{}{}",
        event_words(event),
        a.events,
        a.n,
        sides[0].label,
        b.events,
        b.n,
        sides[1].label,
        pooled(&arms.pool),
        tests(by, table, p, beside.1, finding.alpha),
        ending(finding, event, &counts[0], direction),
        finding.unknown_words()
    );
    finding.counts = counts.into();
}

/// Both p values, that of the test that decides first.
fn tests(by: By, table: PairCounts, p: f64, beside: f64, alpha: f64) -> String {
    let pairs = match table.pairs() {
        1 => "1 pair".to_owned(),
        pairs => format!("{pairs} pairs"),
    };
    let (p, beside) = (p_words(p, alpha), p_value(beside));
    match by {
        By::Fisher => {
            format!("two-sided Fisher {p} (beside it McNemar's exact test, {pairs}: p = {beside})")
        }
        By::Mcnemar => {
            format!("McNemar's exact test, {pairs}, {p} (beside it two-sided Fisher: p = {beside})")
        }
    }
}

/// The difference of shares, and that of the metric.
///
/// The interval of the first is at the level of the test, of which it knows nothing; so it is widened
/// until it holds 0 where the test does not rule that out.
fn effects(
    runs: &Runs<'_>,
    sides: &[Side; 2],
    counts: &[Count; 2],
    p: f64,
    alpha: f64,
) -> Vec<Effect> {
    let [a, b] = counts.each_ref().map(|count| count.proportion);
    let mut effects = Vec::new();
    if a.n > 0 && b.n > 0 {
        let level = 1.0 - alpha;
        let ends = risk_difference(a, b, level);
        let widened = p > alpha && !ends.holds(0.0);
        effects.push(Effect {
            what: "difference of shares, treatment − control".to_owned(),
            value: a.share() - b.share(),
            interval: Some(if widened { ends.with(0.0) } else { ends }),
            level,
            method: if widened {
                "square-and-add on Clopper–Pearson limits (Newcombe 1998), widened to hold 0, which \
                 the test does not rule out"
                    .to_owned()
            } else {
                "square-and-add on Clopper–Pearson limits (Newcombe 1998)".to_owned()
            },
        });
    }
    let values = sides.each_ref().map(|side| -> Vec<f64> {
        let values = side.arms.iter().flat_map(|arm| runs.values(arm));
        values.map(|(_, value)| value).collect()
    });
    if let Some(difference) = mean_difference(&values[0], &values[1], LEVEL) {
        let with_value = values[0].len() + values[1].len();
        let finished = (a.n + b.n) as usize;
        let of = if with_value < finished {
            format!(" over the {with_value} of {finished} runs with a finite value")
        } else {
            String::new()
        };
        effects.push(Effect {
            what: format!(
                "difference of mean {}, treatment − control{of}",
                runs.metric_label()
            ),
            value: difference.mean,
            interval: difference.interval,
            level: LEVEL,
            method: "Welch's t interval; beside the test, not part of it".to_owned(),
        });
    }
    effects
}

/// Over which axes the runs are pooled, in words; empty where they are not.
fn pooled(pool: &[String]) -> String {
    if pool.is_empty() {
        return String::new();
    }
    let axes: Vec<String> = pool.iter().map(|key| format!("`{key}`")).collect();
    format!(", pooled over {}", axes.join(" and "))
}

/// The effect, or that it goes the other way.
fn ending(finding: &Finding, event: &[Event], treatment: &Count, direction: Direction) -> String {
    if finding.is_opposite() {
        let often = if direction.is_up() { "more" } else { "less" };
        let does = if event == [Event::Spiked] {
            "spikes"
        } else {
            "fails"
        };
        return format!(
            ", but in the direction opposite to the claim that `{}` {does} {often} often",
            treatment.arm
        );
    }
    match finding.effects.first().and_then(|e| Some((e, e.interval?))) {
        Some((effect, ends)) if treatment.proportion.n > 0 && effect.what.contains("shares") => {
            format!(
                "; difference {} points, {} % interval {} to {}",
                points(effect.value),
                percent(effect.level),
                points(ends.low),
                points(ends.high)
            )
        }
        _ => String::new(),
    }
}

fn count(runs: &Runs<'_>, side: &Side, event: &[Event]) -> Count {
    let known: Vec<bool> = runs
        .of_side(side)
        .filter_map(|(_, run)| runs.shows(run, event))
        .collect();
    let events = known.iter().filter(|is| **is).count();
    let proportion = Proportion::new(events as u64, known.len() as u64);
    Count {
        arm: side.label.clone(),
        interval: proportion.clopper_pearson(LEVEL),
        missing: (runs.of_side(side).count() - known.len()) as u64,
        proportion,
    }
}

/// The seeds that both arms have.
fn pairs(runs: &Runs<'_>, [treatment, control]: &[Side; 2], event: &[Event]) -> Vec<Seen> {
    let paired = runs.of_side(treatment).filter_map(|run| {
        let other = runs.twin(control, run)?;
        Some([runs.shows(run.1, event), runs.shows(other, event)])
    });
    paired.collect()
}

/// The pairs of which it is known of both runs.
fn table(seen: &[Seen]) -> PairCounts {
    let mut table = PairCounts::default();
    for pair in seen {
        if let [Some(treatment), Some(control)] = pair {
            table.add(*treatment, *control);
        }
    }
    table
}
