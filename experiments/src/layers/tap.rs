//! What watches a forward pass: the one way by which values leave it, on the graph and by hand.
//!
//! A pass shows the values with which it goes on ([`Tap::see`]), and what becomes of them stands in rows: a signal of
//! the layers is a row of [`SIGNALS`] (the signal, what is seen, what of it), and a tap may keep whole tensors for
//! somebody ([`Keeps`]). What nobody watches is not read. Range losses alone are counted elsewhere, where values are rounded
//! (`docs/decisions/0017-one-folder-per-sub-layer.md`).

use crate::arithmetic::device::summarise;
use crate::array::Array;
use crate::numerics::precision::At;
use burn::tensor::Tensor;
use kernels::{Kernels, Ranges, Summary, bus};
use logs::signal::{
    LAYER_ACTIVATION_RMS, LAYER_MAX_ATTENTION_LOGIT, LAYER_NORM_INPUT_RMS, MAX_ATTENTION_LOGIT,
    PerLayer, Scalar,
};
use std::ops::Range;

/// What a pass shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A tensor as it is stored in the end.
    Stored(At),
    /// The dropout mask of a stored tensor.
    Mask(At),
    /// What enters a layer, and what leaves it.
    Input,
    Output,
    /// The rows that enter the linear map of which the output is stored there.
    Enters(At),
    /// Attention scores without their mask; by hand the largest of them, since they are never held all at once.
    Scores,
    /// Of every target.
    Losses,
}

impl Seen {
    /// Whether it is kept for somebody.
    fn is_kept(self, keeps: Keeps) -> bool {
        let of_parity = match self {
            Self::Stored(_) | Self::Mask(_) | Self::Output | Self::Losses => true,
            Self::Input | Self::Scores | Self::Enters(_) => false,
        };
        match keeps {
            Keeps::Parity => of_parity,
            Keeps::MapInputs => matches!(self, Self::Enters(_)),
        }
    }

    /// Its name in the parity file; of what enters a linear map, the parameter's.
    fn name(self, layer: usize) -> String {
        match self {
            Self::Stored(At::Logits) => "logits".to_owned(),
            Self::Stored(at) => format!("activations.{}", at.label(layer)),
            Self::Mask(at) => format!("dropout.{}", at.label(layer)),
            Self::Input => format!("activations.layers.{layer}.input"),
            Self::Output => format!("activations.layers.{layer}.output"),
            Self::Enters(at) => format!("{}.weight", at.label(layer)),
            Self::Scores => format!("activations.{}", At::Scores.label(layer)),
            Self::Losses => "token_losses".to_owned(),
        }
    }
}

/// What a signal says of a tensor's values.
#[derive(Debug, Clone, Copy)]
enum Reduction {
    /// The root of their mean square.
    Rms,
    /// The largest, NaN where there is one.
    Largest,
}

impl Reduction {
    /// Of so many values.
    fn of_summary(self, summary: &Summary, elements: usize) -> f64 {
        match self {
            Self::Rms => (summary.squares() / elements as f64).sqrt(),
            Self::Largest => summary.largest.into(),
        }
    }

    fn of(self, values: &[f32]) -> f64 {
        match self {
            Self::Rms => {
                let squares = kernels::slices::sum_of_squares(values);
                (squares / values.len() as f64).sqrt()
            }
            Self::Largest => {
                let values = values.iter().map(|v| f64::from(*v));
                values.fold(f64::NEG_INFINITY, larger)
            }
        }
    }
}

/// A signal of every layer, and where there is one the signal of the largest over all layers.
struct Row(PerLayer, Option<Scalar>, Seen, Reduction);

/// Of several micro-batches the larger value is recorded.
const SIGNALS: [Row; 3] = [
    Row(
        LAYER_MAX_ATTENTION_LOGIT,
        Some(MAX_ATTENTION_LOGIT),
        Seen::Scores,
        Reduction::Largest,
    ),
    Row(LAYER_NORM_INPUT_RMS, None, Seen::Input, Reduction::Rms),
    Row(LAYER_ACTIVATION_RMS, None, Seen::Output, Reduction::Rms),
];

/// The signals of one forward pass, in layer order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Readings([Vec<f64>; SIGNALS.len()]);

impl Readings {
    /// Keeps the larger value of two micro-batches.
    pub(crate) fn join(&mut self, other: &Self) {
        for (ours, theirs) in self.0.iter_mut().zip(&other.0) {
            if ours.is_empty() {
                ours.extend_from_slice(theirs);
            }
            for (a, b) in ours.iter_mut().zip(theirs) {
                *a = larger(*a, *b);
            }
        }
    }

    /// As another rank is told them: of every signal the values of so many layers.
    pub(crate) fn numbers(&self, layers: usize) -> Vec<f64> {
        let values = |signal: &Vec<f64>| {
            let missing = layers.saturating_sub(signal.len());
            let all = signal
                .iter()
                .copied()
                .chain(std::iter::repeat_n(0.0, missing));
            all.take(layers).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(values).collect()
    }

    /// Takes some layers' values from [`Self::numbers`] of a pass that computed those; the larger where some are there.
    pub(crate) fn take_layers(&mut self, numbers: &[f64], layers: Range<usize>, are_there: bool) {
        let all = numbers.len() / SIGNALS.len();
        for (signal, told) in self.0.iter_mut().zip(numbers.chunks_exact(all.max(1))) {
            signal.resize(all, 0.0);
            for layer in layers.clone() {
                signal[layer] = if are_there {
                    larger(signal[layer], told[layer])
                } else {
                    told[layer]
                };
            }
        }
    }

    /// Every signal with its values in layer order.
    pub(crate) fn layers(&self) -> impl Iterator<Item = (PerLayer, &[f64])> {
        let signals = SIGNALS.iter().map(|row| row.0);
        signals.zip(self.0.iter().map(Vec::as_slice))
    }

    /// The signals of the largest over all layers.
    pub(crate) fn largest(&self) -> impl Iterator<Item = (Scalar, f64)> {
        let both = SIGNALS.iter().zip(&self.0);
        both.filter_map(|(row, values)| {
            let largest = values.iter().copied().fold(f64::NEG_INFINITY, larger);
            Some((row.1?, largest))
        })
    }
}

/// A tensor on the host.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Captured {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

/// For whom whole tensors are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Keeps {
    /// The parity file.
    #[default]
    Parity,
    /// Who has to know what the linear maps of the layers read.
    MapInputs,
}

/// What watches one run's pass.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tap {
    /// Absent when no signal of the layers is recorded.
    pub(crate) readings: Option<Readings>,
    /// In the order in which they arose; absent unless somebody asks for whole tensors.
    pub(crate) kept: Option<Vec<Captured>>,
    keeps: Keeps,
    /// What is still on the device; absent where values are read as they are shown.
    pending: Option<Vec<Pending>>,
}

/// The summary of a tensor that waits to be read.
#[derive(Debug, Clone)]
struct Pending {
    seen: Seen,
    layer: usize,
    /// Values of the tensor, and what they are to be multiplied by.
    elements: usize,
    factor: f64,
    summary: Array,
}

impl Tap {
    /// For signals of the layers, and for a parity file.
    pub(crate) fn new(signals: bool, parity: bool) -> Self {
        Self {
            readings: signals.then(Readings::default),
            kept: parity.then(Vec::new),
            ..Self::default()
        }
    }

    /// For what enters every linear map of the layers.
    pub(crate) fn of_map_inputs() -> Self {
        Self {
            kept: Some(Vec::new()),
            keeps: Keeps::MapInputs,
            ..Self::default()
        }
    }

    /// The tap that leaves on the device what signals need, until [`Tap::settle`].
    pub(crate) fn waiting(self) -> Self {
        Self {
            pending: self.kept.is_none().then(Vec::new),
            ..self
        }
    }

    /// What waits on the device, [`Summary::WIDTH`] numbers each for every run of the pass.
    pub(crate) fn pending(&self) -> impl Iterator<Item = &Array> {
        let pending = self.pending.iter().flatten();
        pending.map(|pending| &pending.summary)
    }

    /// Takes in its own of what waited, as it was read.
    pub(crate) fn settle(&mut self, numbers: &[f32]) {
        let pending = self.pending.take().unwrap_or_default();
        for (pending, summary) in pending.iter().zip(Summary::all(numbers)) {
            self.signal(pending.seen, pending.layer, |reduction| {
                reduction.of_summary(&summary, pending.elements) * pending.factor
            });
        }
    }

    /// Whether anybody asks for it.
    pub(crate) fn watches(&self, seen: Seen) -> bool {
        let has_signal = SIGNALS.iter().any(|row| row.2 == seen);
        (self.readings.is_some() && has_signal) || (self.kept.is_some() && seen.is_kept(self.keeps))
    }

    /// Shows values on the host.
    pub(crate) fn see(&mut self, seen: Seen, layer: usize, shape: &[usize], values: &[f32]) {
        self.see_part(seen, layer, shape, values, 1.0);
    }

    /// Signals read the values times `factor`.
    fn see_part(&mut self, seen: Seen, layer: usize, shape: &[usize], values: &[f32], factor: f64) {
        self.signal(seen, layer, |reduction| reduction.of(values) * factor);
        let is_kept = seen.is_kept(self.keeps);
        if let Some(kept) = self.kept.as_mut().filter(|_| is_kept) {
            kept.push(Captured {
                name: seen.name(layer),
                shape: shape.to_vec(),
                values: values.to_vec(),
            });
        }
    }

    /// Notes the signals of what is seen.
    fn signal(&mut self, seen: Seen, layer: usize, value: impl Fn(Reduction) -> f64) {
        let Some(readings) = &mut self.readings else {
            return;
        };
        for (row, signal) in SIGNALS.iter().zip(&mut readings.0) {
            if row.2 == seen {
                signal.resize(signal.len().max(layer + 1), 0.0);
                signal[layer] = value(row.3);
            }
        }
    }

    /// Shows a tensor, in which all runs lie one after another, to the taps of all; signals read it times `factor`.
    pub(crate) fn see_tensor<B: Kernels, const D: usize>(
        taps: &mut [Self],
        seen: Seen,
        layer: usize,
        x: &Tensor<B, D>,
        factor: f64,
    ) {
        if !taps.iter().any(|tap| tap.watches(seen)) {
            return;
        }
        let x = x.clone().detach();
        let elements: usize = x.dims().iter().product();
        if taps.iter().all(|tap| tap.pending.is_some()) {
            let own = elements / taps.len();
            let all = Ranges::new(std::iter::repeat_n(own, taps.len()));
            let pending = Pending {
                seen,
                layer,
                elements: own,
                factor,
                summary: Array::away(summarise(x.reshape([elements]), &all)),
            };
            let waiting = taps.iter_mut().filter_map(|tap| tap.pending.as_mut());
            waiting.for_each(|all| all.push(pending.clone()));
            return;
        }
        let shape = x.dims();
        let values = bus::read(x);
        let part = values.len() / taps.len();
        for (tap, values) in taps.iter_mut().zip(values.chunks_exact(part)) {
            tap.see_part(seen, layer, &shape, values, factor);
        }
    }
}

/// The larger of two values, or NaN if either is: `f64::max` would drop the one value that must
/// not be lost.
pub(crate) fn larger(a: f64, b: f64) -> f64 {
    if b.is_nan() || b > a { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_asks_for_is_not_watched() {
        let (nothing, signals, parity) =
            (Tap::default(), Tap::new(true, false), Tap::new(false, true));
        for (seen, by_signals) in [(Seen::Input, true), (Seen::Stored(At::Qkv), false)] {
            assert!(!nothing.watches(seen));
            assert_eq!(signals.watches(seen), by_signals);
            assert_eq!(parity.watches(seen), !by_signals);
        }
        let inputs = Tap::of_map_inputs();
        assert!(inputs.watches(Seen::Enters(At::Qkv)) && !inputs.watches(Seen::Stored(At::Qkv)));
        assert!(!parity.watches(Seen::Enters(At::Qkv)));
    }

    /// Of two micro-batches and of all layers the larger value counts, and what is no number is not hidden.
    #[test]
    fn readings_are_those_of_the_rows() {
        let mut tap = Tap::new(true, true);
        tap.see(Seen::Input, 1, &[2], &[3.0, -3.0]);
        tap.see(Seen::Scores, 0, &[1], &[5.0]);
        assert_eq!(tap.kept, Some(Vec::new()));
        let mut readings = tap.readings.unwrap();
        let mut other = readings.clone();
        other.0[0][0] = 4.0;
        other.0[1][1] = f64::NAN;
        readings.join(&other);
        let layers: Vec<_> = readings.layers().map(|(_, values)| values).collect();
        assert_eq!(layers[0], [5.0]);
        assert!(layers[1][0] == 0.0 && layers[1][1].is_nan());
        let largest: Vec<_> = readings.largest().collect();
        assert_eq!(largest, [(MAX_ATTENTION_LOGIT, 5.0)]);
    }
}
