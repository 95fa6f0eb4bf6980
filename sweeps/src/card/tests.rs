//! Cards: what is accepted, and one file per mistake.

mod arms;
mod budgets;

use super::*;

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
    let selectors = card.criteria[0].test.selectors();
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
