//! What the machines do beyond the replayed traces, and what the trainer relies on.

mod golden;

use super::*;
use proptest::prelude::*;

/// Lengths of runs of clean and overflowing steps, alternating, clean first.
fn overflows(runs: &[usize]) -> Vec<bool> {
    let run = |(i, n): (usize, &usize)| std::iter::repeat_n(i % 2 == 1, *n);
    runs.iter().enumerate().flat_map(run).collect()
}

#[test]
fn the_hysteresis_trap_shows_in_both_machines_that_have_it() {
    // 900 clean steps do not refill a counter whose window is 1000; a full window does.
    for mode in [LossScaleMode::Deepspeed, LossScaleMode::Megatron] {
        let config = LossScaleConfig {
            mode,
            window: 1000,
            ..LossScaleConfig::default()
        };
        let mut scaler = LossScaler::new(&config);
        let mut after = |runs: &[usize]| {
            for overflow in overflows(runs) {
                scaler.update(&config, u32::from(overflow));
            }
            scaler.scale
        };
        assert_eq!(after(&[10, 1]), 65_536.0);
        assert_eq!(after(&[899, 1]), 32_768.0);
        assert_eq!(after(&[20, 1, 20, 1]), 8_192.0);
        assert_eq!(after(&[1000]), 16_384.0);
        assert_eq!(after(&[0, 1]), 16_384.0);
    }
}

#[test]
fn pytorch_says_minimum_below_the_normal_numbers_and_ends_at_zero() {
    let config = LossScaleConfig {
        mode: LossScaleMode::Pytorch,
        initial: f64::from(f32::MIN_POSITIVE) * 2.0,
        ..LossScaleConfig::default()
    };
    let mut scaler = LossScaler::new(&config);
    assert_eq!(scaler.update(&config, 1), ScaleChange::Lowered);
    assert_eq!(scaler.scale, f64::from(f32::MIN_POSITIVE));
    for _ in 0..24 {
        assert_eq!(scaler.update(&config, 1), ScaleChange::AtMinimum);
    }
    assert_eq!(scaler.scale, 0.0);
    // Zero does not rise again, and is not called a rise.
    for _ in 0..500 {
        assert_eq!(scaler.update(&config, 0), ScaleChange::None);
    }
}

#[test]
fn an_overflow_asks_for_as_many_halves_as_it_needs_to_fit() {
    let asked = |largest| halvings(ScaleFall::ToOverflow, largest);
    for (largest, expected) in [
        (65_505.0, 1),
        (2.0 * 65_504.0, 1),
        (2.1 * 65_504.0, 2),
        (1024.0 * 65_504.0, 10),
        (f32::MAX, 113),
        // Of an unknown size.
        (0.0, 1),
    ] {
        assert_eq!(asked(largest), expected, "{largest}");
        assert!(largest / 2_f32.powi(expected as i32) <= 65_504.0);
        assert_eq!(halvings(ScaleFall::Halve, largest), 1);
    }
}

#[test]
fn a_scale_that_falls_to_the_overflow_does_so_at_once_and_stops_at_the_minimum() {
    for mode in [
        LossScaleMode::Deepspeed,
        LossScaleMode::Megatron,
        LossScaleMode::Pytorch,
    ] {
        let config = LossScaleConfig {
            mode,
            hysteresis: 4,
            min: 256.0,
            fall: ScaleFall::ToOverflow,
            ..LossScaleConfig::default()
        };
        let mut scaler = LossScaler::new(&config);
        assert_eq!(scaler.update(&config, 5), ScaleChange::Lowered);
        assert_eq!(scaler.scale, 2048.0);
        assert_eq!(scaler.update(&config, 1), ScaleChange::Lowered);
        assert_eq!(scaler.scale, 1024.0);
        scaler.update(&config, 5);
        let floor = if mode == LossScaleMode::Pytorch {
            32.0
        } else {
            256.0
        };
        assert_eq!(scaler.scale, floor);
    }
}

#[test]
fn the_scale_stays_finite() {
    // JSON has no infinity: a checkpoint with one could not be read back.
    for mode in [
        LossScaleMode::Deepspeed,
        LossScaleMode::Megatron,
        LossScaleMode::Pytorch,
    ] {
        let config = LossScaleConfig {
            mode,
            window: 1,
            ..LossScaleConfig::default()
        };
        let mut scaler = LossScaler::new(&config);
        for _ in 0..500 {
            scaler.update(&config, 0);
        }
        assert_eq!(scaler.scale, 2_f64.powi(127));
        scaler.update(&config, 1);
        assert_eq!(scaler.update(&config, 1), ScaleChange::Lowered);
    }
}

#[test]
fn a_static_scale_and_no_scaling_never_move() {
    let config = LossScaleConfig {
        mode: LossScaleMode::Static,
        initial: 16.0,
        window: 1,
        ..LossScaleConfig::default()
    };
    for mut scaler in [LossScaler::new(&config), LossScaler::off()] {
        let before = scaler.clone();
        for overflow in [true, false, true, true, false] {
            assert_eq!(
                scaler.update(&config, u32::from(overflow)),
                ScaleChange::None
            );
        }
        assert_eq!(scaler, before);
    }
}

#[test]
fn the_checkpoint_names_the_machine() {
    let state = |mode| {
        let config = LossScaleConfig {
            mode,
            ..LossScaleConfig::default()
        };
        serde_json::to_string(&LossScaler::new(&config)).unwrap()
    };
    assert_eq!(
        state(LossScaleMode::Deepspeed),
        r#"{"scale":65536.0,"machine":{"mode":"deepspeed","hysteresis_left":2,"step":0,"last_overflow":-1}}"#
    );
    assert_eq!(
        state(LossScaleMode::Megatron),
        r#"{"scale":65536.0,"machine":{"mode":"megatron","clean_steps":0,"hysteresis_left":2}}"#
    );
    assert_eq!(
        state(LossScaleMode::Pytorch),
        r#"{"scale":65536.0,"machine":{"mode":"pytorch","clean_steps":0}}"#
    );
    assert_eq!(
        state(LossScaleMode::Static),
        r#"{"scale":65536.0,"machine":{"mode":"static"}}"#
    );
}

fn modes() -> impl Strategy<Value = LossScaleMode> {
    prop_oneof![
        Just(LossScaleMode::Deepspeed),
        Just(LossScaleMode::Megatron),
        Just(LossScaleMode::Pytorch),
        Just(LossScaleMode::Static),
    ]
}

prop_compose! {
    fn configs()(
        mode in modes(),
        initial in 1.0..1e5,
        window in 1_u64..12,
        hysteresis in 1_u32..5,
        fall in prop_oneof![Just(ScaleFall::Halve), Just(ScaleFall::ToOverflow)],
    ) -> LossScaleConfig {
        LossScaleConfig { mode, initial, window, hysteresis, min: 0.7, fall }
    }
}

proptest! {
    /// A killed run that resumes must take the same steps as one that was not.
    #[test]
    fn a_resumed_scaler_goes_on_exactly(
        config in configs(),
        before in prop::collection::vec(0_u32..4, 0..60),
        after in prop::collection::vec(0_u32..4, 0..60),
    ) {
        let mut scaler = LossScaler::new(&config);
        for halvings in before {
            scaler.update(&config, halvings);
        }
        let text = serde_json::to_string(&scaler).unwrap();
        let mut resumed: LossScaler = serde_json::from_str(&text).unwrap();
        for halvings in after {
            prop_assert_eq!(resumed.update(&config, halvings), scaler.update(&config, halvings));
            prop_assert_eq!(&resumed, &scaler);
        }
    }

    /// The two counters say the same thing in different words.
    #[test]
    fn megatron_and_deepspeed_agree_where_nothing_rounds(
        config in configs(),
        steps in prop::collection::vec(0_u32..4, 0..200),
    ) {
        let with = |mode| LossScaleConfig { mode, initial: 1024.0, min: 0.5, ..config.clone() };
        let deepspeed = with(LossScaleMode::Deepspeed);
        let megatron = with(LossScaleMode::Megatron);
        let (mut a, mut b) = (LossScaler::new(&deepspeed), LossScaler::new(&megatron));
        for halvings in steps {
            prop_assert_eq!(a.update(&deepspeed, halvings), b.update(&megatron, halvings));
            prop_assert_eq!(a.scale, b.scale);
        }
    }
}
