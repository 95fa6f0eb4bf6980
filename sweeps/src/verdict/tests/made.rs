//! Run states made up for a card, so that what a test must find is known.

use crate::testing::card_text;
use crate::verdict::{RunState, State, Verdict, judge};
use crate::{Card, Classified, Outcome, Plan, PlannedRun, Sweep};
use std::path::Path;

/// Outcome and metrics of a run; `None` for one that has not finished.
pub(super) type Run = Option<(Outcome, Vec<f64>)>;

/// Two norms and four depths, eight seeds; criteria and budgets follow.
pub(super) const HEAD: &str = card_text!(
    "made",
    "mechanism",
    8,
    r#"
[fixed]
steps = 40
"eval.last_word" = 8
[axes]
"model.norm" = ["post", "deepnorm_glm"]
"model.layers" = [2, 4, 8, 16]
"#
);

/// Post-LN has the higher metric.
pub(super) const HIGHER: &str = r#"
[criterion]
test = "permutation"
treatment = { "model.norm" = "post", "model.layers" = 4 }
control = { "model.norm" = "deepnorm_glm", "model.layers" = 4 }
direction = "treatment_higher"
"#;

/// Both have the same metric.
pub(super) const SAME: &str = r#"
[criterion]
test = "tost"
treatment = { "model.norm" = "post", "model.layers" = 4 }
control = { "model.norm" = "deepnorm_glm", "model.layers" = 4 }
margin = 0.02
"#;

/// The metric of Post-LN rises with depth.
pub(super) const RISING: &str = r#"
[criterion]
test = "jonckheere"
along = "model.layers"
at = { "model.norm" = "post" }
direction = "increasing"
"#;

/// A comparison of how often the two norms fail.
pub(super) fn counted(test: &str, direction: &str) -> String {
    format!(
        "[criterion]\ntest = \"{test}\"\n\
         treatment = {{ \"model.norm\" = \"post\", \"model.layers\" = 4 }}\n\
         control = {{ \"model.norm\" = \"deepnorm_glm\", \"model.layers\" = 4 }}\n\
         direction = \"{direction}\"\n"
    )
}

/// A run with a good outcome.
#[expect(clippy::unnecessary_wraps, reason = "beside runs that are missing")]
pub(super) fn fine(value: f64) -> Run {
    Some((Outcome::Ok, vec![value]))
}

/// The verdict when every run is what `run` makes of its norm, layers and seed.
pub(super) fn verdict_at(
    criteria: &str,
    budget: Option<&str>,
    run: impl Fn(&str, i64, u64) -> Run,
) -> Verdict {
    let text = format!("{HEAD}{criteria}");
    let card = Card::parse_at(&text, "card", Path::new("."), budget);
    verdict_on(
        &card.unwrap_or_else(|error| panic!("{error}")),
        &text,
        |planned| {
            let layers = planned.settings["model.layers"].as_integer().unwrap();
            let (outcome, metrics) = run(norm(planned), layers, planned.seed)?;
            Some((outcome, None, metrics.into_iter().map(Some).collect()))
        },
    )
}

/// How a run ended, whether it spiked, and its metrics; `None` for one that has not finished.
pub(super) type Ended = Option<(Outcome, Option<bool>, Vec<Option<f64>>)>;

/// The norm arrangement of a run's arm.
pub(super) fn norm(planned: &PlannedRun) -> &str {
    planned.settings["model.norm"].as_str().unwrap()
}

/// The verdict on `card` when every run is what `run` makes of it.
pub(super) fn verdict_on(card: &Card, text: &str, run: impl Fn(&PlannedRun) -> Ended) -> Verdict {
    let mut plan = Plan::expand(card, &[]).unwrap();
    // A sweep without run directories, of which there would be 64.
    let runs = std::mem::take(&mut plan.runs);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sweep");
    let sweep = Sweep::create_or_open(&path, &plan, text, &[]).unwrap();
    let state = |planned: &PlannedRun| {
        let mut state = RunState::new(planned);
        if let Some((outcome, spiked, metrics)) = run(planned) {
            state.state = State::Finished;
            state.metric = metrics.first().copied().flatten();
            state.metrics = metrics;
            state.spiked = spiked;
            state.classified = Some(Classified {
                outcome,
                value: state.metric,
                stuck_line: 3.49,
                diverged_line: None,
                crossed_at: None,
                reason: String::new(),
            });
        }
        state
    };
    judge(&sweep, &runs.iter().map(state).collect::<Vec<_>>()).unwrap()
}

/// [`verdict_at`] of the whole card.
pub(super) fn verdict_of(criteria: &str, run: impl Fn(&str, i64, u64) -> Run) -> Verdict {
    verdict_at(criteria, None, run)
}

/// Asserts that a text has a part, and shows it when not.
#[track_caller]
pub(super) fn says(text: &str, part: &str) {
    assert!(text.contains(part), "`{part}` is missing in: {text}");
}
