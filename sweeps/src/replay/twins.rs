//! The registry of twins, one row each.

#![expect(
    clippy::unnecessary_wraps,
    reason = "every row has the same type, and a twin may not apply to a run"
)]

use super::Cause;
use experiments_config::{
    ClipMode, Config, Format, Intervention, LossScaleMode, PbRelaxMax, ScaleFall, ScheduleEntry,
    ScheduledKey, StateChange, Substitute, SubstituteKind, Unit, Withhold,
};

/// Batches that the twin `order` turns around, or up to the spike and as many behind it where that is more.
const ORDER: u64 = 16;
/// How many steps older the state of the twin `older` is, at least.
const OLDER: u64 = 64;

/// Where a replay stands.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    /// The run's configuration.
    pub config: &'a Config,
    /// The first step that the twins take.
    pub from: u64,
    /// The step that is asked about.
    pub at: u64,
    /// Steps from `at` on, with it.
    pub steps: u64,
    /// The loss scale of the first step, where it is recorded.
    pub loss_scale: Option<f64>,
    /// With what the names of the parameters begin that own the spike.
    pub owner: Option<String>,
}

/// What a twin changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Its configuration.
    pub config: Config,
    /// Its state, where that is not the run's.
    pub state: Option<StateChange>,
}

/// One twin.
pub struct Twin {
    /// Its name on the command line and in the table.
    pub name: &'static str,
    /// What it changes.
    pub what: &'static str,
    /// The cause that it speaks for where the spike is gone in it; none for those that say something in company only.
    pub cause: Option<Cause>,
    change: fn(&Place, &mut Change) -> Result<(), String>,
}

impl Twin {
    /// Configuration and state of the twin, or why it does not apply to the run.
    pub fn change(&self, place: &Place) -> Result<Change, String> {
        let mut change = Change {
            config: base(place),
            state: None,
        };
        (self.change)(place, &mut change).map(|()| change)
    }
}

const fn twin(
    name: &'static str,
    what: &'static str,
    cause: Option<Cause>,
    change: fn(&Place, &mut Change) -> Result<(), String>,
) -> Twin {
    Twin {
        name,
        what,
        cause,
        change,
    }
}

/// Name of the twin that changes nothing.
pub const CONTROL: &str = "same";

/// Every twin, in the order of the table.
#[rustfmt::skip] // a table reads better with one row per line
pub const TWINS: &[Twin] = &[
    twin(CONTROL, "nothing: the control", None, |_, _| Ok(())),
    twin("skip", "the batch of the step is passed over, later ones move up", Some(Cause::Data), skip),
    twin("other-batch", "the step reads another batch, the others stay", Some(Cause::Data), |p, c| other_batch(p, c, 1)),
    twin("other-batch-2", "a second other batch", Some(Cause::Data), |p, c| other_batch(p, c, 2)),
    twin("other-batch-3", "a third", Some(Cause::Data), |p, c| other_batch(p, c, 3)),
    twin("order", "the same batches around the step from the last to the first", Some(Cause::DataOrder), order),
    twin("other-data", "all steps read other batches", Some(Cause::Data), |p, c| other_data(p, c, 1)),
    twin("other-data-2", "all steps read others again", Some(Cause::Data), |p, c| other_data(p, c, 2)),
    twin("nudge", "weights times 1 ± 2⁻¹¹, no more than FP16 rounds", None, |_, c| nudge(c, 1)),
    twin("nudge-2", "the same with other signs", None, |_, c| nudge(c, 2)),
    twin("fp32", "passes in FP32", Some(Cause::Precision), |p, c| format(p, c, Format::Fp32)),
    twin("bf16", "passes in BF16", Some(Cause::Precision), |p, c| format(p, c, Format::Bf16)),
    twin("fp32-softmax", "attention softmax in FP32", Some(Cause::Precision), fp32_softmax),
    twin("pb-relax", "PB-Relax in attention, by row", Some(Cause::Precision), pb_relax),
    twin("loss-scale-lower", "a loss scale 16 times lower", Some(Cause::Precision), loss_scale_lower),
    twin("loss-scale-static", "the loss scale stays where it is", Some(Cause::Precision), loss_scale_static),
    twin("clip-tighter", "gradient norms clipped at a tenth of the limit, or at 1 where there is none", Some(Cause::Optimiser), clip_tighter),
    twin("clip-tighter-2", "the same, from nudged weights", Some(Cause::Optimiser), |p, c| { nudge(c, 3)?; clip_tighter(p, c) }),
    twin("clip-off", "no clipping", Some(Cause::Optimiser), clip_off),
    twin("lr-half", "half the learning rate", Some(Cause::Optimiser), lr_half),
    twin("lr-half-2", "the same, from nudged weights", Some(Cause::Optimiser), |p, c| { nudge(c, 4)?; lr_half(p, c) }),
    twin("embedding-lr-half", "half the learning rate of the embedding", Some(Cause::Optimiser), embedding_lr_half),
    twin("egs", "embedding gradients times 0.1", Some(Cause::Optimiser), egs),
    twin("beta2-lower", "Adam's β₂ at 0.9", Some(Cause::Optimiser), beta2_lower),
    twin("beta2-lower-2", "the same, from nudged weights", Some(Cause::Optimiser), |p, c| { nudge(c, 5)?; beta2_lower(p, c) }),
    twin("moments-reset", "Adam's moments and counter from 0", Some(Cause::Optimiser), |_, c| { c.state = Some(StateChange::MomentsReset); Ok(()) }),
    twin("layer", "no update of the layer that owns the spike", None, layer),
    twin("older", "weights and moments at least 64 steps older, the same batches", None, older),
];

/// A name that no twin has.
#[derive(Debug, thiserror::Error)]
#[error("no twin is called `{name}`{hint} (there are: {known})")]
pub struct UnknownTwin {
    /// What was asked for.
    name: String,
    /// `; did you mean ...?` or empty.
    hint: String,
    known: String,
}

/// The twins of these names, and always the control; all of them where no name is given.
pub fn chosen(names: &[String]) -> Result<Vec<&'static Twin>, UnknownTwin> {
    for name in names {
        if TWINS.iter().all(|twin| twin.name != name) {
            let all = TWINS.iter().map(|twin| twin.name);
            return Err(UnknownTwin {
                name: name.clone(),
                hint: words::hint(name, all.clone()),
                known: all.collect::<Vec<_>>().join(", "),
            });
        }
    }
    let is_chosen = |twin: &&Twin| {
        names.is_empty() || twin.name == CONTROL || names.iter().any(|name| name == twin.name)
    };
    Ok(TWINS.iter().filter(is_chosen).collect())
}

/// The run's configuration to the end of the replay, without what comes after it and without what would keep more than
/// records.
fn base(place: &Place) -> Config {
    let mut config = place.config.clone();
    let last = place.at + place.steps - 1;
    config.steps = last;
    config.intervention.retain(|act| act.step < last);
    config.inject.retain(|cause| cause.step <= last);
    for cause in &mut config.inject {
        cause.steps = cause.steps.min(last - cause.step + 1);
    }
    config.substitute.retain(|s| s.step <= last);
    let spans = |s: &&mut Substitute| s.kind != SubstituteKind::Later;
    for substitute in config.substitute.iter_mut().filter(spans) {
        substitute.steps = substitute.steps.min(last - substitute.step + 1);
    }
    config.withhold.retain(|w| w.step <= last);
    for withhold in &mut config.withhold {
        withhold.steps = withhold.steps.min(last - withhold.step + 1);
    }
    config.checkpoint.interval = 0;
    config.checkpoint.keep = 1;
    config.checkpoint.ring_bytes = Some(0);
    config.alarm.action = experiments_config::AlarmAction::None;
    // What becomes of a spike shows where nobody answers it.
    config.recovery = experiments_config::RecoveryConfig::default();
    config
}

fn skip(place: &Place, change: &mut Change) -> Result<(), String> {
    if place.config.batch_size_moves() {
        // What is planted in data then goes with the step.
        change.config.intervention.push(Intervention {
            step: place.at - 1,
            skip_steps: 1,
        });
    } else {
        substitute(change, SubstituteKind::Later, place.at, 1);
    }
    Ok(())
}

fn substitute(change: &mut Change, kind: SubstituteKind, step: u64, steps: u64) {
    change
        .config
        .substitute
        .push(Substitute { kind, step, steps });
}

/// Entries of the same steps add up, each to batches farther away.
fn others(change: &mut Change, step: u64, steps: u64, which: u64) {
    for _ in 0..which {
        substitute(change, SubstituteKind::Other, step, steps);
    }
}

fn other_batch(place: &Place, change: &mut Change, which: u64) -> Result<(), String> {
    others(change, place.at, 1, which);
    Ok(())
}

fn other_data(place: &Place, change: &mut Change, which: u64) -> Result<(), String> {
    let steps = change.config.steps - place.from + 1;
    others(change, place.from, steps, which);
    Ok(())
}

fn nudge(change: &mut Change, which: u64) -> Result<(), String> {
    change.state = Some(StateChange::Nudge(which));
    Ok(())
}

fn order(place: &Place, change: &mut Change) -> Result<(), String> {
    if place.config.batch_size_moves() {
        return Err("the size of a batch moves".to_owned());
    }
    let before = place.at - place.from;
    let steps = ORDER
        .max(2 * before)
        .min(change.config.steps - place.from + 1);
    substitute(change, SubstituteKind::Reversed, place.from, steps);
    Ok(())
}

fn format(place: &Place, change: &mut Change, format: Format) -> Result<(), String> {
    let before = place.config.precision.format;
    if before == format {
        return Err("the run has this format".to_owned());
    }
    let precision = &mut change.config.precision;
    precision.format = format;
    // These are FP32 or the format of the pass.
    for other in [&mut precision.softmax, &mut precision.grad_accumulation] {
        if *other == before && before != Format::Fp32 {
            *other = format;
        }
    }
    Ok(())
}

fn fp32_softmax(place: &Place, change: &mut Change) -> Result<(), String> {
    if place.config.precision.softmax == Format::Fp32 {
        return Err("its softmax is FP32".to_owned());
    }
    change.config.precision.softmax = Format::Fp32;
    Ok(())
}

fn pb_relax(place: &Place, change: &mut Change) -> Result<(), String> {
    if place.config.precision.pb_relax.attention != PbRelaxMax::Off {
        return Err("the run has PB-Relax".to_owned());
    }
    if place.config.precision.query_key_layer_scaling {
        return Err("`precision.query_key_layer_scaling` divides its scores already".to_owned());
    }
    change.config.precision.pb_relax.attention = PbRelaxMax::Row;
    Ok(())
}

/// Only FP16 scales the loss.
fn needs_scale(place: &Place) -> Result<(), String> {
    match place.config.precision.format {
        Format::Fp16 => Ok(()),
        Format::Fp32 | Format::Bf16 => Err("the run has no loss scale".to_owned()),
    }
}

fn loss_scale_lower(place: &Place, change: &mut Change) -> Result<(), String> {
    needs_scale(place)?;
    change.state = Some(StateChange::LossScale(1.0 / 16.0));
    Ok(())
}

fn loss_scale_static(place: &Place, change: &mut Change) -> Result<(), String> {
    needs_scale(place)?;
    let scale = &mut change.config.precision.loss_scale;
    if scale.mode == LossScaleMode::Static {
        return Err("its loss scale is static".to_owned());
    }
    scale.mode = LossScaleMode::Static;
    scale.fall = ScaleFall::Halve;
    scale.initial = place.loss_scale.ok_or("its loss scale is not recorded")?;
    Ok(())
}

/// A value from the first step on, whatever else moves it.
fn scheduled(
    place: &Place,
    change: &mut Change,
    key: ScheduledKey,
    to: Option<f64>,
    factor: Option<f64>,
) -> Result<(), String> {
    change.config.schedule.push(ScheduleEntry {
        key,
        unit: Unit::Steps,
        start: place.from - 1,
        length: 0,
        from: None,
        to,
        factor,
        increment: None,
    });
    Ok(())
}

fn lr_half(place: &Place, change: &mut Change) -> Result<(), String> {
    scheduled(place, change, ScheduledKey::LrScale, None, Some(0.5))
}

fn limit(place: &Place) -> f64 {
    let progress = experiments_config::Progress {
        step: place.from - 1,
        samples: (place.from - 1) * place.config.samples_per_step(),
    };
    place.config.at(progress).optimizer.clip_grad
}

fn clip_tighter(place: &Place, change: &mut Change) -> Result<(), String> {
    let tighter = if limit(place) > 0.0 {
        limit(place) / 10.0
    } else {
        1.0
    };
    scheduled(place, change, ScheduledKey::ClipGrad, Some(tighter), None)
}

fn clip_off(place: &Place, change: &mut Change) -> Result<(), String> {
    match place.config.optimizer.clip_mode {
        ClipMode::Norm if limit(place) == 0.0 => Err("the run does not clip".to_owned()),
        ClipMode::Norm => scheduled(place, change, ScheduledKey::ClipGrad, Some(0.0), None),
        ClipMode::Zclip | ClipMode::Adagc => {
            change.config.optimizer.clip_mode = ClipMode::Norm;
            scheduled(place, change, ScheduledKey::ClipGrad, Some(0.0), None)
        }
    }
}

fn embedding_lr_half(_: &Place, change: &mut Change) -> Result<(), String> {
    change.config.optimizer.embedding_lr_scale *= 0.5;
    Ok(())
}

fn egs(place: &Place, change: &mut Change) -> Result<(), String> {
    scheduled(place, change, ScheduledKey::EgsAlpha, Some(0.1), None)
}

fn beta2_lower(place: &Place, change: &mut Change) -> Result<(), String> {
    const LOWER: f64 = 0.9;
    if place.config.optimizer.beta2 <= LOWER {
        return Err(format!("its β₂ is {}", place.config.optimizer.beta2));
    }
    change.config.optimizer.beta2 = LOWER;
    Ok(())
}

fn layer(place: &Place, change: &mut Change) -> Result<(), String> {
    let tensors = place.owner.clone();
    change.config.withhold.push(Withhold {
        tensors: tensors.ok_or("no layer owns the spike")?,
        step: place.from,
        steps: place.at - place.from + 1,
    });
    Ok(())
}

fn older(place: &Place, change: &mut Change) -> Result<(), String> {
    if place.from <= OLDER {
        return Err(format!("the run is not {OLDER} steps old"));
    }
    change.state = Some(StateChange::Older(OLDER));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use experiments_config::{Override, load_preset, resolve};

    fn config(set: &[&str]) -> Config {
        let set: Vec<Override> = set.iter().map(|set| set.parse().unwrap()).collect();
        load_preset("t0", &set).unwrap()
    }

    fn place(config: &Config) -> Place<'_> {
        Place {
            config,
            from: 114,
            at: 122,
            steps: 128,
            loss_scale: Some(4096.0),
            owner: Some("layers.3.".to_owned()),
        }
    }

    /// Also where much of the run comes after the replay.
    #[test]
    fn every_twin_is_a_configuration_that_can_be_trained_and_differs_from_the_control() {
        let config = config(&[
            "precision.format=fp16",
            "precision.softmax=fp16",
            "steps=1000",
            "inject=[{ kind = \"noise\", step = 240, steps = 50 }]",
            "intervention=[{ step = 900, skip_steps = 1 }]",
            "schedule=[{ key = \"egs.alpha\", start = 0, length = 500, to = 0.5 }]",
        ]);
        let place = place(&config);
        let control = TWINS[0].change(&place).unwrap();
        assert_eq!(control.config.steps, 249);
        for twin in TWINS {
            let change = twin
                .change(&place)
                .unwrap_or_else(|why| panic!("{}: {why}", twin.name));
            let table = toml::from_str(&change.config.to_toml()).unwrap();
            let read = resolve(table, &[], twin.name).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(read, change.config, "{}", twin.name);
            let same = change == control;
            assert_eq!(same, twin.name == CONTROL, "{}", twin.name);
        }
    }

    #[test]
    fn a_twin_that_is_the_run_itself_does_not_apply() {
        let config = config(&["optimizer.beta2=0.9", "optimizer.clip_grad=0"]);
        let place = Place {
            owner: None,
            from: 10,
            at: 18,
            ..place(&config)
        };
        let left: Vec<_> = TWINS
            .iter()
            .filter(|twin| twin.change(&place).is_err())
            .map(|twin| twin.name)
            .collect();
        let expected = [
            "fp32",
            "fp32-softmax",
            "loss-scale-lower",
            "loss-scale-static",
            "clip-off",
            "beta2-lower",
            "beta2-lower-2",
            "layer",
            "older",
        ];
        assert_eq!(left, expected);
    }

    #[test]
    fn an_unknown_twin_names_the_nearest_and_the_control_is_always_there() {
        let error = |name: &str| match chosen(&[name.to_owned()]) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{name} is no twin"),
        };
        assert!(error("lr-hal").contains("did you mean `lr-half`?"));
        assert!(error("").contains("there are: same, skip"));
        let names: Vec<_> = chosen(&["fp32".to_owned()])
            .unwrap()
            .iter()
            .map(|t| t.name)
            .collect();
        assert_eq!(names, ["same", "fp32"]);
        assert_eq!(chosen(&[]).unwrap().len(), TWINS.len());
    }
}
