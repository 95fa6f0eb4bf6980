//! The verdict in words.

use super::{Count, Verdict, VerdictStatus};
use crate::card::{Card, Direction, Kind};
use crate::{Outcome, Sweep};

/// Status, counts, test and effect.
pub(super) fn sentence(verdict: &Verdict, card: &Card) -> String {
    let counts = format!(
        "{} in {} of {} runs with `{}` and {} of {} with `{}`",
        event(&card.criterion.event),
        verdict.treatment.proportion.events,
        verdict.treatment.proportion.n,
        verdict.treatment.arm,
        verdict.control.proportion.events,
        verdict.control.proportion.n,
        verdict.control.arm,
    );
    let p = format!("two-sided Fisher p = {}", p_value(verdict.p_value));
    let missing = missing(verdict);
    match verdict.status {
        VerdictStatus::Reproduced => format!(
            "Reproduced: {counts}; {p} ≤ {}{}.{missing}",
            verdict.alpha,
            difference(verdict)
        ),
        VerdictStatus::NotReproduced if verdict.p_value <= verdict.alpha => format!(
            "Not reproduced: {counts}; {p}, but in the direction opposite to the claim that `{}` fails {} often.{missing}",
            verdict.treatment.arm,
            match card.criterion.direction {
                Direction::TreatmentMore => "more",
                Direction::TreatmentLess => "less",
            }
        ),
        VerdictStatus::NotReproduced => format!(
            "Not reproduced: {counts}; {p} > {}{}.{missing}",
            verdict.alpha,
            difference(verdict)
        ),
        VerdictStatus::Inconclusive => {
            let so_far = match verdict.treatment.proportion.n + verdict.control.proportion.n {
                0 => "no run has an outcome yet".to_owned(),
                _ => format!("so far {counts}; {p}"),
            };
            format!("Inconclusive: {so_far}.{missing}")
        }
    }
}

/// What the numbers cannot show, and what else a reader must know.
pub(super) fn notes(verdict: &Verdict, sweep: &Sweep) -> Vec<String> {
    let card = &sweep.plan().card;
    let mut notes: Vec<String> = [&verdict.treatment, &verdict.control]
        .into_iter()
        .filter_map(bound)
        .collect();
    let compared = verdict.treatment.proportion.n > 0 && verdict.control.proportion.n > 0;
    let unclear = verdict.status == VerdictStatus::NotReproduced && verdict.p_value > verdict.alpha;
    if compared && unclear {
        notes.push(format!(
            "Not reproduced is not refuted: differences from {} to {} points remain possible.",
            points(verdict.risk_difference_interval.low),
            points(verdict.risk_difference_interval.high)
        ));
    }
    if card.kind == Kind::Symptom {
        notes.push(
            "The card is about a symptom: a proxy that shows it need not share its cause at scale."
                .to_owned(),
        );
    }
    if !verdict.missing_languages.is_empty() {
        notes.push(format!(
            "No text was available in: {}. The result holds for the other languages only.",
            verdict.missing_languages.join(", ")
        ));
    }
    let overrides = &sweep.plan().overrides;
    if !overrides.is_empty() {
        let keys: Vec<String> = overrides.keys().map(|key| format!("`{key}`")).collect();
        notes.push(format!(
            "Given to every run of this sweep by `--set`, or because a text was missing or a path was made absolute: {}.",
            keys.join(", ")
        ));
    }
    if !verdict.failed_runs.is_empty() {
        notes.push(format!(
            "Failed without an outcome: {}.",
            verdict.failed_runs.join(", ")
        ));
    }
    if verdict.criterion_changed {
        notes.push(
            "The criterion was edited after the sweep had begun; the verdict uses the values in `sweep.json`."
                .to_owned(),
        );
    }
    notes
}

/// `stuck, diverged or nonfinite`.
fn event(outcomes: &[Outcome]) -> String {
    match outcomes {
        [] => "no outcome".to_owned(),
        [only] => only.to_string(),
        [all @ .., last] => {
            let all: Vec<&str> = all.iter().map(|outcome| outcome.name()).collect();
            format!("{} or {last}", all.join(", "))
        }
    }
}

/// The effect, with a leading semicolon; empty when one arm has nothing to compare.
fn difference(verdict: &Verdict) -> String {
    let Verdict {
        risk_difference,
        risk_difference_interval: interval,
        ..
    } = verdict;
    if verdict.treatment.proportion.n == 0 || verdict.control.proportion.n == 0 {
        return String::new();
    }
    format!(
        "; difference {} points, 95 % interval {} to {}",
        points(*risk_difference),
        points(interval.low),
        points(interval.high)
    )
}

/// A share as percentage points with a real minus sign.
fn points(share: f64) -> String {
    let rounded = (100.0 * share).round();
    if rounded < 0.0 {
        format!("−{}", -rounded)
    } else {
        // Adding zero turns −0 into 0.
        format!("{}", rounded + 0.0)
    }
}

/// Two significant digits, never `0.000`.
fn p_value(p: f64) -> String {
    if p < 1e-4 {
        return format!("{p:.1e}");
    }
    let digits = (1.0 - p.log10().floor()).max(2.0) as usize;
    format!("{p:.digits$}")
}

/// A leading space and a sentence about runs without an outcome, or nothing.
fn missing(verdict: &Verdict) -> String {
    let missing = verdict.missing_runs.len();
    if missing == 0 {
        return String::new();
    }
    let all = missing as u64 + verdict.treatment.proportion.n + verdict.control.proportion.n;
    let runs = if missing == 1 { "run has" } else { "runs have" };
    let effect = match verdict.status {
        VerdictStatus::Inconclusive => "and could turn the verdict",
        _ => "and cannot change the verdict",
    };
    format!(" {missing} of {all} {runs} no outcome {effect}.")
}

/// None or all of a few runs still allows a lot: says how much.
fn bound(count: &Count) -> Option<String> {
    let n = count.proportion.n;
    let percent = |share: f64| (100.0 * share).round();
    match count.proportion.events {
        _ if n == 0 => None,
        0 => Some(format!(
            "0 of {n} with `{}` still allows {} % (95 % Clopper–Pearson).",
            count.arm,
            percent(count.interval.high)
        )),
        events if events == n => Some(format!(
            "{n} of {n} with `{}` still allows only {} % (95 % Clopper–Pearson).",
            count.arm,
            percent(count.interval.low)
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_keep_two_digits() {
        let shown: Vec<String> = [0.015_151, 0.5, 1.0, 0.002_16, 3.3e-7].map(p_value).into();
        assert_eq!(shown, ["0.015", "0.50", "1.00", "0.0022", "3.3e-7"]);
    }

    #[test]
    fn points_are_whole_and_signed() {
        assert_eq!([-0.004, 0.834, -0.3].map(points), ["0", "83", "−30"]);
    }
}
