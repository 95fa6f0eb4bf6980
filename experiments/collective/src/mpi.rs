//! Ranks as processes that `mpirun` or a scheduler started together.
//!
//! Only messages are MPI's, so that every operation is the code of the other engines. A message is received when it is
//! there, which is asked for again and again: a rank that never comes would keep a blocking call for ever.

mod mail;

use crate::engine::{Engine, Inbound, Outbound, Purpose};
use crate::error::CollectiveError;
use ::mpi::Threading;
use ::mpi::environment::{Universe, initialize_with_threading};
use ::mpi::ffi;
use ::mpi::topology::SimpleCommunicator;
use ::mpi::traits::{Communicator as _, Equivalence as _, Source as _};
use mail::{Mail, Sent, parts};
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// One process of a job.
pub struct Mpi {
    rank: usize,
    ranks: usize,
    /// What shows that a rank on this host has ended; none on another host, where the launcher ends the job.
    signs: Vec<Option<PathBuf>>,
    /// Bytes of one MPI message at the most; what is longer goes in several.
    most: usize,
    /// Whoever holds it may call MPI: one thread at a time.
    mail: Mutex<Mail>,
    /// Whether a rank is missing, and what it was sent will stay on its way.
    failed: AtomicBool,
}

/// MPI while it runs. Dropped it stays as it is, since its end would wait for ranks that have ended; the launcher then
/// ends the job.
pub struct Session(ManuallyDrop<Universe>);

impl Session {
    /// Ends MPI, when all ranks do.
    pub fn end(self) {
        drop(ManuallyDrop::into_inner(self.0));
    }
}

/// Bytes of one MPI message at the most: MPI counts them in 32 bits with a sign.
const MOST: usize = 1 << 30;

/// Time between two looks at what is awaited, after the first few.
const PAUSE: Duration = Duration::from_micros(50);

/// Looks before there are pauses between them, and between two looks at whether a rank is still there.
const SPINS: u32 = 2_000;

impl Mpi {
    /// This process as a rank of its job. Once in the life of a process.
    ///
    /// # Errors
    /// If MPI is not there or not what the program was built for.
    pub fn start() -> Result<(Self, Session), CollectiveError> {
        let problem = |problem: &str| CollectiveError::Start {
            problem: problem.to_owned(),
        };
        let started = initialize_with_threading(Threading::Serialized);
        let (universe, threading) = started.ok_or_else(|| problem("MPI was started before"))?;
        if threading < Threading::Serialized {
            return Err(problem(
                "this MPI cannot be called by several threads in turn; use a build with MPI_THREAD_SERIALIZED",
            ));
        }
        let world = universe.world();
        if let Some(other) = other_mpi(&Found::here(world.size() as usize)) {
            return Err(problem(&other));
        }
        let mut mpi = Self {
            rank: world.rank() as usize,
            ranks: world.size() as usize,
            signs: Vec::new(),
            most: MOST,
            mail: Mutex::default(),
            failed: AtomicBool::new(false),
        };
        mpi.signs = vec![None; mpi.ranks];
        mpi.signs = mpi.meet()?;
        Ok((mpi, Session(ManuallyDrop::new(universe))))
    }

    /// Tells the others which process this is, and looks for theirs.
    fn meet(&self) -> Result<Vec<Option<PathBuf>>, CollectiveError> {
        /// Longer names of hosts are cut.
        const LEN: usize = 128;
        let host = ::mpi::environment::processor_name().unwrap_or_default();
        let own = format!("{:>12} {host}", std::process::id());
        let padded = |text: &str| {
            let mut bytes = [b' '; LEN];
            let len = text.len().min(LEN);
            bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
            bytes
        };
        let own = padded(&own);
        let purpose = Purpose {
            tag: 0x7fff_ffff,
            operation: "the start",
            patience: Some(crate::PATIENCE),
        };
        let others = || (0..self.ranks).filter(|rank| *rank != self.rank);
        let outbound = others().map(|to| Outbound {
            to,
            pieces: vec![&own],
        });
        let outbound: Vec<_> = outbound.collect();
        let mut told = vec![[0; LEN]; self.ranks];
        let inbound = told.iter_mut().enumerate();
        let inbound = inbound.filter(|(rank, _)| *rank != self.rank);
        let inbound = inbound.map(|(from, bytes)| Inbound {
            from,
            pieces: vec![bytes],
        });
        let mut inbound: Vec<_> = inbound.collect();
        self.exchange(purpose, &outbound, &mut inbound)?;
        let sign = |bytes: &[u8; LEN]| {
            let is_here = bytes[12..] == own[12..];
            let process = std::str::from_utf8(&bytes[..12]).ok()?.trim();
            let sign = PathBuf::from(format!("/proc/{process}"));
            (is_here && sign.exists()).then_some(sign)
        };
        Ok(told.iter().map(sign).collect())
    }

    /// Waits until `done`, as long as the rank is there and the patience lasts.
    fn wait(
        &self,
        rank: usize,
        purpose: Purpose,
        mut done: impl FnMut() -> Option<()>,
    ) -> Result<(), CollectiveError> {
        let (own, operation, start) = (self.rank, purpose.operation, Instant::now());
        let mut looks = 0_u32;
        loop {
            if done().is_some() {
                return Ok(());
            }
            looks = looks.wrapping_add(1);
            if looks < SPINS {
                std::hint::spin_loop();
                continue;
            }
            thread::sleep(PAUSE);
            if !looks.is_multiple_of(SPINS) {
                continue;
            }
            if self.signs[rank].as_ref().is_some_and(|sign| !sign.exists()) {
                return Err(CollectiveError::Lost {
                    rank,
                    own,
                    operation,
                });
            }
            if let Some(patience) = purpose.patience.filter(|most| start.elapsed() > *most) {
                let seconds = patience.as_secs();
                return Err(CollectiveError::Late {
                    rank,
                    own,
                    operation,
                    seconds,
                });
            }
        }
    }
}

/// What a process finds when MPI has started.
struct Found {
    /// The standard that the library implements.
    standard: (i32, i32),
    /// What the library calls itself, with its version.
    library: String,
    /// Ranks by its word.
    ranks: usize,
    /// Processes by the word of the launcher.
    launched: Option<usize>,
}

impl Found {
    fn here(ranks: usize) -> Self {
        let library = ::mpi::environment::library_version().unwrap_or_default();
        Self {
            standard: ::mpi::environment::version(),
            // Some say more than the first line.
            library: library.split(['\n', ',']).next().unwrap_or_default().into(),
            ranks,
            launched: crate::launched().map(|launched| launched.ranks),
        }
    }
}

/// What is wrong where the library is not that of the build, or not that of the launcher.
fn other_mpi(found: &Found) -> Option<String> {
    let built = (ffi::MPI_VERSION as i32, ffi::MPI_SUBVERSION as i32);
    let Found {
        standard,
        library,
        ranks,
        launched,
    } = found;
    if *standard != built {
        let ((major, minor), (own_major, own_minor)) = (standard, built);
        return Some(format!(
            "this program was built for MPI {own_major}.{own_minor}, and the library here is {library} with MPI {major}.{minor}; build it where it runs, or load the MPI of its build"
        ));
    }
    let launched = launched.filter(|launched| launched != ranks)?;
    Some(format!(
        "the launcher started {launched} processes, and {library}, which this program was built with, knows of {ranks}: the launcher is another MPI's; start with the `mpirun` of {library}"
    ))
}

impl Engine for Mpi {
    fn name(&self) -> &'static str {
        "mpi"
    }

    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.ranks
    }

    fn exchange(
        &self,
        purpose: Purpose,
        outbound: &[Outbound],
        inbound: &mut [Inbound],
    ) -> Result<(), CollectiveError> {
        let done = self.all(purpose, outbound, inbound);
        self.failed.fetch_or(done.is_err(), Ordering::Relaxed);
        done
    }
}

impl Mpi {
    fn all(
        &self,
        purpose: Purpose,
        outbound: &[Outbound],
        inbound: &mut [Inbound],
    ) -> Result<(), CollectiveError> {
        let mut mail = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
        mail.settle();
        for message in outbound {
            mail.send(message, purpose.tag as i32, self.most);
        }
        for message in &mut *inbound {
            self.receive(message, purpose, &mut mail.received)?;
        }
        // Whoever only sends goes on, as on threads: the other may be sending too.
        if !inbound.is_empty() {
            for message in outbound {
                self.wait(message.to, purpose, || {
                    let mut of_rank = mail.pending.iter_mut().filter(|sent| sent.to == message.to);
                    of_rank.all(Sent::is_done).then_some(())
                })?;
            }
        }
        Ok(())
    }

    fn receive(
        &self,
        message: &mut Inbound,
        purpose: Purpose,
        whole: &mut Vec<u8>,
    ) -> Result<(), CollectiveError> {
        let len = message.bytes();
        if let [piece] = &mut message.pieces[..] {
            return self.receive_whole(message.from, piece, purpose);
        }
        whole.resize(len.max(whole.len()), 0);
        self.receive_whole(message.from, &mut whole[..len], purpose)?;
        message.fill(&whole[..len]);
        Ok(())
    }

    /// A message in one piece, by as many messages of MPI as its length takes.
    fn receive_whole(
        &self,
        rank: usize,
        whole: &mut [u8],
        purpose: Purpose,
    ) -> Result<(), CollectiveError> {
        let tag = purpose.tag as i32;
        let world = SimpleCommunicator::world();
        let source = world.process_at_rank(rank as i32);
        for part in parts(whole.len(), self.most) {
            let mut found = None;
            self.wait(rank, purpose, || {
                let status = source.immediate_probe_with_tag(tag)?;
                found = Some(status.count(u8::equivalent_datatype()));
                Some(())
            })?;
            if found != Some(part.len() as i32) {
                return Err(CollectiveError::OutOfStep {
                    rank,
                    own: self.rank,
                    operation: purpose.operation,
                });
            }
            source.receive_into_with_tag(&mut whole[part], tag);
        }
        Ok(())
    }
}

impl Drop for Mpi {
    fn drop(&mut self) {
        let mut mail = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
        let start = Instant::now();
        let is_whole = !self.failed.load(Ordering::Relaxed);
        while is_whole && start.elapsed() < crate::PATIENCE && !mail.pending.is_empty() {
            mail.settle();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that nobody launched is a job of one rank, which may send to itself: messages that one of MPI holds, just
    /// does not, and holds several times over.
    #[test]
    fn a_message_longer_than_mpi_counts_goes_in_parts() {
        let (mut mpi, session) = Mpi::start().unwrap();
        mpi.most = 1000;
        for (number, len) in [0, 1, 999, 1000, 1001, 2000, 12_345]
            .into_iter()
            .enumerate()
        {
            let purpose = Purpose {
                tag: number as u32,
                operation: "a test",
                patience: Some(crate::PATIENCE),
            };
            let sent: Vec<u8> = (0..len).map(|i| (i * 7 % 251) as u8).collect();
            let (a, b) = sent.split_at(len / 3);
            let (mut whole, mut halves) = (vec![0; len], vec![0; len]);
            let (c, d) = halves.split_at_mut(len / 2);
            let outbound = || Outbound {
                to: 0,
                pieces: vec![a, b],
            };
            let inbound = |pieces| Inbound { from: 0, pieces };
            let mut both = [inbound(vec![&mut whole[..]]), inbound(vec![c, d])];
            mpi.exchange(purpose, &[outbound(), outbound()], &mut both)
                .unwrap();
            assert!(whole == sent && halves == sent, "{len}");
        }
        let purpose = Purpose {
            tag: 99,
            operation: "a test",
            patience: Some(crate::PATIENCE),
        };
        let (sent, mut longer) = (vec![1; 2300], vec![0; 2301]);
        let outbound = [Outbound {
            to: 0,
            pieces: vec![&sent],
        }];
        let mut inbound = [Inbound {
            from: 0,
            pieces: vec![&mut longer],
        }];
        let error = mpi.exchange(purpose, &outbound, &mut inbound).unwrap_err();
        let is_found_out = matches!(error, CollectiveError::OutOfStep { rank: 0, .. });
        assert!(is_found_out, "{error}");
        drop(mpi);
        session.end();
    }

    #[test]
    fn another_mpi_than_that_of_the_build_is_named() {
        let built = (ffi::MPI_VERSION as i32, ffi::MPI_SUBVERSION as i32);
        let told = |standard, launched| {
            let library = "Open MPI v9.9.9".to_owned();
            other_mpi(&Found {
                standard,
                library,
                ranks: 2,
                launched,
            })
        };
        assert_eq!(told(built, Some(2)), None);
        assert_eq!(told(built, None), None);
        let older = told((1, 2), Some(2)).unwrap();
        assert!(older.contains("Open MPI v9.9.9 with MPI 1.2"), "{older}");
        let foreign = told(built, Some(4)).unwrap();
        assert!(foreign.contains("started 4 processes"), "{foreign}");
        assert!(foreign.contains("knows of 2"), "{foreign}");
    }
}
