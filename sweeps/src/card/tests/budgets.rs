//! Budgets: what they take away, and what is left untested.

use super::{parse_at, refused};
use crate::card::{Card, Settings};
use crate::testing::card_text;
use toml::Value;

/// A grid axis beside two that move together.
const CARD: &str = card_text!(
    "sizes",
    "mechanism",
    8,
    r#"
budget_minutes = 60
[fixed]
steps = 40
"eval.batches" = 16
[axes]
"model.layers" = [2, 4, 8]
[[zip]]
"precision.format" = ["fp32", "bf16", "fp16", "fp16"]
"precision.loss_scale.mode" = ["deepspeed", "deepspeed", "deepspeed", "static"]
[[arm]]
where = { "model.layers" = 8 }
seeds = [5, 6, 7, 8]
[[criterion]]
name = "fp16"
treatment = { "precision.format" = "fp16", "precision.loss_scale.mode" = "static", "model.layers" = 4 }
control = { "precision.format" = "fp32", "model.layers" = 4 }
direction = "treatment_more"
[[criterion]]
name = "depth"
test = "jonckheere"
along = "model.layers"
at = { "precision.format" = "fp32", "model.layers" = [2, 4] }
direction = "increasing"
[[criterion]]
name = "finite"
test = "exact"
at = { "precision.format" = "bf16" }
above = 0.0

[budget.smoke]
seeds = 1
fixed = { steps = 2, "eval.batches" = 1 }
axes = { "model.layers" = [4] }
[budget.grid]
axes = { "model.layers" = [4] }
[budget.zip]
axes = { "precision.format" = ["fp32", "fp16"] }
[budget.steps-of-a-zip]
axes = { "precision.loss_scale.mode" = ["static"] }
[budget.seeds]
minutes = 5
seeds = [2, 4, 6, 8]
[budget.first-seeds]
seeds = 4
"#
);

fn at(budget: &str) -> Card {
    parse_at(CARD, Some(budget))
}

fn labels(card: &Card) -> Vec<String> {
    card.arms().into_iter().map(|arm| arm.label).collect()
}

#[test]
fn a_budget_restricts_an_axis_of_the_grid_and_nothing_else() {
    let (whole, small) = (parse_at(CARD, None), at("grid"));
    assert_eq!((whole.arms().len(), small.arms().len()), (12, 4));
    assert_eq!(small.axes["model.layers"], [Value::Integer(4)]);
    assert_eq!((&small.zips, &small.seeds), (&whole.zips, &whole.seeds));
    assert_eq!(small.fixed, whole.fixed);
    assert_eq!(small.budget_minutes, None, "not the minutes of the whole");
}

#[test]
fn a_budget_restricts_axes_that_move_together_by_whole_steps() {
    assert_eq!(
        labels(&at("zip"))[..3],
        [
            "layers=2 fp32 deepspeed",
            "layers=2 fp16 deepspeed",
            "layers=2 fp16 static"
        ]
    );
    let only = at("steps-of-a-zip");
    assert_eq!(labels(&only)[0], "layers=2 fp16 static");
    assert_eq!(only.zips[0]["precision.format"], [Value::from("fp16")]);
}

#[test]
fn a_budget_takes_seeds_of_the_card_and_of_its_arms() {
    let small = at("seeds");
    assert_eq!(
        (small.seeds.as_slice(), small.budget_minutes),
        (&[2, 4, 6, 8][..], Some(5.0))
    );
    let deep = Settings::from([("model.layers".to_owned(), Value::Integer(8))]);
    assert_eq!(
        small.arms_at(&deep)[0].seeds,
        [6, 8],
        "both the arm's and the budget's"
    );
}

#[test]
fn an_arm_that_no_seed_is_left_of_is_no_test() {
    // The exact criterion covers all depths, so other arms are left to it.
    let small = at("first-seeds");
    let deep = Settings::from([("model.layers".to_owned(), Value::Integer(8))]);
    assert!(small.arms_at(&deep)[0].seeds.is_empty());
    assert!(small.untested.is_empty());
    let text = CARD.replace(
        "at = { \"precision.format\" = \"bf16\" }",
        "at = { \"precision.format\" = \"bf16\", \"model.layers\" = 8 }",
    );
    assert_eq!(parse_at(&text, Some("first-seeds")).untested, ["finite"]);
}

#[test]
fn fixed_values_of_a_budget_win_over_the_cards() {
    let small = at("smoke");
    let config = small
        .config(&Settings::new(), &small.arms()[0].settings, 1)
        .unwrap();
    assert_eq!((config.steps, config.eval.batches), (2, 1));
}

#[test]
fn criteria_without_their_arms_are_untested() {
    assert_eq!(at("grid").untested, ["depth"], "one depth is no trend");
    assert_eq!(at("zip").untested, ["finite"]);
    assert_eq!(at("steps-of-a-zip").untested, ["fp16", "depth", "finite"]);
    assert!(at("steps-of-a-zip").criteria.is_empty());
    assert_eq!(at("grid").undecided, ["depth"]);
    let shown = CARD.replace(
        "name = \"depth\"",
        "name = \"depth\"\nrole = \"descriptive\"",
    );
    let card = parse_at(&shown, Some("grid"));
    assert_eq!((card.untested.len(), card.undecided.len()), (1, 0));
    // A sweep that was registered without it is the same sweep.
    let mut earlier = at("grid");
    earlier.undecided.clear();
    assert_eq!(earlier.hash(), at("grid").hash());
    assert!(parse_at(CARD, None).untested.is_empty());
}

#[test]
fn smoke_is_allowed_too_few_seeds_and_any_other_budget_is_not() {
    assert!(at("smoke").is_smoke());
    assert_eq!(at("smoke").seeds, [1]);
    let message = refused(&CARD.replace("[budget.smoke]", "[budget.tiny]"), None);
    assert!(
        message.contains("`budget.tiny.seeds`: 1 runs against 1 cannot reach"),
        "{message}"
    );
}

#[test]
fn full_is_the_whole_table_and_other_names_must_be_the_cards() {
    assert_eq!(at("full"), parse_at(CARD, None));
    let own = parse_at(
        &CARD.replace("[budget.grid]", "[budget.full]"),
        Some("full"),
    );
    assert_eq!(
        own.budget.as_deref(),
        Some("full"),
        "unless the card says what it is"
    );
    let message = refused(CARD, Some("smoek"));
    assert!(
        message.contains("the card has no budget `smoek`, only "),
        "{message}"
    );
    assert!(message.contains("did you mean `smoke`?"), "{message}");
    let message = refused(super::QUICKSTART, Some("cpu"));
    assert!(
        message.contains("the card has no budgets, so not `cpu`"),
        "{message}"
    );
}

#[test]
fn a_mistake_in_one_budget_is_found_at_any_other() {
    let text = CARD.replace(
        "[budget.grid]\naxes = { \"model.layers\" = [4] }",
        "[budget.grid]\naxes = { \"model.layers\" = [5] }",
    );
    for budget in [None, Some("smoke"), Some("full")] {
        let message = refused(&text, budget);
        assert!(
            message.contains("`budget.grid.axes.\"model.layers\"`: `5` is not on"),
            "{message}"
        );
    }
}

#[test]
fn a_budget_has_a_hash_of_its_own_and_whole_criteria_keep_theirs() {
    let (whole, small) = (parse_at(CARD, None), at("seeds"));
    assert_ne!(whole.hash(), small.hash());
    assert_eq!(whole.criterion_hash(), small.criterion_hash());
    assert_ne!(
        whole.criterion_hash(),
        at("grid").criterion_hash(),
        "one is left out"
    );
    assert_eq!(
        crate::card::criterion_hash_of(CARD, Some("grid")),
        Some(at("grid").criterion_hash())
    );
}
