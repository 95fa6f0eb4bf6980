//! Arms of zips, exclusions and rules, and selectors with lists.

use super::{QUICKSTART, parse_at, refused};
use crate::card::{Card, Role, Settings, same};
use toml::Value;

const CRITERION: &str = r#"
[criterion]
test = "exact"
at = { "model.layers" = [2, 4], "model.norm" = "post" }
above = 0.0
"#;

fn card(axes: &str) -> Card {
    parse_at(&text(axes), None)
}

fn text(axes: &str) -> String {
    format!(
        "name = \"arms\"\ntitle = \"Arms\"\nhypothesis = \"These.\"\nkind = \"mechanism\"\n\
         base = \"t0\"\nseeds = 3\n[fixed]\nsteps = 40\n{axes}\n{CRITERION}"
    )
}

fn labels(card: &Card) -> Vec<String> {
    card.arms().into_iter().map(|arm| arm.label).collect()
}

const GRID: &str = "[axes]\n\"model.norm\" = [\"post\", \"pre\"]\n\"model.layers\" = [2, 4, 8]\n";

#[test]
fn axes_of_a_zip_move_together_and_are_crossed_with_the_grid() {
    let card = card(
        "[axes]\n\"model.layers\" = [2, 4]\n[[zip]]\n\"model.norm\" = [\"post\", \"pre\"]\n\
         \"optimizer.lr\" = [1e-3, 1e-2]\n",
    );
    assert_eq!(
        labels(&card),
        [
            "layers=2 post lr=0.001",
            "layers=2 pre lr=0.01",
            "layers=4 post lr=0.001",
            "layers=4 pre lr=0.01"
        ]
    );
    let axes = card.axis_values();
    assert_eq!(
        axes.keys().collect::<Vec<_>>(),
        ["model.layers", "model.norm", "optimizer.lr"]
    );
}

/// `weight=1 weight=2` would not say which is which.
#[test]
fn keys_that_end_alike_are_named_in_full() {
    let card = card(&format!(
        "{GRID}\"data.sources[0].weight\" = [1.0, 2.0]\n\"data.sources[1].weight\" = [3.0]\n\
         [[exclude]]\nwhere = {{ \"model.layers\" = 8 }}\n"
    ));
    let all = labels(&card);
    let first = "data.sources[0].weight=1 data.sources[1].weight=3 layers=2 post";
    assert_eq!((all.len(), all[0].as_str()), (8, first));
}

#[test]
fn a_value_repeated_in_a_zip_is_one_value_of_its_axis() {
    let card = card(
        "[axes]\n\"model.layers\" = [2, 4]\n[[zip]]\n\"model.norm\" = [\"post\", \"post\"]\n\
         \"optimizer.lr\" = [1e-3, 1e-2]\n",
    );
    assert_eq!(card.axis_values()["model.norm"], [Value::from("post")]);
    assert_eq!(card.arms().len(), 4);
}

#[test]
fn excluded_arms_are_left_out_and_no_others() {
    let card = card(&format!(
        "{GRID}[[exclude]]\nwhere = {{ \"model.norm\" = \"pre\", \"model.layers\" = [4, 8] }}\n"
    ));
    assert_eq!(
        labels(&card),
        [
            "layers=2 post",
            "layers=2 pre",
            "layers=4 post",
            "layers=8 post"
        ]
    );
}

#[test]
fn a_list_in_a_selector_means_any_of_it() {
    let card = card(&format!(
        "{GRID}[[arm]]\nwhere = {{ \"model.layers\" = [4, 8] }}\nseeds = 2\n\
         [[arm]]\nwhere = {{ \"model.norm\" = \"pre\" }}\nrole = \"descriptive\"\n"
    ));
    let found = card.arms_at(card.criteria[0].arms().selectors()[0]);
    assert_eq!(
        found
            .iter()
            .map(|arm| arm.label.as_str())
            .collect::<Vec<_>>(),
        ["layers=2 post", "layers=4 post"]
    );
    let seeds: Vec<usize> = card.arms().iter().map(|arm| arm.seeds.len()).collect();
    assert_eq!(seeds, [3, 3, 2, 2, 2, 2]);
    let shown = card
        .arms()
        .into_iter()
        .filter(|arm| arm.role == Role::Descriptive);
    assert!(
        shown
            .map(|arm| arm.label)
            .all(|label| label.ends_with("pre"))
    );
}

#[test]
fn an_integer_selects_the_float_of_its_value() {
    let axis = "[axes]\n\"model.norm\" = [\"post\"]\n\"model.layers\" = [2, 4]\n\"egs.alpha\" = [0.5, 1.0]\n";
    let card = card(axis);
    let one = Settings::from([("egs.alpha".to_owned(), Value::Integer(1))]);
    assert_eq!(card.arms_at(&one).len(), 2);
    assert!(same(
        &card.arms_at(&one)[0].settings["egs.alpha"],
        &Value::Float(1.0)
    ));
}

#[test]
fn a_range_is_the_list_it_stands_for() {
    let range = GRID.replace(
        "[2, 4, 8]",
        "{ from = 2, to = 8, points = 3, scale = \"log\" }",
    );
    assert_eq!(card(&range).axes, card(GRID).axes);
    assert_eq!(card(&range).hash(), card(GRID).hash());
}

#[test]
fn a_range_within_a_zip_must_be_as_long_as_the_others() {
    let zip = |points: u8| {
        format!(
            "[axes]\n\"model.layers\" = [2, 4]\n[[zip]]\n\"model.norm\" = [\"post\", \"pre\"]\n\
             \"optimizer.lr\" = {{ from = 1e-3, to = 1e-2, points = {points} }}\n"
        )
    };
    assert_eq!(card(&zip(2)).arms().len(), 4);
    let message = refused(&text(&zip(3)), None);
    assert!(
        message.contains("`model.norm` has 2, `optimizer.lr` has 3"),
        "{message}"
    );
}

/// What the decision's hash covers is what a sweep holds its author to.
#[test]
fn only_what_decides_changes_the_criterion_hash() {
    let card = parse_at(QUICKSTART, None);
    let changed = |from: &str, to: &str| {
        let text = QUICKSTART.replace(from, to);
        assert_ne!(text, QUICKSTART, "`{from}` is in the card");
        let other = parse_at(&text, None);
        assert_ne!(other.hash(), card.hash(), "{to}");
        other.criterion_hash() != card.criterion_hash()
    };
    let criterion = "[criterion]\n";
    for said in [
        "name = \"another\"\n",
        "claim = \"Another\"\n",
        "expect = { treatment = 0.9, control = 0.1, source = \"a guess\" }\n",
    ] {
        assert!(!changed(criterion, &format!("{criterion}{said}")), "{said}");
    }
    assert!(!changed(
        "Post-LN stalls at depth",
        "Post-LN halts at depth"
    ));
    assert!(!changed("name = \"quickstart\"", "name = \"slowstart\""));
    assert!(!changed("budget_minutes = 5", "budget_minutes = 6"));
    for (from, to) in [
        ("alpha = 0.05", "alpha = 0.04"),
        ("\"treatment_more\"", "\"treatment_less\""),
        ("\"diverged\", \"nonfinite\"", "\"diverged\""),
        ("name = \"held_out_loss\"", "name = \"grad_norm\""),
        (
            "name = \"held_out_loss\"",
            "name = \"held_out_loss\"\nfrom_step = 10",
        ),
        ("stuck_margin = 0.05", "stuck_margin = 0.06"),
        (
            criterion,
            "[criterion]\nmetric = { name = \"grad_norm\", reduce = \"max\" }\n",
        ),
    ] {
        assert!(changed(from, to), "{to}");
    }
    let pair = "test = \"fisher\"";
    let other = QUICKSTART.replace(pair, "test = \"permutation\"");
    let other = other.replace("treatment_more", "treatment_higher");
    let other = other.replace("event = [\"stuck\", \"diverged\", \"nonfinite\"]\n", "");
    assert_ne!(
        parse_at(&other, None).criterion_hash(),
        card.criterion_hash()
    );
}
