//! Verdicts on runs that other programs trained.

use super::*;
use crate::VerdictStatus;
use crate::testing::{CARD, card};
use logs::import::{Columns, Import, import};
use std::fmt::Write as _;
use tempfile::TempDir;

/// Imports `count` logs for each arm: those of `post` rise in the end, those of `deepnorm_glm` stay low.
fn runs(folder: &Path, count: usize) {
    for (arm, end) in [("post", 6.0), ("glm", 3.0)] {
        for number in 1..=count {
            let mut text = "step,loss,tag\n".to_owned();
            for step in 1..=120_u32 {
                let low = 3.0 + 0.01 * f64::from(step % 3);
                let loss = if step > 90 { end } else { low };
                let _ = writeln!(text, "{step},{loss},{number}");
            }
            let name = format!("{arm}{number}");
            let log = folder.join(format!("{name}.csv"));
            std::fs::write(&log, text).unwrap();
            let request = Import {
                paths: vec![log],
                given: Vec::new(),
                one_run: false,
                columns: Columns::default(),
                out: folder.join(name),
                command: Vec::new(),
            };
            import(&request).unwrap();
        }
    }
}

fn list(count: usize, seeds: bool) -> String {
    let mut text = String::new();
    for (arm, name) in [("post", "post"), ("deepnorm_glm", "glm")] {
        for number in 1..=count {
            let _ = writeln!(text, "[[run]]\narm = \"{arm}\"\ndir = \"{name}{number}\"");
            if seeds {
                let _ = writeln!(text, "seed = {}", 40 + number);
            }
        }
    }
    text
}

fn bench(count: usize) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    runs(dir.path(), count);
    dir
}

fn verdict(dir: &TempDir, card: &Card, list: &str) -> Result<Verdict, SweepError> {
    let file = dir.path().join("runs.toml");
    std::fs::write(&file, list).unwrap();
    of_listed_runs(card, &file)
}

#[test]
fn imported_runs_are_judged_by_the_rules_of_the_card_and_what_they_lack_is_named() {
    let dir = bench(4);
    let whole = format!("unigram_entropy = 3.54\n{}", list(4, false));
    let found = verdict(&dir, &card(), &whole).unwrap();
    assert_eq!(
        found.status,
        VerdictStatus::Reproduced,
        "{}",
        found.sentence
    );
    assert_eq!(found.arms[0].outcomes[&Outcome::Diverged], 4);
    assert_eq!(found.arms[1].outcomes[&Outcome::Ok], 4);
    let notes = found.notes.join("\n");
    assert!(notes.contains("8 of those judged imported"), "{notes}");
    assert!(notes.contains("Without a held-out loss"), "{notes}");
    assert!(!notes.contains("Without a record at every step"), "{notes}");
    // Without the level nobody knows whether the others are stuck.
    let found = verdict(&dir, &card(), &list(4, false)).unwrap();
    assert_eq!(
        found.status,
        VerdictStatus::Inconclusive,
        "{}",
        found.sentence
    );
    assert_eq!(found.arms[0].outcomes[&Outcome::Diverged], 4);
    assert!(found.arms[1].outcomes.is_empty());
    assert!(found.notes.join("\n").contains("unigram_entropy"));
    // An event that comes before being stuck needs no level.
    let event = format!("{CARD}event = [\"diverged\"]\n");
    let event = Card::parse(&event, "card", Path::new(".")).unwrap();
    let found = verdict(&dir, &event, &list(4, false)).unwrap();
    assert_eq!(
        found.status,
        VerdictStatus::Reproduced,
        "{}",
        found.sentence
    );
}

#[test]
fn runs_that_the_card_plans_and_nobody_lists_are_missing() {
    let dir = bench(2);
    let text = format!("unigram_entropy = 3.54\n{}", list(2, false));
    let found = verdict(&dir, &card(), &text).unwrap();
    assert_eq!(
        found.status,
        VerdictStatus::Inconclusive,
        "{}",
        found.sentence
    );
    assert_eq!(found.missing_runs.len(), 4);
    assert_eq!(found.missing_runs[0], "post 3 of 4, not listed");
}

#[test]
fn a_list_that_cannot_be_used_is_refused_by_name() {
    let dir = bench(4);
    let say = |card: &Card, text: &str| verdict(&dir, card, text).unwrap_err().to_string();
    let of = |arm: &str, name: &str| format!("[[run]]\narm = \"{arm}\"\ndir = \"{name}\"\n");
    for (text, words) in [
        (String::new(), "run"),
        ("run = []\n".to_owned(), "no `[[run]]`"),
        (
            format!("unigram_entropy = -1\n{}", of("post", "post1")),
            "above 0",
        ),
        (of("posst", "post1"), "its arms are `post`, `deepnorm_glm`"),
        (
            of("post", "none"),
            "none` cannot be judged: it is no run directory",
        ),
        (of("post", "post1") + "sead = 3\n", "sead"),
        (of("post", "post1") + &of("post", "./post1"), "listed twice"),
        (
            of("post", "post1") + "seed = 3\n" + &of("post", "post2") + "seed = 3\n",
            "both seed 3",
        ),
        (list(4, false) + &of("post", "glm1"), "listed twice"),
    ] {
        let error = say(&card(), &text);
        assert!(error.contains(words), "{error}");
    }
    // With fewer pairs the test could not decide.
    let paired = CARD.replace("seeds = 4", "seeds = 6") + "test = \"mcnemar\"\n";
    let paired = Card::parse(&paired, "card", Path::new(".")).unwrap();
    let error = say(&paired, &list(4, false));
    assert!(error.contains("give `seed` with each run"), "{error}");
    let text = format!("unigram_entropy = 3.54\n{}", list(4, true));
    let found = verdict(&dir, &paired, &text).unwrap();
    assert_eq!(found.arms[1].outcomes[&Outcome::Ok], 4);
    assert_eq!(found.missing_runs.len(), 4);
}
