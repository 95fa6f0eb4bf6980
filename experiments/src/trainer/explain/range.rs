//! What a step's number format had to hold, and the first tensor that left it.

use super::Before;
use super::told::{Nonfinite, Passed, RangeRow, Stage};
use crate::layers::tap::Captured;
use crate::numerics::precision::{Precision, RangeReport, Stored};
use crate::parameters::{Parameter, Role};
use crate::pass::{Note, Setting, TrainPass};
use crate::trainer::next::Next;
use crate::trainer::sequences::micro_batches;
use kernels::{Pass, RangeCount, Watched};

/// What was found.
#[derive(Default)]
pub(super) struct Ranges {
    pub(super) rows: Vec<RangeRow>,
    pub(super) first: Option<Nonfinite>,
}

/// Passes the micro-batches of the step once more, with an eye on all that is rounded: of 16-bit passes, and of any step
/// that is not `finite`. `lost`: what the sums of the weight gradients lost, by parameter.
pub(super) fn ranges(next: &Next, before: &Before, finite: bool, lost: &[RangeCount]) -> Ranges {
    let config = &next.config;
    let precision = Precision::watching(&config.precision, config.model.layers);
    let counts = precision.half().is_some() && next.setting().engine.counts_range();
    if finite && !counts {
        return Ranges::default();
    }
    let table = before.parameters.table();
    let limit = precision.half().map(|half| f64::from(half.largest()));
    let mut found = Ranges {
        first: bad_weight(before),
        rows: Vec::new(),
    };
    let setting = Setting {
        precision: &precision,
        ..next.setting()
    };
    let note = Note {
        probe: false,
        capture: !finite,
    };
    let micro_batches_of_step = config.batch.gradient_accumulation as f64;
    let scale = before.state.scaler.scale / micro_batches_of_step;
    let mut all = Vec::new();
    for micro in micro_batches(next, &before.state) {
        let run = setting.run(&before.parameters, &micro.batch);
        let pass = setting.engine.train(run, scale, micro.dropout, note);
        let activations = report(&precision).into_iter().map(Tensor::from);
        let stored = in_order(activations, weight_gradients(table, &pass, counts));
        if found.first.is_none() {
            let stored = || first_stored(&stored, limit);
            let kept = || first_kept(pass.tap.kept.iter().flatten(), limit);
            // Where nothing is rounded, `stored` is what comes after the forward pass.
            let first = if counts {
                stored().or_else(kept)
            } else {
                kept().or_else(stored)
            };
            found.first = first.map(|first| Nonfinite {
                micro_batch: micro.index,
                ..first
            });
        }
        all.extend(stored);
    }
    if found.first.is_none() && !finite {
        found.first = first_sum(table, lost, limit);
    }
    if let Some(limit) = limit.filter(|_| counts) {
        found.rows = rows(&all, config.model.layers, limit);
    }
    found
}

fn report(precision: &Precision) -> Vec<Stored> {
    let RangeReport { stored, .. } = precision.take_report();
    stored
}

/// A tensor of one pass.
struct Tensor {
    name: String,
    layer: Option<usize>,
    stage: Stage,
    lost: RangeCount,
    values: Watched,
}

impl From<Stored> for Tensor {
    fn from(stored: Stored) -> Self {
        Self {
            name: stored.name,
            layer: stored.layer,
            stage: match stored.pass {
                Pass::Forward => Stage::Forward,
                Pass::Backward => Stage::Backward,
            },
            lost: stored.lost,
            values: stored.values,
        }
    }
}

/// Both in the order of computation: the gradient of a weight follows the gradient of what the weight makes, which has
/// its name. Of what has no such name the last parameter comes first.
fn in_order(activations: impl Iterator<Item = Tensor>, mut weights: Vec<Tensor>) -> Vec<Tensor> {
    let mut all = Vec::new();
    for tensor in activations {
        let of_this = format!("{}.", tensor.name);
        let is_backward = tensor.stage == Stage::Backward;
        all.push(tensor);
        let own = |weight: &mut Tensor| is_backward && weight.name.starts_with(&of_this);
        all.extend(weights.extract_if(.., own));
    }
    all.extend(weights);
    all
}

/// The gradients of weights, those of the last parameter first. Where nobody counts, and for those that stay FP32, only
/// what is not finite is told.
fn weight_gradients(table: &[Parameter], pass: &TrainPass, counts: bool) -> Vec<Tensor> {
    let gradients = &pass.gradients;
    let both = table.iter().zip(&gradients.lost).rev();
    both.map(|(parameter, lost)| {
        let mut values = Watched::default();
        values.add(&gradients.flat[parameter.range.clone()]);
        // What is here was rounded already.
        values.nonfinite = values.nonfinite.saturating_sub(lost.overflow);
        values.nonzero += lost.underflow + lost.overflow;
        values.largest = values.largest.max(lost.largest);
        if !counts || parameter.role == Role::Norm {
            let nonfinite = values.nonfinite;
            values = Watched {
                nonfinite,
                ..Watched::default()
            };
        }
        Tensor {
            name: parameter.name.clone(),
            layer: parameter.layer,
            stage: Stage::WeightGradient,
            lost: *lost,
            values,
        }
    })
    .collect()
}

/// A weight that is not finite before the step.
fn bad_weight(before: &Before) -> Option<Nonfinite> {
    let weights = before.parameters.values();
    let mut table = before.parameters.table().iter();
    let is_bad = |p: &&Parameter| !weights[p.range.clone()].iter().all(|w| w.is_finite());
    let bad = table.find(is_bad)?;
    Some(nonfinite(&bad.name, bad.layer, Stage::Weight))
}

fn nonfinite(name: &str, layer: Option<usize>, stage: Stage) -> Nonfinite {
    Nonfinite {
        tensor: name.to_owned(),
        layer,
        stage,
        micro_batch: 0,
        overflow: 0,
        largest: None,
        limit: None,
    }
}

/// Of what was rounded, and of the gradients of weights.
fn first_stored(stored: &[Tensor], limit: Option<f64>) -> Option<Nonfinite> {
    let mut tensors = stored.iter();
    let first = tensors.find(|tensor| tensor.lost.overflow > 0 || tensor.values.nonfinite > 0)?;
    Some(Nonfinite {
        overflow: first.lost.overflow,
        largest: limit.map(|_| f64::from(first.values.largest.max(first.lost.largest))),
        limit,
        ..nonfinite(&first.name, first.layer, first.stage)
    })
}

/// Of what a pass showed.
fn first_kept<'a>(
    mut kept: impl Iterator<Item = &'a Captured>,
    limit: Option<f64>,
) -> Option<Nonfinite> {
    let first = kept.find(|kept| !kept.values.iter().all(|value| value.is_finite()))?;
    let name = first
        .name
        .strip_prefix("activations.")
        .unwrap_or(&first.name);
    let layer = name.strip_prefix("layers.").and_then(|rest| {
        let (layer, _) = rest.split_once('.')?;
        layer.parse().ok()
    });
    Some(Nonfinite {
        limit,
        ..nonfinite(name, layer, Stage::Forward)
    })
}

/// Of the sums over micro-batches, each of which is finite.
fn first_sum(table: &[Parameter], lost: &[RangeCount], limit: Option<f64>) -> Option<Nonfinite> {
    let mut both = table.iter().zip(lost).rev();
    let (parameter, lost) = both.find(|(_, lost)| lost.overflow > 0)?;
    Some(Nonfinite {
        overflow: lost.overflow,
        largest: Some(f64::from(lost.largest)),
        limit,
        ..nonfinite(&parameter.name, parameter.layer, Stage::Sum)
    })
}

/// Outside the layers, and each layer.
fn rows(stored: &[Tensor], layers: usize, limit: f64) -> Vec<RangeRow> {
    let places = std::iter::once(None).chain((0..layers).map(Some));
    places
        .map(|layer| {
            let own = || stored.iter().filter(move |tensor| tensor.layer == layer);
            let is_forward = |tensor: &&Tensor| tensor.stage == Stage::Forward;
            RangeRow {
                layer,
                forward: passed(own().filter(is_forward), limit),
                backward: passed(own().filter(|tensor| !is_forward(tensor)), limit),
            }
        })
        .collect()
}

fn passed<'a>(tensors: impl Iterator<Item = &'a Tensor>, limit: f64) -> Passed {
    let mut passed = Passed::default();
    for tensor in tensors {
        passed.nonzero += tensor.values.nonzero;
        passed.overflow += tensor.lost.overflow;
        passed.underflow += tensor.lost.underflow;
        let largest = f64::from(tensor.values.largest);
        if largest > passed.largest {
            passed.largest = largest;
            passed.tensor.clone_from(&tensor.name);
        }
    }
    let share = passed.underflow as f64 / passed.nonzero as f64;
    passed.underflow_share = (passed.nonzero > 0).then_some(share);
    passed.margin = (passed.largest > 0.0).then(|| limit / passed.largest);
    passed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_of_weights_stand_where_they_arise() {
        let tensor = |name: &str, stage| Tensor {
            name: name.to_owned(),
            layer: None,
            stage,
            lost: RangeCount::default(),
            values: Watched::default(),
        };
        let activations = [
            ("embedding", Stage::Forward),
            ("layers.0.ffn.down", Stage::Backward),
            ("layers.0.ffn.up", Stage::Backward),
            ("embedding", Stage::Backward),
        ];
        let weights = [
            "layers.0.ffn.down.weight",
            "layers.0.ffn.up.weight",
            "position_embedding.weight",
            "embedding.weight",
        ];
        let all = in_order(
            activations.iter().map(|(name, stage)| tensor(name, *stage)),
            weights
                .map(|name| tensor(name, Stage::WeightGradient))
                .into(),
        );
        let names: Vec<_> = all.iter().map(|tensor| tensor.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "embedding",
                "layers.0.ffn.down",
                "layers.0.ffn.down.weight",
                "layers.0.ffn.up",
                "layers.0.ffn.up.weight",
                "embedding",
                "embedding.weight",
                "position_embedding.weight",
            ]
        );
    }
}
