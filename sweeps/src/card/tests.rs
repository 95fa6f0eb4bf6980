//! Cards: what is accepted, and one file per mistake.

mod arms;
mod budgets;
mod explorations;

use super::*;
use crate::criterion::Reduce;
use std::path::Path;

/// The card shipped with the program.
const QUICKSTART: &str = include_str!("../../../experiments/cards/quickstart.toml");

/// A card at a budget.
fn parse_at(text: &str, budget: Option<&str>) -> Card {
    Card::parse_at(text, "card", Path::new("."), budget).unwrap_or_else(|error| panic!("{error}"))
}

/// Why a card is refused at a budget.
fn refused(text: &str, budget: Option<&str>) -> String {
    Card::parse_at(text, "card", Path::new("."), budget)
        .expect_err("the card must be refused")
        .to_string()
}

fn quickstart() -> Card {
    Card::parse(QUICKSTART, "card `quickstart`", Path::new("."))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// A device would fill the memory, and a pipe wait for ever.
#[cfg(unix)]
#[test]
fn a_device_is_no_card_and_is_not_read() {
    let error = Card::load(Path::new("/dev/zero")).unwrap_err();
    let SweepError::Read { source, .. } = error else {
        panic!("{error}");
    };
    assert!(source.to_string().contains("a device"), "{source}");
}

/// A word that a card may use and that no page explains is as good as none.
#[test]
fn the_page_about_cards_has_every_reduction_and_every_event() {
    let page = include_str!("../../../docs/cards-and-sweeps.md");
    let reductions = Reduce::ALL.into_iter().map(Reduce::name);
    let events = Event::all().filter(|event| *event == Event::Spiked);
    let words = reductions.chain(events.map(Event::name));
    let missing: Vec<&str> = words
        .filter(|word| !page.contains(&format!("`{word}`")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    let outcomes = crate::Outcome::ALL.map(|outcome| format!("**{outcome}**"));
    assert!(outcomes.iter().all(|outcome| page.contains(outcome)));
}

#[test]
fn the_quickstart_card_is_the_comparison_that_was_agreed() {
    let card = quickstart();
    let arms: Vec<(String, usize, Role)> = card
        .arms()
        .into_iter()
        .map(|arm| (arm.label, arm.seeds.len(), arm.role))
        .collect();
    assert_eq!(
        arms,
        [
            ("post".to_owned(), 6, Role::Confirmatory),
            ("deepnorm_glm".to_owned(), 6, Role::Confirmatory),
            ("pre".to_owned(), 2, Role::Descriptive),
        ]
    );
    assert_eq!(card.outcome, OutcomeRules::default());
    let arm = &card.arms()[0];
    let config = card.config(&Settings::new(), &arm.settings, 1).unwrap();
    assert_eq!((config.model.layers, config.tokens_per_step()), (24, 256));
    assert_eq!((config.steps, config.checkpoint.keep), (150, 1));
    assert_eq!(config.optimizer.warmup_samples, 0);
    assert_eq!(config.optimizer.decay_samples, 0, "constant learning rate");
}

/// Reports and tables give a title one line.
#[test]
fn a_title_is_one_line_of_text() {
    let titled = |title: &str| format!("title = \"{title}\"\n{}", without_title());
    parse_at(&titled("Größe → 学习"), None);
    for title in [r"T\r\nX", r"T\nX", r"T\u0085X", r"T\u2028X"] {
        let text = refused(&titled(title), None);
        assert!(text.contains("`title`: has a line break"), "{text}");
    }
}

fn without_title() -> String {
    let lines = QUICKSTART.lines();
    let kept: Vec<&str> = lines.filter(|line| !line.starts_with("title")).collect();
    kept.join("\n")
}

#[test]
fn arms_of_one_seed_share_everything_but_their_axes() {
    let card = quickstart();
    let [post, glm] = [0, 1].map(|index| {
        let arm = &card.arms()[index];
        let mut config = card.config(&Settings::new(), &arm.settings, 3).unwrap();
        config.model.norm = experiments_config::Norm::Post;
        config
    });
    assert_eq!(post, glm);
}

#[test]
fn the_hash_ignores_comments_and_sees_the_criterion() {
    let card = quickstart();
    let parse = |text: &str| Card::parse(text, "card", Path::new(".")).unwrap();
    let commented = parse(&format!("# another comment\n{QUICKSTART}"));
    assert_eq!(commented.hash(), card.hash());
    let lenient = parse(&QUICKSTART.replace("alpha = 0.05", "alpha = 0.10"));
    assert_ne!(lenient.hash(), card.hash());
    assert_ne!(lenient.criterion_hash(), card.criterion_hash());
    let retitled = parse(&QUICKSTART.replace("Post-LN stalls", "Post-LN halts"));
    assert_eq!(retitled.criterion_hash(), card.criterion_hash());
    assert_eq!(
        criterion_hash_of(QUICKSTART, None),
        Some(card.criterion_hash()),
        "a text hashes as its card"
    );
}

/// A card that was registered before it had to say what a failed run counts as stays what it was: no
/// key that it does not have is in its hash, and its text is no edited criterion.
#[test]
fn a_card_from_before_a_key_was_needed_keeps_its_hash_and_its_text() {
    let text = QUICKSTART.replace(
        "test = \"fisher\"",
        "test = \"permutation\"\nmetric = { name = \"embedding_share\" }",
    );
    let text = text
        .replace("event = [\"stuck\", \"diverged\", \"nonfinite\"]\n", "")
        .replace("treatment_more", "treatment_higher");
    assert!(refused(&text, None).contains("`criterion.worst`: is missing"));
    let open = text.replace("alpha = 0.05", "alpha = 0.05\nfailed = \"open\"");
    let mut card = parse_at(&open, None);
    card.criteria[0].failed = None;
    assert_eq!(criterion_hash_of(&text, None), Some(card.criterion_hash()));
    let metric = card.metric_of(&card.criteria[0]);
    assert_eq!(
        card.criteria[0].rank_of_failed(metric),
        None,
        "no guess at which end is bad"
    );
    let json = serde_json::to_value(&card).unwrap();
    assert!(json["criteria"][0].get("failed").is_none());
    assert_ne!(
        parse_at(&open, None).criterion_hash(),
        card.criterion_hash(),
        "what decides is hashed"
    );
}

#[test]
fn a_card_survives_json() {
    let card = quickstart();
    let text = serde_json::to_string(&card).unwrap();
    let read: Card = serde_json::from_str(&text).unwrap();
    assert_eq!(read, card);
    assert_eq!(read.hash(), card.hash());
}

#[test]
fn a_grid_crosses_its_axes_and_names_numbers_by_their_key() {
    let text = QUICKSTART
        .replace(
            "\"model.norm\" = [\"post\", \"deepnorm_glm\", \"pre\"]",
            "\"model.norm\" = [\"post\", \"deepnorm_glm\", \"pre\"]\n\"model.layers\" = [6, 24]",
        )
        .replace(
            "treatment = { \"model.norm\" = \"post\" }",
            "treatment = { model = { norm = \"post\", layers = 24 } }",
        )
        .replace(
            "control = { \"model.norm\" = \"deepnorm_glm\" }",
            "control = { \"model.norm\" = \"deepnorm_glm\", \"model.layers\" = 24 }",
        );
    let card = Card::parse(&text, "card", Path::new(".")).unwrap();
    let labels: Vec<String> = card.arms().into_iter().map(|arm| arm.label).collect();
    assert_eq!(
        labels,
        [
            "layers=6 post",
            "layers=6 deepnorm_glm",
            "layers=6 pre",
            "layers=24 post",
            "layers=24 deepnorm_glm",
            "layers=24 pre"
        ]
    );
    assert_eq!(card.arms()[3].slug(), "layers-24-post");
    let selectors = card.criteria[0].arms().selectors();
    let found: Vec<String> = selectors
        .iter()
        .flat_map(|at| card.arms_at(at))
        .map(|arm| arm.label)
        .collect();
    assert_eq!(found, ["layers=24 post", "layers=24 deepnorm_glm"]);
}

#[test]
fn a_base_may_be_a_file_next_to_the_card() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("mine.toml"),
        "extends = \"t-deep\"\nmodel.layers = 30\n",
    )
    .unwrap();
    let path = directory.path().join("card.toml");
    std::fs::write(&path, QUICKSTART.replace("\"t-deep\"", "\"mine.toml\"")).unwrap();
    assert_eq!(Card::load(&path).unwrap().base_config.model.layers, 30);
}

#[test]
fn all_complaints_come_at_once() {
    let text = QUICKSTART
        .replace("kind = \"symptom\"", "kind = \"sympton\"")
        .replace("\"egs.alpha\"", "\"egs.alfa\"")
        .replace("alpha = 0.05", "alpha = 5");
    let text = Card::parse(&text, "card", Path::new("."))
        .unwrap_err()
        .to_string();
    for part in [
        "did you mean `symptom`?",
        "did you mean `egs.alpha`?",
        "criterion.alpha",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
}

/// Nothing in the program's own words, and not one mistake an attempt.
#[test]
fn values_of_the_wrong_type_are_all_named_in_plain_words() {
    let text = QUICKSTART
        .replace("kind = \"symptom\"", "kind = 3")
        .replace(
            "alpha = 0.05",
            "alpha = \"small\"\nmetric = \"loss\"\nevnt = []",
        );
    let text = refused(&text, None);
    for part in [
        "`kind`: is 3; expected text",
        "`criterion.alpha`: is \"small\"; expected a number",
        "`criterion.metric`: is \"loss\"; expected a table",
        "did you mean `criterion.event`?",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    let text = refused(&format!("seed = 3\n{QUICKSTART}"), None);
    assert!(
        text.contains("`seed`: no such key in a card (the seeds of a card are `seeds = [1, 2, 3]`"),
        "{text}"
    );
}

/// Words that are no choice wait for no number to be mended.
#[test]
fn wrong_types_and_wrong_words_are_named_together() {
    let mut text = QUICKSTART.to_owned();
    for (from, to) in [
        ("kind = \"symptom\"", "kind = \"symtom\""),
        ("seeds = 6\n", "seeds = \"six\"\n"),
        (
            "[criterion]\n",
            "[criterion]\nmetric = { reduce = \"medan\" }\n",
        ),
        ("alpha = 0.05", "alpha = \"small\""),
        ("test = \"fisher\"", "test = \"fischer\""),
        ("title = ", "title = 3 #"),
    ] {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    let said = refused(&text, None);
    for expected in [
        "`title`: is 3; expected text",
        "`criterion.alpha`: is \"small\"; expected a number",
        "(did you mean `symptom`?)",
        "`seeds`: is a string; expected a list of seeds or their number",
        "(did you mean `median`?)",
        "(did you mean `fisher`?)",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let event = "event = [\"stuck\", \"diverged\", \"nonfinite\"]";
    let listed = text.replacen(event, "event = [1]\npool = [\"a\", 5]", 1);
    let told = refused(&listed, None);
    for expected in [
        "`criterion.event[0]`: is 1; expected text",
        "`criterion.pool[1]`: is 5; expected text",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    // What a wrong type leaves missing is no second mistake.
    let complaints = said.lines().filter(|line| line.starts_with("  `"));
    assert_eq!(complaints.count(), 6, "{said}");
}

/// It once was: then its own keys were refused as well.
#[test]
fn a_test_that_is_no_word_is_not_taken_for_the_default() {
    let said = refused(
        &QUICKSTART.replace("test = \"fisher\"", "test = 3\nat = {}\nmargin = 0.1"),
        None,
    );
    assert!(
        said.contains("`criterion.test`: is 3; expected text"),
        "{said}"
    );
    let complaints = said.lines().filter(|line| line.starts_with("  `"));
    assert_eq!(complaints.count(), 1, "{said}");
}

/// What is too large is refused at once, wherever it stands.
#[test]
fn lists_without_end_are_refused_at_once() {
    let many = "1, ".repeat(100_000);
    let zip = format!(
        "{QUICKSTART}\n[[zip]]\n\"model.layers\" = [{many}]\n\"model.num_heads\" = [{many}]"
    );
    let text = refused(&zip, None);
    assert!(text.contains("has 100000 values; at most 10000"), "{text}");
    let seeds: Vec<String> = (0..100_000).map(|seed| seed.to_string()).collect();
    let seeds = format!("seeds = [{}]\n", seeds.join(","));
    let text = refused(&QUICKSTART.replace("seeds = 6\n", &seeds), None);
    assert!(text.contains("has 100000 entries; at most 10000"), "{text}");
}

/// Run ids are in reports and on disks: a card without files of the user's own keeps them from
/// release to release.
#[test]
fn ids_of_runs_stay() {
    let plan = crate::Plan::expand(&quickstart(), &[]).unwrap();
    assert_eq!(plan.runs[0].id, "quickstart-post-91afc666-s1");
}

/// The same card with the same text is the same experiment wherever it lies.
#[test]
fn paths_are_relative_to_the_card_and_do_not_count() {
    let own = &"[fixed]\n\"data.sources\" = [{ path = \"a.txt\", language = \"en\", weight = 1.0, blake3 = \"HASH\" }]\n".replace("HASH", &"ab".repeat(32));
    let text = QUICKSTART.replacen("[fixed]\n", own, 1);
    let load = |folder: &str| {
        let card = Card::parse(&text, "card", Path::new(folder)).unwrap();
        let arm = &card.arms()[0];
        let config = card.config(&Settings::new(), &arm.settings, 1).unwrap();
        assert_eq!(
            config.data.sources[0].path,
            Some(Path::new(folder).join("a.txt"))
        );
        (card.hash(), config.hash())
    };
    assert_eq!(load("/one"), load("/two"));
    let card = Card::parse(&text, "card", Path::new("/one")).unwrap();
    let set = Settings::from([(
        "data.sources".to_owned(),
        toml::from_str::<Table>("v = [{ path = \"b.txt\", language = \"en\", weight = 1.0 }]")
            .unwrap()["v"]
            .clone(),
    )]);
    let config = card.config(&set, &card.arms()[0].settings, 1).unwrap();
    let path = config.data.sources[0].path.clone();
    assert_eq!(path, Some("b.txt".into()), "as on the command line");
    assert_eq!(quickstart().directory, None, "a card without own files");
}

/// What is not finite is `null` in `sweep.json`, which then could not be read any more.
#[test]
fn numbers_that_json_has_no_word_for_are_refused_with_their_key() {
    let source =
        format!("{QUICKSTART}\n[source]\npaper = \"none\"\nnumbers = {{ a = nan, b = 1 }}\n");
    let text = QUICKSTART
        .contains("[source]")
        .then(|| QUICKSTART.replace("[source]", "[source]\nnumbers = { a = nan, b = 1 }"));
    let said = refused(&text.unwrap_or(source), None);
    assert!(
        said.contains("`source.numbers.a`: is NaN, must be a finite number"),
        "{said}"
    );
    let fixed = QUICKSTART.replace("[fixed]", "[fixed]\n\"model.dropout\" = inf");
    let said = refused(&fixed, None);
    assert!(said.contains("must be finite"), "{said}");
    let expect = QUICKSTART.replace("[criterion]", "[criterion]\nexpect.sd = nan");
    let said = refused(&expect, None);
    assert!(
        said.contains("`criterion.expect.sd`: must be finite"),
        "{said}"
    );
}

/// An earlier version registered such numbers.
#[test]
fn a_registered_number_that_is_null_is_read_as_none() {
    let read: Source = serde_json::from_str(r#"{"numbers": {"a": null, "b": 2.5}}"#).unwrap();
    assert!(read.numbers["a"].is_nan());
    assert_eq!(read.numbers["b"], 2.5);
}
