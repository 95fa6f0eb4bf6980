//! An array of which every rank has a share.

use super::{Moment, Order, Ranks, Shares};
use crate::array::Away;
use std::sync::Arc;

/// This rank's share of one of Adam's moments. Read on rank 0, it is brought together there.
#[derive(Debug)]
pub(crate) struct Spread {
    pub(crate) own: Vec<f32>,
    pub(crate) moment: Moment,
    pub(crate) shares: Arc<Shares>,
    pub(crate) ranks: Arc<Ranks>,
}

impl Spread {
    /// Hands over the own share, or takes those of all: on rank 0 the whole array, flat.
    pub(crate) fn gather(&self) -> Vec<f32> {
        let Self {
            own, shares, ranks, ..
        } = self;
        let mut packed = vec![0.0; shares.len()];
        packed[shares.parts[ranks.rank()].clone()].copy_from_slice(own);
        ranks.gather(&mut packed, &shares.parts);
        let mut flat = vec![0.0; packed.len()];
        shares.unpack(&packed, &mut flat);
        flat
    }
}

impl Away for Spread {
    fn len(&self) -> usize {
        self.shares.len()
    }

    /// # Panics
    /// On another rank than 0: there nobody reads a whole array.
    fn read(&self) -> Vec<f32> {
        assert_eq!(self.ranks.rank(), 0, "rank 0 alone reads whole moments");
        self.ranks.order(&Order::Give(self.moment));
        self.gather()
    }
}
