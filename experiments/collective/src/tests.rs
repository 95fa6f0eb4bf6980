//! Every operation, on 1 to 8 ranks.

use crate::{CollectiveError, Engine, Group, Operation, even_parts, threads};
use proptest::prelude::*;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What every rank of a job of threads makes of it.
fn each<T: Send>(ranks: usize, work: impl Fn(Group) -> T + Sync) -> Vec<T> {
    let work = &work;
    std::thread::scope(|scope| {
        let engines = threads::connect(ranks).into_iter();
        let started: Vec<_> = engines
            .map(|engine| scope.spawn(move || work(Group::all(Arc::new(engine)))))
            .collect();
        started
            .into_iter()
            .map(|rank| rank.join().unwrap())
            .collect()
    })
}

/// Values of a rank that no sum of others equals.
fn values(rank: usize, len: usize) -> Vec<f32> {
    (0..len)
        .map(|i| ((rank * 31 + i) as f32 * 0.7).sin() * 10_f32.powi(rank as i32 % 5))
        .collect()
}

/// The sum in the order of the ranks.
fn summed(ranks: usize, len: usize) -> Vec<f32> {
    (1..ranks).fold(values(0, len), |sum, rank| {
        sum.iter()
            .zip(values(rank, len))
            .map(|(a, b)| a + b)
            .collect()
    })
}

/// Parts of uneven lengths.
fn uneven(len: usize, ranks: usize) -> Vec<Range<usize>> {
    let place = |rank: usize| len * rank * rank / (ranks * ranks);
    (0..ranks)
        .map(|rank| place(rank)..place(rank + 1))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Sums are those of a loop over the ranks to the last bit, and what was sent is what a ring sends.
    #[test]
    fn sums_go_in_the_order_of_the_ranks(ranks in 1..=8_usize, len in 0..100_usize) {
        let expected = summed(ranks, len);
        let parts = uneven(len, ranks);
        let found = each(ranks, |group| {
            let mut all = values(group.rank(), len);
            group.all_reduce(&mut all).unwrap();
            let part = group.reduce_scatter(&values(group.rank(), len), &parts).unwrap();
            let sent = |operation| group.counts().of(operation).bytes;
            (all, part, [sent(Operation::AllReduce), sent(Operation::ReduceScatter)])
        });
        let mut sent = [0, 0];
        for (rank, (all, part, bytes)) in found.into_iter().enumerate() {
            prop_assert_eq!(&all, &expected);
            prop_assert_eq!(&part, &expected[parts[rank].clone()]);
            sent = [sent[0] + bytes[0], sent[1] + bytes[1]];
        }
        let half = 4 * (ranks - 1) * len;
        prop_assert_eq!(sent, [2 * half as u64, half as u64]);
    }

    #[test]
    fn values_reach_whom_they_should(ranks in 1..=8_usize, len in 0..100_usize, root in 0..8_usize) {
        let root = root % ranks;
        let parts = uneven(len, ranks);
        let whole = values(0, len);
        let found = each(ranks, |group| {
            let own = parts[group.rank()].clone();
            let mut part = vec![f32::NAN; len];
            part[own.clone()].copy_from_slice(&whole[own.clone()]);
            let mut gathered = part.clone();
            group.gather(root, &mut gathered, &parts).unwrap();
            group.all_gather(&mut part, &parts).unwrap();
            let is_root = group.rank() == root;
            let mut told = if is_root { whole.clone() } else { vec![0.0; len] };
            group.broadcast(root, &mut told).unwrap();
            let mut given = if is_root { whole.clone() } else { vec![0.0; len] };
            group.scatter(root, &mut given, &parts).unwrap();
            let message = vec![7; if is_root { len } else { 3 }];
            let said = group.announce(root, &message).unwrap();
            let collected = group.collect(root, &vec![1; group.rank()]).unwrap();
            group.barrier().unwrap();
            (gathered, part, told, given[own].to_vec(), said, collected)
        });
        for (rank, (gathered, part, told, given, said, collected)) in found.into_iter().enumerate() {
            prop_assert_eq!(&part, &whole);
            prop_assert_eq!(&told, &whole);
            prop_assert_eq!(&given, &whole[parts[rank].clone()]);
            prop_assert_eq!(said, vec![7; len]);
            if rank == root {
                prop_assert_eq!(&gathered, &whole);
                let lens: Vec<_> = collected.iter().map(Vec::len).collect();
                prop_assert_eq!(lens, (0..ranks).collect::<Vec<_>>());
            } else {
                prop_assert!(collected.is_empty());
            }
        }
    }

    /// Groups of a split sum up among themselves, groups of those again, and messages of one do not reach another.
    #[test]
    fn a_split_group_is_a_group(ranks in 1..=8_usize, width in 1..=4_usize) {
        let found = each(ranks, |group| {
            let rank = group.rank();
            let row = group.split((rank / width) as u32).unwrap();
            let column = group.split((rank % width) as u32).unwrap();
            let (mut in_row, mut in_column) = ([rank as f32], [rank as f32]);
            row.all_reduce(&mut in_row).unwrap();
            column.all_reduce(&mut in_column).unwrap();
            let alone = row.split(row.rank() as u32).unwrap();
            (in_row[0], in_column[0], alone.size())
        });
        for (rank, (in_row, in_column, alone)) in found.into_iter().enumerate() {
            let sum = |alike: &dyn Fn(usize) -> bool| -> usize { (0..ranks).filter(|r| alike(*r)).sum() };
            prop_assert_eq!(in_row, sum(&|r| r / width == rank / width) as f32);
            prop_assert_eq!(in_column, sum(&|r| r % width == rank % width) as f32);
            prop_assert_eq!(alone, 1);
        }
    }

    #[test]
    fn a_ring_of_messages_goes_round(ranks in 2..=8_usize, len in 0..50_usize) {
        let found = each(ranks, |group| {
            let (rank, size) = (group.rank(), group.size());
            group.send((rank + 1) % size, &values(rank, len)).unwrap();
            let mut before = vec![0.0; len];
            group.receive((rank + size - 1) % size, &mut before).unwrap();
            before
        });
        for (rank, before) in found.into_iter().enumerate() {
            prop_assert_eq!(before, values((rank + ranks - 1) % ranks, len));
        }
    }
}

/// Whoever waited, the rank that is gone is named, also to those who waited for one that waited for it.
#[test]
fn a_rank_that_ends_is_named_on_all_others() {
    let found = each(4, |group| {
        let is_there = group.rank() != 2;
        is_there.then(|| group.barrier().unwrap_err())
    });
    for error in found.into_iter().flatten() {
        let named = matches!(error, CollectiveError::Lost { rank: 2, .. });
        assert!(named, "{error}");
    }
}

#[test]
fn a_rank_that_does_not_come_is_named_when_the_patience_is_over() {
    let start = Instant::now();
    let patience = Duration::from_millis(50);
    let found = each(3, |group| {
        let group = group.with_patience(patience);
        if group.rank() == 1 {
            std::thread::sleep(4 * patience);
            return None;
        }
        Some(group.barrier().unwrap_err().to_string())
    });
    let told = found[0].as_ref().unwrap();
    assert!(told.contains("rank 1 did not come to barrier"), "{told}");
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn ranks_at_different_operations_are_found_out() {
    let found = each(2, |group| {
        let mut values = [1.0, 2.0];
        if group.rank() == 0 {
            return group.all_reduce(&mut values).err();
        }
        let barrier = group.barrier().err();
        barrier.or_else(|| group.all_reduce(&mut values).err())
    });
    assert!(
        found
            .iter()
            .flatten()
            .any(|error| matches!(error, CollectiveError::OutOfStep { .. }))
    );
    let engine: Arc<dyn Engine> = Arc::new(threads::connect(1).remove(0));
    assert_eq!(even_parts(5, 2), [0..2, 2..5]);
    assert_eq!(Group::all(engine).engine(), "threads");
}
