//! The machines against the libraries they are named after.

use super::super::*;
use super::overflows;

/// `golden.json`; its format is described in the script that writes it.
#[derive(Deserialize)]
struct Golden {
    traces: Vec<Trace>,
}

#[derive(Deserialize)]
struct Trace {
    name: String,
    config: Numbers,
    /// Lengths of runs of clean and overflowing steps, alternating, clean first.
    runs: Vec<usize>,
    machines: Machines,
}

#[derive(Deserialize)]
struct Numbers {
    initial: f64,
    window: u64,
    hysteresis: u32,
    min: f64,
}

#[derive(Deserialize)]
struct Machines {
    deepspeed: Option<Driven>,
    megatron: Option<Driven>,
    pytorch: Option<Driven>,
}

#[derive(Deserialize)]
struct Driven {
    /// Step after which the scale changed, -1 for the start, and its new value.
    scales: Vec<(i64, f64)>,
    /// Steps at which the original raised.
    #[serde(default)]
    raised: Vec<i64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden.json")).unwrap()
}

/// Wants the original's scale after every step, and `AtMinimum` where `DeepSpeed` raised.
fn replay(name: &str, config: &LossScaleConfig, steps: &[bool], driven: &Driven) {
    let context = format!("{name}, {:?}", config.mode);
    let mut changes = driven.scales.iter().copied().peekable();
    let mut expected = changes.next().unwrap().1;
    let mut scaler = LossScaler::new(config);
    assert_eq!(scaler.scale, expected, "{context}: start");
    for (step, overflow) in steps.iter().enumerate() {
        let step = step as i64;
        let change = scaler.update(config, u32::from(*overflow));
        let before = expected;
        if let Some((_, scale)) = changes.next_if(|(at, _)| *at == step) {
            expected = scale;
        }
        assert_eq!(scaler.scale, expected, "{context}: step {step}");
        let told = match change {
            ScaleChange::None => expected == before,
            ScaleChange::Raised => expected > before,
            ScaleChange::Lowered => expected < before,
            ScaleChange::AtMinimum => *overflow,
        };
        assert!(told, "{context}: step {step} is called {change:?}");
        if config.mode == LossScaleMode::Deepspeed {
            let at_minimum = change == ScaleChange::AtMinimum;
            assert_eq!(
                at_minimum,
                driven.raised.contains(&step),
                "{context}: {step}"
            );
        }
    }
    assert_eq!(changes.next(), None, "{context}: changes left over");
}

fn configured(numbers: &Numbers, mode: LossScaleMode) -> LossScaleConfig {
    LossScaleConfig {
        mode,
        initial: numbers.initial,
        window: numbers.window,
        hysteresis: numbers.hysteresis,
        min: numbers.min,
        fall: ScaleFall::Halve,
    }
}

#[test]
fn every_machine_follows_its_original_step_by_step() {
    let mut replayed = 0;
    for trace in golden().traces {
        let steps = overflows(&trace.runs);
        let Machines {
            deepspeed,
            megatron,
            pytorch,
        } = &trace.machines;
        for (mode, driven) in [
            (LossScaleMode::Deepspeed, deepspeed),
            (LossScaleMode::Megatron, megatron),
            (LossScaleMode::Pytorch, pytorch),
        ] {
            let Some(driven) = driven else { continue };
            replay(
                &trace.name,
                &configured(&trace.config, mode),
                &steps,
                driven,
            );
            replayed += 1;
        }
    }
    assert!(replayed > 50, "only {replayed} traces");
}

#[test]
fn megatron_says_minimum_where_deepspeed_raises() {
    let mut traces = golden().traces.into_iter();
    let trace = traces.find(|t| t.name == "minimum reached").unwrap();
    let raised = trace.machines.deepspeed.unwrap().raised;
    let config = configured(&trace.config, LossScaleMode::Megatron);
    let mut scaler = LossScaler::new(&config);
    let steps = overflows(&trace.runs).into_iter().enumerate();
    let at_minimum = |(step, overflow)| {
        let change = scaler.update(&config, u32::from(overflow));
        (change == ScaleChange::AtMinimum).then_some(step as i64)
    };
    assert_eq!(steps.filter_map(at_minimum).collect::<Vec<_>>(), raised);
}
