//! What disks and hands do to a sweep directory: a verdict is never another one without a reason.
//!
//! `WORKBENCH_DAMAGE=1000 cargo test --release --test damage_sweep` does a thousand random trials.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use serde_json::Value;
use std::path::Path;
use support::damaged::{Dice, Tree, plant, tree, trials};
use support::studio::studio;
use support::{Scratch, stderr, stdout};

/// Trials where the environment asks for no other number.
const TRIALS: u64 = 24;

/// What `verdict` says of a sweep: its JSON, or its error.
fn verdict(scratch: &Scratch, sweep: &str) -> Result<Value, String> {
    let output = scratch.run(&["verdict", sweep, "--json"]);
    let error = stderr(&output);
    assert!(!error.contains("panicked"), "{error}");
    match output.status.code() {
        Some(0) => Ok(serde_json::from_str(&stdout(&output)).unwrap()),
        Some(2) => Err(error),
        other => panic!("exit code {other:?}: {error}"),
    }
}

/// Damages or removes one file; says which and how.
fn harm(tree: &mut Tree, dice: &mut Dice) -> String {
    let name = loop {
        let name = tree.keys().nth(dice.below(tree.len())).unwrap();
        // They are many, and no verdict asks for them.
        if !tree[name].is_empty() && (!is_checkpoint(name) || dice.below(16) == 0) {
            break name.clone();
        }
    };
    let how = if dice.below(4) == 0 {
        tree.remove(&name);
        "removed".to_owned()
    } else {
        dice.hurt(tree.get_mut(&name).unwrap())
    };
    format!("{}: {how}", name.display())
}

fn is_checkpoint(name: &Path) -> bool {
    name.iter().any(|part| part == "checkpoints")
}

/// A verdict that differs from the whole sweep's says of a run that it has no outcome, and so does the
/// status; without its registration a sweep has no verdict.
#[test]
fn a_damaged_sweep_is_not_decided_otherwise_in_silence() {
    let scratch = studio("damage-sweep");
    let whole = tree(&scratch.join("sweep"));
    let decided = verdict(&scratch, "sweep").unwrap();
    for trial in 0..trials(TRIALS) {
        let mut damaged = whole.clone();
        let what = harm(&mut damaged, &mut Dice(trial));
        plant(&damaged, &scratch.join("trial"));
        match verdict(&scratch, "trial") {
            Err(error) => {
                assert!(
                    what.starts_with("sweep.json"),
                    "trial {trial}, {what}: {error}"
                );
                assert!(error.contains("trial"), "trial {trial}, {what}: {error}");
            }
            Ok(found) if found["findings"] == decided["findings"] => {}
            Ok(found) => {
                let sentence = found["sentence"].as_str().unwrap();
                let said =
                    sentence.contains("has no outcome") || sentence.contains("is not finished");
                assert!(said, "trial {trial}, {what}: {sentence}");
            }
        }
        let status = scratch.run(&["sweep", "status", "trial"]);
        assert!(
            !stderr(&status).contains("panicked"),
            "trial {trial}, {what}"
        );
    }
}
