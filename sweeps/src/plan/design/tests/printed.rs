//! What is printed of a design.

use super::*;

#[test]
fn the_plan_prints_power_and_the_seeds_that_would_do() {
    let strong = line(&format!(
        "{PAIR}direction = \"treatment_more\"\nexpect = {{ treatment = 0.95, control = 0.05, source = \"pilot\" }}\n"
    ));
    assert!(
        strong.starts_with(
            "  claim (fisher, 8 seeds): power 0.99 ± 0.01 for the event in 0.95 of treatment and 0.05 of control runs (pilot); "
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
        "{PAIR}direction = \"treatment_more\"\nexpect = {{ treatment = 0.12, control = 0.1 }}\n"
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
    let design = &mut overview.designs.criteria[0];
    design.seeds = 1;
    design.limits = "nothing more".to_owned();
    let text = overview.to_string();
    assert!(
        text.contains("claim (fisher, 1 seed); nothing more"),
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
    assert!(overview.designs.criteria.is_empty());
    let text = overview.to_string();
    assert!(text.starts_with("design (budget cpu): Made up"), "{text}");
    assert!(text.contains("not tested at this budget: claim"), "{text}");
}
