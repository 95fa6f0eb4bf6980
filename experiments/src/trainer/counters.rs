//! How a step moves the counters, the position in the data and the loss scale.

use super::update::Skip;
use crate::numerics::loss_scaler::{ScaleChange, halvings};
use crate::numerics::precision::RangeReport;
use crate::state::{State, Trained};
use experiments_config::{Config, Format};
use logs::{Event, EventKind};

/// Passes over the data that an intervention skips here: the position in the data moves, samples and
/// steps do not.
pub(crate) fn pass_over(config: &Config, state: &mut State) -> Vec<Event> {
    let steps = config.skip_steps_at(state.step);
    // Data that were passed over before the run went back stay behind.
    let again = (state.recovered.as_ref()).is_some_and(|done| state.step < done.reached);
    if steps == 0 || again {
        return Vec::new();
    }
    let samples = steps * config.samples_per_step();
    state.position += samples;
    let text = format!("the data of {steps} steps ({samples} sequences) is passed over");
    vec![Event::now(state.step, EventKind::Intervention, text)]
}

/// Moves the loss scale and the counters, and says what happened.
pub(crate) fn decide(
    config: &Config,
    trained: &mut Trained,
    skip: Option<Skip>,
    loss: f64,
    range: &RangeReport,
) -> Vec<Event> {
    let state = &mut trained.state;
    state.step += 1;
    state.updates = trained.adam.updates;
    state.samples += config.samples_per_step();
    if skip.is_none() {
        // `DeepSpeed` and Megatron do not step the learning rate with a skipped update.
        state.optimizer_samples += config.samples_per_step();
    }
    let step = state.step;
    let mut events = Vec::new();
    if loss.is_finite() {
        state.nonfinite_steps = 0;
    } else {
        state.nonfinite_steps += 1;
        events.push(Event::now(
            step,
            EventKind::Nonfinite,
            "the loss is not finite",
        ));
    }
    let first_overflow = range.first_overflow.as_deref();
    // What overflowed was stored as the largest finite value, and the update was made with that.
    let saturated = config.precision.saturate_gradients && range.largest_gradient > 0.0;
    match skip {
        None if saturated => {
            let text = "a gradient is beyond the number format and was stored as its largest value";
            events.push(overflow_event(step, text, first_overflow));
        }
        None => {}
        Some(Skip::Nonfinite) => {
            let text = "a gradient is not finite, the update is skipped";
            events.push(overflow_event(step, text, first_overflow));
        }
        Some(Skip::Outlier) => {
            let sigma = config.optimizer.skip_step_sigma;
            let text = format!(
                "loss or gradient norm lies more than {sigma} standard deviations above the last steps, the update is skipped"
            );
            events.push(Event::now(step, EventKind::Intervention, text));
        }
    }
    if config.precision.format == Format::Fp16 {
        let halvings = if saturated || skip == Some(Skip::Nonfinite) {
            halvings(config.precision.loss_scale.fall, range.largest_gradient)
        } else {
            0
        };
        events.extend(move_scale(config, state, halvings));
    }
    events
}

fn overflow_event(step: u64, what: &str, first_overflow: Option<&str>) -> Event {
    let place = first_overflow.map_or_else(String::new, |t| format!("; first in {t}"));
    let text = format!("{what}{place}");
    let event = Event::now(step, EventKind::Overflow, text);
    match first_overflow {
        Some(tensor) => event.with("first_overflow", tensor),
        None => event,
    }
}

fn move_scale(config: &Config, state: &mut State, halvings: u32) -> Option<Event> {
    let before = state.scaler.scale;
    let change = state.scaler.update(&config.precision.loss_scale, halvings);
    let after = state.scaler.scale;
    let (kind, text) = match change {
        ScaleChange::None => return None,
        ScaleChange::Raised | ScaleChange::Lowered => (
            EventKind::LossScale,
            format!("loss scale {before} → {after}"),
        ),
        ScaleChange::AtMinimum => (
            EventKind::LossScaleMinimum,
            format!("overflow at the minimal loss scale {after}"),
        ),
    };
    Some(Event::now(state.step, kind, text))
}
