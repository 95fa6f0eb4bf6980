//! Cards of several criteria: what the card claims, and what each criterion claims by itself.

use super::*;

/// Three comparisons of arms of their own, which nothing connects.
fn three(seeds: usize, expect: &str) -> Bench {
    let criteria: Vec<String> = [2, 4, 8]
        .iter()
        .map(|layers| {
            format!(
                "[[criterion]]\nname = \"at-{layers}\"\ntest = \"permutation\"\n\
                 treatment = {{ \"model.norm\" = \"post\", \"model.layers\" = {layers} }}\n\
                 control = {{ \"model.norm\" = \"deepnorm_glm\", \"model.layers\" = {layers} }}\n\
                 direction = \"treatment_higher\"\n{expect}\n"
            )
        })
        .collect();
    Bench::new(&[NORMS, DEPTHS], seeds, &criteria.join(""))
}

/// Effects at 2, 4 and 8 layers; differences of seeds have a standard deviation of 0.1.
fn effects(effects: [f64; 3]) -> impl Fn(&mut ChaCha8Rng, Run) -> End {
    move |generator, run| {
        let effect = effects[run.layers.log2() as usize - 1];
        let noise = 0.1 / 2f64.sqrt() * normal(generator);
        End::Loss(3.0 + noise + if run.treated { effect } else { 0.0 })
    }
}

/// The card claims that all hold. One that does not suffices to make that false, however clear the
/// others are, and no correction is needed to find it in too few sweeps.
#[test]
fn a_claim_of_all_is_rarely_found_when_one_is_false() {
    let bench = three(8, "");
    let verdicts = bench.verdicts(SWEEPS, effects([1.0, 1.0, 0.0]));
    let found = reproduced(&verdicts);
    at_most(found, SIZE);
    // Nor is it found more rarely than the test of the false one has it: no power is given away.
    at_least(found, 0.012);
    at_most(
        reproduced(&bench.verdicts(SWEEPS, effects([0.0; 3]))),
        0.005,
    );
}

/// A reader who picks out what held by itself goes by the p value after Holm.
#[test]
fn single_claims_after_holm_are_rarely_found_when_all_are_false() {
    let verdicts = three(8, "").verdicts(SWEEPS, effects([0.0; 3]));
    let any = |of: fn(&crate::verdict::Finding) -> Option<f64>| {
        share(&verdicts, |verdict| {
            let mut findings = verdict.findings.iter();
            findings.any(|finding| of(finding).is_some_and(|p| p <= 0.05))
        })
    };
    at_most(any(|finding| finding.p_adjusted), SIZE);
    at_least(any(|finding| finding.p_value), 0.09);
}

/// The power that the plan prints is the share of sweeps in which the verdict is found.
#[test]
fn the_plan_says_how_often_the_verdict_is_found() {
    let bench = three(8, "expect = { difference = 0.12, sd = 0.1 }");
    let designs = bench.sweep.plan().designs();
    let planned = designs.verdict.unwrap().power;
    let verdicts = bench.verdicts(SWEEPS, effects([0.12; 3]));
    let found = reproduced(&verdicts);
    assert!(
        (found - planned.share).abs() < planned.error + 0.03,
        "{found} {planned:?}"
    );
    let single = share(&verdicts, |verdict| {
        verdict.findings[0].status == VerdictStatus::Reproduced
    });
    let planned = designs.criteria[0].power.unwrap();
    assert!(
        (single - planned.share).abs() < planned.error + 0.03,
        "{single} {planned:?}"
    );
    // All three are found in about the third power of each.
    assert!(found < single - 0.2, "{found} {single}");
}
