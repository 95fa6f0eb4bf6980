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
        (table(&RATES, &[0, 0, 5, 5], 5), 0.001_732_050_80),
        (table(&even, &[0, 0, 3, 3, 3], 3), 0.002_832_136_48),
        (table(&[1.0, 2.0, 4.0, 8.0], &[0, 0, 2, 4], 4), 3.976_573_72),
        (table(&[1.0, 4.0], &[1, 3], 4), 2.0),
    ] {
        let Ld50::Between(found) = ld50(&trials) else {
            panic!("{:?}", ld50(&trials));
        };
        assert!((found / golden - 1.0).abs() < 1e-7, "{found} {golden}");
    }
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
    assert!(found.ratio > 2.5 && found.ratio < 4.5, "{found:?}");
    assert!(found.interval.low > 1.0 && found.interval.low <= found.ratio);
    assert!(found.interval.high >= found.ratio);
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
    assert!((found.ratio - 2.0).abs() < 1e-6);
    assert!(found.interval.high - found.interval.low < 1e-6);
}

#[test]
fn a_censored_arm_gives_a_bound_and_two_give_nothing() {
    let cliff = table(&RATES, &[0, 2, 5, 5], 5);
    let safe = table(&RATES, &[0; 4], 5);
    let found = ld50_ratio(&safe, &cliff, 0.95, 1).unwrap();
    assert_eq!(found.treatment, Ld50::AboveAll(1e-2));
    assert!(found.interval.low > 1.0 && found.interval.high <= 1e-2 / 3e-4);
    assert_eq!(ld50_ratio(&safe, &safe, 0.95, 1), None);
    assert_eq!(
        ld50_ratio(&cliff, &table(&RATES, &[2; 4], 5), 0.95, 1),
        None
    );
    let lone = table(&RATES, &[0, 0, 1, 1], 1);
    assert_eq!(ld50_ratio(&lone, &lone, 0.95, 1), None);
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
        match here.censored() {
            None => prop_assert_eq!((scaled, mirrored), (Ld50::NoTrend, Ld50::NoTrend)),
            Some(dose) => {
                prop_assert!((scaled.censored().unwrap() / dose / 1e-3 - 1.0).abs() < 1e-6);
                prop_assert!((mirrored.censored().unwrap() * dose - 1.0).abs() < 1e-6);
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
        if let (Some(a), Some(b)) = (ld50(&trials(0)).censored(), ld50(&trials(1)).censored()) {
            prop_assert!(b <= a * (1.0 + 1e-6));
        }
    }
}
