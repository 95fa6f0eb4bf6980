//! The verdict in words.

use super::Verdict;
use crate::card::{Card, Kind, Role};
use crate::criterion::{Compared, Count, Criterion, Finding, VerdictStatus};
use crate::sweep::CardText;
use crate::wording::{number, p_is, points};
use crate::{RunState, Sweep};

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
    for (finding, criterion) in verdict.findings.iter().zip(&card.criteria) {
        let bounds = finding.counts.iter().filter_map(bound);
        for note in bounds.chain(remaining(finding, criterion)) {
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

/// That a difference which was not found may still be there, and how large; or that it cannot, where all that is possible
/// lies outside the claim.
fn remaining(finding: &Finding, criterion: &Criterion) -> Option<String> {
    let unclear = finding.status == VerdictStatus::NotReproduced
        && finding.p_adjusted.is_some_and(|p| p > finding.alpha);
    let effect = finding.effects.first().filter(|_| unclear)?;
    let ends = effect.interval?;
    let claimed = criterion.test().claimed();
    if claimed.is_some_and(|(low, high)| ends.high <= low || ends.low >= high) {
        return Some(format!(
            "`{}` is refuted: of the values that remain possible, {} to {}, none is as it claims.",
            finding.name,
            number(ends.low),
            number(ends.high)
        ));
    }
    Some(match criterion.test().compares() {
        Compared::Shares(..) => format!(
            "Not reproduced is not refuted: differences from {} to {} points remain possible.",
            points(ends.low),
            points(ends.high)
        ),
        Compared::Doses(_) | Compared::Ranks | Compared::Means | Compared::Values => format!(
            "`{}` not reproduced is not refuted: values from {} to {} remain possible.",
            finding.name,
            number(ends.low),
            number(ends.high)
        ),
    })
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
