//! Comparisons that the control left no room for were not made.

use super::made::{Run, counted, fine, says, verdict_at, verdict_of};
use crate::Outcome;
use crate::criterion::Open;
use crate::verdict::VerdictStatus::{Inconclusive, NotReproduced, Reproduced};

/// The first `post` and `glm` seeds of each arm are stuck.
fn stuck(post: u64, glm: u64) -> impl Fn(&str, i64, u64) -> Run {
    move |norm, _, seed| {
        let failed = seed <= if norm == "post" { post } else { glm };
        if failed {
            Some((Outcome::Stuck, vec![3.6]))
        } else {
            fine(3.2)
        }
    }
}

#[test]
fn a_control_that_failed_as_well_decides_nothing() {
    for test in ["fisher", "mcnemar"] {
        let card = counted(test, "treatment_more");
        let verdict = verdict_of(&card, stuck(8, 8));
        assert_eq!(verdict.status, Inconclusive);
        assert_eq!(verdict.findings[0].open, Some(Open::ControlFailed));
        says(
            &verdict.sentence,
            "Inconclusive: the control failed as well: stuck, diverged or nonfinite in 8 of 8 runs",
        );
        // Four of the control's runs leave room for 8 against 4 at most: p = 0.077 and 0.125.
        assert_eq!(verdict_of(&card, stuck(6, 4)).status, Inconclusive);
        assert_eq!(verdict_of(&card, stuck(8, 0)).status, Reproduced);
        assert_eq!(verdict_of(&card, stuck(1, 0)).status, NotReproduced);
        // One of the control's leaves room, so too little was found.
        assert_eq!(verdict_of(&card, stuck(3, 1)).status, NotReproduced);
        // Against the claim it speaks all the same.
        assert_eq!(verdict_of(&card, stuck(0, 8)).status, NotReproduced);
    }
}

#[test]
fn a_treatment_that_could_not_fail_less_decides_nothing() {
    for test in ["fisher", "mcnemar"] {
        let card = counted(test, "treatment_less");
        let verdict = verdict_of(&card, stuck(0, 0));
        assert_eq!(verdict.status, Inconclusive);
        assert_eq!(verdict.findings[0].open, Some(Open::ControlDidNotFail));
        says(&verdict.sentence, "the treatment could not fail less");
        assert_eq!(verdict_of(&card, stuck(0, 8)).status, Reproduced);
        assert_eq!(verdict_of(&card, stuck(8, 8)).status, NotReproduced);
    }
}

/// Whatever the treatment's runs will show: the control is known, and it failed.
#[test]
fn a_failed_control_is_said_before_the_treatment_has_run() {
    let card = counted("fisher", "treatment_more");
    let verdict = verdict_of(&card, |norm, layers, seed| {
        stuck(8, 8)(norm, layers, seed).filter(|_| norm != "post" || seed < 8)
    });
    // The last run could still be good, which would speak against the claim.
    assert_eq!(verdict.status, Inconclusive);
    assert_eq!(verdict.findings[0].open, None);
}

#[test]
fn an_untested_criterion_leaves_a_card_of_several_open() {
    let first = counted("fisher", "treatment_more").replace("[criterion]", "[[criterion]]");
    let second = first.replace("\"model.layers\" = 4", "\"model.layers\" = 2");
    let card = format!("{first}{second}");
    let verdict = verdict_of(&card, |norm, layers, seed| match layers {
        2 => stuck(8, 8)(norm, layers, seed),
        _ => stuck(8, 0)(norm, layers, seed),
    });
    assert_eq!(verdict.status, Inconclusive);
    assert_eq!(
        verdict.sentence,
        "Inconclusive: 1 of 2 criteria holds, 1 is open (`criterion-2`: the control failed as well)."
    );
    // One that was tested and does not hold decides beside it.
    let verdict = verdict_of(&card, |norm, layers, seed| match layers {
        2 => stuck(8, 8)(norm, layers, seed),
        _ => stuck(1, 0)(norm, layers, seed),
    });
    assert_eq!(verdict.status, NotReproduced);
}

#[test]
fn a_smoke_run_of_failures_still_only_shows_that_the_card_works() {
    let card = format!(
        "{}[budget.smoke]\nseeds = 1\n",
        counted("fisher", "treatment_more")
    );
    let verdict = verdict_at(&card, Some("smoke"), stuck(8, 8));
    says(&verdict.sentence, "a smoke run shows that the card works");
}

/// Where failed runs rank as worst, a control that failed cannot be exceeded.
#[test]
fn a_metric_without_values_in_the_control_decides_nothing() {
    let card = counted("permutation", "treatment_higher");
    let lost = |post: u64, glm: u64| {
        move |norm: &str, _: i64, seed: u64| {
            if seed <= if norm == "post" { post } else { glm } {
                Some((Outcome::Nonfinite, vec![f64::NAN]))
            } else {
                fine(3.0 + 0.01 * seed as f64)
            }
        }
    };
    let verdict = verdict_of(&card, lost(8, 8));
    assert_eq!(verdict.status, Inconclusive);
    assert_eq!(verdict.findings[0].open, Some(Open::ControlFailed));
    // Three pairs are blocked; the other five cannot reach 0.05.
    assert_eq!(verdict_of(&card, lost(3, 3)).status, Inconclusive);
    assert_eq!(verdict_of(&card, lost(2, 2)).status, NotReproduced);
    assert_eq!(verdict_of(&card, lost(0, 8)).status, NotReproduced);
    // A margin leaves seeds that failed in both arms below it, which is no sign against the claim.
    let card = format!("{card}margin = 0.5\n");
    for failed in [5, 8] {
        let verdict = verdict_of(&card, lost(failed, failed));
        assert_eq!(verdict.status, Inconclusive, "{failed}");
        assert_eq!(verdict.findings[0].open, Some(Open::ControlFailed));
    }
    assert_eq!(verdict_of(&card, lost(2, 2)).status, NotReproduced);
    assert_eq!(verdict_of(&card, lost(0, 8)).status, NotReproduced);
    assert_eq!(verdict_of(&card, lost(8, 0)).status, Reproduced);
    let trend = "[criterion]\ntest = \"jonckheere\"\nalong = \"model.layers\"\n\
                 at = { \"model.norm\" = \"post\" }\ndirection = \"increasing\"\n";
    let verdict = verdict_of(trend, lost(8, 8));
    assert_eq!(verdict.status, Inconclusive);
    says(&verdict.sentence, "Inconclusive: every run failed: ");
}

/// Two arms that both stay at the level of token frequencies are equivalent in nothing.
#[test]
fn the_losses_of_two_failures_are_not_equivalent() {
    let card = counted("tost", "x").replace("direction = \"x\"\n", "");
    let verdict = verdict_of(&card, stuck(8, 8));
    assert_eq!(verdict.status, Inconclusive);
    says(
        &verdict.sentence,
        "Inconclusive: the control failed as well",
    );
    assert_eq!(verdict_of(&card, stuck(0, 0)).status, Reproduced);
    for loss in [
        "name = \"loss\"",
        "name = \"held_out_loss\", reduce = \"mean\"",
        "name = \"held_out_loss\", reduce = \"min\"",
        "name = \"last_word_loss\", from_step = 10",
    ] {
        let other = format!("{card}metric = {{ {loss} }}\n");
        let both = |run: Run| run.map(|(outcome, values)| (outcome, vec![values[0]; 2]));
        let verdict = verdict_of(&other, |n, l, s| both(stuck(8, 8)(n, l, s)));
        assert_eq!(
            verdict.findings[0].open,
            Some(Open::ControlFailed),
            "{loss}"
        );
        let verdict = verdict_of(&other, |n, l, s| both(stuck(0, 0)(n, l, s)));
        assert_eq!(verdict.status, Reproduced, "{loss}");
    }
    let share = format!("{card}metric = {{ name = \"embedding_share\" }}\n");
    let same = |norm: &str, layers: i64, seed: u64| {
        stuck(8, 8)(norm, layers, seed).map(|(outcome, values)| (outcome, vec![values[0]; 2]))
    };
    assert_eq!(
        verdict_of(&share, same).status,
        Reproduced,
        "what is not the loss can be compared in runs too short to train"
    );
}
