//! The sweep directory: made once, opened again, never mixed up.

use super::*;
use crate::Card;
use crate::testing::{CARD, card, sweep};

fn reopen(sweep: &Sweep, card: &Card, overrides: &[&str]) -> Result<Sweep, SweepError> {
    let overrides: Vec<_> = overrides.iter().map(|set| set.parse().unwrap()).collect();
    let plan = Plan::expand(card, &overrides).unwrap();
    Sweep::create_or_open(sweep.dir(), &plan, CARD, &[])
}

#[test]
fn a_new_sweep_holds_all_configurations() {
    let (_directory, sweep) = sweep();
    for run in sweep.runs() {
        let path = sweep.run_dir(&run.id).join("run.toml");
        let config = experiments_config::load_file(&path, &[]).unwrap();
        assert_eq!(config.hash(), run.config_hash);
    }
    let text = std::fs::read_to_string(sweep.dir().join("sweep.toml")).unwrap();
    assert_eq!(text, CARD, "the card is kept as given");
}

#[test]
fn the_same_card_opens_the_same_sweep() {
    let (_directory, sweep) = sweep();
    let again = reopen(&sweep, &card(), &[]).unwrap();
    assert_eq!(again.registration(), sweep.registration());
    assert_eq!(Sweep::open(sweep.dir()).unwrap().plan(), sweep.plan());
}

#[test]
fn another_card_is_refused_and_the_difference_named() {
    let (_directory, sweep) = sweep();
    let text = CARD
        .replace("seeds = 4", "seeds = 5")
        .replace("What was put in is found.", "It may.");
    let other = Card::parse(&text, "card", Path::new(".")).unwrap();
    let error = reopen(&sweep, &other, &[]).unwrap_err().to_string();
    assert!(
        error.contains("differs in `hypothesis`, `seeds`"),
        "{error}"
    );
}

#[test]
fn other_overrides_are_refused_and_named() {
    let (_directory, sweep) = sweep();
    let error = reopen(&sweep, &card(), &["eval.batches=2"])
        .unwrap_err()
        .to_string();
    assert!(error.contains("`eval.batches` then and now"), "{error}");
}

#[test]
fn a_directory_with_other_files_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("thesis.tex"), "x").unwrap();
    let plan = Plan::expand(&card(), &[]).unwrap();
    let error = Sweep::create_or_open(directory.path(), &plan, CARD, &[]).unwrap_err();
    assert!(error.to_string().contains("`thesis.tex`"), "{error}");
    assert!(!directory.path().join("runs").exists());
}

#[test]
fn an_interrupted_making_is_completed() {
    let (_directory, sweep) = sweep();
    std::fs::remove_file(sweep.dir().join("sweep.json")).unwrap();
    std::fs::remove_dir_all(sweep.run_dir(&sweep.runs()[3].id)).unwrap();
    let again = reopen(&sweep, &card(), &[]).unwrap();
    assert!(again.run_dir(&again.runs()[3].id).join("run.toml").exists());
}

#[test]
fn damaged_newer_and_absent_sweeps_say_what_they_are() {
    let (_directory, sweep) = sweep();
    let path = sweep.dir().join("sweep.json");
    let message = || Sweep::open(sweep.dir()).unwrap_err().to_string();
    std::fs::write(&path, "{\"version\": 99, \"new\": 1}").unwrap();
    assert!(message().contains("format version 99, this program reads version 2"));
    std::fs::write(&path, "{\"version\": 1").unwrap();
    assert!(message().contains("sweep.json` is damaged"));
    std::fs::write(&path, "{\"version\": 1}").unwrap();
    assert!(message().contains("format version 1, this program reads version 2"));
    std::fs::write(&path, "{\"version\": 2}").unwrap();
    assert!(message().contains("sweep.json` is damaged"));
    std::fs::remove_file(&path).unwrap();
    assert!(message().contains("is no sweep directory"));
}

#[test]
fn an_edited_criterion_is_noticed_and_an_edited_title_is_none() {
    let (_directory, sweep) = sweep();
    let path = sweep.dir().join("sweep.toml");
    assert_eq!(sweep.card_text(), CardText::AsRegistered);
    std::fs::write(&path, CARD.replace("Post-LN fails", "Post-LN breaks")).unwrap();
    assert_eq!(sweep.card_text(), CardText::AsRegistered);
    for (from, to) in [
        ("treatment_more", "treatment_less"),
        ("[criterion]", "[outcome]\nstuck_margin = 0.2\n[criterion]"),
    ] {
        std::fs::write(&path, CARD.replace(from, to)).unwrap();
        assert_eq!(sweep.card_text(), CardText::OtherCriterion, "{from} → {to}");
    }
}

/// What a disk does to a text is no edit of a criterion.
#[test]
fn a_damaged_card_text_is_called_damaged() {
    let (_directory, sweep) = sweep();
    let path = sweep.dir().join("sweep.toml");
    let half = CARD.split_at(CARD.len() / 2).0.as_bytes().to_vec();
    let mut no_text = CARD.as_bytes().to_vec();
    no_text[5] |= 0x80;
    let broken = CARD.replace("[criterion]", "[criterion").into_bytes();
    for damaged in [half, no_text, broken, Vec::new()] {
        std::fs::write(&path, &damaged).unwrap();
        assert_eq!(
            sweep.card_text(),
            CardText::Damaged,
            "{} bytes",
            damaged.len()
        );
        let notes = sweep.verdict().unwrap().notes;
        let said = notes
            .iter()
            .any(|note| note.contains("`sweep.toml` is damaged"));
        assert!(
            said && !notes.iter().any(|note| note.contains("edited")),
            "{notes:?}"
        );
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(sweep.card_text(), CardText::AsRegistered);
}

#[test]
fn a_run_is_found_by_any_part_that_fits_one() {
    let (_directory, sweep) = sweep();
    let id = &sweep.runs()[0].id;
    assert_eq!(&sweep.find(id).unwrap().id, id);
    let part = id.strip_prefix("small-").unwrap();
    assert_eq!(&sweep.find(part).unwrap().id, id);
    let several = sweep.find("post").unwrap_err().to_string();
    assert!(
        several.starts_with(
            "`post` is a part of the names of 4 runs; say which one is meant: `small-post-"
        ),
        "{several}"
    );
    let none = sweep
        .find(&id.replace("small", "smal"))
        .unwrap_err()
        .to_string();
    assert!(none.contains("did you mean `small-post-"), "{none}");
    assert!(sweep.find("").is_err());
}

#[test]
fn requests_can_be_made_and_withdrawn() {
    let (_directory, sweep) = sweep();
    let id = &sweep.runs()[0].id;
    sweep.withdraw(id, Request::Skip).unwrap();
    sweep.request(id, Request::Skip).unwrap();
    assert!(sweep.requested(id, Request::Skip) && !sweep.requested(id, Request::Stop));
    sweep.withdraw(id, Request::Skip).unwrap();
    assert!(!sweep.requested(id, Request::Skip));
}

#[test]
fn no_flipped_bit_of_a_sweep_changes_what_was_registered() {
    let (_directory, sweep) = sweep();
    let path = sweep.dir().join("sweep.json");
    let bytes = std::fs::read(&path).unwrap();
    // Every bit of every seventh byte: each open takes a while.
    let last = bytes.len() - 40..bytes.len();
    for at in (0..bytes.len()).step_by(7).chain(last) {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            std::fs::write(&path, flipped).unwrap();
            if let Ok(found) = Sweep::open(sweep.dir()) {
                assert_eq!(
                    found.registration(),
                    sweep.registration(),
                    "byte {at} bit {bit}"
                );
            }
        }
    }
    let text = String::from_utf8(bytes).unwrap();
    std::fs::write(&path, text.replacen("\"seed\": 1", "\"seed\": 9", 1)).unwrap();
    let error = Sweep::open(sweep.dir()).unwrap_err().to_string();
    assert!(
        error.contains("checksum") && error.contains("restore it from a copy"),
        "{error}"
    );
}

#[test]
fn a_sweep_without_a_checksum_is_read_as_earlier_versions_wrote_it() {
    let (_directory, sweep) = sweep();
    let path = sweep.dir().join("sweep.json");
    logs::write_json_atomic(&path, sweep.registration()).unwrap();
    let found = Sweep::open(sweep.dir()).unwrap();
    assert_eq!(found.registration(), sweep.registration());
}

#[test]
fn among_the_runs_of_a_sweep_only_planned_names_are_taken() {
    let (directory, sweep) = sweep();
    check_place(&sweep.run_dir(&sweep.runs()[0].id)).unwrap();
    check_place(&directory.path().join("new")).unwrap();
    check_place(&directory.path().join("nowhere/runs/new")).unwrap();
    let error = check_place(&sweep.run_dir("new")).unwrap_err().to_string();
    assert!(
        error.starts_with("no run of the sweep is called `new`") && error.contains("outside it"),
        "{error}"
    );
}
