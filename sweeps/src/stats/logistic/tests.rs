use super::*;
use proptest::prelude::*;

/// `failures[i]` of `n` seeds fail at `doses[i]`, the first ones.
fn table(doses: &[f64], failures: &[u64], n: u64) -> Vec<Trial> {
    doses
        .iter()
        .zip(failures)
        .flat_map(|(dose, failures)| {
            (0..n).map(move |seed| Trial {
                seed,
                dose: *dose,
                failed: seed < *failures,
            })
        })
        .collect()
}

const RATES: [f64; 4] = [3e-4, 1e-3, 3e-3, 1e-2];

/// Maximum of `Σ k·η − n·log1p(exp(η)) + ½·log det XᵀWX` over both coefficients by
/// `scipy.optimize.minimize(method='Nelder-Mead', options=dict(xatol=1e-12, fatol=1e-15))` from
/// three starts, `2**(-intercept / slope)`, scipy 1.17.1.
#[test]
fn agrees_with_a_general_maximiser() {
    let even = [1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2];
    for (trials, golden) in [
        (table(&RATES, &[0, 1, 4, 5], 5), 0.001_732_050_79),
        (table(&even, &[0, 0, 2, 3, 3], 3), 0.003_564_560_90),
        (table(&[1.0, 2.0, 4.0, 8.0], &[0, 0, 2, 4], 4), 3.976_573_72),
        (table(&[1.0, 4.0], &[1, 3], 4), 2.0),
    ] {
        let Ld50::At(found) = ld50(&trials) else {
            panic!("{:?}", ld50(&trials));
        };
        assert!((found / golden - 1.0).abs() < 1e-7, "{found} {golden}");
    }
}

/// The runs say between which doses half of them fail and nothing more; the middle of the grid is no
/// estimate.
#[test]
fn separated_data_give_the_two_doses_between_which_they_change() {
    let between = |low, high| Ld50::Between(Interval { low, high });
    assert_eq!(ld50(&table(&RATES, &[0, 0, 5, 5], 5)), between(1e-3, 3e-3));
    assert_eq!(ld50(&table(&RATES, &[0, 5, 5, 5], 5)), between(3e-4, 1e-3));
    assert_eq!(ld50(&table(&RATES, &[0, 0, 0, 1], 1)), between(3e-3, 1e-2));
    let gap = [table(&[1.0], &[0], 4), table(&[9.0], &[4], 4)].concat();
    assert_eq!(ld50(&gap), between(1.0, 9.0));
    // Not separated: a failure below a run that did not fail.
    assert!(matches!(
        ld50(&table(&RATES, &[0, 4, 5, 5], 5)),
        Ld50::At(_)
    ));
    assert!(matches!(
        ld50(&table(&RATES, &[1, 0, 5, 5], 5)),
        Ld50::At(_)
    ));
}

#[test]
fn the_ratio_of_separated_arms_is_known_to_the_grid() {
    let (low, high) = (
        table(&RATES, &[0, 5, 5, 5], 5),
        table(&RATES, &[0, 0, 5, 5], 5),
    );
    let found = ld50_ratio(&high, &low, 0.95, 1).unwrap();
    assert!((found.ends.low - 1.0).abs() < 1e-12, "{found:?}");
    assert!((found.ends.high - 10.0).abs() < 1e-12);
    let interval = found.interval.unwrap();
    assert!((interval.low - 1.0).abs() < 1e-12 && (interval.high - 10.0).abs() < 1e-9);
    assert!((found.middle() - 10_f64.sqrt()).abs() < 1e-9);
    let same = ld50_ratio(&low, &low, 0.95, 1).unwrap();
    assert!(same.ends.low < 1.0 && same.ends.high > 1.0);
}

/// Seeds that fail from a dose on: 2 under the control and 8 or 2 under the treatment.
#[test]
fn failures_are_counted_within_seeds_over_common_doses() {
    let doses = [1.0, 2.0, 4.0, 8.0];
    let control = table(&doses, &[0, 4, 4, 4], 4);
    let treatment = table(&doses, &[0, 2, 2, 4], 4);
    assert_eq!(
        failure_differences(&treatment, &control),
        [0.0, 0.0, 2.0, 2.0]
    );
    assert_eq!(
        failure_differences(&control, &treatment),
        [0.0, 0.0, -2.0, -2.0]
    );
    let fewer = table(&doses[..2], &[0, 2], 4);
    assert_eq!(failure_differences(&fewer, &control), [0.0, 0.0, 1.0, 1.0]);
    assert_eq!(failure_differences(&fewer[..3], &control), [0.0; 3]);
    assert!(failure_differences(&[], &control).is_empty());
}

#[test]
fn one_sided_data_give_bounds() {
    assert_eq!(ld50(&table(&RATES, &[0; 4], 5)), Ld50::AboveAll(1e-2));
    assert_eq!(ld50(&table(&RATES, &[5; 4], 5)), Ld50::BelowAll(3e-4));
    assert_eq!(ld50(&table(&RATES, &[0, 0, 0, 1], 5)), Ld50::AboveAll(1e-2));
    assert_eq!(ld50(&table(&RATES, &[4, 5, 5, 5], 5)), Ld50::BelowAll(3e-4));
    assert_eq!(ld50(&table(&RATES[..1], &[0], 5)), Ld50::AboveAll(3e-4));
}

#[test]
fn flat_falling_and_unusable_data_have_no_trend() {
    assert_eq!(ld50(&[]), Ld50::NoTrend);
    assert_eq!(ld50(&table(&RATES, &[2, 2, 2, 2], 4)), Ld50::NoTrend);
    assert_eq!(ld50(&table(&RATES, &[4, 2, 2, 0], 4)), Ld50::NoTrend);
    assert_eq!(ld50(&table(&RATES[..1], &[2], 4)), Ld50::NoTrend);
    for dose in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(ld50(&table(&[1.0, dose], &[0, 2], 2)), Ld50::NoTrend);
    }
}

#[test]
fn a_clear_shift_of_the_cliff_excludes_one() {
    let doses = [1.0, 2.0, 4.0, 8.0, 16.0];
    let control = table(&doses, &[0, 1, 5, 6, 6], 6);
    let treatment = table(&doses, &[0, 0, 0, 2, 6], 6);
    let found = ld50_ratio(&treatment, &control, 0.95, 1).unwrap();
    let (ratio, interval) = (found.middle(), found.interval.unwrap());
    assert!(ratio > 2.5 && ratio < 4.5, "{found:?}");
    assert!(interval.low > 1.0 && interval.low <= ratio);
    assert!(interval.high >= ratio);
    assert_eq!(Some(found), ld50_ratio(&treatment, &control, 0.95, 1));
}

/// `scipy.stats.norm.cdf(-sqrt(n / (n - 1)) * scipy.stats.t.ppf(0.975, n - 1))`, scipy 1.17.1.
#[test]
fn expanded_tails_agree_with_scipy() {
    for (n, golden) in [
        (5, 9.541_005_518_8e-4),
        (8, 0.005_737_520_517),
        (20, 0.015_880_829_920),
    ] {
        assert!((expanded_tail(n, 0.95) - golden).abs() < 1e-9);
    }
}

/// Seeds that fail in both arms move both LD50s together.
#[test]
fn pairing_cancels_what_seeds_do_to_both_arms() {
    let control = table(&[1.0, 2.0, 4.0, 8.0], &[0, 2, 5, 8], 8);
    let doubled: Vec<Trial> = control
        .iter()
        .map(|trial| Trial {
            dose: 2.0 * trial.dose,
            ..*trial
        })
        .collect();
    let found = ld50_ratio(&doubled, &control, 0.95, 1).unwrap();
    let interval = found.interval.unwrap();
    assert!((found.middle() - 2.0).abs() < 1e-6);
    assert!(interval.high - interval.low < 1e-6, "{interval:?}");
}

#[test]
fn a_censored_arm_gives_a_bound_and_two_give_nothing() {
    let cliff = table(&RATES, &[0, 2, 5, 5], 5);
    let safe = table(&RATES, &[0; 4], 5);
    let found = ld50_ratio(&safe, &cliff, 0.95, 1).unwrap();
    assert_eq!(found.treatment, Ld50::AboveAll(1e-2));
    assert!(matches!(found.known(), Known::Above(bound) if bound > 1.0 && bound == found.middle()));
    assert_eq!(found.interval, None, "an end to one side only");
    let turned = ld50_ratio(&cliff, &safe, 0.95, 1).unwrap();
    assert!(matches!(turned.known(), Known::Below(bound) if bound < 1.0));
    assert_eq!(ld50_ratio(&safe, &safe, 0.95, 1), None);
    assert_eq!(
        ld50_ratio(&cliff, &table(&RATES, &[2; 4], 5), 0.95, 1),
        None
    );
    let lone = table(&RATES, &[0, 0, 1, 1], 1);
    let found = ld50_ratio(&lone, &lone, 0.95, 1).unwrap();
    assert_eq!(found.interval, None, "one seed has no spread");
    assert_eq!(ld50_ratio(&[], &cliff, 0.95, 1), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn prop_unit_does_not_matter_and_failures_mirror(
        failures in prop::collection::vec(0_u64..=6, 2..7),
    ) {
        let doses: Vec<f64> = (0..failures.len() as i32).map(|i| 2.0_f64.powi(i)).collect();
        let here = ld50(&table(&doses, &failures, 6));
        let scaled: Vec<f64> = doses.iter().map(|dose| dose * 1e-3).collect();
        let scaled = ld50(&table(&scaled, &failures, 6));
        let inverse: Vec<f64> = doses.iter().map(|dose| 1.0 / dose).collect();
        let rest: Vec<u64> = failures.iter().map(|k| 6 - k).collect();
        let mirrored = ld50(&table(&inverse, &rest, 6));
        match here.ends() {
            None => prop_assert_eq!((scaled, mirrored), (Ld50::NoTrend, Ld50::NoTrend)),
            Some(here) => {
                let (scaled, mirrored) = (scaled.ends().unwrap(), mirrored.ends().unwrap());
                prop_assert!((scaled.low / here.low / 1e-3 - 1.0).abs() < 1e-6);
                prop_assert!((scaled.high / here.high / 1e-3 - 1.0).abs() < 1e-6);
                prop_assert!((mirrored.low * here.high - 1.0).abs() < 1e-6);
                prop_assert!((mirrored.high * here.low - 1.0).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn prop_more_failures_do_not_raise_the_dose(
        cliff in prop::collection::vec(0_usize..=4, 5),
    ) {
        // Each seed fails from a dose on, which is where sweeps of learning rates come from.
        let doses = [1.0, 2.0, 4.0, 8.0];
        let trials = |earlier: usize| -> Vec<Trial> {
            (0..).zip(&cliff).flat_map(|(seed, cliff)| {
                (0..4).map(move |i| Trial {
                    seed,
                    dose: doses[i],
                    failed: i + earlier >= *cliff,
                })
            }).collect()
        };
        if let (Some(a), Some(b)) = (ld50(&trials(0)).ends(), ld50(&trials(1)).ends()) {
            prop_assert!(b.low <= a.high * (1.0 + 1e-6));
        }
    }
}

#[test]
fn doses_are_in_order_where_all_that_is_known_of_them_is() {
    use Ld50::{AboveAll, At, BelowAll, NoTrend};
    let between = |low, high| Ld50::Between(Interval { low, high });
    for (high, low) in [
        (At(3.0), At(2.0)),
        (between(4.0, 8.0), between(2.0, 4.0)),
        (AboveAll(8.0), At(8.0)),
        (AboveAll(8.0), between(4.0, 8.0)),
        (AboveAll(8.0), BelowAll(2.0)),
        (At(2.0), BelowAll(2.0)),
        (At(2.0), between(1.0, 2.0)),
    ] {
        assert!(high.lies_above(low), "{high:?} {low:?}");
        assert!(!low.lies_above(high), "{high:?} {low:?}");
    }
    for (one, other) in [
        (At(2.0), At(2.0)),
        (At(3.0), between(2.0, 4.0)),
        (between(2.0, 8.0), between(4.0, 16.0)),
        (AboveAll(8.0), AboveAll(8.0)),
        (BelowAll(2.0), BelowAll(4.0)),
        (AboveAll(8.0), At(16.0)),
        (NoTrend, At(2.0)),
        (AboveAll(8.0), NoTrend),
        (NoTrend, NoTrend),
    ] {
        assert!(
            !one.lies_above(other) && !other.lies_above(one),
            "{one:?} {other:?}"
        );
    }
}

/// Simulated arms of five seeds whose runs fail with logistic chance about a known dose: the interval holds
/// it as often as it promises, or nearly so, and never lies outside the doses tried.
#[test]
fn the_interval_of_one_ld50_holds_the_truth() {
    use rand::{RngExt, SeedableRng};
    let doses: Vec<f64> = (0..7).map(|i| 2_f64.powi(i)).collect();
    let mut generator = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let (mut held, mut known) = (0, 0);
    for _ in 0..200 {
        let mut trials = Vec::new();
        for seed in 0..5 {
            for dose in &doses {
                let chance = 1.0 / (1.0 + (-1.5 * (dose.log2() - 3.2)).exp());
                let failed = generator.random::<f64>() < chance;
                trials.push(Trial {
                    seed,
                    dose: *dose,
                    failed,
                });
            }
        }
        if let Some(interval) = dose_curve(&trials, 0.95, 1).and_then(|curve| curve.interval) {
            known += 1;
            held += u32::from(interval.holds(3.2_f64.exp2()));
            assert!(interval.low >= 1.0 - 1e-9 && interval.high <= 64.0 + 1e-9);
        }
    }
    assert!(known >= 195, "{known}");
    assert!(
        f64::from(held) >= 0.9 * f64::from(known),
        "{held} of {known}"
    );
}
