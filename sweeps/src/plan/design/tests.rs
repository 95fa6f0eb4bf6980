//! Power of designs, against the functions that compute it.

use super::*;
use crate::Plan;
use std::path::Path;

/// Eight seeds of two norms at four depths; a criterion follows.
const HEAD: &str = r#"
name = "design"
title = "Design"
hypothesis = "As expected."
kind = "mechanism"
base = "t0"
seeds = 8
[fixed]
steps = 40
[axes]
"model.norm" = ["post", "pre"]
"model.layers" = [2, 4, 8, 16]
[[arm]]
where = { "model.layers" = 16 }
seeds = 6
"#;

const PAIR: &str = r#"treatment = { "model.norm" = "post", "model.layers" = 4 }
control = { "model.norm" = "pre", "model.layers" = 4 }
"#;

fn plan(criterion: &str) -> Plan {
    let text = format!("{HEAD}[criterion]\n{criterion}");
    let card = Card::parse(&text, "card", Path::new("."));
    Plan::expand(&card.unwrap_or_else(|error| panic!("{error}")), &[]).unwrap()
}

fn design_of(criterion: &str) -> Design {
    let mut designs = plan(criterion).designs();
    assert_eq!(designs.len(), 1);
    designs.remove(0)
}

/// What the plan prints about its only criterion.
fn line(criterion: &str) -> String {
    let text = plan(criterion).overview().to_string();
    let line = text.lines().find(|line| line.starts_with("  claim ("));
    line.unwrap_or_else(|| panic!("no criterion in:\n{text}"))
        .to_owned()
}

#[test]
fn power_of_counts_is_that_of_the_test() {
    let card = format!(
        "{PAIR}direction = \"treatment_more\"\nexpect = {{ treatment = 0.9, control = 0.1 }}\n"
    );
    let design = design_of(&card);
    assert_eq!((design.seeds, design.test.as_str()), (8, "fisher"));
    assert_eq!(design.power, Some(fisher_power(0.9, 8, 0.1, 8, 0.05, true)));
    let needed = design.seeds_needed.unwrap();
    let at = |n: u64| fisher_power(0.9, n, 0.1, n, 0.05, true);
    assert!(at(needed as u64) >= 0.8 && at(needed as u64 - 1) < 0.8);
    assert!(
        design
            .limits
            .starts_with("no event in 8 runs still allows a share of 37 %")
    );
    let other = card.replace("treatment_more", "treatment_less");
    assert_eq!(
        design_of(&other).power,
        Some(fisher_power(0.9, 8, 0.1, 8, 0.05, false))
    );
}

#[test]
fn power_of_a_difference_is_that_beyond_the_margin_and_on_its_side() {
    let card = |difference: f64, margin: f64| {
        design_of(&format!(
            "test = \"permutation\"\n{PAIR}direction = \"treatment_lower\"\nmargin = {margin:?}\n\
             expect = {{ difference = {difference:?}, sd = 0.1 }}\n"
        ))
    };
    let found = card(-0.25, 0.1).power.unwrap();
    assert_eq!(found, sign_flip_power(0.25 - 0.1, 0.1, 8, 0.05));
    assert!(found > 0.5);
    assert_eq!(card(0.25, 0.0).power, Some(0.0), "the other way");
    assert_eq!(card(-0.05, 0.1).power, Some(0.0), "below the margin");
    assert_eq!(card(-0.05, 0.1).seeds_needed, None);
}

#[test]
fn power_of_equivalence_slope_and_trend_is_that_of_their_tests() {
    let design = design_of(&format!(
        "test = \"tost\"\n{PAIR}margin = 0.02\nexpect = {{ sd = 0.01 }}\n"
    ));
    assert_eq!(design.power, Some(tost_power(0.0, 0.01, 0.02, 8, 0.05)));
    let along = "along = \"model.layers\"\nat = { \"model.norm\" = \"post\" }\n";
    let expect = "expect = { difference = 0.2, sd = 0.1 }\n";
    let design = design_of(&format!(
        "test = \"slope\"\n{along}above = 1.0\nalpha = 0.01\n{expect}"
    ));
    assert_eq!(design.seeds, 6, "the fewest of its arms");
    assert_eq!(design.power, Some(mean_interval_power(2.0, 6, 0.99)));
    let design = design_of(&format!(
        "test = \"jonckheere\"\n{along}direction = \"increasing\"\n{expect}"
    ));
    assert_eq!(design.power, Some(trend_power(2.0, 4, 6, 0.05)));
}

#[test]
fn power_of_a_dose_is_over_the_doses_of_its_arms_and_in_its_direction() {
    let card = |direction: &str| {
        design_of(&format!(
            "test = \"ld50\"\nalong = \"model.layers\"\n\
             treatment = {{ \"model.norm\" = \"post\", \"model.layers\" = [2, 4, 8] }}\n\
             control = {{ \"model.norm\" = \"pre\", \"model.layers\" = [2, 4, 8] }}\n\
             direction = \"{direction}\"\nexpect = {{ ratio = 0.25, steepness = 4.0 }}\n"
        ))
    };
    let power = ld50_power(-2.0, 4.0, &[2.0, 4.0, 8.0], 8, 0.95);
    assert_eq!(card("treatment_lower").power, Some(power));
    assert_eq!(card("treatment_higher").power, Some(0.0));
}

#[test]
fn an_exact_prediction_has_no_power_and_counts_its_runs() {
    let design = design_of("test = \"exact\"\nat = { \"model.norm\" = \"post\" }\nequals = 0.0\n");
    assert_eq!((design.power, design.seeds_needed), (None, None));
    // Three arms of eight and one of six.
    assert!(
        design.limits.contains("one of 30 runs outside"),
        "{}",
        design.limits
    );
}

#[test]
fn the_plan_prints_power_and_the_seeds_that_would_do() {
    let strong = line(&format!(
        "{PAIR}direction = \"treatment_more\"\nexpect = {{ treatment = 0.95, control = 0.05, source = \"pilot\" }}\n"
    ));
    assert!(
        strong.starts_with(
            "  claim (fisher, 8 seeds): power 0.99 for the event in 0.95 of treatment and 0.05 of control runs (pilot); "
        ),
        "{strong}"
    );
    assert!(
        strong.contains(" seeds give 0.8; no event in 8 runs"),
        "{strong}"
    );

    // Some number of seeds would do, but more than there are.
    let weak = line(&format!(
        "{PAIR}direction = \"treatment_more\"\nexpect = {{ treatment = 0.6, control = 0.1 }}\n"
    ));
    assert!(
        weak.contains("seeds give 0.8") && !weak.contains("no number"),
        "{weak}"
    );

    let hopeless = line(&format!(
        "{PAIR}direction = \"treatment_more\"\nexpect = {{ treatment = 0.11, control = 0.1 }}\n"
    ));
    assert!(
        hopeless.contains("; no number of seeds up to 40 gives 0.8; "),
        "{hopeless}"
    );

    let silent = line(&format!("{PAIR}direction = \"treatment_more\"\n"));
    assert!(
        silent.starts_with("  claim (fisher, 8 seeds); no event in 8"),
        "{silent}"
    );
}

#[test]
fn one_seed_is_said_in_the_singular() {
    let mut overview = plan(&format!("{PAIR}direction = \"treatment_more\"\n")).overview();
    overview.designs[0] = Design {
        seeds: 1,
        expected: Some("much".to_owned()),
        power: Some(1.0),
        seeds_needed: Some(1),
        limits: "nothing more".to_owned(),
        ..overview.designs[0].clone()
    };
    let text = overview.to_string();
    assert!(
        text.contains(
            "claim (fisher, 1 seed): power 1.00 for much; 1 seed gives 0.8; nothing more"
        ),
        "{text}"
    );
}

#[test]
fn criteria_outside_a_budget_have_no_design_and_are_named() {
    let text = format!(
        "{HEAD}[criterion]\n{PAIR}direction = \"treatment_more\"\n[budget.cpu]\naxes = {{ \"model.layers\" = [2] }}\n"
    );
    let card = Card::parse_at(&text, "card", Path::new("."), Some("cpu")).unwrap();
    let overview = Plan::expand(&card, &[]).unwrap().overview();
    assert!(overview.designs.is_empty());
    let text = overview.to_string();
    assert!(text.starts_with("design (budget cpu): Design"), "{text}");
    assert!(text.contains("not tested at this budget: claim"), "{text}");
}
