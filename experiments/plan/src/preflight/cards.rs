//! What experiment cards say about the stability of a configuration.
//!
//! A result is a JSON file `CARD.json`; these fields are read, others are ignored:
//!
//! ```json
//! {
//!   "card": "e02", "claim": "Post-LN diverges without warm-up", "verdict": "reproduced",
//!   "fixed": {"optimizer.warmup_samples": 0},
//!   "arms": [{"where": {"model.norm": "post"}, "runs": 6, "failed": 6}]
//! }
//! ```
//!
//! `failed` counts runs with an outcome other than ok and recovered. An arm is like a configuration
//! if every key that bears on stability ([`matching`]) has a like value in both; keys of scale
//! (layers, width, learning rate, text …) may differ and turn a no-go into a warning, since a proxy
//! need not share its fate with the real model.

mod matching;

use super::{Check, PreflightInput, Verdict};
use crate::PlanError;
use logs::proportion::Proportion;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One arm of a card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmResult {
    /// Axis values by configuration key.
    #[serde(rename = "where")]
    pub axis_values: BTreeMap<String, Value>,
    /// Runs with an outcome.
    pub runs: u64,
    /// Of these, failed ones.
    pub failed: u64,
}

/// The result of a card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CardResult {
    /// Name.
    pub card: String,
    /// What the source claims.
    pub claim: String,
    /// What came out.
    pub verdict: String,
    /// Keys all arms share.
    #[serde(default)]
    pub fixed: BTreeMap<String, Value>,
    /// The arms.
    pub arms: Vec<ArmResult>,
}

/// All results of `folder` in the order of their names; `None` where there is no such folder.
pub fn read_cards(folder: &Path) -> Result<Option<Vec<CardResult>>, PlanError> {
    let io = |action, path: &Path, source| PlanError::Io {
        action,
        path: path.to_owned(),
        source,
    };
    if !folder.exists() {
        return Ok(None);
    }
    let entries =
        std::fs::read_dir(folder).map_err(|error| io("read the results in", folder, error))?;
    let mut paths = Vec::<PathBuf>::new();
    for entry in entries {
        let path = entry
            .map_err(|error| io("read the results in", folder, error))?
            .path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            paths.push(path);
        }
    }
    paths.sort();
    let read = |path: PathBuf| {
        let text = logs::disk::read_text(&path).map_err(|error| io("read", &path, error))?;
        parse(&text, &path.display().to_string())
    };
    paths
        .into_iter()
        .map(read)
        .collect::<Result<Vec<_>, _>>()
        .map(Some)
}

fn parse(text: &str, file: &str) -> Result<CardResult, PlanError> {
    let input = |line, problem: String, expected: &str| PlanError::Input {
        file: file.to_owned(),
        line,
        problem,
        expected: expected.to_owned(),
    };
    let card: CardResult = serde_json::from_str(text).map_err(|error| {
        input(
            error.line().max(1),
            error.to_string(),
            "`card`, `claim`, `verdict`, and `arms` with `where`, `runs`, `failed`",
        )
    })?;
    let line_of = |word: &str| {
        let quoted = format!("\"{word}\"");
        text.lines()
            .position(|line| line.contains(&quoted))
            .map_or(1, |index| index + 1)
    };
    for arm in &card.arms {
        if arm.failed > arm.runs {
            let problem = format!("{} of {} runs failed", arm.failed, arm.runs);
            return Err(input(line_of("failed"), problem, "`failed` at most `runs`"));
        }
    }
    let axes = card.arms.iter().flat_map(|arm| arm.axis_values.keys());
    for key in axes.chain(card.fixed.keys()) {
        if !experiments_config::is_key(key) {
            let hint = experiments_config::key_hint(key).map(|hint| format!(" ({hint})"));
            return Err(input(
                line_of(key),
                format!("`{key}` is no configuration key"),
                &format!("one{}", hint.unwrap_or_default()),
            ));
        }
    }
    Ok(card)
}

pub(super) fn checks(input: &PreflightInput) -> Result<Vec<Check>, PlanError> {
    let Some(cards) = read_cards(input.results)? else {
        return Ok(vec![Check::warn(
            "cards",
            format!(
                "no card result is there: `{}` does not exist",
                input.results.display()
            ),
            "run the cards, or copy their results there",
        )]);
    };
    if cards.is_empty() {
        return Ok(vec![Check::warn(
            "cards",
            format!("no card result is in `{}`", input.results.display()),
            "run the cards, or copy their results there",
        )]);
    }
    let config = matching::Values::of(input.config);
    let mut checks = Vec::new();
    let mut silent = Vec::new();
    for card in &cards {
        match about(card, &config) {
            Some(check) => checks.push(check),
            None => silent.push(card.card.as_str()),
        }
    }
    if !silent.is_empty() {
        let reason = format!("no arm is like this configuration in {}", silent.join(", "));
        checks.push(if checks.is_empty() {
            Check::warn(
                "cards",
                reason,
                "nothing here speaks for or against its stability",
            )
        } else {
            Check::go("cards", reason)
        });
    }
    Ok(checks)
}

/// What one card says, if one of its arms is like the configuration.
fn about(card: &CardResult, config: &matching::Values) -> Option<Check> {
    let alike = card
        .arms
        .iter()
        .filter_map(|arm| Some((arm, config.compare(card, arm)?)));
    let alike: Vec<_> = alike.filter(|(arm, _)| arm.runs > 0).collect();
    let runs: u64 = alike.iter().map(|(arm, _)| arm.runs).sum();
    let failed: u64 = alike.iter().map(|(arm, _)| arm.failed).sum();
    if runs == 0 {
        return None;
    }
    let mut scale: Vec<_> = alike
        .iter()
        .flat_map(|(_, differing)| differing.clone())
        .collect();
    scale.sort();
    scale.dedup();
    let name = format!("card {}", card.card);
    let at = if scale.is_empty() {
        String::new()
    } else {
        format!(" (at other {})", scale.join(", "))
    };
    let reason = format!(
        "{failed} of {runs} runs like this configuration failed{at}; “{}”: {}",
        card.claim, card.verdict
    );
    if failed == 0 {
        return Some(Check::go(
            &name,
            format!(
                "{reason}; none of {runs} still allows {:.0} %",
                100.0 * Proportion::new(0, runs).clopper_pearson(0.95).high
            ),
        ));
    }
    let others = card
        .arms
        .iter()
        .filter(|arm| arm.runs > 0 && arm.failed == 0);
    let held: Vec<_> = others
        .map(|arm| matching::words(&arm.axis_values))
        .collect();
    let fix = if held.is_empty() {
        "no arm of the card held".to_owned()
    } else {
        format!("held in every run: {}", held.join("; "))
    };
    let severe = 2 * failed > runs && scale.is_empty();
    let mut check = Check::warn(&name, reason, fix);
    if severe {
        check.verdict = Verdict::NoGo;
    }
    Some(check)
}
