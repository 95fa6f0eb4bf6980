//! Expansion of cards.

use super::*;
use std::collections::BTreeSet;
use std::path::Path;

fn card() -> Card {
    let text = include_str!("../../../experiments/cards/quickstart.toml");
    Card::parse(text, "card", Path::new(".")).unwrap()
}

fn set(argument: &str) -> Override {
    argument.parse().unwrap()
}

#[test]
fn runs_alternate_between_arms_and_have_their_own_ids() {
    let plan = Plan::expand(&card(), &[]).unwrap();
    let order: Vec<(u64, &str)> = plan
        .runs
        .iter()
        .map(|run| (run.seed, run.arm.as_str()))
        .take(4)
        .collect();
    assert_eq!(
        order,
        [(1, "post"), (1, "deepnorm_glm"), (1, "pre"), (2, "post")]
    );
    let ids: BTreeSet<&String> = plan.runs.iter().map(|run| &run.id).collect();
    assert_eq!((plan.runs.len(), ids.len()), (14, 14));
    assert!(plan.runs[0].id.starts_with("quickstart-post-"));
    assert!(plan.runs[0].id.ends_with("-s1"));
}

#[test]
fn adding_an_arm_keeps_the_ids_of_the_others() {
    let plan = Plan::expand(&card(), &[]).unwrap();
    let mut wider = card();
    let axis = wider.axes.get_mut("model.norm").unwrap();
    axis.insert(0, "sandwich".into());
    let wider = Plan::expand(&wider, &[]).unwrap();
    let ids: BTreeSet<&String> = wider.runs.iter().map(|run| &run.id).collect();
    assert!(plan.runs.iter().all(|run| ids.contains(&run.id)));
}

#[test]
fn a_run_resolves_to_what_its_id_says() {
    let plan = Plan::expand(&card(), &[set("eval.batches=4")]).unwrap();
    for run in &plan.runs {
        let config = plan.config(run).unwrap();
        assert_eq!(config.hash(), run.config_hash);
        assert_eq!(
            (config.seed, config.model.norm.name()),
            (run.seed, run.arm.as_str())
        );
        assert_eq!(config.eval.batches, 4);
    }
}

#[test]
fn totals_are_sums_over_runs() {
    let plan = Plan::expand(&card(), &[]).unwrap();
    assert_eq!(plan.steps(), 14 * 150);
    assert_eq!(plan.tokens(), 14 * 150 * 256);
    let one = plan.config(&plan.runs[0]).unwrap().disk_bytes();
    assert!(plan.disk_bytes() >= 13 * one);
}

#[test]
fn the_overview_says_runs_tokens_and_disk() {
    let mut plan = Plan::expand(&card(), &[]).unwrap();
    plan.missing_languages = vec!["zh".to_owned()];
    let overview = plan.overview();
    let text = overview.to_string();
    assert!(
        text.contains("14 runs, 2100 steps, 537.6 k tokens, needs "),
        "{text}"
    );
    assert!(
        text.contains("deepnorm_glm  confirmatory     6    150"),
        "{text}"
    );
    assert!(text.contains("no text in: zh"), "{text}");
    let json = serde_json::to_value(&overview).unwrap();
    assert_eq!(json["runs"].as_array().unwrap().len(), 14);
    assert_eq!(json["arms"][2]["role"], "descriptive");
}

#[test]
fn overrides_may_not_touch_what_the_card_decides() {
    let refused = |argument| {
        Plan::expand(&card(), &[set(argument)])
            .unwrap_err()
            .to_string()
    };
    assert!(refused("model.norm=pre").contains("is an axis of the card"));
    assert!(refused("seed=4").contains("`seeds`"));
    assert!(refused("optimizer.lrr=1").contains("did you mean `optimizer.lr`?"));
    assert!(refused("steps=0").contains("must be at least 1"));
}

/// Arms that begin with weights of the user's own are told apart by what the files hold.
#[test]
fn an_axis_over_files_of_weights_counts_by_their_content() {
    let text = include_str!("../../../experiments/cards/quickstart.toml");
    let text = text.replace(
        "\"model.norm\" = [\"post\", \"deepnorm_glm\", \"pre\"]",
        "\"model.norm\" = [\"post\", \"deepnorm_glm\", \"pre\"]\n\"model.init.weights\" = [\"a.safetensors\"]",
    );
    let plan = |folder: &str, hash: &str| {
        let card = Card::parse(&text, "card", Path::new(folder)).unwrap();
        let weights = Weights::from([(Path::new(folder).join("a.safetensors"), hash.to_owned())]);
        Plan::expand_with(&card, &[], weights).unwrap()
    };
    let ids = |plan: &Plan| {
        plan.runs
            .iter()
            .map(|run| run.id.clone())
            .collect::<Vec<_>>()
    };
    let here = plan("/here", "00");
    let config = here.config(&here.runs[0]).unwrap();
    assert_eq!(config.model.init.weights_blake3.as_deref(), Some("00"));
    assert_eq!(config.hash(), here.runs[0].config_hash);
    assert_eq!(ids(&here), ids(&plan("/there", "00")), "moved");
    assert_ne!(ids(&here), ids(&plan("/here", "11")), "changed");
}

#[test]
fn what_is_set_must_leave_the_metric_recorded() {
    let text = include_str!("../../../experiments/cards/a2-bidirectional.toml");
    let card = Card::parse(text, "card", Path::new("../experiments/cards")).unwrap();
    let error = Plan::expand(&card, &[set("eval.last_word=0")]).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("`--set` does not fit the card"), "{said}");
    assert!(
        said.contains("only with `eval.last_word` above 0"),
        "{said}"
    );
    Plan::expand(&card, &[set("eval.last_word=9")]).unwrap();
}

/// What the monitor sets a run against.
#[test]
fn the_control_of_a_run_is_that_of_its_criterion_and_its_seed() {
    let plan = Plan::expand(&card(), &[]).unwrap();
    let at = |run: usize| (plan.runs[run].arm.as_str(), plan.runs[run].seed);
    assert_eq!((at(0), at(3)), (("post", 1), ("post", 2)));
    for run in [0, 3] {
        let control = plan.control_of(run).unwrap();
        assert_eq!(at(control), ("deepnorm_glm", at(run).1));
        assert_eq!(plan.control_of(control), None, "it is no treatment");
    }
    assert_eq!(plan.control_of(plan.runs.len()), None);
}
