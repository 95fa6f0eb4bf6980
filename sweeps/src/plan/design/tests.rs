//! Power of designs, against what can be computed without simulation.

use super::*;
use crate::Plan;
use crate::stats::{Proportion, fisher_exact, mean_interval_power, sign_flip_power, tost_power};
use crate::testing::card_text;
use statrs::distribution::{Binomial, Discrete};
use std::path::Path;

/// Eight seeds of two norms at four depths; a criterion follows.
const HEAD: &str = card_text!(
    "design",
    "mechanism",
    8,
    r#"
[fixed]
steps = 40
[axes]
"model.norm" = ["post", "pre"]
"model.layers" = [2, 4, 8, 16]
[[arm]]
where = { "model.layers" = 16 }
seeds = 6
"#
);

const PAIR: &str = r#"treatment = { "model.norm" = "post", "model.layers" = 4 }
control = { "model.norm" = "pre", "model.layers" = 4 }
"#;

fn plan(criterion: &str) -> Plan {
    let section = if criterion.starts_with("[[") {
        ""
    } else {
        "[criterion]\n"
    };
    let text = format!("{HEAD}{section}{criterion}");
    let card = Card::parse(&text, "card", Path::new("."));
    Plan::expand(&card.unwrap_or_else(|error| panic!("{error}")), &[]).unwrap()
}

fn design_of(criterion: &str) -> Design {
    let mut designs = plan(criterion).designs().criteria;
    assert_eq!(designs.len(), 1);
    designs.remove(0)
}

/// Power as simulated, against power as computed.
#[track_caller]
fn near(found: Option<Power>, golden: f64) {
    let found = found.unwrap();
    assert!(
        (found.share - golden).abs() < 1.6 * found.error,
        "{found:?} {golden}"
    );
}

/// Summed over all tables.
fn fisher_power(p: f64, q: f64, n: u64) -> f64 {
    let [first, second] = [p, q].map(|share| Binomial::new(share, n).unwrap());
    let tables = (0..=n).flat_map(|a| (0..=n).map(move |b| (a, b)));
    let found = |(a, b): &(u64, u64)| {
        a > b && fisher_exact(Proportion::new(*a, n), Proportion::new(*b, n)) <= 0.05
    };
    tables
        .filter(found)
        .map(|(a, b)| first.pmf(a) * second.pmf(b))
        .sum()
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
    let design = design_of(&format!(
        "{PAIR}direction = \"treatment_more\"\nexpect = {{ treatment = 0.9, control = 0.1 }}\n"
    ));
    assert_eq!((design.seeds, design.test.as_str()), (8, "fisher"));
    near(design.power, fisher_power(0.9, 0.1, 8));
    let needed = design.seeds_needed.unwrap() as u64;
    assert!(fisher_power(0.9, 0.1, needed) > 0.75, "{needed}");
    assert!(fisher_power(0.9, 0.1, needed - 2) < 0.8, "{needed}");
    assert!(
        design
            .limits
            .starts_with("no event in 8 runs still allows a share of 37 %")
    );
}

#[test]
fn power_of_a_difference_is_that_beyond_the_margin() {
    let card = |difference: f64, margin: f64| {
        design_of(&format!(
            "test = \"permutation\"\n{PAIR}direction = \"treatment_lower\"\nmargin = {margin:?}\n\
             expect = {{ difference = {difference:?}, sd = 0.1 }}\n"
        ))
    };
    near(card(-0.25, 0.1).power, sign_flip_power(1.5, 1.0, 8, 0.05));
    near(card(-0.1, 0.0).power, sign_flip_power(1.0, 1.0, 8, 0.05));
}

#[test]
fn power_of_equivalence_slope_and_trend_is_that_of_their_tests() {
    let design = design_of(&format!(
        "test = \"tost\"\n{PAIR}margin = 0.02\nexpect = {{ sd = 0.01 }}\n"
    ));
    near(design.power, tost_power(0.0, 0.01, 0.02, 8, 0.05));
    let along = "along = \"model.layers\"\nat = { \"model.norm\" = \"post\" }\n";
    let expect = "expect = { difference = 0.2, sd = 0.1 }\n";
    let design = design_of(&format!(
        "test = \"slope\"\n{along}above = 1.0\nalpha = 0.01\n{expect}"
    ));
    assert_eq!(design.seeds, 6, "the fewest of its arms");
    let design = design_of(&format!(
        "test = \"jonckheere\"\n{along}direction = \"increasing\"\n{expect}"
    ));
    assert!(design.power.unwrap().share > 0.99);
}

/// Three depths of eight seeds each.
const SHALLOW: &str = "along = \"model.layers\"\n\
                       at = { \"model.norm\" = \"post\", \"model.layers\" = [2, 4, 8] }\n";

/// Both ends of a bound count: from an interval a standard deviation away from either, 0.681 of one
/// end is 0.414 of both (noncentral t, scipy 1.17.1, and two million experiments in Python).
#[test]
fn power_of_a_slope_within_a_bound_counts_both_ends() {
    let card = |bound: &str| {
        let expect = "expect = { difference = 0.1, sd = 0.1 }";
        design_of(&format!("test = \"slope\"\n{SHALLOW}{bound}\n{expect}\n"))
    };
    near(card("above = 1.0").power, 0.681);
    near(card("at_most = 1.0").power, 0.681);
    let inside = card("inside = [0.9, 1.1]");
    near(inside.power, 0.414);
    // What a slope in the middle may scatter, from the same two tests.
    assert!(
        inside.limits.starts_with(
            "finds a slope in the middle of the bound with power 0.8 up to a standard"
        ),
        "{}",
        inside.limits
    );
    // To contain a value is no more than to be wide: 0.95 if the slope is that.
    let contains = format!(
        "test = \"slope\"\n{SHALLOW}contains = 1.0\nexpect = {{ difference = 0.0, sd = 0.1 }}\n"
    );
    near(design_of(&contains).power, 0.95);
}

#[test]
fn power_of_a_dose_grows_with_the_ratio() {
    let card = |ratio: f64| {
        let design = design_of(&format!(
            "test = \"ld50\"\nalong = \"model.layers\"\n\
             treatment = {{ \"model.norm\" = \"post\", \"model.layers\" = [2, 4, 8] }}\n\
             control = {{ \"model.norm\" = \"pre\", \"model.layers\" = [2, 4, 8] }}\n\
             direction = \"treatment_lower\"\nexpect = {{ ratio = {ratio:?}, steepness = 4.0 }}\n"
        ));
        design.power.unwrap().share
    };
    assert!(card(0.25) > 0.9 && card(0.9) < 0.3);
    assert!(card(0.9) < card(0.5) && card(0.5) < card(0.25));
}

/// Four criteria of which each holds in 0.8 of sweeps hold together in 0.4.
#[test]
fn power_of_the_verdict_is_that_of_all_criteria_together() {
    let one = |layers: u64| {
        format!(
            "[[criterion]]\nname = \"at-{layers}\"\ntest = \"permutation\"\n\
             treatment = {{ \"model.norm\" = \"post\", \"model.layers\" = {layers} }}\n\
             control = {{ \"model.norm\" = \"pre\", \"model.layers\" = {layers} }}\n\
             direction = \"treatment_higher\"\nexpect = {{ difference = 0.12, sd = 0.1 }}\n"
        )
    };
    let exact = "[[criterion]]\nname = \"zero\"\ntest = \"exact\"\nat = { \"model.norm\" = \"pre\" }\n\
                 equals = 0.0\n";
    let three: String = [2, 4, 8].map(one).concat();
    let designs = plan(&format!("{three}{exact}")).designs();
    let verdict = designs.verdict.clone().unwrap();
    assert_eq!((verdict.criteria, verdict.taken_to_hold), (4, 1));
    let single = sign_flip_power(1.2, 1.0, 8, 0.05);
    for design in &designs.criteria[..3] {
        near(design.power, single);
    }
    near(Some(verdict.power), single.powi(3));
    let needed = verdict.seeds_needed.unwrap();
    assert!(
        sign_flip_power(1.2, 1.0, needed, 0.05).powi(3) > 0.75,
        "{needed}"
    );
    assert!(
        sign_flip_power(1.2, 1.0, needed - 2, 0.05).powi(3) < 0.8,
        "{needed}"
    );
    let text = plan(&format!("{three}{exact}")).overview().to_string();
    let line = format!(
        "  the verdict: power {} that all 4 confirmatory criteria hold, were they independent, 1 \
         without chance taken to hold; {needed} seeds give 0.8\n",
        verdict.power
    );
    assert!(text.contains(&line), "{text}");

    let silent = three.replacen("expect = { difference = 0.12, sd = 0.1 }\n", "", 1);
    assert_eq!(plan(&silent).designs().verdict, None, "one expects nothing");
    assert_eq!(plan(&one(2)).designs().verdict, None, "it is alone");
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

/// Seeds 1 to 8 against 3 to 10 are six pairs.
#[test]
fn a_paired_test_counts_the_seeds_that_its_arms_share() {
    let arm = |norm: &str, seeds: &str| {
        format!("[[arm]]\nwhere = {{ \"model.norm\" = \"{norm}\" }}\nseeds = {seeds}\n")
    };
    let head = HEAD.replace("seeds = 8\n[fixed]", "seeds = 10\n[fixed]");
    let (post, pre) = ("[1, 2, 3, 4, 5, 6, 7, 8]", "[3, 4, 5, 6, 7, 8, 9, 10]");
    let design = |test: &str, direction: &str| {
        let text = format!(
            "{head}{}{}[criterion]\ntest = \"{test}\"\n{PAIR}{direction}",
            arm("post", post),
            arm("pre", pre)
        );
        let card = Card::parse(&text, "card", Path::new("."));
        let plan = Plan::expand(&card.unwrap_or_else(|error| panic!("{error}")), &[]).unwrap();
        plan.designs().criteria.remove(0)
    };
    let paired = design("permutation", "direction = \"treatment_higher\"");
    assert_eq!(paired.seeds, 6);
    assert!(
        paired.limits.starts_with("smallest p 0.031;"),
        "{}",
        paired.limits
    );
    assert_eq!(design("mcnemar", "direction = \"treatment_more\"").seeds, 6);
    assert_eq!(design("tost", "").seeds, 6);
    assert_eq!(design("fisher", "direction = \"treatment_more\"").seeds, 8);
}

/// Beyond 30 pairs p is drawn and cannot be as small as 2^(1−n).
#[test]
fn a_level_that_drawn_assignments_cannot_reach_is_refused() {
    let head = HEAD.replace("seeds = 8\n[fixed]", "seeds = 40\n[fixed]");
    let card = |alpha: &str, test: &str, direction: &str| {
        let text = format!(
            "{head}[criterion]\ntest = \"{test}\"\nalpha = {alpha}\n{PAIR}direction = \"{direction}\"\n"
        );
        Card::parse(&text, "card", Path::new("."))
    };
    let error = card("1e-6", "permutation", "treatment_higher")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("40 pairs cannot reach p ≤ 0.000001: the smallest p is 1.0e-5"),
        "{error}"
    );
    assert!(error.contains("21 seeds can"), "{error}");
    assert!(
        card("1e-6", "mcnemar", "treatment_more").is_ok(),
        "counted, not drawn"
    );
    let plan = Plan::expand(
        &card("0.05", "permutation", "treatment_higher").unwrap(),
        &[],
    );
    let limits = plan.unwrap().designs().criteria.remove(0).limits;
    assert!(limits.starts_with("smallest p 1.0e-5;"), "{limits}");
}

/// More seeds than assignments are counted for: the t test stands in, and agrees with itself.
#[test]
fn power_of_many_seeds_is_found_without_drawing_assignments() {
    let head = HEAD.replace("seeds = 8\n[fixed]", "seeds = 40\n[fixed]");
    let text = format!(
        "{head}[criterion]\ntest = \"permutation\"\n{PAIR}direction = \"treatment_higher\"\n\
         expect = {{ difference = 0.05, sd = 0.1 }}\n"
    );
    let card = Card::parse(&text, "card", Path::new(".")).unwrap();
    let design = Plan::expand(&card, &[])
        .unwrap()
        .designs()
        .criteria
        .remove(0);
    near(design.power, mean_interval_power(0.5, 40, 0.95));
}

#[test]
fn a_slope_is_expected_where_its_interval_must_lie() {
    let along = "test = \"slope\"\nalong = \"model.layers\"\nat = { \"model.norm\" = \"post\" }\n";
    let with = |expect: &str| {
        let text = format!("{HEAD}[criterion]\n{along}contains = 0.5\nexpect = {{ {expect} }}\n");
        Card::parse(&text, "card", Path::new("."))
    };
    let error = with("difference = 0.3, sd = 0.01").unwrap_err().to_string();
    assert!(
        error.contains("a slope of 0.8 is not what the interval must contain, 0.5"),
        "{error}"
    );
    let said = design_of(&format!(
        "{along}contains = 0.5\nexpect = {{ sd = 0.01 }}\n"
    ));
    assert_eq!(
        said.expected.as_deref(),
        Some("a slope of 0.5, standard deviation 0.01 over seeds")
    );
    near(said.power, 0.95);
}

/// Four depths with 8, 8, 8 and 6 seeds on either side.
#[test]
fn pooled_arms_have_the_power_of_all_their_runs() {
    let pooled = |test: &str| {
        design_of(
            &(format!(
                "test = \"{test}\"\ntreatment = {{ \"model.norm\" = \"post\" }}\n\
             control = {{ \"model.norm\" = \"pre\" }}\npool = [\"model.layers\"]\n"
            ) + match test {
                "permutation" => {
                    "direction = \"treatment_higher\"\nexpect = { difference = 0.6, sd = 1.0 }\n"
                }
                _ => {
                    "event = [\"spiked\"]\ndirection = \"treatment_more\"\nexpect = { treatment = 0.8, control = 0.4 }\n"
                }
            }),
        )
    };
    let fisher = pooled("fisher");
    assert_eq!(fisher.seeds, 30);
    near(fisher.power, fisher_power(0.8, 0.4, 30));
    let needed = fisher.seeds_needed.unwrap();
    assert!((26..=30).contains(&needed), "{needed}");
    let paired = pooled("permutation");
    assert_eq!(paired.seeds, 30);
    near(paired.power, sign_flip_power(0.6, 1.0, 30, 0.05));
}

mod printed;
