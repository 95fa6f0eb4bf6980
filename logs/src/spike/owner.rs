//! Whose gradient grew before a spike.

use serde::{Deserialize, Serialize};

use super::Spike;
use crate::median::upper_median;
use crate::record::Record;

/// Steps before the first of a spike in which a growth is looked for. Signals led by two to four steps in the runs
/// that this was made on.
const LEAD: u64 = 8;
/// Steps before those whose median is what a norm grew from.
const BEFORE: u64 = 64;
/// Steps before the first of a spike that decide whose it is.
pub const LOOK_BACK: u64 = LEAD + BEFORE;
/// Smallest growth that names an owner: below, batches alone make such factors.
const LEAST_GROWTH: f64 = 2.0;

/// The part of the model whose gradient norm grew most in the steps before a spike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Owner {
    /// The layer, from 0; none for the word embedding.
    pub layer: Option<usize>,
    /// The part of the layer; none where the run did not record the parts.
    pub role: Option<Role>,
    /// Largest gradient norm of the steps before the spike over the median of those before them.
    pub growth: f64,
    /// The step of that largest norm.
    pub step: u64,
}

/// A part of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The attention.
    Attention,
    /// The feed-forward network.
    Ffn,
    /// The layer norms.
    Norm,
}

impl Role {
    const ALL: [(Self, &str); 3] = [
        (Self::Attention, "layer_grad_norm_attention"),
        (Self::Ffn, "layer_grad_norm_ffn"),
        (Self::Norm, "layer_grad_norm_norm"),
    ];

    /// For people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Attention => "attention",
            Self::Ffn => "feed-forward",
            Self::Norm => "norms",
        }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.layer {
            None => write!(f, "embedding"),
            Some(layer) => write!(f, "layer {layer}"),
        }?;
        self.role
            .map_or(Ok(()), |role| write!(f, " {}", role.word()))
    }
}

/// The owner of a spike, from the records of its run in the order of their steps: the layer, or the word embedding, whose
/// gradient norm grew most over the 8 steps before the spike's first, against its median over the 64 steps before
/// them. At the first step itself every norm is large, so that step says nothing. None where no norm doubled
/// or the run recorded none. Norms that are not finite are left out.
#[must_use]
pub fn owner(records: &[Record], spike: &Spike) -> Option<Owner> {
    owner_before(records, spike.first)
}

/// The same of a step that no spike of the loss begins with, for example that of an alarm.
#[must_use]
pub fn owner_before(records: &[Record], step: u64) -> Option<Owner> {
    let window = Window::before(records, step)?;
    let layers = window.layers("layer_grad_norm");
    if layers == 0 {
        return None; // or the embedding would own every spike of a run without them
    }
    let of_layers = (0..layers).filter_map(|layer| {
        let (growth, step) = window.growth(|record| at(record, "layer_grad_norm", layer))?;
        Some((Some(layer), growth, step))
    });
    let of_embedding = window
        .growth(|record| record.scalar("grad_norm_embedding"))
        .map(|(growth, step)| (None, growth, step));
    let (layer, growth, step) = of_layers
        .chain(of_embedding)
        .filter(|(_, growth, _)| *growth >= LEAST_GROWTH)
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(Owner {
        layer,
        role: layer.and_then(|layer| window.role(layer)),
        growth,
        step,
    })
}

/// How many steps before the first of a spike a norm had already doubled, at most 8: from the earliest step from which it
/// stayed at twice its median, over the 64 steps before those, or above. 0 where it had not doubled in the step before; none where
/// it was not recorded. Of a per-layer signal by its name alone (`layer_grad_norm`) it is the layer that grew most.
#[must_use]
pub fn lead(records: &[Record], spike: &Spike, signal: &str) -> Option<u64> {
    let window = Window::before(records, spike.first)?;
    match window.layers(signal) {
        0 => window.lead_of(spike, |record| record.value(signal)),
        layers => {
            let grown = |layer: &usize| window.growth(|record| at(record, signal, *layer));
            let most = (0..layers).max_by(|a, b| {
                let [a, b] = [a, b].map(|layer| grown(layer).map_or(0.0, |(growth, _)| growth));
                a.total_cmp(&b)
            })?;
            window.lead_of(spike, |record| at(record, signal, most))
        }
    }
}

/// The records just before a spike, and those before them.
struct Window<'a> {
    before: &'a [Record],
    lead: &'a [Record],
}

impl<'a> Window<'a> {
    fn before(records: &'a [Record], first: u64) -> Option<Self> {
        let place = |step: u64| records.partition_point(|record| record.step < step);
        let from = first.saturating_sub(LEAD);
        let (start, middle) = (place(from.saturating_sub(BEFORE)), place(from));
        Some(Self {
            before: records.get(start..middle)?,
            lead: records.get(middle..place(first))?,
        })
    }

    fn layers(&self, signal: &str) -> usize {
        let lengths = self
            .lead
            .iter()
            .filter_map(|record| record.layers.get(signal));
        lengths.map(Vec::len).max().unwrap_or(0)
    }

    /// Largest value of the lead over the median before it, and its step.
    fn growth(&self, value: impl Fn(&Record) -> Option<f64>) -> Option<(f64, u64)> {
        let positive = |record: &Record| value(record).filter(|x| x.is_finite() && *x > 0.0);
        let median = self.median(&value)?;
        let lead = self.lead.iter();
        let (largest, step) = lead
            .filter_map(|record| Some((positive(record)?, record.step)))
            .max_by(|a, b| a.0.total_cmp(&b.0))?;
        Some((largest / median, step))
    }

    /// The median of the positive, finite values before the lead.
    fn median(&self, value: impl Fn(&Record) -> Option<f64>) -> Option<f64> {
        let before = self.before.iter().filter_map(value);
        let mut before: Vec<f64> = before.filter(|x| x.is_finite() && *x > 0.0).collect();
        upper_median(&mut before)
    }

    /// Steps from the earliest from which the value stays doubled to the spike's first. An infinite norm is more
    /// than double.
    fn lead_of(&self, spike: &Spike, value: impl Fn(&Record) -> Option<f64>) -> Option<u64> {
        let doubled = LEAST_GROWTH * self.median(&value)?;
        let recorded = self.lead.iter().rev();
        let recorded = recorded.filter_map(|record| Some((record.step, value(record)?)));
        let grown = recorded.take_while(|(_, x)| *x >= doubled);
        Some(grown.last().map_or(0, |(step, _)| spike.first - step))
    }

    fn role(&self, layer: usize) -> Option<Role> {
        let grown = Role::ALL.into_iter().filter_map(|(role, signal)| {
            let (growth, _) = self.growth(|record| at(record, signal, layer))?;
            Some((role, growth))
        });
        grown
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(role, _)| role)
    }
}

fn at(record: &Record, signal: &str, layer: usize) -> Option<f64> {
    record.layers.get(signal)?.get(layer).copied()
}
