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
                scaler.update(&config, overflow);
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
    assert_eq!(scaler.update(&config, true), ScaleChange::Lowered);
    assert_eq!(scaler.scale, f64::from(f32::MIN_POSITIVE));
    for _ in 0..24 {
        assert_eq!(scaler.update(&config, true), ScaleChange::AtMinimum);
    }
    assert_eq!(scaler.scale, 0.0);
    // Zero does not rise again, and is not called a rise.
    for _ in 0..500 {
        assert_eq!(scaler.update(&config, false), ScaleChange::None);
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
            scaler.update(&config, false);
        }
        assert_eq!(scaler.scale, 2_f64.powi(127));
        scaler.update(&config, true);
        assert_eq!(scaler.update(&config, true), ScaleChange::Lowered);
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
            assert_eq!(scaler.update(&config, overflow), ScaleChange::None);
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
    ) -> LossScaleConfig {
        LossScaleConfig { mode, initial, window, hysteresis, min: 0.7 }
    }
}

proptest! {
    /// A killed run that resumes must take the same steps as one that was not.
    #[test]
    fn a_resumed_scaler_goes_on_exactly(
        config in configs(),
        before in prop::collection::vec(any::<bool>(), 0..60),
        after in prop::collection::vec(any::<bool>(), 0..60),
    ) {
        let mut scaler = LossScaler::new(&config);
        for overflow in before {
            scaler.update(&config, overflow);
        }
        let text = serde_json::to_string(&scaler).unwrap();
        let mut resumed: LossScaler = serde_json::from_str(&text).unwrap();
        for overflow in after {
            prop_assert_eq!(resumed.update(&config, overflow), scaler.update(&config, overflow));
            prop_assert_eq!(&resumed, &scaler);
        }
    }

    /// The two counters say the same thing in different words.
    #[test]
    fn megatron_and_deepspeed_agree_where_nothing_rounds(
        config in configs(),
        steps in prop::collection::vec(any::<bool>(), 0..200),
    ) {
        let with = |mode| LossScaleConfig { mode, initial: 1024.0, min: 0.5, ..config.clone() };
        let deepspeed = with(LossScaleMode::Deepspeed);
        let megatron = with(LossScaleMode::Megatron);
        let (mut a, mut b) = (LossScaler::new(&deepspeed), LossScaler::new(&megatron));
        for overflow in steps {
            prop_assert_eq!(a.update(&deepspeed, overflow), b.update(&megatron, overflow));
            prop_assert_eq!(a.scale, b.scale);
        }
    }
}
