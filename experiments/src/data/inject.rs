//! What `[[inject]]` plants: bad sequences and a weight that is suddenly another.
//!
//! A bad sequence depends on the seed, the kind and the number of the sequence in the data, and on nothing
//! else: a step that is done again has the same ones, also after a kill. A weight is changed between two
//! steps, and a checkpoint holds what lies between the same two, so a run that goes on there changes it
//! neither twice nor not at all.

use crate::data::objective::Sample;
use crate::parameters::Parameters;
use crate::random::stream;
use crate::state::Recovered;
use experiments_config::{Config, Inject, InjectKind};
use experiments_text::SpecialIds;
use logs::{Event, EventKind};
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// What is planted in one sequence.
#[derive(Clone, Copy)]
pub(crate) struct Planted<'a> {
    config: &'a Config,
    /// Seed of the data order.
    seed: u64,
    /// The step that trains on the sequence; absent outside training.
    step: Option<u64>,
    /// Number of the sequence in the data.
    index: u64,
}

impl<'a> Planted<'a> {
    pub(crate) fn new(config: &'a Config, seed: u64, step: Option<u64>, index: u64) -> Self {
        Self {
            config,
            seed,
            step,
            index,
        }
    }

    fn causes(&self) -> impl Iterator<Item = &'a Inject> + use<'a> {
        let config = self.config;
        self.step
            .into_iter()
            .flat_map(|step| config.injected_at(step))
    }

    /// A stream that no other draw shares.
    fn stream(&self, kind: InjectKind) -> ChaCha8Rng {
        stream(self.seed, &format!("inject/{}", kind.name()), self.index)
    }

    /// Replaces the texts that the sequence is made of, in place and all of them.
    pub(crate) fn texts<'t>(
        &self,
        special: &SpecialIds,
        texts: impl IntoIterator<Item = &'t mut Vec<u32>>,
    ) {
        let mut texts: Vec<_> = texts.into_iter().collect();
        for cause in self.causes() {
            match cause.kind {
                InjectKind::Noise => {
                    let mut draws = self.stream(cause.kind);
                    let all = texts.iter_mut().flat_map(|text| text.iter_mut());
                    // The special tokens are the last ones.
                    all.for_each(|token| *token = draws.random_range(0..special.mask));
                }
                InjectKind::RepeatedNgram => {
                    // The configuration is refused without it.
                    let n = cause.n.unwrap_or(1).max(1);
                    for text in &mut texts {
                        repeat(text, n);
                    }
                }
                InjectKind::None | InjectKind::ShuffledLabels | InjectKind::Weight => {}
            }
        }
    }

    /// Replaces the targets of the finished sequence.
    pub(crate) fn targets(&self, sample: &mut Sample) {
        for cause in self.causes() {
            match cause.kind {
                InjectKind::ShuffledLabels => {
                    shuffle(&mut sample.targets, &mut self.stream(cause.kind));
                }
                InjectKind::None
                | InjectKind::Noise
                | InjectKind::RepeatedNgram
                | InjectKind::Weight => {}
            }
        }
    }
}

/// The first `n` tokens again and again.
fn repeat(text: &mut [u32], n: usize) {
    for place in n..text.len() {
        text[place] = text[place - n];
    }
}

/// The same targets in the same slots in random order.
fn shuffle(targets: &mut [Option<u32>], draws: &mut ChaCha8Rng) {
    let mut order: Vec<u32> = targets.iter().copied().flatten().collect();
    order.shuffle(draws);
    let slots = targets.iter_mut().flatten();
    slots.zip(order).for_each(|(slot, target)| *slot = target);
}

/// Changes the weights that are planted in step `step`, and says what begins to be planted there. Called
/// before the passes of the step, once. `recovered`: a run that passed over data meets what is planted in them where it
/// reads them, and a weight is not changed again in a step that is taken again.
pub(crate) fn plant(
    config: &Config,
    parameters: &mut Parameters,
    step: u64,
    recovered: Option<&Recovered>,
) -> Vec<Event> {
    let (ahead, reached) = recovered.map_or((0, 0), |done| (done.ahead, done.reached));
    let begins = |cause: &&Inject| match cause.kind {
        InjectKind::Weight => cause.step == step && step > reached,
        InjectKind::None
        | InjectKind::Noise
        | InjectKind::RepeatedNgram
        | InjectKind::ShuffledLabels => cause.step == step.saturating_add(ahead),
    };
    config
        .inject
        .iter()
        .filter(begins)
        .map(|cause| {
            match cause.kind {
                InjectKind::Weight => multiply(cause, parameters),
                InjectKind::None
                | InjectKind::Noise
                | InjectKind::RepeatedNgram
                | InjectKind::ShuffledLabels => {}
            }
            let event = Event::now(step, EventKind::Intervention, describe(cause));
            event
                .with("inject", cause.kind.name())
                .with("steps", cause.steps)
        })
        .collect()
}

/// Multiplies master weights; Adam's moments stay.
fn multiply(cause: &Inject, parameters: &mut Parameters) {
    // The configuration is refused without a factor and the name of a parameter.
    let (Some(factor), Some(place)) = (
        cause.factor,
        cause.tensor.as_ref().and_then(|name| parameters.find(name)),
    ) else {
        return;
    };
    let range = parameters.table()[place].range.clone();
    let values = &mut parameters.values_mut()[range];
    let chosen = match cause.element {
        Some(element) => values.get_mut(element..=element).unwrap_or_default(),
        None => values,
    };
    for value in chosen {
        *value = (f64::from(*value) * factor) as f32;
    }
}

/// One line for people.
fn describe(cause: &Inject) -> String {
    let what = match cause.kind {
        InjectKind::None => "nothing".to_owned(),
        InjectKind::Noise => "texts of random tokens".to_owned(),
        InjectKind::RepeatedNgram => {
            let n = cause.n.unwrap_or(1);
            format!("texts that repeat their first {n} tokens")
        }
        InjectKind::ShuffledLabels => "targets in random order".to_owned(),
        InjectKind::Weight => {
            let tensor = cause.tensor.as_deref().unwrap_or_default();
            let element = cause.element.map_or_else(String::new, |e| format!("[{e}]"));
            let factor = cause.factor.unwrap_or(1.0);
            format!("`{tensor}`{element} multiplied by {factor:?}")
        }
    };
    match cause.steps {
        1 => format!("planted: {what}"),
        _ => format!("planted: {what}, to step {}", cause.touched().end()),
    }
}

#[cfg(test)]
mod tests;
