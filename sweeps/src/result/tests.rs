//! What is kept of a sweep, and that `preflight` finds what it reads.

use super::*;
use crate::testing::{CARD, finish, manifest_of, sweep};
use crate::{Plan, Sweep};
use logs::{Record, RunWriter, Status, Summary};
use serde_json::Value;
use tempfile::TempDir;

/// [`CARD`], all of whose Post-LN runs are stuck but the third seed's, which has not begun.
fn partial() -> (TempDir, Sweep, CardResult) {
    let (directory, sweep) = sweep();
    for run in sweep.runs() {
        let post = run.arm == "post";
        if !post || run.seed != 3 {
            let value = if post { 3.6 } else { 3.2 };
            finish(&sweep.run_dir(&run.id), value + 0.01 * run.seed as f64);
        }
    }
    let reader = SweepReader::new(sweep.clone());
    let result = CardResult::of(&reader, &reader.verdict().unwrap()).unwrap();
    (directory, sweep, result)
}

fn sweep_of(text: &str) -> (TempDir, Sweep) {
    let directory = tempfile::tempdir().unwrap();
    let card = Card::parse(text, "card", Path::new("."));
    let plan = Plan::expand(&card.unwrap_or_else(|error| panic!("{error}")), &[]).unwrap();
    let path = directory.path().join("sweep");
    let program = [
        "/home/someone/target/workbench".to_owned(),
        "sweep".to_owned(),
    ];
    let sweep = Sweep::create_or_open(&path, &plan, text, &program).unwrap();
    (directory, sweep)
}

#[test]
fn every_value_stands_at_its_seed_and_a_missing_one_is_null() {
    let (_directory, sweep, result) = partial();
    let card = &sweep.plan().card;
    assert_eq!(
        (result.card.as_str(), result.claim.as_str()),
        ("small", card.title.as_str())
    );
    assert_eq!(result.verdict, VerdictStatus::Inconclusive);
    let [post, glm] = result.arms.as_slice() else {
        panic!("two arms");
    };
    assert_eq!((post.runs, post.failed, glm.runs, glm.failed), (3, 3, 4, 0));
    assert_eq!(post.outcomes, BTreeMap::from([(Outcome::Stuck, 3)]));
    assert_eq!(post.seeds, [1, 2, 3, 4]);
    let [metric] = post.metrics.as_slice() else {
        panic!("one metric");
    };
    assert_eq!(metric.values, [Some(3.61), Some(3.62), None, Some(3.64)]);
    assert_eq!(metric.estimate.unwrap().n, 3);
    let json = serde_json::to_value(&result).unwrap();
    assert_eq!(json["arms"][0]["metrics"][0]["values"][2], Value::Null);
    assert_eq!((result.cost.runs, result.cost.core_seconds), (7, 28.0));
    assert_eq!(
        result.provenance.languages,
        BTreeSet::from(["en".to_owned()])
    );
}

/// An arm may list its seeds in another order than the card, in which the plan runs them.
#[test]
fn values_follow_the_order_of_the_arms_own_seeds() {
    let rule =
        "[[arm]]\nwhere = { \"model.norm\" = \"deepnorm_glm\" }\nseeds = [4, 2, 3, 1]\n[criterion]";
    let (_directory, sweep) = sweep_of(&CARD.replace("[criterion]", rule));
    for run in sweep.runs() {
        finish(&sweep.run_dir(&run.id), 3.0 + 0.01 * run.seed as f64);
    }
    let reader = SweepReader::new(sweep.clone());
    let result = CardResult::of(&reader, &reader.verdict().unwrap()).unwrap();
    assert_eq!(result.arms[1].seeds, [4, 2, 3, 1]);
    assert_eq!(
        result.arms[1].metrics[0].values,
        [3.04, 3.02, 3.03, 3.01].map(Some)
    );
}

/// Preflight reads `failed` as runs that did not train, which a run that spiked and recovered did.
#[test]
fn a_spike_is_no_failure_to_train() {
    let counts_spikes = "[criterion]\nevent = [\"spiked\"]";
    let (_directory, sweep) = sweep_of(&CARD.replace("[criterion]", counts_spikes));
    for run in sweep.runs() {
        let held_out = if run.arm == "post" { 3.6 } else { 3.2 };
        finish(&sweep.run_dir(&run.id), held_out);
    }
    let reader = SweepReader::new(sweep.clone());
    let result = CardResult::of(&reader, &reader.verdict().unwrap()).unwrap();
    let counts = result.arms.iter().map(|arm| (arm.runs, arm.failed));
    assert_eq!(
        counts.collect::<Vec<_>>(),
        [(4, 4), (4, 0)],
        "stuck, and trained"
    );
    let spiked = result.arms.iter().map(|arm| arm.spiked.unwrap());
    let spiked: Vec<(u64, u64)> = spiked.map(|of| (of.events, of.n)).collect();
    assert_eq!(spiked, [(0, 4), (0, 4)]);
}

#[test]
fn a_result_survives_its_file() {
    let (directory, _sweep, result) = partial();
    let folder = directory.path().join("results");
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("small.json");
    logs::write_json_atomic(&path, &result).unwrap();
    std::fs::write(folder.join("small.svg"), "<svg/>").unwrap();
    assert_eq!(CardResult::load(&path).unwrap(), result);
    assert_eq!(CardResult::load_all(&folder).unwrap(), [result]);
    std::fs::write(&path, "{}").unwrap();
    let message = CardResult::load_all(&folder).unwrap_err().to_string();
    assert!(message.contains("small.json` is damaged"), "{message}");
}

#[test]
fn a_result_is_of_its_card_until_that_says_something_else() {
    let (_directory, sweep, result) = partial();
    let parse = |text: &str| Card::parse(text, "card", Path::new(".")).unwrap();
    assert!(result.is_of(&sweep.plan().card));
    assert!(result.is_of(&parse(&format!("# a comment\n{CARD}"))));
    assert!(!result.is_of(&parse(&CARD.replace("is found.", "is not found."))));
    let budget = format!("{CARD}[budget.cpu]\nseeds = 4\n");
    assert!(result.is_of(&parse(&budget)), "the whole table is the same");
    let at = Card::parse_at(&budget, "card", Path::new("."), Some("cpu")).unwrap();
    assert!(!result.is_of(&at), "a budget is another card");
}

#[test]
fn the_command_loses_the_path_of_the_program_and_overrides_their_paths() {
    let (_directory, sweep) = sweep_of(CARD);
    let reader = SweepReader::new(sweep.clone());
    let result = CardResult::of(&reader, &reader.verdict().unwrap()).unwrap();
    assert_eq!(result.provenance.command, ["workbench", "sweep"]);
    let given = Settings::from([
        ("data.sources".to_owned(), "/home/someone/text".into()),
        ("eval.batches".to_owned(), 2.into()),
    ]);
    assert_eq!(
        shown(given.iter()).into_keys().collect::<Vec<_>>(),
        ["eval.batches"]
    );
}

#[test]
fn the_figure_shows_the_arms_that_it_names() {
    let (_directory, _sweep, mut result) = partial();
    assert_eq!(result.shown_arms().len(), 2, "all without a choice");
    result.figure = Some(FigureChoice {
        at: Settings::from([("model.norm".to_owned(), "post".into())]),
        along: None,
    });
    let shown: Vec<&str> = result
        .shown_arms()
        .iter()
        .map(|arm| arm.arm.as_str())
        .collect();
    assert_eq!(shown, ["post"]);
}

/// A probe that has not failed says nothing about stability, so `preflight` must not count it.
#[test]
fn probes_count_no_runs() {
    let text = CARD
        .replace("steps = 40", "steps = 1\n\"probe.kind\" = \"update_law\"")
        .replace("[criterion]", "[metric]\nname = \"logit_update_rms\"\n[criterion]\ntest = \"permutation\"\nrole = \"confirmatory\"\nalpha = 0.2")
        .replace("treatment_more", "treatment_higher");
    let (_directory, sweep) = sweep_of(&text);
    for run in sweep.runs() {
        let mut writer = RunWriter::open(&sweep.run_dir(&run.id)).unwrap();
        manifest_of(&sweep.run_dir(&run.id))
            .save(&sweep.run_dir(&run.id))
            .unwrap();
        let mut record = Record::new(1);
        record.set_named("loss", 5.6);
        let base = if run.arm == "post" { 0.2 } else { 0.1 };
        record.set_named("logit_update_rms", base + 0.001 * run.seed as f64);
        writer.step(&record).unwrap();
        let attempt = writer.attempt();
        let summary = Summary::new(Status::Finished, 1, attempt, 2.0);
        writer.finish(&summary).unwrap();
    }
    let reader = SweepReader::new(sweep.clone());
    let result = CardResult::of(&reader, &reader.verdict().unwrap()).unwrap();
    assert_eq!(
        result.verdict,
        VerdictStatus::Reproduced,
        "{}",
        result.sentence
    );
    for arm in &result.arms {
        assert_eq!((arm.runs, arm.failed), (0, 0));
        assert!(arm.outcomes.is_empty(), "{:?}", arm.outcomes);
        assert_eq!(
            arm.metrics[0].estimate.unwrap().n,
            4,
            "but its values are kept"
        );
    }
    assert_eq!(result.cost.runs, 4 + 4, "and what it cost");
}

/// What `experiments-plan` reads of a result, in its words: its crate knows no sweeps.
#[test]
fn preflight_finds_what_it_reads() {
    let (_directory, sweep, _) = partial();
    let missing = sweep
        .runs()
        .iter()
        .find(|run| run.arm == "post" && run.seed == 3)
        .unwrap();
    finish(&sweep.run_dir(&missing.id), 3.63);
    let reader = SweepReader::new(sweep.clone());
    let result = CardResult::of(&reader, &reader.verdict().unwrap()).unwrap();
    let json = serde_json::to_value(&result).unwrap();
    let committed = include_str!("../../../experiments/results/quickstart.json");
    let committed: Value = serde_json::from_str(committed).unwrap();
    for key in ["card", "claim", "verdict", "fixed", "arms"] {
        assert!(
            committed.get(key).is_some(),
            "`{key}` is in a committed result"
        );
        let ours = json
            .get(key)
            .unwrap_or_else(|| panic!("`{key}` is missing"));
        assert_eq!(ours.is_string(), committed[key].is_string(), "{key}");
    }
    assert_eq!(json["verdict"], "reproduced");
    assert_eq!(json["fixed"]["steps"], 40, "dotted keys, plain values");
    let post = serde_json::json!({"where": {"model.norm": "post"}, "runs": 4, "failed": 4});
    for key in ["where", "runs", "failed"] {
        assert!(
            committed["arms"][0].get(key).is_some(),
            "`{key}` is in a committed result"
        );
        assert_eq!(json["arms"][0][key], post[key]);
    }
}
