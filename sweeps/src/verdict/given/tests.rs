//! Verdicts on runs that other programs trained.

use super::*;
use crate::VerdictStatus;
use crate::testing::{CARD, card, finish, sweep};
use experiments_config::{Override, load_file};
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
    // An event that comes before being stuck needs no level; that the others are ok, nobody knows all the same.
    let event = format!("{CARD}event = [\"diverged\"]\n");
    let event = Card::parse(&event, "card", Path::new(".")).unwrap();
    let found = verdict(&dir, &event, &list(4, false)).unwrap();
    assert_eq!(
        found.status,
        VerdictStatus::Reproduced,
        "{}",
        found.sentence
    );
    assert_eq!(found.arms[0].outcomes[&Outcome::Diverged], 4);
    assert!(found.arms[1].outcomes.is_empty());
    assert_eq!(
        (found.arms[1].events.events, found.arms[1].events.n),
        (0, 4)
    );
    assert!(found.notes.join("\n").contains("may be stuck"));
}

/// It has no criterion that would ask, and its table of outcomes is all that it shows.
#[test]
fn an_exploration_calls_no_run_ok_whose_level_is_not_known() {
    let dir = bench(4);
    let (head, _) = CARD.split_once("[criterion]").unwrap();
    let head = head.replace("mechanism", "exploration");
    let card = Card::parse(&head, "card", Path::new(".")).unwrap();
    let found = verdict(&dir, &card, &list(4, false)).unwrap();
    assert_eq!(found.arms[0].outcomes[&Outcome::Diverged], 4);
    assert!(found.arms[1].outcomes.is_empty());
    let found = verdict(
        &dir,
        &card,
        &format!("unigram_entropy = 3.54\n{}", list(4, false)),
    );
    assert_eq!(found.unwrap().arms[1].outcomes[&Outcome::Ok], 4);
}

/// Finished runs of this program, and the list of them.
fn native() -> (TempDir, Sweep, String) {
    let (dir, sweep) = sweep();
    let mut list = String::new();
    for run in sweep.runs() {
        let place = sweep.run_dir(&run.id);
        finish(&place, if run.arm == "post" { 3.6 } else { 3.2 });
        let _ = writeln!(list, "[[run]]\narm = \"{}\"\ndir = {place:?}", run.arm);
    }
    (dir, sweep, list)
}

/// Whether the run, with `set` in its `run.toml`, may stand for the first arm with `key` at `value`.
fn stands(place: &Path, key: &str, value: &str, set: &str) -> bool {
    let mut arm = card().arms()[0].clone();
    arm.settings.insert(key.to_owned(), value.into());
    let file = place.join("run.toml");
    let own = std::fs::read_to_string(&file).unwrap();
    let set: Vec<Override> = set.lines().map(|set| set.parse().unwrap()).collect();
    let config = load_file(&file, &set).unwrap();
    std::fs::write(&file, config.to_toml()).unwrap();
    let listed = Listed {
        arm: arm.label.clone(),
        dir: place.to_owned(),
        seed: None,
    };
    let run = Given::open(place, &listed, &card()).unwrap();
    let checked = run.check_arm(&card(), &arm);
    std::fs::write(&file, own).unwrap();
    checked.is_ok()
}

#[test]
fn a_run_of_this_program_stands_for_the_arm_only_whose_settings_it_has() {
    let (dir, sweep, list) = native();
    let found = verdict(&dir, &card(), &list).unwrap();
    assert_eq!(
        found.status,
        VerdictStatus::Reproduced,
        "{}",
        found.sentence
    );
    let swapped = list
        .replace("arm = \"post\"", "arm = \"other\"")
        .replace("arm = \"deepnorm_glm\"", "arm = \"post\"")
        .replace("arm = \"other\"", "arm = \"deepnorm_glm\"");
    let error = verdict(&dir, &card(), &swapped).unwrap_err().to_string();
    let words = "has `model.norm` = deepnorm_glm, and its `run.toml` has post";
    assert!(error.contains(words), "{error}");
    // What all arms share counts as well, and what an axis replaces does not.
    let mut other = card();
    other.fixed.insert("optimizer.lr".to_owned(), 9.0.into());
    let error = verdict(&dir, &other, &list).unwrap_err().to_string();
    assert!(
        error.contains("the card's `[fixed]` has `optimizer.lr` = 9, and"),
        "{error}"
    );
    other.fixed.remove("optimizer.lr");
    other.fixed.insert("model.norm".to_owned(), "pre".into());
    verdict(&dir, &other, &list).unwrap();
    // Without its configuration nothing shows what it was.
    let first = sweep.run_dir(&sweep.runs()[0].id);
    std::fs::remove_file(first.join("run.toml")).unwrap();
    let error = verdict(&dir, &card(), &list).unwrap_err().to_string();
    assert!(
        error.contains("run.toml") && error.contains("nothing shows"),
        "{error}"
    );
}

#[test]
fn arms_may_differ_in_who_watches_or_in_the_weights_that_they_begin_with() {
    let (dir, sweep, _) = native();
    let first = sweep.run_dir(&sweep.runs()[0].id);
    assert!(stands(&first, "alarm.action", "bell", "alarm.action=bell"));
    assert!(!stands(&first, "alarm.action", "bell", "alarm.action=none"));
    let weights = |name: &str| dir.path().join(name).display().to_string();
    for (name, bytes) in [("a", "one"), ("b", "one"), ("c", "two")] {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    let hash = blake3::hash(b"one");
    let begun = format!(
        "model.init.weights={}\nmodel.init.weights_blake3={hash}",
        weights("a")
    );
    for (name, same) in [("a", true), ("b", true), ("c", false), ("gone", false)] {
        assert_eq!(
            stands(&first, "model.init.weights", &weights(name), &begun),
            same,
            "{name}"
        );
    }
}

#[test]
fn per_layer_signals_are_read_where_a_metric_is_made_of_them() {
    let (dir, _sweep, list) = native();
    let metric = "metric = { name = \"layer_grad_norm[1]\", reduce = \"spikes\" }\n[fixed]";
    let card = CARD.replace("[fixed]", metric);
    let card = Card::parse(&card, "card", Path::new(".")).unwrap();
    let found = verdict(&dir, &card, &list).unwrap();
    let values = found.arms[1]
        .metric
        .as_ref()
        .map(|values| (values.n, values.mean));
    assert_eq!(values, Some((4, 0.0)), "{:?}", found.notes);
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
    // The two pairs that are missing could turn it: six of six would do.
    assert_eq!(
        found.status,
        VerdictStatus::Inconclusive,
        "{}",
        found.sentence
    );
}

/// The seeds of the runs of the second arm, moved.
fn moved(list: &str) -> String {
    let (first, second) = list.split_once("[[run]]\narm = \"deepnorm_glm\"").unwrap();
    let mut second = second.to_owned();
    for seed in 41..=46 {
        second = second.replace(&format!("seed = {seed}"), &format!("seed = 1{seed}"));
    }
    format!("{first}[[run]]\narm = \"deepnorm_glm\"{second}")
}

#[test]
fn a_run_whose_seed_no_arm_has_that_it_is_compared_with_is_refused_by_name() {
    let dir = bench(6);
    let paired = CARD.replace("seeds = 4", "seeds = 6") + "test = \"mcnemar\"\n";
    let paired = Card::parse(&paired, "card", Path::new(".")).unwrap();
    let whole = format!("unigram_entropy = 3.54\n{}", list(6, true));
    let found = verdict(&dir, &paired, &whole).unwrap();
    assert_eq!(
        found.status,
        VerdictStatus::Reproduced,
        "{}",
        found.sentence
    );
    let error = verdict(&dir, &paired, &moved(&whole))
        .unwrap_err()
        .to_string();
    let words = "post1`; their seeds are 141, 142, 143, 144, 145, 146";
    assert!(error.contains("has seed 41, that of"), "{error}");
    assert!(error.contains(words), "{error}");
    // Of four runs each, the two that are not listed can be the partners of two only.
    let part = format!("unigram_entropy = 3.54\n{}", list(4, true));
    let error = verdict(&dir, &paired, &moved(&part))
        .unwrap_err()
        .to_string();
    assert!(error.contains("has seed 43, that of"), "{error}");
}
