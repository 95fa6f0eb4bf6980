//! Which rank updates which parameters.

use super::Pipeline;
use crate::parameters::Parameter;
use experiments_collective::join;
use kernels::Buffer;
use std::ops::Range;

/// Parameters of every rank: whole ones, so that a norm is summed as one process sums it, and about as many scalars on
/// each.
///
/// A *packed* array has the parameters of rank 0 before those of rank 1, and so on; those of a rank are in the order of
/// the table.
#[derive(Debug, Clone)]
pub(crate) struct Shares {
    /// Parameters of every rank, indices in the table.
    indices: Vec<Vec<usize>>,
    /// The rank of every parameter.
    owners: Vec<usize>,
    /// What is a rank's in a packed array.
    pub(crate) parts: Vec<Range<usize>>,
    /// Places in the flat array of all parameters.
    ranges: Vec<Range<usize>>,
}

impl Shares {
    /// The largest first, each to that rank of its stage which has the least.
    pub(crate) fn new(table: &[Parameter], pipeline: &Pipeline, replicas: usize) -> Self {
        let ranks = pipeline.stages() * replicas;
        let mut largest_first: Vec<usize> = (0..table.len()).collect();
        largest_first.sort_by_key(|index| std::cmp::Reverse(table[*index].range.len()));
        let (mut indices, mut owners) = (vec![Vec::new(); ranks], vec![0; table.len()]);
        let mut lens = vec![0; ranks];
        for index in largest_first {
            let first = pipeline.stage_of(&table[index]) * replicas;
            let of_stage = first..first + replicas;
            let least = of_stage.min_by_key(|rank| lens[*rank]).unwrap_or(first);
            lens[least] += table[index].range.len();
            indices[least].push(index);
            owners[index] = least;
        }
        for indices in &mut indices {
            indices.sort_unstable();
        }
        let mut parts = Vec::with_capacity(ranks);
        let mut end = 0;
        for len in lens {
            parts.push(end..end + len);
            end += len;
        }
        Self {
            indices,
            owners,
            parts,
            ranges: table
                .iter()
                .map(|parameter| parameter.range.clone())
                .collect(),
        }
    }

    /// Parameters of a rank, as indices in the table.
    pub(crate) fn of(&self, rank: usize) -> &[usize] {
        &self.indices[rank]
    }

    /// The rank of a parameter.
    pub(crate) fn owner(&self, index: usize) -> usize {
        self.owners[index]
    }

    /// Scalars of all.
    pub(crate) fn len(&self) -> usize {
        self.parts.last().map_or(0, |part| part.end)
    }

    /// The table of a rank's parameters alone.
    pub(crate) fn table(&self, table: &[Parameter], rank: usize) -> Vec<Parameter> {
        let mut end = 0;
        let own = self.of(rank).iter().map(|index| {
            let start = end;
            end += table[*index].range.len();
            Parameter {
                range: start..end,
                ..table[*index].clone()
            }
        });
        own.collect()
    }

    /// What is a rank's of a flat array, parameter by parameter.
    pub(crate) fn pieces<'a>(&self, rank: usize, flat: &'a [f32]) -> Vec<&'a [f32]> {
        let own = self.of(rank).iter();
        own.map(|index| &flat[self.ranges[*index].clone()])
            .collect()
    }

    /// What is every rank's, to be filled.
    pub(crate) fn places<'a>(&self, mut flat: &'a mut [f32]) -> Vec<Vec<&'a mut [f32]>> {
        let mut places: Vec<Vec<&mut [f32]>> = self.parts.iter().map(|_| Vec::new()).collect();
        for (index, range) in self.ranges.iter().enumerate() {
            let place = flat.split_off_mut(..range.len()).unwrap_or_default();
            places[self.owner(index)].push(place);
        }
        places
    }

    /// [`Self::pieces`], one behind another.
    pub(crate) fn own(&self, rank: usize, flat: &[f32]) -> Buffer {
        let mut own = Buffer::new(self.parts[rank].len());
        join(&self.pieces(rank, flat), &mut own);
        own
    }

    /// A flat array, packed.
    pub(crate) fn pack(&self, flat: &[f32]) -> Vec<f32> {
        let pieces = (0..self.indices.len()).map(|rank| self.pieces(rank, flat).concat());
        pieces.collect::<Vec<_>>().concat()
    }

    /// The way back.
    pub(crate) fn unpack(&self, mut packed: &[f32], flat: &mut [f32]) {
        for place in self.places(flat).into_iter().flatten() {
            let (own, rest) = packed.split_at(place.len());
            place.copy_from_slice(own);
            packed = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use experiments_config::ModelConfig;

    #[test]
    fn every_parameter_has_one_owner_and_comes_back_where_it_was() {
        let table = Parameter::table(&ModelConfig::default(), 300);
        let flat: Vec<f32> = (0..table.last().unwrap().range.end)
            .map(|i| i as f32)
            .collect();
        let model = ModelConfig::default();
        for (stages, replicas) in [(1, 1), (1, 8), (2, 1), (2, 3), (4, 2)] {
            let pipeline = Pipeline::new(model.layers, stages).unwrap();
            let shares = Shares::new(&table, &pipeline, replicas);
            let ranks = stages * replicas;
            let mut found = vec![0.0; flat.len()];
            let packed = shares.pack(&flat);
            shares.unpack(&packed, &mut found);
            assert_eq!(found, flat);
            for rank in 0..ranks {
                let own = shares.own(rank, &flat);
                assert_eq!(own[..], packed[shares.parts[rank].clone()]);
                let table = shares.table(&table, rank);
                assert_eq!(table.last().unwrap().range.end, own.len());
                assert!(
                    shares
                        .of(rank)
                        .iter()
                        .all(|index| shares.owner(*index) == rank)
                );
            }
            for (index, parameter) in table.iter().enumerate() {
                let stage = shares.owner(index) / replicas;
                assert_eq!(stage, pipeline.stage_of(parameter), "{}", parameter.name);
            }
            if stages == 1 {
                let largest = table.iter().map(|p| p.range.len()).max().unwrap();
                let lens = shares.parts.iter().map(Range::len);
                assert!(lens.clone().max().unwrap() - lens.min().unwrap() <= largest);
            }
        }
    }
}
