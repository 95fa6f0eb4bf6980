//! The verdict in words.

use super::{Count, Finding, Verdict, VerdictStatus};
use crate::card::{Card, Kind, Role};
use crate::sweep::CardText;
use crate::{Event, RunState, Sweep};

/// Status, and what was found; of several criteria how many hold, and then each by itself.
pub(super) fn sentence(verdict: &Verdict, card: &Card) -> String {
    let status = verdict.status.words();
    let missing = missing(verdict, !card.is_smoke() && !card.is_exploration());
    if card.is_exploration() {
        return format!(
            "{status}: `{}` is an exploration, which registers no criterion.{missing}",
            card.name
        );
    }
    if card.is_smoke() {
        return format!(
            "{status}: a smoke run shows that the card works and decides nothing.{missing}"
        );
    }
    match verdict.findings.as_slice() {
        [] => format!("{status}: no criterion of the card can be tested at this budget."),
        [finding] if verdict.untested.is_empty() => {
            let (missing_runs, planned) = runs_without_outcome(verdict);
            match verdict.status {
                VerdictStatus::Inconclusive if missing_runs == planned => {
                    format!("{status}: no run has an outcome yet.{missing}")
                }
                VerdictStatus::Inconclusive => match finding.open {
                    Some(why) => {
                        format!("{status}: {}: {}.{missing}", why.words(), finding.sentence)
                    }
                    None => format!("{status}: so far {}.{missing}", finding.sentence),
                },
                _ => format!("{status}: {}.{missing}", finding.sentence),
            }
        }
        findings => {
            let counted: Vec<&Finding> = findings
                .iter()
                .filter(|finding| finding.role == Role::Confirmatory)
                .collect();
            let of = |status| counted.iter().filter(|f| f.status == status).count();
            if counted.is_empty() {
                return format!(
                    "{status}: no confirmatory criterion can be tested at this budget.{missing}"
                );
            }
            let all = counted.len() + card.undecided.len();
            let mut parts = vec![match (of(VerdictStatus::Reproduced), all) {
                (1, 1) => "the criterion tested holds".to_owned(),
                (1, all) => format!("1 of {all} criteria holds"),
                (held, all) => format!("{held} of {all} criteria hold"),
            }];
            match of(VerdictStatus::NotReproduced) {
                0 => {}
                1 => parts.push("1 does not".to_owned()),
                n => parts.push(format!("{n} do not")),
            }
            match of(VerdictStatus::Inconclusive) {
                0 => {}
                1 => parts.push(format!("1 is open{}", why_open(&counted))),
                n => parts.push(format!("{n} are open{}", why_open(&counted))),
            }
            match card.undecided.len() {
                0 => {}
                1 => parts.push("1 is not tested at this budget".to_owned()),
                n => parts.push(format!("{n} are not tested at this budget")),
            }
            format!("{status}: {}.{missing}", parts.join(", "))
        }
    }
}

/// Why criteria are open that no missing run could close, in brackets; empty where there is none.
fn why_open(findings: &[&Finding]) -> String {
    let mut reasons: Vec<String> = Vec::new();
    for finding in findings {
        if let Some(why) = finding.open {
            reasons.push(format!("`{}`: {}", finding.name, why.words()));
        }
    }
    if reasons.is_empty() {
        String::new()
    } else {
        format!(" ({})", reasons.join("; "))
    }
}

/// `name, test: holds: what was found.`, for a list of several criteria.
impl Finding {
    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let status = match self.open {
            Some(why) => format!("inconclusive: {}", why.words()),
            None => self.status.of_criterion().to_owned(),
        };
        let role = match self.role {
            Role::Confirmatory => "",
            Role::Descriptive => " (descriptive)",
        };
        let adjusted = match (self.p_value, self.p_adjusted) {
            (Some(p), Some(adjusted)) if (adjusted - p).abs() > 1e-12 => {
                format!("; taken by itself, after Holm {}", p_is(adjusted))
            }
            _ => String::new(),
        };
        format!("{}{role} {status}: {}{adjusted}.", self.name, self.sentence)
    }
}

/// What the numbers cannot show, and what else a reader must know.
pub(super) fn notes(verdict: &Verdict, sweep: &Sweep) -> Vec<String> {
    let card = &sweep.plan().card;
    let mut notes: Vec<String> = Vec::new();
    for finding in &verdict.findings {
        for note in finding
            .counts
            .iter()
            .filter_map(bound)
            .chain(remaining(finding))
        {
            // Criteria may share an arm.
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    if !verdict.untested.is_empty() {
        notes.push(format!(
            "Not tested at this budget, because its arms are not in it: {}.",
            verdict.untested.join(", ")
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
    let changes = sweep.plan().changes();
    let keys: Vec<String> = changes.map(|(key, _)| format!("`{key}`")).collect();
    if !keys.is_empty() {
        notes.push(format!(
            "Given to every run of this sweep by `--set`, or because a text was missing: {}.",
            keys.join(", ")
        ));
    }
    if !verdict.failed_runs.is_empty() {
        notes.push(format!(
            "Failed without an outcome: {}.",
            verdict.failed_runs.join(", ")
        ));
    }
    match sweep.card_text() {
        CardText::AsRegistered => {}
        CardText::OtherCriterion => notes.push(
            "The criterion was edited after the sweep had begun; the verdict uses the values in `sweep.json`."
                .to_owned(),
        ),
        CardText::Damaged => notes.push(
            "`sweep.toml` is damaged: it is no card any more; the verdict uses the values in `sweep.json`, which is whole."
                .to_owned(),
        ),
    }
    notes
}

/// Runs that were trained and have no outcome, with the reason.
pub(super) fn not_judged(states: &[RunState]) -> Option<String> {
    let named = states.iter().filter_map(|run| {
        let why = run.not_judged.as_ref()?;
        Some(format!("`{}` ({why})", run.id))
    });
    let named: Vec<String> = named.collect();
    (!named.is_empty()).then(|| format!("Trained, and without an outcome: {}.", named.join("; ")))
}

/// That a difference which was not found may still be there, and how large.
fn remaining(finding: &Finding) -> Option<String> {
    let unclear = finding.status == VerdictStatus::NotReproduced
        && finding.p_adjusted.is_some_and(|p| p > finding.alpha);
    let effect = finding.effects.first().filter(|_| unclear)?;
    let ends = effect.interval?;
    Some(match finding.test.as_str() {
        "fisher" | "mcnemar" => format!(
            "Not reproduced is not refuted: differences from {} to {} points remain possible.",
            points(ends.low),
            points(ends.high)
        ),
        _ => format!(
            "`{}` not reproduced is not refuted: values from {} to {} remain possible.",
            finding.name,
            number(ends.low),
            number(ends.high)
        ),
    })
}

/// `p = 0.015 ≤ 0.05`.
pub(super) fn p_words(p: f64, alpha: f64) -> String {
    let sign = if p <= alpha { '≤' } else { '>' };
    format!("{} {sign} {alpha}", p_is(p))
}

/// Four significant digits, with a real minus sign.
pub(crate) fn number(value: f64) -> String {
    let text = if value == 0.0 || !value.is_finite() {
        // Adding zero turns −0 into 0.
        format!("{}", value + 0.0)
    } else if (1e-3..1e6).contains(&value.abs()) {
        let digits = (3.0 - value.abs().log10().floor()).clamp(0.0, 6.0) as usize;
        let text = format!("{value:.digits$}");
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        }
    } else {
        format!("{value:.2e}")
    };
    text.replace('-', "−")
}

/// `stuck, diverged or nonfinite`.
pub(super) fn event_words(event: &[Event]) -> String {
    match event {
        [] => "no outcome".to_owned(),
        [only] => only.to_string(),
        [all @ .., last] => {
            let all: Vec<&str> = all.iter().map(|event| event.name()).collect();
            format!("{} or {last}", all.join(", "))
        }
    }
}

/// A share as percentage points with a real minus sign.
pub(super) fn points(share: f64) -> String {
    let rounded = (100.0 * share).round();
    if rounded < 0.0 {
        format!("−{}", -rounded)
    } else {
        // Adding zero turns −0 into 0.
        format!("{}", rounded + 0.0)
    }
}

/// A confidence level without needless digits: `95`, `99.5`, and with so many that it is not 100.
pub(super) fn percent(level: f64) -> String {
    let left = -(100.0 * (1.0 - level)).max(1e-9).log10().floor();
    let decimals = (left + 1.0).max(2.0) as usize;
    let digits = format!("{:.decimals$}", 100.0 * level);
    digits
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
}

/// Two significant digits, never `0.000`.
pub(crate) fn p_value(p: f64) -> String {
    if p < LEAST_P {
        return format!("below {LEAST_P:e}");
    }
    if p < 1e-4 {
        return format!("{p:.1e}");
    }
    let digits = (1.0 - p.log10().floor()).max(2.0) as usize;
    format!("{p:.digits$}")
}

/// Where the tails of distributions run out of floating-point numbers: no p is 0.
const LEAST_P: f64 = 1e-300;

/// `p = 0.015`, or a bound where there is no number.
fn p_is(p: f64) -> String {
    if p < LEAST_P {
        format!("p < {LEAST_P:e}")
    } else {
        format!("p = {}", p_value(p))
    }
}

/// Runs without an outcome of the arms that criteria look at, and all runs of these; of an exploration all
/// runs.
fn runs_without_outcome(verdict: &Verdict) -> (usize, usize) {
    let looked_at = |arm: &str| {
        let mut findings = verdict.findings.iter();
        verdict.status == VerdictStatus::Exploration
            || findings.any(|f| f.arms.iter().any(|a| a == arm))
    };
    let arms = verdict.arms.iter().filter(|arm| looked_at(&arm.arm));
    arms.fold((0, 0), |(missing, all), arm| {
        let known: usize = arm.outcomes.values().sum();
        (missing + arm.planned - known, all + arm.planned)
    })
}

/// A leading space and a sentence about runs without an outcome, or nothing.
fn missing(verdict: &Verdict, decides: bool) -> String {
    let (missing, all) = runs_without_outcome(verdict);
    if missing == 0 {
        return String::new();
    }
    let have = if missing == 1 { "has" } else { "have" };
    let effect = match verdict.status {
        _ if !decides => "",
        VerdictStatus::Inconclusive => " and could turn the verdict",
        _ => " and cannot change the verdict",
    };
    format!(" {missing} of {all} runs {have} no outcome{effect}.")
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
        assert_eq!(p_value(0.0), "below 1e-300", "no p is 0");
        assert_eq!([p_is(0.0), p_is(0.5)], ["p < 1e-300", "p = 0.50"]);
    }

    #[test]
    fn numbers_keep_four_digits() {
        let shown: Vec<String> = [1.617_9, -0.02, 0.0, -0.0, 1e-9, 65_520.0, 0.5, f64::NAN]
            .map(number)
            .into();
        assert_eq!(
            shown,
            ["1.618", "−0.02", "0", "0", "1.00e−9", "65520", "0.5", "NaN"]
        );
    }

    #[test]
    fn no_level_is_100_percent() {
        let shown = [0.95, 0.9, 0.995, 0.9999, 1.0 - 1e-6].map(percent);
        assert_eq!(shown, ["95", "90", "99.5", "99.99", "99.9999"]);
    }

    #[test]
    fn points_are_whole_and_signed() {
        assert_eq!([-0.004, 0.834, -0.3].map(points), ["0", "83", "−30"]);
    }
}
