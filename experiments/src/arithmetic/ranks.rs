//! Over the ranks that train a run together: each does it for its own parameters, and has their moments alone (`ZeRO`
//! stage 1, arXiv 1910.02054). A gradient is that of a rank's own parameters, one behind another.

use super::host::HostArithmetic;
use super::{Arithmetic, Size};
use crate::array::{Array, Gradient};
use crate::later::Later;
use crate::optimizer::adamw::{AdamW, UpdateReport, UpdateRule};
use crate::parameters::{Parameter, Parameters};
use crate::ranks::{Moment, Pipeline, Ranks, Shares, Spread};
use kernels::{RangeCount, Ranges, Rounding};
use std::sync::Arc;

/// The arithmetic of one rank.
pub(crate) struct RankArithmetic {
    ranks: Arc<Ranks>,
    pub(crate) shares: Arc<Shares>,
    /// Of the own parameters, one behind another.
    table: Vec<Parameter>,
    ranges: Ranges,
    /// Parameters of all ranks.
    count: usize,
}

impl RankArithmetic {
    /// For the parameters of a table.
    pub(crate) fn new(ranks: Arc<Ranks>, pipeline: &Pipeline, table: &[Parameter]) -> Self {
        let shares = Shares::new(table, pipeline, ranks.degrees().of_stage());
        let own = shares.table(table, ranks.rank());
        Self {
            ranges: Ranges::new(own.iter().map(|parameter| parameter.range.len())),
            table: own,
            count: table.len(),
            shares: shares.into(),
            ranks,
        }
    }

    /// Parameters of this rank, as indices in the table of all.
    fn own(&self) -> &[usize] {
        self.shares.of(self.ranks.rank())
    }

    /// `N` numbers for every parameter, from those of everybody's own.
    fn tell<const N: usize>(&self, own: &[[f64; N]]) -> Vec<[f64; N]> {
        let mut numbers = vec![[0.0; N]; self.count];
        for (index, own) in self.own().iter().zip(own) {
            numbers[*index] = *own;
        }
        let told = self.ranks.tell(numbers.as_flattened());
        for (rank, told) in told.iter().enumerate() {
            let (told, _) = told.as_chunks::<N>();
            for index in self.shares.of(rank) {
                numbers[*index] = told[*index];
            }
        }
        numbers
    }

    /// The own share of a moment, which is put back when it is updated; taken where nobody else holds it.
    fn own_moment(&self, moment: &mut Array) -> Array {
        if let Some(spread) = moment.sole_elsewhere::<Spread>() {
            return std::mem::take(&mut spread.own).into();
        }
        match moment.copy_elsewhere::<Spread>() {
            Some(spread) => spread.own.clone().into(),
            None => self.shares.own(self.ranks.rank(), moment).to_vec().into(),
        }
    }

    /// A moment of which this rank has its own share.
    pub(crate) fn spread(&self, moment: Moment, own: Vec<f32>) -> Array {
        Array::elsewhere(Spread {
            own,
            moment,
            shares: self.shares.clone(),
            ranks: self.ranks.clone(),
        })
    }

    /// Gives every rank the weights of rank 0, and its share of the moments there.
    pub(crate) fn begin(&self, adam: &mut AdamW, parameters: &mut Parameters) {
        self.ranks.broadcast(parameters.values_mut());
        for (moment, array) in [
            (Moment::First, &mut adam.first),
            (Moment::Second, &mut adam.second),
        ] {
            let mut packed = if self.ranks.rank() == 0 {
                self.shares.pack(array)
            } else {
                vec![0.0; self.shares.len()]
            };
            self.ranks.scatter(&mut packed, &self.shares.parts);
            let own = packed[self.shares.parts[self.ranks.rank()].clone()].to_vec();
            *array = self.spread(moment, own);
        }
        self.ranks.begun();
    }
}

impl Arithmetic for RankArithmetic {
    fn add(&self, sum: &mut Gradient, gradient: &Gradient) {
        HostArithmetic.add(sum, gradient);
    }

    /// Of other ranks' parameters nothing is counted.
    fn round(
        &self,
        flat: &mut Gradient,
        _ranges: &Ranges,
        roundings: &[Option<Rounding>],
    ) -> Later<Vec<RangeCount>> {
        let roundings: Vec<_> = self
            .own()
            .iter()
            .map(|index| roundings[*index].clone())
            .collect();
        let lost = HostArithmetic.round(flat, &self.ranges, &roundings).get();
        let mut all = vec![RangeCount::default(); self.count];
        for (index, lost) in self.own().iter().zip(lost) {
            all[*index] = lost;
        }
        Later::now(all)
    }

    fn scale(&self, flat: &mut Gradient, _ranges: &Ranges, factor: f32) -> Later<Vec<Size>> {
        let sizes = self
            .ranks
            .compute(|| HostArithmetic.scale(flat, &self.ranges, factor).get());
        let sizes: Vec<_> = sizes
            .iter()
            .map(|size| [size.squared, size.largest.into()])
            .collect();
        let size = |[squared, largest]: [f64; 2]| Size {
            squared,
            largest: largest as f32,
        };
        Later::now(self.tell(&sizes).into_iter().map(size).collect())
    }

    /// One rank has it, the others nothing.
    fn squares(&self, gradient: &Gradient) -> Later<f64> {
        let own = self
            .ranks
            .compute(|| HostArithmetic.squares(gradient).get());
        Later::now(self.ranks.tell(&[own]).iter().map(|own| own[0]).sum())
    }

    fn update(
        &self,
        adam: &mut AdamW,
        parameters: &mut Parameters,
        gradient: &Gradient,
        rule: UpdateRule,
    ) -> Vec<UpdateReport> {
        let rank = self.ranks.rank();
        let mut own = AdamW {
            first: self.own_moment(&mut adam.first),
            second: self.own_moment(&mut adam.second),
            updates: adam.updates,
        };
        let mut weights = self.shares.own(rank, parameters.values());
        let clips: Vec<f32> = self.own().iter().map(|index| rule.clips[*index]).collect();
        let rule = UpdateRule {
            clips: &clips,
            ..rule
        };
        let reports = self
            .ranks
            .compute(|| own.update(&self.table, &mut weights, gradient, rule));
        adam.updates = own.updates;
        adam.first = self.spread(Moment::First, own.first.into_values());
        adam.second = self.spread(Moment::Second, own.second.into_values());
        let places = self.shares.places(parameters.values_mut());
        self.ranks.all_gather(&weights, places);
        let sums = |report: &UpdateReport| {
            [
                report.surprise,
                report.update_squared,
                report.weight_squared,
            ]
        };
        let reports: Vec<_> = reports.iter().map(sums).collect();
        let report = |[surprise, update_squared, weight_squared]: [f64; 3]| UpdateReport {
            surprise,
            update_squared,
            weight_squared,
        };
        self.tell(&reports).into_iter().map(report).collect()
    }
}

/// A count as another rank is told it.
pub(crate) fn numbers_of(count: &RangeCount) -> [f64; 3] {
    [
        count.overflow as f64,
        count.underflow as f64,
        count.largest.into(),
    ]
}

/// From [`numbers_of`].
pub(crate) fn count_of([overflow, underflow, largest]: [f64; 3]) -> RangeCount {
    RangeCount {
        overflow: overflow as u64,
        underflow: underflow as u64,
        largest: largest as f32,
    }
}
