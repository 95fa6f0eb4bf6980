//! The backward pass of a sub-layer.
//!
//! A group of pieces goes piece after piece through the whole sub-layer, and each adds its share to the
//! group's gradients while what that takes still lies in the cache. Groups run side by side; their sums
//! are added up in their order.

use super::vectors::{Places, Vectors};
use super::{Saved, Sublayer};
use crate::layers::gradients::slices::SublayerGradient;
use crate::layers::norm::{Divisor, relaxed};
use crate::layers::rows::{Rows, cut, part};
use crate::ranks::Ranks;
use experiments_config::Residual;
use kernels::slices::rows::{add, scale_into};
use kernels::slices::{Linear, Norm, NormGradient};
use kernels::{Buffer, Onto, Pass, Prepared, Rounding, Store, round_again, store};
use rayon::prelude::*;
use std::ops::Range;

/// What all pieces of a pass read.
struct Given<'a> {
    x: &'a [f32],
    saved: &'a Saved,
    rows: &'a Rows,
    weights: [Prepared<'a>; 2],
}

/// What one group of pieces writes: the gradient `dx` of its input, that of its output, which is rounded
/// in place, and its share of the parameters' gradients.
struct Group<'a> {
    pieces: Range<usize>,
    dx: &'a mut [f32],
    d: &'a mut [f32],
    weights: [Sum<'a>; 2],
    vectors: Vectors,
}

/// The sum over a group for the gradient of a weight.
enum Sum<'a> {
    /// In place: the first group's.
    Place(&'a mut [f32]),
    /// To be added.
    Share(Buffer),
}

impl Sum<'_> {
    fn values(&mut self) -> &mut [f32] {
        match self {
            Self::Place(values) => values,
            Self::Share(values) => values,
        }
    }
}

/// What the gradients of the weights take from a piece.
struct Terms {
    /// Gradient of the first linear map's output.
    dfirst: Buffer,
    /// Gradient of the branch's output; absent where it is that of the sub-layer's.
    dbranch: Option<Buffer>,
    /// Input of the first linear map.
    y: Buffer,
    /// Input of the second; absent where the forward pass kept it.
    inner: Option<Buffer>,
}

impl Sublayer<'_> {
    /// From the gradient `d` of the output, which is rounded in place, to that of the input.
    ///
    /// # Shapes
    /// - x, d and result: `[r, h]`, of the own rows
    ///
    /// # Panics
    /// If a slice has another length than its shape says, or a vector has no place for its gradient, or
    /// a place has no vector.
    pub(crate) fn backward(
        &self,
        x: &[f32],
        saved: &Saved,
        mut d: Buffer,
        rows: &Rows,
        gradient: SublayerGradient,
    ) -> Buffer {
        let mut dx = Buffer::new(rows.count * self.width());
        let SublayerGradient {
            norm,
            out_norm,
            head_norms,
            first,
            second,
        } = gradient;
        let mut vectors = Places {
            norm,
            out_norm,
            head_norms,
            biases: [first.bias, second.bias],
        };
        self.check_places(&vectors);
        let places = [first.weight, second.weight];
        let mut outside = self.vectors();
        let own = self.rows.map(|shares| {
            let whole = self.open_rows(shares, saved, &mut d, &mut outside);
            (shares, std::mem::replace(&mut d, whole))
        });
        let given = Given {
            x,
            saved,
            rows,
            weights: self.branch.linears().map(Linear::backward_weight),
        };
        let mut groups = self.groups(rows, &mut dx, &mut d, places);
        groups
            .par_iter_mut()
            .with_max_len(1)
            .for_each(|group| self.backward_group(&given, group));
        if let Some(ranks) = self.tensor.filter(|_| own.is_none()) {
            sum_over(ranks, &mut groups);
            groups
                .par_iter_mut()
                .with_max_len(1)
                .for_each(|group| self.backward_summed(&given, group));
        }

        let (mut first_sums, mut second_sums) = (Vec::new(), Vec::new());
        for group in groups {
            vectors.add(&group.vectors);
            let [first, second] = group.weights;
            first_sums.push(first);
            second_sums.push(second);
        }
        add_up(&mut first_sums);
        add_up(&mut second_sums);
        if let Some((shares, mut d)) = own {
            let dy = shares.sum(&dx, self.width());
            dx = Buffer::new(d.len());
            self.input_backward(x, None, dy, [&mut dx, &mut d], &mut outside.norm);
            vectors.add(&outside);
        }
        dx
    }

    fn groups<'b>(
        &self,
        rows: &Rows,
        dx: &'b mut [f32],
        d: &'b mut [f32],
        places: [&'b mut [f32]; 2],
    ) -> Vec<Group<'b>> {
        let h = self.width();
        let linears = self.branch.linears();
        let groups = rows.groups();
        let spans: Vec<Range<usize>> = groups.iter().map(|group| rows.span(group)).collect();
        let parts = cut(dx, h, &spans).into_iter().zip(cut(d, h, &spans));
        let mut places = places.map(Some);
        let mut sum = |index: usize| match places[index].take() {
            Some(place) => Sum::Place(place),
            None => Sum::Share(Buffer::new(linears[index].weight.len())),
        };
        groups
            .into_iter()
            .zip(parts)
            .map(|(pieces, (dx, d))| Group {
                pieces,
                dx,
                d,
                weights: [sum(0), sum(1)],
                vectors: self.vectors(),
            })
            .collect()
    }

    fn backward_group(&self, given: &Given, group: &mut Group) {
        let Given { saved, rows, .. } = given;
        let h = self.width();
        let [first, second] = self.branch.linears();
        let pieces = &rows.pieces[group.pieces.clone()];
        let parts = cut(group.dx, h, pieces)
            .into_iter()
            .zip(cut(group.d, h, pieces));
        let [first_sum, second_sum] = group.weights.each_mut().map(Sum::values);
        let mut onto = Onto::Nothing;
        for (piece, (dx, d)) in pieces.iter().zip(parts) {
            let terms = self.backward_piece(given, piece, [dx, d], &mut group.vectors);
            let dbranch = terms.dbranch.as_deref().unwrap_or(d);
            let kept = || part(&saved.second, second.inputs, piece);
            let inner = terms.inner.as_deref().unwrap_or_else(kept);
            first.weight_gradient(first_sum, &terms.dfirst, &terms.y, onto, rows.alone());
            second.weight_gradient(second_sum, dbranch, inner, onto, rows.alone());
            onto = Onto::Sum;
        }
    }

    /// From the gradient `d` of some rows of the output, from row `start` on, which is rounded in place, to that of the
    /// branch's output; none where it is the same. Adds to the gradients of the vectors. `branch` is the branch's output
    /// where a norm reads it.
    pub(super) fn open(
        &self,
        branch: &[f32],
        divisor: Option<Divisor>,
        start: usize,
        d: &mut [f32],
        vectors: &mut Vectors,
    ) -> Option<Buffer> {
        let [_, second] = self.branch.linears();
        store(d, self.places.at(self.half.sum), Pass::Backward);
        // Rounded once, the gradient stays as it is at every point up to the branch.
        let mut dbranch = self
            .after
            .as_ref()
            .map(|norm| self.out_norm_backward(norm, branch, divisor, d, &mut vectors.out_norm));
        if let Some(mask) = self.dropout {
            let dropped = dbranch.get_or_insert_with(|| Buffer::of(d));
            mask.apply(start, dropped);
            store(dropped, self.places.at(self.half.out), Pass::Backward);
        }
        second.bias_gradient(&mut vectors.biases[1], dbranch.as_deref().unwrap_or(d));
        dbranch
    }

    /// Overwrites `dx`, rounds `d` in place and adds to the gradients of the vectors.
    fn backward_piece(
        &self,
        given: &Given,
        piece: &Range<usize>,
        [dx, d]: [&mut [f32]; 2],
        vectors: &mut Vectors,
    ) -> Terms {
        let h = self.width();
        let [first, _] = self.branch.linears();
        let Given {
            x,
            saved,
            rows,
            weights,
        } = given;
        let dbranch = if self.rows.is_some() {
            None
        } else {
            let branch = part(&saved.branch, self.after.map_or(0, |_| h), piece);
            self.open(branch, saved.divisors[1], piece.start, d, vectors)
        };
        let dsecond = dbranch.as_deref().unwrap_or(d);
        let kept = part(&saved.first, first.outputs, piece);
        let mut dfirst = Buffer::new(kept.len());
        let raw = part(&saved.raw, self.branch.kept_widths()[1], piece);
        let norms = vectors.head_norms.each_mut();
        let norms = norms.map(|[gamma, beta]| NormGradient { gamma, beta });
        let read = [dsecond, kept, raw];
        let inner = (self.branch).backward(rows, piece, &weights[1], read, &mut dfirst, norms);
        first.bias_gradient(&mut vectors.biases[0], &dfirst);
        let mut dy = Buffer::new(dx.len());
        first.backward(&weights[0], &mut dy, &dfirst, rows.alone());
        let y = if self.tensor.is_some() {
            // The sum over ranks comes first.
            dx.copy_from_slice(&dy);
            match &self.before {
                _ if self.rows.is_some() => Buffer::of(part(&saved.read, h, piece)),
                Some(norm) => self.normed_again(norm, part(x, h, piece), saved.divisors[0]),
                None => Buffer::of(part(x, h, piece)),
            }
        } else {
            let x = part(x, h, piece);
            self.input_backward(x, saved.divisors[0], dy, [dx, d], &mut vectors.norm)
        };
        Terms {
            dfirst,
            dbranch,
            y,
            inner,
        }
    }

    /// What is left of a group when `dx` holds the sum over ranks of the gradients of what the branch read.
    fn backward_summed(&self, given: &Given, group: &mut Group) {
        let (h, rows) = (self.width(), given.rows);
        let pieces = &rows.pieces[group.pieces.clone()];
        let parts = cut(group.dx, h, pieces)
            .into_iter()
            .zip(cut(group.d, h, pieces));
        for (piece, (dx, d)) in pieces.iter().zip(parts) {
            let (x, dy) = (part(given.x, h, piece), Buffer::of(dx));
            let divisor = given.saved.divisors[0];
            self.input_backward(x, divisor, dy, [dx, d], &mut group.vectors.norm);
        }
    }

    /// From the gradients `dy` of what the branch read and `d` of the sub-layer's output to that of its input,
    /// `dx`, which is overwritten. Returns what the branch read.
    fn input_backward(
        &self,
        x: &[f32],
        divisor: Option<Divisor>,
        mut dy: Buffer,
        [dx, d]: [&mut [f32]; 2],
        gradient: &mut [Buffer; 2],
    ) -> Buffer {
        let point = self.places.at(self.half.norm);
        // Both consumers of what the branch read round their gradient before the sum.
        store(&mut dy, point, Pass::Backward);
        if let Residual::Norm { .. } = self.residual {
            let mut skip = Buffer::new(x.len());
            scale_into(&mut skip, d, self.alpha);
            store(&mut skip, point, Pass::Backward);
            add(&mut dy, &skip);
            store(&mut dy, point, Pass::Backward);
        }
        let Some(norm) = &self.before else {
            dx.copy_from_slice(&dy);
            add(dx, d);
            return Buffer::of(x);
        };
        let read = relaxed(x, divisor, Store::again(point));
        let read = read.as_deref().unwrap_or(x);
        let mut y = Buffer::new(x.len());
        norm.forward(&mut y, read);
        round_again(&mut y, point);
        norm_backward(norm, point, divisor, [read, &dy], dx, gradient);
        match self.residual {
            Residual::Norm { .. } => {}
            Residual::Stream { .. } => {
                store(dx, point, Pass::Backward);
                add(dx, d);
            }
        }
        y
    }

    /// From the gradient `d` of the output of the norm after the branch, as it is stored, to that of the
    /// branch.
    fn out_norm_backward(
        &self,
        norm: &Norm,
        branch: &[f32],
        divisor: Option<Divisor>,
        d: &[f32],
        gradient: &mut [Buffer; 2],
    ) -> Buffer {
        let point = self.places.at(self.half.out_norm);
        let read = relaxed(branch, divisor, Store::again(point));
        let read = read.as_deref().unwrap_or(branch);
        let mut dbranch = Buffer::new(d.len());
        norm_backward(norm, point, divisor, [read, d], &mut dbranch, gradient);
        store(&mut dbranch, self.places.at(self.half.out), Pass::Backward);
        dbranch
    }
}

/// From what a norm read and the gradient of its output to that of its input, before it was divided where
/// it was. Overwrites `dx`, adds to the gradients of γ and β.
fn norm_backward(
    norm: &Norm,
    point: Option<&Rounding>,
    divisor: Option<Divisor>,
    [read, dy]: [&[f32]; 2],
    dx: &mut [f32],
    [gamma, beta]: &mut [Buffer; 2],
) {
    norm.backward(dx, read, dy, NormGradient { gamma, beta });
    if let Some(divisor) = divisor {
        store(dx, point, Pass::Backward);
        divisor.backward(dx);
    }
}

/// Replaces what all groups have in `dx` by its sum over ranks.
fn sum_over(ranks: &Ranks, groups: &mut [Group]) {
    let mut all: Vec<f32> = Vec::new();
    for group in &*groups {
        all.extend_from_slice(group.dx);
    }
    ranks.sum(&mut all);
    let mut rest = &all[..];
    for group in groups {
        let (own, after) = rest.split_at(group.dx.len());
        group.dx.copy_from_slice(own);
        rest = after;
    }
}

/// Adds the groups' shares to the first group's sum, in order; threads take parts of the values.
fn add_up(sums: &mut [Sum]) {
    /// Values that a thread takes at a time.
    const PART: usize = 1 << 14;
    let mut sums = sums.iter_mut().map(Sum::values);
    let Some(total) = sums.next() else { return };
    let shares: Vec<&mut [f32]> = sums.collect();
    total
        .par_chunks_mut(PART)
        .enumerate()
        .for_each(|(index, total)| {
            let start = index * PART;
            for share in &shares {
                add(total, &share[start..start + total.len()]);
            }
        });
}
