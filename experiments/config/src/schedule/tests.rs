use crate::*;

fn glm() -> Config {
    load_preset("glm-130b", &[]).unwrap()
}

fn samples(samples: u64) -> Progress {
    Progress { step: 0, samples }
}

fn step(step: u64) -> Progress {
    Progress { step, samples: 0 }
}

fn with(schedule: &str) -> Result<Config, ConfigError> {
    resolve(toml::from_str(schedule).unwrap(), &[], "test")
}

#[test]
fn the_batch_ramp_climbs_in_stairs_of_24() {
    let config = glm();
    let batch = |n| config.at(samples(n)).samples_per_step();
    // 168 stairs of 32,697.4 samples (facts §3).
    assert_eq!((batch(0), batch(32_697)), (192, 192));
    assert_eq!((batch(32_698), batch(65_395)), (216, 240));
    assert_eq!((batch(5_493_163), batch(5_493_164)), (4_200, 4_224));
}

/// The quotient of two decimal fractions is seldom whole in floating point.
#[test]
fn stairs_of_decimal_fractions_are_all_climbed() {
    for (from, to, increment, levels) in [
        (0.0, 0.3, 0.1, vec![0.0, 0.1, 0.2]),
        (0.0, 0.6, 0.2, vec![0.0, 0.2, 0.4]),
        (0.0, 0.7, 0.1, vec![0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
        (1.0, 0.4, 0.1, vec![1.0, 0.9, 0.8, 0.7, 0.6, 0.5]),
        (0.0, 1.0, 0.3, vec![0.0, 0.3, 0.6]),
        (0.0, 0.2, 0.5, vec![0.0]),
    ] {
        let each = 10;
        let length = each * levels.len() as u64;
        let schedule = format!(
            "[[schedule]]\nkey = \"egs.alpha\"\nlength = {length}\nfrom = {from:?}\nto = {to:?}\nincrement = {increment:?}"
        );
        let config = with(&schedule).unwrap();
        for (stair, level) in levels.iter().enumerate() {
            let first = each * stair as u64;
            for at in [first, first + each - 1] {
                let alpha = config.at(step(at)).egs.alpha;
                assert!(
                    (alpha - level).abs() < 1e-12,
                    "{schedule} step {at}: {alpha}"
                );
            }
        }
        assert_eq!(config.at(step(length)).egs.alpha, to);
    }
}

#[test]
fn warm_up_is_linear_and_the_cosine_ends_at_the_minimum() {
    // Learning rates of 2210.02414 table 11 and the released configuration.
    let config = glm();
    assert_eq!(config.learning_rate(Samples(0)), 0.0);
    assert!((config.learning_rate(Samples(549_316)) - 4e-5).abs() < 1e-15);
    assert_eq!(config.learning_rate(Samples(1_098_632)), 8e-5);
    let middle = u64::midpoint(1_098_632, 197_753_905);
    assert!((config.learning_rate(Samples(middle)) - 4.4e-5).abs() < 1e-10);
    assert_eq!(config.learning_rate(Samples(197_753_905)), 8e-6);
    assert_eq!(config.learning_rate(Samples(u64::MAX)), 8e-6);
}

#[test]
fn without_warm_up_and_decay_the_rate_is_constant() {
    let config = load_preset("t0", &[]).unwrap();
    assert_eq!(config.learning_rate(Samples(0)), 1e-3);
    assert_eq!(config.learning_rate(Samples(1_000_000)), 1e-3);
}

/// What the run's journal did (facts §5.3): 0.1 → 1.0 over 500 steps at 6,000; 0.2 → 1.0 over 6,000
/// at 22,800; halved rate at 26,000; 0.5 at 33,600; 0.1 at 35,200; minimum halved at 42,700.
#[test]
fn the_journal_of_the_real_run_can_be_written_down() {
    let config = with(
        r#"
        steps = 55014
        optimizer = { lr = 8e-5, min_lr = 8e-6, decay_samples = 197753905 }
        egs = { alpha = 0.1 }
        schedule = [
          { key = "egs.alpha", start = 6000, length = 500, to = 1.0 },
          { key = "egs.alpha", start = 22800, length = 6000, from = 0.2, to = 1.0 },
          { key = "optimizer.lr_scale", start = 22800, length = 2000, from = 0.0, to = 1.0 },
          { key = "optimizer.lr", start = 26000, factor = 0.5 },
          { key = "egs.alpha", start = 33600, to = 0.5 },
          { key = "egs.alpha", start = 35200, to = 0.1 },
          { key = "optimizer.min_lr", start = 42700, to = 4e-6 },
        ]
        intervention = [{ step = 40700, skip_steps = 200 }, { step = 42400, skip_steps = 200 }]
        "#,
    )
    .unwrap();
    let alpha = |n| config.at(step(n)).egs.alpha;
    assert_eq!((alpha(0), alpha(5_999), alpha(6_000)), (0.1, 0.1, 0.1));
    assert!((alpha(6_250) - 0.55).abs() < 1e-12);
    assert_eq!((alpha(6_500), alpha(22_799)), (1.0, 1.0));
    assert!((alpha(25_800) - 0.6).abs() < 1e-12);
    assert_eq!(
        (alpha(33_599), alpha(33_600), alpha(60_000)),
        (1.0, 0.5, 0.1)
    );
    let rate = |n| config.at(step(n)).learning_rate(Samples(0));
    assert_eq!((rate(22_799), rate(22_800)), (8e-5, 0.0));
    assert!((rate(23_800) - 4e-5).abs() < 1e-18);
    assert_eq!((rate(25_999), rate(26_000)), (8e-5, 4e-5));
    assert_eq!(
        config.at(step(42_700)).learning_rate(Samples(u64::MAX)),
        4e-6
    );
    assert_eq!(
        (config.skip_steps_at(40_700), config.skip_steps_at(40_701)),
        (200, 0)
    );
}

#[test]
fn a_schedule_is_judged_by_the_values_it_leads_to() {
    for (schedule, expected) in [
        (
            r#"[[schedule]]
            key = "egs.alpha"
            to = 1.5"#,
            "after 0 steps and 0 samples `egs.alpha` is 1.5, must lie in [0, 1]",
        ),
        (
            r#"[[schedule]]
            key = "egs.alpha""#,
            "exactly one of `to` and `factor`",
        ),
        (
            r#"[[schedule]]
            key = "batch.gradient_accumulation"
            length = 10
            to = 4"#,
            "schedule[0].increment",
        ),
        (
            r#"[[schedule]]
            key = "tasks.ratio"
            to = 0.05"#,
            "tasks.sources",
        ),
        (
            r#"[[schedule]]
            key = "egs.alhpa"
            to = 0.5"#,
            "egs.alpha",
        ),
        (
            r#"[[schedule]]
            key = "egs.alpha"
            too = 0.5"#,
            "did you mean `schedule[0].to`",
        ),
        (
            r"[[intervention]]
            step = 3
            skip_steps = 0",
            "intervention[0].skip_steps",
        ),
        (
            r"[[intervention]]
            step = 200
            skip_steps = 1",
            "is 200, the run has 200 steps",
        ),
        // The first entry would make the second's product whole, but starts long after it.
        (
            r#"schedule = [
              { key = "batch.gradient_accumulation", start = 1000, to = 4 },
              { key = "batch.gradient_accumulation", factor = 0.5 },
            ]"#,
            "leads to 0.5 micro-batches after 0 steps",
        ),
    ] {
        let error = with(schedule).unwrap_err().to_string();
        assert!(error.contains(expected), "{schedule}: {error}");
    }
}

#[test]
fn what_holds_at_every_step_is_accepted_whatever_the_order_of_the_file() {
    // The minimum is below the rate at every step, though not in the order of the entries.
    let config = with(
        r#"
        optimizer = { lr = 1e-3, min_lr = 1e-6, decay_samples = 100 }
        schedule = [
          { key = "optimizer.lr", start = 1, to = 1e-5 },
          { key = "optimizer.min_lr", to = 1e-5 },
        ]
        "#,
    );
    assert!(config.is_ok(), "{}", config.unwrap_err());
}
