//! What is made of the values of a signal: a row each.

use super::of_spikes::{Asked, OfSpikes, mean_lead, owned, step_after};
use super::worst::Worst;
use crate::stats::{median, moments};
use logs::Record;
use logs::spike::{Spike, SpikeState};
use words::named;

/// What is known of a reduction.
#[derive(Debug, Clone, Copy)]
pub struct Reduction {
    /// For people; `{}` is the signal.
    pub(super) label: &'static str,
    pub(super) made: Made,
    pub(super) worst: Bad,
}

/// How the number is made.
#[derive(Debug, Clone, Copy)]
pub(super) enum Made {
    /// It is the last value, finite or not.
    Last,
    /// Of the finite values, of which there is one at least.
    Finite(fn(&[f64]) -> Option<f64>),
    /// Of those above 0.
    Positive(fn(&[f64]) -> Option<f64>),
    /// Of the spikes that begin in the steps that count.
    Spikes {
        of: OfSpikes,
        /// Whether the number is known in a run that lost its losses after this first spike.
        known: fn(Option<&Spike>) -> bool,
    },
}

/// Which end of the scale is bad.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bad {
    /// That of the signal.
    OfSignal,
    Always(Worst),
    Neither,
}

named! {
    /// What is made of a signal's values.
    #[derive(Default)]
    pub enum Reduce: Reduction {
        /// The last value.
        #[default]
        Last = "last": Reduction { label: "{}", made: Made::Last, worst: Bad::OfSignal },
        /// The mean.
        Mean = "mean": finite("mean {}", mean),
        /// The median.
        Median = "median": finite("median {}", |x| median(x.to_vec())),
        /// The smallest value.
        Min = "min": finite("smallest {}", |x| x.iter().copied().reduce(f64::min)),
        /// The largest value.
        Max = "max": finite("largest {}", |x| x.iter().copied().reduce(f64::max)),
        /// The sum.
        Sum = "sum": finite("sum of {}", |x| Some(x.iter().sum())),
        /// Sample standard deviation of the natural logarithms.
        SdLn = "sd_ln": Reduction { made: Made::Positive(sd_ln), ..high(finite("sd of ln {}", sd_ln)) },
        /// Mean of the logarithms to base 2: for what is doubled and halved.
        MeanLog2 = "mean_log2": Reduction { made: Made::Positive(mean_log2), ..finite("mean log2 {}", mean_log2) },
        /// Percentage of values at least 6 standard deviations above the mean of the 128 values
        /// before them ("olmo-core-128/6" with the value itself left out of its window).
        SpikeScore = "spike_score": high(finite("spike score of {}", spike_score)),
        /// Number of spikes, as [`logs::spike`] defines them.
        Spikes = "spikes": high(spikes("spikes of {}", |_, _, found| Some(found.len() as f64))),
        /// Height of the highest spike over the level there, in the signal's unit; 0 without one.
        SpikeHeight = "spike_height": high(spikes("height of the highest spike of {}", |_, _, found| {
            Some(found.iter().map(Spike::height).fold(0.0, f64::max))
        })),
        /// Steps of the longest spike, from its first to its last; 0 without one.
        SpikeDuration = "spike_duration": high(spikes("steps of the longest spike of {}", |_, _, found| {
            Some(found.iter().map(Spike::duration).max().unwrap_or(0) as f64)
        })),
        /// First step of the first spike; without one the step after the last that counts.
        FirstSpike = "first_spike": Reduction {
            label: "step of the first spike of {}",
            made: Made::Spikes { of: first_step, known: |first| first.is_some() },
            // Sooner than any spike of another run.
            worst: Bad::Always(Worst::Low),
        },
        /// Steps of the first spike; 0 without one.
        FirstSpikeDuration = "first_spike_duration": Reduction {
            label: "steps of the first spike of {}",
            made: Made::Spikes {
                of: |_, _, found| Some(found.first().map_or(0, Spike::duration) as f64),
                known: |first| first.is_some_and(|spike| spike.state != SpikeState::Open),
            },
            worst: Bad::Always(Worst::High),
        },
        /// Number of spikes that a layer owns, see [`logs::spike::owner()`].
        SpikesOfLayers = "spikes_of_layers": spikes("spikes of {} that a layer owns", |_, records, found| {
            owned(records, found, |owner| owner.layer.is_some())
        }),
        /// Number of spikes that the word embedding owns.
        SpikesOfEmbedding = "spikes_of_embedding": spikes("spikes of {} that the embedding owns", |_, records, found| {
            owned(records, found, |owner| owner.layer.is_none())
        }),
        /// Steps by which the signal, a norm, had doubled before a spike of the loss: mean over these spikes, 0
        /// without one. See [`logs::spike::lead`].
        SpikeLead = "spike_lead": spikes("lead of {} over spikes of the loss", mean_lead),
    }
}

const fn finite(label: &'static str, of: fn(&[f64]) -> Option<f64>) -> Reduction {
    let (made, worst) = (Made::Finite(of), Bad::OfSignal);
    Reduction { label, made, worst }
}

/// Whose spikes they are, and what led them, is neither good nor bad; spikes to come are not known.
const fn spikes(label: &'static str, of: OfSpikes) -> Reduction {
    let known: fn(Option<&Spike>) -> bool = |_| false;
    let (made, worst) = (Made::Spikes { of, known }, Bad::Neither);
    Reduction { label, made, worst }
}

/// Spread and spikes are unsteadiness, whatever it is that is unsteady.
const fn high(of: Reduction) -> Reduction {
    let worst = Bad::Always(Worst::High);
    Reduction { worst, ..of }
}

fn mean(values: &[f64]) -> Option<f64> {
    Some(moments(values)?.0)
}

fn sd_ln(values: &[f64]) -> Option<f64> {
    let logarithms: Vec<f64> = values.iter().map(|x| x.ln()).collect();
    Some(moments(&logarithms)?.1?.sqrt())
}

fn mean_log2(values: &[f64]) -> Option<f64> {
    let logarithms: Vec<f64> = values.iter().map(|x| x.log2()).collect();
    mean(&logarithms)
}

fn first_step(asked: &Asked, records: &[Record], found: &[Spike]) -> Option<f64> {
    let first = found.first().map(|spike| spike.first);
    Some(first.or_else(|| step_after(asked, records))? as f64)
}

/// Values that do not have a whole window before them are not judged; absent where none has.
fn spike_score(values: &[f64]) -> Option<f64> {
    const WINDOW: usize = 128;
    const SIGMAS: f64 = 6.0;
    let judged = values
        .len()
        .checked_sub(WINDOW)
        .filter(|count| *count > 0)?;
    let spikes = values.windows(WINDOW + 1).filter(|window| {
        let (before, value) = (&window[..WINDOW], window[WINDOW]);
        moments(before).is_some_and(|(mean, variance)| {
            let sd = variance.unwrap_or(0.0).sqrt();
            sd > 0.0 && value >= mean + SIGMAS * sd
        })
    });
    Some(100.0 * spikes.count() as f64 / judged as f64)
}
