//! The squared gradient norm of a step, split up.

use super::Before;
use super::told::{Part, Row, Share};
use crate::data::objective::Sample;
use crate::optimizer::clipping::Clipper;
use crate::parameters::{Parameter, Role};
use crate::trainer::gradient::Accumulated;
use crate::trainer::next::Taken;
use experiments_config::Config;
use kernels::slices::sum_of_squares;
use std::collections::HashMap;

/// How often something occurs in a batch.
#[derive(Default)]
pub(super) struct Counts {
    inputs: HashMap<u32, u64>,
    targets: HashMap<u32, u64>,
    positions: HashMap<u32, u64>,
}

impl Counts {
    pub(super) fn add(&mut self, sample: &Sample) {
        let count = |map: &mut HashMap<u32, u64>, id: u32| *map.entry(id).or_default() += 1;
        for token in &sample.tokens {
            count(&mut self.inputs, *token);
        }
        for target in sample.targets.iter().flatten() {
            count(&mut self.targets, *target);
        }
        for position in &sample.positions {
            count(&mut self.positions, *position);
        }
    }
}

/// The gradient of a step, by parameter.
pub(super) struct Split<'a> {
    table: &'a [Parameter],
    /// Sums of squares in the order of the table.
    squared: &'a [f64],
    total: f64,
    layers: usize,
    /// Factor that takes the loss scale away.
    inverse: f64,
    clip: Clip<'a>,
}

/// What a clip coefficient follows from, beside the norms.
struct Clip<'a> {
    limit: f64,
    /// As it was before the step.
    clipper: &'a Clipper,
    /// Whether the step updated.
    updated: bool,
}

impl Clip<'_> {
    /// The coefficient for these sums of squares, one for each parameter.
    fn coefficient(&self, squared: &[f64]) -> f64 {
        let norms: Vec<f64> = squared.iter().map(|s| s.max(0.0).sqrt()).collect();
        let global = norms.iter().map(|norm| norm * norm).sum::<f64>().sqrt();
        let mut clipper = self.clipper.clone();
        let clip = clipper.coefficients(self.limit, global, &norms);
        clip.overall(&norms)
    }
}

impl<'a> Split<'a> {
    pub(super) fn new(config: &Config, before: &'a Before, taken: &'a Taken) -> Self {
        Self {
            table: before.parameters.table(),
            squared: taken.norms.per_tensor(),
            total: taken.norms.squared(),
            layers: config.model.layers,
            inverse: 1.0 / taken.scale,
            clip: Clip {
                limit: config.optimizer.clip_grad,
                clipper: &before.state.clipper,
                updated: taken.update.is_ok(),
            },
        }
    }

    /// Of what takes `removed` from the sums of squares of these parameters.
    fn share(&self, removed: &[(usize, f64)]) -> Share {
        let squared: f64 = removed.iter().map(|(_, squared)| squared).sum();
        // Of a sum that is infinite nothing is a share.
        let share = if self.total.is_finite() {
            squared / self.total
        } else {
            f64::NAN
        };
        let without = || {
            let mut rest = self.squared.to_vec();
            for (index, squared) in removed {
                rest[*index] -= squared;
            }
            self.clip.coefficient(&rest)
        };
        Share {
            squared,
            share: share.is_finite().then_some(share),
            clip_without: self.clip.updated.then(without),
        }
    }

    /// Of the parameters that `select` picks; none where it picks none.
    fn of(&self, select: impl Fn(&Parameter) -> bool) -> Option<Share> {
        let all = self.table.iter().zip(self.squared).enumerate();
        let picked = all.filter(|(_, (parameter, _))| select(parameter));
        let picked: Vec<_> = picked
            .map(|(index, (_, squared))| (index, *squared))
            .collect();
        (!picked.is_empty()).then(|| self.share(&picked))
    }

    /// Of the parameters that `select` picks, called by `layer` and `role`.
    fn part(
        &self,
        layer: Option<usize>,
        role: Option<Role>,
        select: impl Fn(&Parameter) -> bool,
    ) -> Option<Part> {
        self.of(select).map(|share| Part {
            layer,
            role: role.map(Role::name),
            share,
        })
    }

    /// By layer and role: outside the layers first.
    pub(super) fn parts(&self) -> Vec<Part> {
        let places = std::iter::once(None).chain((0..self.layers).map(Some));
        let both = places.flat_map(|layer| Role::ALL.map(|role| (layer, role)));
        let part =
            |(layer, role)| self.part(layer, Some(role), |p| p.layer == layer && p.role == role);
        both.filter_map(part).collect()
    }

    pub(super) fn layers(&self) -> Vec<Part> {
        let layers = (0..self.layers).map(Some);
        layers
            .filter_map(|layer| self.part(layer, None, |p| p.layer == layer))
            .collect()
    }

    pub(super) fn roles(&self) -> Vec<Part> {
        let roles = Role::ALL.into_iter();
        roles
            .filter_map(|role| self.part(None, Some(role), |p| p.role == role))
            .collect()
    }

    /// The `most` largest rows of tensors that have one for each token or position; what is not finite first.
    pub(super) fn rows(
        &self,
        sum: &Accumulated,
        counts: &Counts,
        most: usize,
        piece: &dyn Fn(u32) -> String,
    ) -> Vec<Row> {
        let mut found: Vec<(usize, usize, f64)> = Vec::new();
        for (index, parameter) in self.table.iter().enumerate() {
            if matches!(parameter.role, Role::Attention | Role::Ffn | Role::Norm) {
                continue;
            }
            let rows = sum.flat[parameter.range.clone()].chunks_exact(parameter.shape[1]);
            let squares = rows.map(sum_of_squares).enumerate();
            found.extend(squares.map(|(row, squared)| (index, row, squared)));
        }
        let size = |squared: f64| {
            if squared.is_nan() {
                f64::INFINITY
            } else {
                squared
            }
        };
        found.sort_by(|a, b| size(b.2).total_cmp(&size(a.2)));
        found.truncate(most);
        let rows = found.into_iter();
        rows.map(|row| self.row(row, sum, counts, piece)).collect()
    }

    fn row(
        &self,
        (index, row, squared): (usize, usize, f64),
        sum: &Accumulated,
        counts: &Counts,
        piece: &dyn Fn(u32) -> String,
    ) -> Row {
        let parameter = &self.table[index];
        let width = parameter.shape[1];
        let own = row * width..(row + 1) * width;
        let unscaled = |values: &[f32]| sum_of_squares(&values[own.clone()]) * self.inverse.powi(2);
        let paths = sum.paths.as_ref();
        let paths = paths.filter(|_| parameter.role == Role::Embedding);
        let count = |map: &HashMap<u32, u64>| map.get(&(row as u32)).copied().unwrap_or(0);
        let is_token = parameter.role != Role::Position;
        Row {
            tensor: parameter.name.clone(),
            row,
            text: is_token.then(|| piece(row as u32)),
            inputs: count(if is_token {
                &counts.inputs
            } else {
                &counts.positions
            }),
            targets: is_token.then(|| count(&counts.targets)),
            share: self.share(&[(index, squared)]),
            paths: paths.map(|paths| [unscaled(&paths.input), unscaled(&paths.logit)]),
        }
    }
}
