//! The pre-registered rules that say how a finished run ended.
//!
//! Precedence: nonfinite > diverged > stuck > recovered > ok. A crashed process has no outcome.

use crate::stats::median;
use logs::{Record, RunReader};
use serde::{Deserialize, Serialize};
use std::fmt;
use words::named;

named! {
    /// How a finished run ended.
    #[derive(PartialOrd, Ord, Hash)]
    pub enum Outcome {
        /// A loss was NaN or infinite. A step skipped by the loss scaler is not enough.
        Nonfinite = "nonfinite",
        /// The loss left its best level and did not come back in time.
        Diverged = "diverged",
        /// The loss never left the level of a model that knows token frequencies only.
        Stuck = "stuck",
        /// The loss left its best level and came back in time.
        Recovered = "recovered",
        /// None of these.
        Ok = "ok",
    }
}

impl Outcome {
    /// Those of a run that did not train.
    pub const FAILURES: [Self; 3] = [Self::Stuck, Self::Diverged, Self::Nonfinite];
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Thresholds of the outcome rules, part of a card and fixed before the first run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutcomeRules {
    /// A run is stuck above the unigram entropy minus this, in nats.
    pub stuck_margin: f64,
    /// Training losses averaged for one rolling mean, in steps; at least 20.
    pub window: usize,
    /// Least distance of the divergence line from the best rolling mean, in nats.
    pub diverged_nats: f64,
    /// Distance of the line in median absolute deviations (plain, not scaled to a normal σ).
    pub diverged_mads: f64,
    /// Finite losses before a step from which that deviation is taken.
    pub mad_window: usize,
    /// Steps within which a run must come back below the line to count as recovered.
    pub recovery_steps: u64,
}

impl Default for OutcomeRules {
    fn default() -> Self {
        Self {
            stuck_margin: 0.05,
            window: 20,
            diverged_nats: 0.5,
            diverged_mads: 7.0,
            mad_window: 128,
            recovery_steps: 100,
        }
    }
}

/// An outcome with the numbers it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Classified {
    /// The outcome.
    pub outcome: Outcome,
    /// Last held-out loss, else the mean of the last `window` training losses; nats per token.
    pub value: Option<f64>,
    /// Above this `value` means stuck: unigram entropy minus margin, nats per token.
    pub stuck_line: f64,
    /// The divergence line at the last step, or the one that was crossed; nats per token.
    pub diverged_line: Option<f64>,
    /// Step at which the rolling mean first crossed its line.
    pub crossed_at: Option<u64>,
    /// Why, in one sentence.
    pub reason: String,
}

/// Classifies the records of one finished run, sorted by step.
///
/// `unigram_entropy` is in nats per target token: what token frequencies per language and objective
/// lose on the sequences the run was evaluated on.
///
/// With m(t) the mean of the last `window` finite losses, a run crosses its line at the first t
/// with m(t) > min over s<t of m(s) + max(`diverged_nats`, `diverged_mads` · MAD of the previous
/// `mad_window` finite losses). The line then stays where it is until m comes back below it, so
/// that a spike cannot raise its own threshold. A run that is above the line at its end has
/// diverged; so has one that needed longer than `recovery_steps` to come back, which the
/// protocol's wording leaves open.
#[must_use]
pub fn classify(records: &[Record], rules: &OutcomeRules, unigram_entropy: f64) -> Classified {
    let losses: Vec<(u64, f64)> = series(records, "loss");
    let held_out = series(records, "held_out_loss");
    let nonfinite = [("loss", &losses), ("held_out_loss", &held_out)]
        .into_iter()
        .find_map(|(name, values)| {
            let (step, value) = values.iter().find(|(_, value)| !value.is_finite())?;
            Some(format!("`{name}` is {value} at step {step}"))
        });
    let finite: Vec<(u64, f64)> = losses
        .into_iter()
        .filter(|(_, value)| value.is_finite())
        .collect();
    let excursions = excursions(&finite, rules);

    let (value, what) = match held_out.last() {
        Some((_, value)) => (Some(*value), "held-out loss".to_owned()),
        None if finite.is_empty() => (None, "no loss".to_owned()),
        None => {
            let last = &finite[finite.len().saturating_sub(rules.window)..];
            let what = format!("mean of the last {} training losses", last.len());
            (Some(mean(last)), what)
        }
    };
    let stuck_line = unigram_entropy - rules.stuck_margin;
    let stuck = value.is_some_and(|value| value > stuck_line);

    let late = excursions.iter().find(|e| !e.in_time(rules));
    let (outcome, reason) = if let Some(reason) = nonfinite {
        (Outcome::Nonfinite, reason)
    } else if let Some(excursion) = late {
        (Outcome::Diverged, excursion.describe())
    } else if stuck {
        let reason = format!(
            "{what} {:.3} is above the unigram level {unigram_entropy:.3} − {}",
            value.unwrap_or(f64::NAN),
            rules.stuck_margin
        );
        (Outcome::Stuck, reason)
    } else if let Some(excursion) = excursions.first() {
        (Outcome::Recovered, excursion.describe())
    } else {
        let reason = match value {
            Some(value) => format!("{what} {value:.3} is below the stuck line {stuck_line:.3}"),
            None => "no loss was recorded".to_owned(),
        };
        (Outcome::Ok, reason)
    };
    let shown = late.or_else(|| excursions.first());
    Classified {
        outcome,
        value,
        stuck_line,
        diverged_line: shown.map_or_else(|| line_at_end(&finite, rules), |e| Some(e.line)),
        crossed_at: excursions.first().map(|e| e.crossed_at),
        reason,
    }
}

/// The outcome of a finished run from its directory; `None` of an imported one, the unigram level of whose
/// text nobody knows. The error is what of it is lost, so that its outcome cannot be told.
pub fn judge(reader: &RunReader, rules: &OutcomeRules) -> Result<Option<Classified>, String> {
    let level = level(reader)?;
    Ok(level.map(|level| {
        let losses = reader.select(&["loss", "held_out_loss"]);
        classify(&losses, rules, level)
    }))
}

/// What [`classify`] needs beside the records of a finished run: the unigram level of its text. As for
/// [`judge`].
pub(crate) fn level(reader: &RunReader) -> Result<Option<f64>, String> {
    let Some(manifest) = reader.manifest() else {
        let file = logs::run::MANIFEST_FILE;
        return Err(format!("it has no `{file}`, so its outcome cannot be told"));
    };
    match lost_records(reader) {
        None => Ok(manifest.unigram_level()),
        Some(lost) => Err(lost),
    }
}

/// Why the outcome of a finished run cannot be told from what is left of it: its records do not reach its
/// last step, or some before it are missing. A run that lost them must not pass for one that had nothing to
/// report. Damaged lines are missing as well, unless a later attempt wrote their steps again.
pub(crate) fn lost_records(reader: &RunReader) -> Option<String> {
    let summary = reader.summary();
    let promised = summary.map_or(0, |summary| summary.steps);
    let recorded = reader.last_step();
    if recorded == 0 || recorded < promised {
        return Some(format!(
            "its records end at step {recorded} of {promised}, so its outcome cannot be told"
        ));
    }
    // The logs of other programs may have gaps; their import says how many records there are.
    let whole = summary.and_then(|summary| summary.records);
    let whole = whole.unwrap_or(recorded);
    let missing = whole.saturating_sub(reader.len() as u64);
    (missing > 0).then(|| {
        format!(
            "{missing} of its {whole} records are missing or damaged, so its outcome cannot be told"
        )
    })
}

/// One stay above the divergence line.
struct Excursion {
    crossed_at: u64,
    line: f64,
    /// `None`: still above at the end.
    returned_at: Option<u64>,
}

impl Excursion {
    fn in_time(&self, rules: &OutcomeRules) -> bool {
        self.returned_at
            .is_some_and(|step| step - self.crossed_at <= rules.recovery_steps)
    }

    fn describe(&self) -> String {
        let Self {
            crossed_at, line, ..
        } = self;
        match self.returned_at {
            None => {
                format!("the mean loss crossed {line:.3} at step {crossed_at} and ended above it")
            }
            Some(step) => format!(
                "the mean loss crossed {line:.3} at step {crossed_at} and came back after {} steps",
                step - crossed_at
            ),
        }
    }
}

fn excursions(finite: &[(u64, f64)], rules: &OutcomeRules) -> Vec<Excursion> {
    let window = rules.window.max(1);
    let mut found: Vec<Excursion> = Vec::new();
    let mut best = f64::INFINITY;
    for end in window..=finite.len() {
        let step = finite[end - 1].0;
        let rolling = mean(&finite[end - window..end]);
        match found.last_mut().filter(|last| last.returned_at.is_none()) {
            Some(open) if rolling <= open.line => open.returned_at = Some(step),
            // The cheap half of the rule first: the deviation can only move the line further up.
            None if rolling > best + rules.diverged_nats => {
                let line = line(best, &finite[..end - 1], rules);
                if rolling > line {
                    found.push(Excursion {
                        crossed_at: step,
                        line,
                        returned_at: None,
                    });
                }
            }
            _ => {}
        }
        best = best.min(rolling);
    }
    found
}

fn line(best: f64, before: &[(u64, f64)], rules: &OutcomeRules) -> f64 {
    let recent = &before[before.len().saturating_sub(rules.mad_window)..];
    best + (rules.diverged_mads * deviation(recent)).max(rules.diverged_nats)
}

fn line_at_end(finite: &[(u64, f64)], rules: &OutcomeRules) -> Option<f64> {
    let window = rules.window.max(1);
    let best = finite.windows(window).map(mean).reduce(f64::min)?;
    Some(line(best, &finite[..finite.len() - 1], rules))
}

/// Median absolute deviation from the median; 0 for no values.
fn deviation(values: &[(u64, f64)]) -> f64 {
    let Some(centre) = median(values.iter().map(|(_, value)| *value).collect()) else {
        return 0.0;
    };
    median(
        values
            .iter()
            .map(|(_, value)| (value - centre).abs())
            .collect(),
    )
    .unwrap_or(0.0)
}

fn mean(values: &[(u64, f64)]) -> f64 {
    values.iter().map(|(_, value)| value).sum::<f64>() / values.len() as f64
}

fn series(records: &[Record], name: &str) -> Vec<(u64, f64)> {
    records
        .iter()
        .filter_map(|record| Some((record.step, record.scalar(name)?)))
        .collect()
}

#[cfg(test)]
mod tests;
