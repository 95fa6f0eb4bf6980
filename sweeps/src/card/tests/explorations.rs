//! Cards without a claim.

use super::{parse_at, refused};
use crate::Plan;
use crate::testing::card_text;

const CARD: &str = card_text!(
    "map",
    "exploration",
    2,
    r#"
[fixed]
steps = 40
[axes]
"model.norm" = ["post", "pre"]
[budget.small]
seeds = 1
axes = { "model.norm" = ["pre"] }
"#
);

#[test]
fn an_exploration_needs_no_criterion_and_has_budgets() {
    let (whole, small) = (parse_at(CARD, None), parse_at(CARD, Some("small")));
    assert!(whole.is_exploration() && whole.criteria.is_empty());
    let runs = |card| Plan::expand(card, &[]).unwrap().runs.len();
    assert_eq!((runs(&whole), runs(&small)), (4, 1));
    assert!(refused(CARD, Some("smal")).contains("did you mean `small`?"));
}

#[test]
fn a_card_that_claims_something_is_told_of_explorations_where_it_has_no_criterion() {
    let text = CARD.replace("exploration", "symptom");
    let message = refused(&text, None);
    assert!(message.contains("kind = \"exploration\""), "{message}");
}

#[test]
fn the_plan_of_an_exploration_says_that_there_will_be_no_verdict() {
    let overview = Plan::expand(&parse_at(CARD, None), &[]).unwrap().overview();
    assert!(overview.exploration && overview.designs.criteria.is_empty());
    let text = overview.to_string();
    assert!(text.contains("there will be no verdict"), "{text}");
    let json = serde_json::to_value(&overview).unwrap();
    assert_eq!(json["exploration"], true);
}
