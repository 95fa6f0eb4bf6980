//! Arrays of several runs of one shape side by side on a device: parameter by parameter, and of each parameter the runs'
//! in their order. So a parameter of all runs is one slice, as packed passes take it, and one launch serves all runs.

use crate::array::{Array, Away};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use kernels::{Ranges, Stream, bus};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// What lies where in a block.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Elements of one run's parameters.
    lens: Vec<usize>,
    pub(crate) runs: usize,
    /// Of all runs' parameters, in the order in which they lie.
    pub(crate) ranges: Ranges,
}

impl Layout {
    /// Of so many runs with parameters of these lengths.
    pub(crate) fn new(lens: Vec<usize>, runs: usize) -> Self {
        let all = lens.iter().flat_map(|len| std::iter::repeat_n(*len, runs));
        Self {
            ranges: Ranges::new(all),
            lens,
            runs,
        }
    }

    /// Where a run's parameters lie.
    fn places(&self, run: usize) -> impl Iterator<Item = Range<usize>> {
        let mut start = 0;
        self.lens.iter().map(move |len| {
            let first = start + run * len;
            start += self.runs * len;
            first..first + len
        })
    }
}

/// A run's own of what there is for every range of a block, or for every row of `width` numbers.
pub(crate) fn own<T: Copy>(all: &[T], width: usize, run: usize, runs: usize) -> Vec<T> {
    let rows = all.chunks_exact(width).skip(run).step_by(runs);
    rows.flatten().copied().collect()
}

/// Layouts that were made: their tables are sent to a device once.
#[derive(Debug, Default)]
pub(crate) struct Layouts(Mutex<Vec<Arc<Layout>>>);

impl Layouts {
    pub(crate) fn get(&self, lens: &[usize], runs: usize) -> Arc<Layout> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.iter().find(|l| l.runs == runs && l.lens == lens);
        if let Some(known) = known {
            return known.clone();
        }
        let new = Arc::new(Layout::new(lens.to_vec(), runs));
        all.push(new.clone());
        new
    }
}

/// Several runs' arrays.
#[derive(Debug)]
pub(crate) struct Block<B: Backend> {
    pub(crate) layout: Arc<Layout>,
    /// Absent only while it is updated in place.
    values: Mutex<Option<Tensor<B, 1>>>,
    /// In whose order they are made and changed.
    stream: Stream,
}

impl<B: Backend> Block<B> {
    /// # Panics
    /// If an update of it broke off.
    pub(crate) fn values(&self) -> Tensor<B, 1> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.clone().expect("no update broke off")
    }

    /// The values, to be updated in place where nobody else holds them, and put back.
    ///
    /// # Panics
    /// If an update of it broke off.
    pub(crate) fn take(&self) -> Tensor<B, 1> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.take().expect("no update broke off")
    }

    pub(crate) fn put(&self, values: Tensor<B, 1>) {
        *self.values.lock().unwrap_or_else(PoisonError::into_inner) = Some(values);
    }
}

/// A run's own of a block.
#[derive(Debug)]
pub(crate) struct Share<B: Backend> {
    pub(crate) block: Arc<Block<B>>,
    pub(crate) run: usize,
}

impl<B: Backend> Away for Share<B> {
    fn len(&self) -> usize {
        self.block.layout.lens.iter().sum()
    }

    fn lens(&self) -> Vec<usize> {
        self.block.layout.lens.clone()
    }

    fn read(&self) -> Vec<f32> {
        let stream = self.block.stream;
        stream.executes(|| bus::read(Tensor::cat(self.parts(), 0)))
    }
}

impl<B: Backend> Share<B> {
    /// Its parameters, one by one.
    fn parts(&self) -> Vec<Tensor<B, 1>> {
        let values = self.block.values();
        let places = self.block.layout.places(self.run);
        places.map(|place| values.clone().slice([place])).collect()
    }
}

/// Every run's own of what lies side by side.
pub(crate) fn shares<B: Backend>(values: Tensor<B, 1>, layout: &Arc<Layout>) -> Vec<Array> {
    let block = Arc::new(Block {
        layout: layout.clone(),
        values: Mutex::new(Some(values)),
        stream: Stream::current(),
    });
    let share = |run| {
        let block = block.clone();
        Array::elsewhere(Share { block, run })
    };
    (0..layout.runs).map(share).collect()
}

/// The block that all arrays are of, and whose they are in it.
pub(crate) fn common<B: Backend>(arrays: &[&Array]) -> Option<(Arc<Block<B>>, Vec<usize>)> {
    let shares: Option<Vec<_>> = arrays
        .iter()
        .map(|a| a.copy_elsewhere::<Share<B>>())
        .collect();
    let shares = shares?;
    let block = &shares.first()?.block;
    let is_one = shares.iter().all(|share| Arc::ptr_eq(&share.block, block));
    is_one.then(|| {
        (
            block.clone(),
            shares.iter().map(|share| share.run).collect(),
        )
    })
}

/// Arrays of `layout.runs` runs side by side, wherever they lie.
pub(crate) fn gather<B: Backend>(
    arrays: &[&Array],
    layout: &Layout,
    device: &B::Device,
) -> Tensor<B, 1> {
    if let Some((block, runs)) = common::<B>(arrays)
        && block.layout.runs == runs.len()
        && runs.iter().enumerate().all(|(place, run)| place == *run)
    {
        return block.values();
    }
    let alone = Layout::new(layout.lens.clone(), 1);
    let parts = arrays.iter().map(|array| {
        if let Some(share) = array.copy_elsewhere::<Share<B>>() {
            return share.parts();
        }
        let values = array.on::<B>(device);
        let places = alone.places(0);
        places.map(|place| values.clone().slice([place])).collect()
    });
    let mut parts: Vec<_> = parts.map(Vec::into_iter).collect();
    let by_parameter = layout.lens.iter().flat_map(|_| {
        let next = parts.iter_mut().filter_map(Iterator::next);
        next.collect::<Vec<_>>()
    });
    Tensor::cat(by_parameter.collect(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;

    fn read(values: Tensor<Flex, 1>) -> Vec<f32> {
        values.into_data().to_vec().unwrap()
    }

    /// From the host, from a block, and from another one.
    #[test]
    fn runs_lie_side_by_side_and_come_back_as_they_were() {
        let layouts = Layouts::default();
        let (two, three) = (layouts.get(&[1, 2], 2), layouts.get(&[1, 2], 3));
        let [a, b]: [Array; 2] = [vec![1.0, 2.0, 3.0].into(), vec![4.0, 5.0, 6.0].into()];
        let device = Default::default();
        let values = gather::<Flex>(&[&a, &b], &two, &device);
        let expected = [1.0, 4.0, 2.0, 3.0, 5.0, 6.0];
        assert_eq!(read(values.clone()), expected);
        let there = shares(values, &two);
        assert_eq!((&there[0][..], &there[1][..]), (&a[..], &b[..]));
        let again = gather::<Flex>(&[&there[0], &there[1]], &two, &device);
        assert_eq!(read(again), expected);
        let mixed = gather::<Flex>(&[&there[1], &a, &there[1]], &three, &device);
        let expected = [4.0, 1.0, 4.0, 5.0, 6.0, 2.0, 3.0, 5.0, 6.0];
        assert_eq!(read(mixed), expected);
        assert!(common::<Flex>(&[&there[1], &there[0]]).is_some_and(|(_, runs)| runs == [1, 0]));
        assert!(common::<Flex>(&[&there[1], &a]).is_none());
    }

    #[test]
    fn a_run_finds_its_own_among_the_rows_of_all() {
        let all = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(own(&all, 2, 1, 2), [3, 4, 7, 8]);
        assert_eq!(own(&all, 1, 0, 4), [1, 5]);
    }
}
