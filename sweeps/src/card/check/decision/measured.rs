//! What is measured of a run: metric and outcome.

use crate::OutcomeRules;
use crate::card::check::fields::{choose, complain};
use crate::card::wire::WireOutcome;
use crate::criterion::{Metric, Reduce, WireMetric};
use experiments_config::Complaint;
use words::did_you_mean;

pub(in crate::card::check) fn metric(
    wire: Option<WireMetric>,
    section: &str,
    complaints: &mut Vec<Complaint>,
) -> Metric {
    let wire = wire.unwrap_or_default();
    let name = wire.name.unwrap_or_else(|| "held_out_loss".to_owned());
    let place = format!("{section}.reduce");
    let reduce = choose(wire.reduce, Some(Reduce::Last), &place, complaints);
    let place = format!("{section}.name");
    check_signal(&name, reduce, &place, complaints);
    if reduce == Reduce::SpikeLead {
        check_norm(&name, &place, complaints);
    }
    let mut step = |value: Option<i64>, key: &str| {
        let step = value.map(|value| u64::try_from(value).unwrap_or(0));
        if step == Some(0) {
            let place = format!("{section}.{key}");
            complain(complaints, &place, "must be at least 1", None);
        }
        step
    };
    let (from_step, to_step) = (
        step(wire.from_step, "from_step"),
        step(wire.to_step, "to_step"),
    );
    if let (Some(from), Some(to)) = (from_step, to_step)
        && from > to
    {
        let place = format!("{section}.to_step");
        let message = format!("is {to}, before `from_step` = {from}");
        complain(complaints, &place, message, None);
    }
    Metric {
        name,
        reduce,
        from_step,
        to_step,
    }
}

/// A lead is over what a norm does before a spike: it looks for doublings.
fn check_norm(name: &str, key: &str, complaints: &mut Vec<Complaint>) {
    if logs::signal(name).is_some_and(|signal| !signal.is_norm()) {
        let message =
            format!("is `{name}`; `spike_lead` needs a norm, which doubles before a spike");
        let near = "for example `grad_norm_embedding` or `layer_grad_norm`".to_owned();
        complain(complaints, key, message, Some(near));
    }
}

/// Whether a run records the signal: a scalar, or for spikes also one layer of a per-layer signal.
fn check_signal(name: &str, reduce: Reduce, key: &str, complaints: &mut Vec<Complaint>) {
    let signals = |per_layer: bool| {
        let signals = logs::SIGNALS.iter();
        let wanted = signals.filter(move |signal| signal.per_layer == per_layer);
        wanted.map(|signal| signal.name)
    };
    if signals(false).any(|known| known == name) {
        return;
    }
    let base = name.split_once('[').map_or(name, |(base, _)| base);
    let of_layers = signals(true).any(|known| known == base);
    let one_layer = Metric::last(name).layer().is_some();
    let whole = reduce == Reduce::SpikeLead && name == base;
    if of_layers && reduce.is_of_spikes() && (one_layer || whole) {
        return;
    }
    let (message, hint) = if of_layers {
        let message = format!(
            "is `{name}`; of a per-layer signal a metric can be made of the spikes of one layer only"
        );
        let hint = format!("did you mean `{base}[0]` with `reduce = \"spikes\"`?");
        (message, Some(hint))
    } else {
        let message = format!("is `{name}`, which is no recorded scalar");
        (message, did_you_mean(name, signals(false)))
    };
    complain(complaints, key, message, hint);
}

pub(in crate::card::check) fn outcome_rules(
    wire: &WireOutcome,
    complaints: &mut Vec<Complaint>,
) -> OutcomeRules {
    let default = OutcomeRules::default();
    let mut float = |value: Option<f64>, default: f64, key: &str| {
        let value = value.unwrap_or(default);
        if !value.is_finite() || value < 0.0 {
            let message = format!("is {value}, must be a finite number that is not negative");
            complain(complaints, &format!("outcome.{key}"), message, None);
        }
        value
    };
    let stuck_margin = float(wire.stuck_margin, default.stuck_margin, "stuck_margin");
    let diverged_nats = float(wire.diverged_nats, default.diverged_nats, "diverged_nats");
    let diverged_mads = float(wire.diverged_mads, default.diverged_mads, "diverged_mads");
    let mut count = |value: Option<i64>, default: usize, least: usize, key: &str| match value {
        None => default,
        Some(value) => usize::try_from(value)
            .ok()
            .filter(|value| *value >= least)
            .unwrap_or_else(|| {
                let message = format!("is {value}, must be at least {least}");
                complain(complaints, &format!("outcome.{key}"), message, None);
                default
            }),
    };
    OutcomeRules {
        stuck_margin,
        diverged_nats,
        diverged_mads,
        // Fewer than 20 steps are too noisy to tell a stuck run (protocol, section D).
        window: count(wire.window, default.window, 20, "window"),
        mad_window: count(wire.mad_window, default.mad_window, 20, "mad_window"),
        recovery_steps: count(
            wire.recovery_steps,
            default.recovery_steps as usize,
            1,
            "recovery_steps",
        ) as u64,
    }
}
