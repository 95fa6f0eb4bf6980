//! Made-up training curves with everything a monitor must show: arms that differ, seeds that scatter, a spike,
//! a falling loss scale, a run that ends in NaN. The same numbers every time.

use logs::Record;

/// Layers of the made-up model.
const LAYERS: usize = 24;

/// Noise in -1..1 that depends on its arguments only (the finaliser of `SplitMix64`).
fn noise(run: u64, step: u64, what: u64) -> f64 {
    let mut bits = run.wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ step.wrapping_mul(0xBF58_476D_1CE4_E5B9)
        ^ what.wrapping_mul(0x94D0_49BB_1331_11EB);
    for shift in [30, 27, 31] {
        bits = (bits ^ (bits >> shift)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    }
    (bits >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

/// Which signals are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signals {
    /// Those that the monitor shows first.
    Shown,
    /// All that a training run records.
    All,
}

/// A record of a run of `planned` steps. `arm` 0 gets stuck and seed 3 of it is lost at four
/// fifths of the way, arm 1 trains well but for a spike of seed 2, others train slowly.
pub(crate) fn record(
    (arm, seed): (usize, u64),
    step: u64,
    planned: u64,
    signals: Signals,
) -> Record {
    let run = seed * 17 + arm as u64;
    let progress = step as f64 / planned as f64;
    let (floor, speed) = [(3.56, 9.0), (3.24, 5.0), (3.38, 6.0)][arm.min(2)];
    let mut loss = floor
        + 2.0 * (-speed * progress).exp()
        + 0.03 * noise(run, step, 1)
        + 0.02 * noise(run, 0, 2);
    let mut grad_norm = (if arm == 0 { 6.0 } else { 1.2 })
        * (0.4 + (-4.0 * progress).exp())
        * (1.0 + 0.3 * noise(run, step, 3));
    let spiking = arm == 1 && seed == 2 && step * 20 / planned == 13;
    if spiking {
        loss += 0.9 + 0.2 * noise(run, step, 4);
        grad_norm *= 30.0;
    }
    let lost = arm == 0 && seed == 3 && step * 5 / planned >= 4;
    let falling = arm == 0 && seed == 1 && progress > 0.5;
    if lost {
        (loss, grad_norm) = (f64::NAN, f64::INFINITY);
    }
    let mut record = Record::new(step);
    record.set_named("loss", loss);
    if step.is_multiple_of((planned / 6).max(1)) {
        record.set_named("held_out_loss", loss + 0.01);
    }
    record.set_named("grad_norm", grad_norm);
    record.set_named("lr", 1e-3 * (1.0 - 0.9 * progress));
    record.set_named(
        "loss_scale",
        if falling {
            2f64.powi(14 - ((progress - 0.5) * 20.0) as i32)
        } else {
            16384.0
        },
    );
    record.set_named("skipped", 0.0);
    record.set_named("tokens", 256.0 * step as f64);
    record.set_named("tokens_per_second", 900.0 + 60.0 * noise(run, step, 5));
    record.set_named("step_seconds", 0.28 + 0.03 * noise(run, step, 6));
    record.set_named("embedding_share", 0.35 + 0.1 * noise(run, step, 7));
    let layer = |factor: f64| {
        let value = move |depth: usize| {
            // Post-LN: gradients grow towards the output; else they are even, and fall with time.
            let depth_share = depth as f64 / (LAYERS - 1) as f64;
            let shape = if arm == 0 {
                10f64.powf(3.0 * depth_share - 2.5)
            } else {
                0.3 + 0.4 * depth_share
            };
            let bump = if spiking {
                1.0 + 40.0 * (-(depth_share - 0.2).powi(2) * 60.0).exp()
            } else {
                1.0
            };
            let wobble = 1.0 + 0.35 * noise(run, step, 100 + depth as u64);
            if lost && depth > 8 {
                f64::NAN
            } else {
                factor * shape * bump * wobble * (0.3 + (-3.0 * progress).exp())
            }
        };
        (0..LAYERS).map(value).collect::<Vec<f64>>()
    };
    record.set_layers_named("layer_grad_norm", layer(1.0));
    record.set_layers_named("layer_param_norm", layer(20.0));
    if signals == Signals::All {
        add_others(&mut record, run, step);
    }
    record
}

/// Adds what the other signals of a training run could be, with all the digits of a 32-bit number.
fn add_others(record: &mut Record, run: u64, step: u64) {
    for (place, signal) in logs::SIGNALS.iter().enumerate() {
        let value =
            |of: usize| f64::from(noise(run, step, (place * 1000 + of) as u64) as f32 + 1.5);
        let name = signal.name;
        let known = record.scalars.contains_key(name) || record.layers.contains_key(name);
        let recorded = signal.runs.contains(&logs::RunKind::Train) && !name.starts_with("int");
        match (
            recorded && !known && !name.contains("held_out"),
            signal.per_layer,
        ) {
            (false, _) => {}
            (true, false) => record.set_named(name, value(0)),
            (true, true) => record.set_layers_named(name, (0..LAYERS).map(value).collect()),
        }
    }
}
