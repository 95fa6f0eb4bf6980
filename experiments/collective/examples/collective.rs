//! Every operation once, for the test that starts it under `mpirun`: prints what rank 0 makes of them, as bits.
//!
//! `mpirun -n 4 collective`, `collective --threads 4` for the same on threads, and `collective --nccl FOLDER RANK RANKS` once
//! for each rank, of which rank R has GPU R.

use experiments_collective::{CollectiveError, Group, even_parts, threads};
use std::path::Path;
use std::sync::Arc;

fn main() -> Result<(), CollectiveError> {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |place: usize| arguments.get(place)?.parse().ok();
    let lines = match (number(2), arguments.get(2), number(3), number(4)) {
        (_, Some(folder), Some(rank), Some(ranks)) => on_gpus(folder.as_ref(), rank, ranks)?,
        (Some(ranks), ..) => on_threads(ranks)?,
        _ => on_mpi()?,
    };
    if !lines.is_empty() {
        let mut out = std::io::stdout();
        std::io::Write::write_all(&mut out, lines.as_bytes()).map_err(|error| {
            let problem = error.to_string();
            CollectiveError::Start { problem }
        })?;
    }
    Ok(())
}

fn on_threads(ranks: usize) -> Result<String, CollectiveError> {
    std::thread::scope(|scope| {
        let engines = threads::connect(ranks).into_iter();
        let group = |engine| Group::all(Arc::new(engine));
        let started: Vec<_> = engines
            .map(|engine| scope.spawn(move || all(&group(engine))))
            .collect();
        let found = started
            .into_iter()
            .map(|rank| rank.join().unwrap_or_else(|_| Ok(String::new())));
        found
            .collect::<Result<Vec<_>, _>>()
            .map(|lines| lines[0].clone())
    })
}

#[cfg(feature = "nccl")]
fn on_gpus(folder: &Path, rank: usize, ranks: usize) -> Result<String, CollectiveError> {
    let engine = experiments_collective::nccl::Nccl::start(rank, ranks, rank, folder)?;
    all(&Group::all(Arc::new(engine)))
}

#[cfg(not(feature = "nccl"))]
fn on_gpus(_folder: &Path, _rank: usize, _ranks: usize) -> Result<String, CollectiveError> {
    let problem = "built without the feature `nccl`".to_owned();
    Err(CollectiveError::Start { problem })
}

#[cfg(feature = "mpi")]
fn on_mpi() -> Result<String, CollectiveError> {
    let (engine, session) = experiments_collective::mpi::Mpi::start()?;
    let lines = all(&Group::all(Arc::new(engine)))?;
    session.end();
    Ok(lines)
}

#[cfg(not(feature = "mpi"))]
fn on_mpi() -> Result<String, CollectiveError> {
    let problem = "built without the feature `mpi`".to_owned();
    Err(CollectiveError::Start { problem })
}

/// Empty but on rank 0.
fn all(group: &Group) -> Result<String, CollectiveError> {
    const LEN: usize = 300_001;
    let (rank, size) = (group.rank(), group.size());
    let values = || -> Vec<f32> { (0..LEN).map(|i| ((i + rank * 17) as f32).sin()).collect() };
    let parts = even_parts(LEN, size);
    let mut sums = values();
    group.all_reduce(&mut sums)?;
    let mut gathered = values();
    let part = group.reduce_scatter(&gathered, &parts)?;
    gathered[parts[rank].clone()].copy_from_slice(&part);
    group.all_gather(&mut gathered, &parts)?;
    let half = group.split((rank % 2) as u32)?;
    let mut row = values();
    half.all_reduce(&mut row)?;
    let mut told = if rank + 1 == size {
        values()
    } else {
        vec![0.0; LEN]
    };
    group.broadcast(size - 1, &mut told)?;
    group.gather(0, &mut gathered, &parts)?;
    let mut passed = vec![0.0; LEN];
    group.send((rank + 1) % size, &values())?;
    group.receive((rank + size - 1) % size, &mut passed)?;
    let said = group.announce(0, b"a message of some length")?;
    group.barrier()?;
    let collected = group.collect(0, &said[..rank.min(said.len())])?;
    if rank != 0 {
        return Ok(String::new());
    }
    let bits = |values: &[f32]| {
        let bits = values.iter().map(|value| u64::from(value.to_bits()));
        bits.fold(0_u64, |sum, bits| sum.wrapping_mul(31).wrapping_add(bits))
    };
    let found =
        [&sums, &gathered, &row, &told, &passed].map(|values| format!("{:016x}", bits(values)));
    Ok(format!("{} {}\n", found.join(" "), collected.len()))
}
