//! The operations of a group on whichever engine, for the tests that start it under `mpirun`, and for trying an engine by
//! hand. Rank 0 prints what there is to say.
//!
//! | command | what it does |
//! | --- | --- |
//! | `mpirun -n 4 collective` | every operation; a line for each rank with what it makes of each, as bits |
//! | `collective --threads 4` | the same on threads |
//! | `collective --nccl FOLDER RANK RANKS` | the same on GPUs, once for each rank, of which rank R has GPU R |
//! | `mpirun -n 2 collective --long BYTES` | one message of that length from rank 0 to rank 1; how much of it arrived as it was |
//! | `mpirun -n 3 collective --barriers SECONDS` | barriers without end, for which a rank waits so long |

use experiments_collective::{CollectiveError, Group, even_parts, threads};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// What a rank does; the words that rank 0 has to say of it.
type Said = Result<String, CollectiveError>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let said = match (arguments.as_slice(), number(&arguments)) {
        ([], _) => on_mpi(|group| all(&group)),
        (["--threads", _], Some(ranks)) => on_threads(ranks),
        (["--long", _], Some(bytes)) => on_mpi(|group| long(&group, bytes)),
        (["--barriers", _], Some(seconds)) => on_mpi(|group| barriers(group, seconds)),
        (["--nccl", folder, rank, ranks], _) => match (rank.parse(), ranks.parse()) {
            (Ok(rank), Ok(ranks)) => on_gpus(folder.as_ref(), rank, ranks),
            _ => Err(usage()),
        },
        _ => Err(usage()),
    };
    let told = said.and_then(|said| {
        let written = std::io::stdout().write_all(said.as_bytes());
        written.map_err(|error| CollectiveError::Start {
            problem: error.to_string(),
        })
    });
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What stands behind an option.
fn number(arguments: &[&str]) -> Option<usize> {
    arguments.get(1)?.parse().ok()
}

fn usage() -> CollectiveError {
    CollectiveError::Start {
        problem: "expected nothing, `--threads RANKS`, `--nccl FOLDER RANK RANKS`, `--long BYTES` or `--barriers SECONDS`"
            .to_owned(),
    }
}

fn on_threads(ranks: usize) -> Said {
    std::thread::scope(|scope| {
        let engines = threads::connect(ranks).into_iter();
        let started: Vec<_> = engines
            .map(|engine| scope.spawn(move || all(&Group::all(Arc::new(engine)))))
            .collect();
        let mut said = String::new();
        for rank in started {
            said += &rank.join().map_err(|_| CollectiveError::Start {
                problem: "a rank broke off".to_owned(),
            })??;
        }
        Ok(said)
    })
}

#[cfg(feature = "nccl")]
fn on_gpus(folder: &Path, rank: usize, ranks: usize) -> Said {
    let engine = experiments_collective::nccl::Nccl::start(rank, ranks, rank, folder)?;
    all(&Group::all(Arc::new(engine)))
}

#[cfg(not(feature = "nccl"))]
fn on_gpus(_folder: &Path, _rank: usize, _ranks: usize) -> Said {
    let problem = "built without the feature `nccl`".to_owned();
    Err(CollectiveError::Start { problem })
}

#[cfg(feature = "mpi")]
fn on_mpi(work: impl FnOnce(Group) -> Said) -> Said {
    let (engine, session) = experiments_collective::mpi::Mpi::start()?;
    let said = work(Group::all(Arc::new(engine)))?;
    session.end();
    Ok(said)
}

#[cfg(not(feature = "mpi"))]
fn on_mpi(_work: impl FnOnce(Group) -> Said) -> Said {
    let problem = "built without the feature `mpi`".to_owned();
    Err(CollectiveError::Start { problem })
}

/// Every operation once, with everybody as its root where it has one.
fn all(group: &Group) -> Said {
    const LEN: usize = 300_001;
    let (rank, size) = (group.rank(), group.size());
    let values = || -> Vec<f32> { (0..LEN).map(|i| ((i + rank * 17) as f32).sin()).collect() };
    let parts = even_parts(LEN, size);
    let own = parts[rank].clone();
    let mut line = format!("rank {rank}");
    let mut note = |operation: &str, values: &[f32]| {
        // Nothing is written that could fail: the line is a string.
        let _ = write!(line, " {operation} {:016x}", bits(values));
    };

    let mut sums = values();
    group.all_reduce(&mut sums)?;
    note("all-reduce", &sums);
    let part = group.reduce_scatter(&values(), &parts)?;
    note("reduce-scatter", &part);
    let mut gathered = values();
    group.all_gather(&mut gathered, &parts)?;
    note("all-gather", &gathered);
    note("pieces", &in_pieces(group, &values()[own.clone()])?);
    let mut shares = vec![vec![0.0; own.len()]; size];
    let whole = values();
    group.shares(|to| vec![&whole[parts[to].clone()]], &mut shares)?;
    note("shares", &shares.concat());

    let half = group.split((rank % 2) as u32)?;
    let mut of_half = values();
    half.all_reduce(&mut of_half)?;
    let alone = half.split(half.rank() as u32)?;
    alone.all_reduce(&mut of_half)?;
    note("split", &of_half);

    for root in 0..size {
        let mut told = values();
        group.broadcast(root, &mut told)?;
        note("broadcast", &told);
        let mut collected = values();
        group.gather(root, &mut collected, &parts)?;
        note("gather", &collected);
        let mut given = values();
        group.scatter(root, &mut given, &parts)?;
        note("scatter", &given);
        let message = vec![root as u8; 1000 * rank];
        let announced = group.announce(root, &message)?;
        note("announce", &as_values(&announced));
        let heard = group.collect(root, &message)?;
        note("collect", &as_values(&heard.concat()));
        group.barrier()?;
    }
    let mut passed = vec![0.0; LEN];
    group.send((rank + 1) % size, &values())?;
    group.receive((rank + size - 1) % size, &mut passed)?;
    note("send", &passed);
    group.send::<f32>((rank + 1) % size, &[])?;
    group.receive::<f32>((rank + size - 1) % size, &mut [])?;
    line.push('\n');
    if group.engine() == "threads" {
        return Ok(line);
    }
    let lines = group.collect(0, line.as_bytes())?.concat();
    Ok(String::from_utf8_lossy(&lines).into_owned())
}

/// An all-gather whose places lie in two pieces each, the second one before the first.
fn in_pieces(group: &Group, own: &[f32]) -> Result<Vec<f32>, CollectiveError> {
    // Everybody's part is as long as the shortest one.
    let len = own.len() / 2 * 2;
    let mut all = vec![0.0; len * group.size()];
    let pairs = all.chunks_mut(len.max(1)).map(|place| {
        let (second, first) = place.split_at_mut(len / 2);
        vec![first, second]
    });
    let places = pairs.collect();
    group.all_gather_pieces(&own[..len], places)?;
    Ok(all)
}

fn as_values(bytes: &[u8]) -> Vec<f32> {
    bytes.iter().map(|byte| f32::from(*byte)).collect()
}

/// A number that is another one where any bit of any value is.
fn bits(values: &[f32]) -> u64 {
    let bits = values.iter().map(|value| u64::from(value.to_bits()));
    bits.fold(values.len() as u64, |sum, bits| {
        sum.wrapping_mul(31).wrapping_add(bits)
    })
}

fn long(group: &Group, bytes: usize) -> Said {
    let value = |index: usize| (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let len = bytes / size_of::<u64>();
    let mut wrong = 0_u64;
    if group.size() != 2 {
        let problem = format!("two ranks pass a message, there are {}", group.size());
        return Err(CollectiveError::Start { problem });
    }
    if group.rank() == 0 {
        let values: Vec<u64> = (0..len).map(value).collect();
        group.send(1, &values)?;
    } else {
        let mut values = vec![0; len];
        group.receive(0, &mut values)?;
        let others = values.iter().enumerate().filter(|(i, v)| **v != value(*i));
        wrong = others.count() as u64;
    }
    let wrong: Vec<u64> = group
        .collect(0, &wrong.to_le_bytes())?
        .iter()
        .filter_map(|bytes| Some(u64::from_le_bytes(*bytes.first_chunk()?)))
        .collect();
    Ok(match wrong.as_slice() {
        [_, wrong] => format!("{wrong} of {len} values are wrong\n"),
        _ => String::new(),
    })
}

fn barriers(group: Group, seconds: usize) -> Said {
    let group = group.with_patience(Duration::from_secs(seconds as u64));
    loop {
        group.barrier()?;
    }
}
