//! What a reader must know before believing the rest.

use logs::RunReader;
use sweeps::{CardText, Origin, Plan, State, SweepReader, Verdict};
use words::counted;

/// Runs named in one warning; more would bury the others.
const MOST_NAMES: usize = 4;

/// All warnings, the ones that weigh most first.
pub(crate) fn all(reader: &SweepReader, verdict: &Verdict, differing: Vec<String>) -> Vec<String> {
    let mut warnings = Vec::new();
    if verdict.criterion_changed {
        warnings.push(
            "The criterion was changed after the sweep had begun. The verdict uses the one that \
             was registered; a criterion chosen after seeing results proves nothing."
                .to_owned(),
        );
    }
    if reader.sweep().card_text() == CardText::Damaged {
        warnings.push(
            "`sweep.toml` is damaged: it is no card any more. The verdict uses what was registered \
             in `sweep.json`, which is whole."
                .to_owned(),
        );
    }
    for finding in &verdict.findings {
        if let Some(why) = finding.open {
            warnings.push(format!(
                "`{}` was not tested, and is inconclusive: {}.",
                finding.name,
                why.words()
            ));
        }
    }
    if !verdict.missing_languages.is_empty() {
        warnings.push(format!(
            "Text is missing in: {}. The runs were trained without it.",
            verdict.missing_languages.join(", ")
        ));
    }
    for (state, what) in [
        (State::Failed, "failed and has no outcome"),
        (State::Interrupted, "was interrupted"),
        (State::Stopped, "was stopped on request"),
        (State::Skipped, "was skipped on request"),
        (State::Running, "is still running"),
        (State::Pending, "has not begun"),
    ] {
        let ids = reader
            .states()
            .iter()
            .filter(|run| run.state == state)
            .map(|run| run.id.as_str());
        warnings.extend(about(&ids.collect::<Vec<_>>(), what));
    }
    warnings.extend(departures(reader.sweep().plan()));
    warnings.extend(differing);
    for (index, run) in reader.states().iter().enumerate() {
        let found = reader.reader(index).map_or(&[][..], RunReader::warnings);
        warnings.extend(found.iter().map(|warning| format!("{}: {warning}", run.id)));
    }
    warnings
}

/// Where the runs depart from the card, by whom. A path that was only made absolute is no departure.
fn departures(plan: &Plan) -> Vec<String> {
    let of = |origin: Option<Origin>, what: &str| {
        let keys = plan
            .changes()
            .filter(|(key, _)| plan.origins.get(*key).copied() == origin);
        let words: Vec<String> = keys
            .map(|(key, value)| format!("`{key}` = {}", sweeps::card::label(value)))
            .collect();
        (!words.is_empty())
            .then(|| format!("Not the card as written: {what} {}.", words.join(", ")))
    };
    [
        of(None, "`--set` changed"),
        of(
            Some(Origin::Substitute),
            "what was not available here was replaced, so that",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `2 runs failed …: a, b.`; the verb is given for one run.
fn about(ids: &[&str], what: &str) -> Option<String> {
    let named: Vec<String> = ids
        .iter()
        .take(MOST_NAMES)
        .map(|id| format!("`{id}`"))
        .collect();
    let more = match ids.len().saturating_sub(MOST_NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let what = match (ids.len(), what.split_once(' ')) {
        (0, _) => return None,
        (1, _) => what.to_owned(),
        (_, Some(("was", rest))) => format!("were {rest}"),
        (_, Some(("is", rest))) => format!("are {rest}"),
        (_, Some(("has", rest))) => format!("have {rest}"),
        (_, _) => what.replace("has no outcome", "have no outcome"),
    };
    Some(format!(
        "{} {what}: {}{more}.",
        counted(ids.len() as u64, "run"),
        named.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use sweeps::Card;

    const CARD: &str = r#"
name = "card"
title = "A card"
hypothesis = "None."
kind = "symptom"
base = "t0"
seeds = 6
[axes]
"model.norm" = ["post", "pre"]
[criterion]
treatment = { "model.norm" = "post" }
control = { "model.norm" = "pre" }
direction = "treatment_more"
"#;

    #[test]
    fn a_departure_from_the_card_is_told_with_its_reason_and_a_spelling_is_none() {
        let card = Card::parse(CARD, "card", Path::new(".")).unwrap();
        let set = ["steps=300", "data.held_out=0.1", "tokenizer.vocab_size=300"];
        let set = set.map(|set| set.parse().unwrap());
        let mut plan = Plan::expand(&card, &set).unwrap();
        plan.origins
            .insert("data.held_out".to_owned(), Origin::Substitute);
        let spelled = "tokenizer.vocab_size".to_owned();
        plan.origins.insert(spelled, Origin::Pinned);
        assert_eq!(
            departures(&plan),
            [
                "Not the card as written: `--set` changed `steps` = 300.",
                "Not the card as written: what was not available here was replaced, so that `data.held_out` = 0.1."
            ]
        );
        plan.overrides
            .retain(|key, _| key == "tokenizer.vocab_size");
        assert!(departures(&plan).is_empty());
    }

    #[test]
    fn verbs_agree_and_long_lists_end() {
        assert_eq!(about(&[], "was stopped"), None);
        assert_eq!(
            about(&["a"], "was stopped").unwrap(),
            "1 run was stopped: `a`."
        );
        assert_eq!(
            about(&["a", "b"], "has not begun").unwrap(),
            "2 runs have not begun: `a`, `b`."
        );
        assert_eq!(
            about(&["a", "b"], "failed and has no outcome").unwrap(),
            "2 runs failed and have no outcome: `a`, `b`."
        );
        let many = about(&["a", "b", "c", "d", "e", "f"], "is still running").unwrap();
        assert_eq!(
            many,
            "6 runs are still running: `a`, `b`, `c`, `d` and 2 more."
        );
    }
}
