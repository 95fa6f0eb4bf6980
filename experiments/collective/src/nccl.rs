//! Ranks with a GPU each, whose messages go from GPU to GPU by NCCL.
//!
//! Only messages are NCCL's, as with the other engines. Each ordered pair of ranks has a communicator and a stream of its
//! own, so that what one sends never waits behind what it receives. NCCL knows neither tags nor lengths of messages: a
//! header of both goes before each.
//!
//! The communicators' keys are handed over by files of a folder that all ranks see ([`Nccl::start`]).

use crate::engine::{Engine, Inbound, Outbound, PATIENCE, Purpose};
use crate::error::CollectiveError;
use cudarc::driver::{CudaContext, CudaEvent, CudaSlice, CudaStream, DriverError};
use cudarc::nccl::{Comm, Id, result::NcclError};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Time between two looks at what is awaited.
const PAUSE: Duration = Duration::from_micros(50);

/// Bytes of a tag and a length.
const HEADER: usize = 12;

/// The other rank in a communicator of two: its sender is 0.
const SENDER: i32 = 0;
const RECEIVER: i32 = 1;

/// One rank and its GPU.
pub struct Nccl {
    rank: usize,
    ranks: usize,
    /// To each other rank, and from each.
    to: BTreeMap<usize, Mutex<Line>>,
    from: BTreeMap<usize, Mutex<Line>>,
    /// Messages on their way.
    pending: Mutex<Vec<Sent>>,
    /// Whether a rank is missing, and what it was sent will stay on its way.
    failed: AtomicBool,
}

/// From one rank to one other.
struct Line {
    comm: Comm,
    stream: Arc<CudaStream>,
}

#[allow(unsafe_code, reason = "a handle of NCCL's, which is a pointer")]
// SAFETY: NCCL lets any thread call a communicator, one at a time: it lies in a `Mutex`.
unsafe impl Send for Line {}

/// A message on its way.
struct Sent {
    to: usize,
    /// Read by the GPU until the event has come.
    _bytes: [CudaSlice<u8>; 2],
    done: CudaEvent,
}

/// What NCCL or the driver says.
enum Fault {
    Nccl(NcclError),
    Driver(DriverError),
}

impl From<NcclError> for Fault {
    fn from(error: NcclError) -> Self {
        Self::Nccl(error)
    }
}

impl From<DriverError> for Fault {
    fn from(error: DriverError) -> Self {
        Self::Driver(error)
    }
}

impl Fault {
    fn of(self, rank: usize) -> CollectiveError {
        let problem = match self {
            Self::Nccl(NcclError(code)) => format!("NCCL of rank {rank} failed with {code:?}"),
            Self::Driver(error) => format!("the GPU of rank {rank} failed: {error}"),
        };
        CollectiveError::Start { problem }
    }
}

fn start_error(problem: String) -> CollectiveError {
    CollectiveError::Start { problem }
}

impl Nccl {
    /// Rank `rank` of `ranks` with the GPU of that number on its host. `folder` is empty before the first rank starts, and
    /// all of them see it; nothing there is needed any more when all have started.
    ///
    /// # Errors
    /// If NCCL, the driver or the GPU is not there, the folder cannot be used, or another rank does not come.
    pub fn start(
        rank: usize,
        ranks: usize,
        gpu: usize,
        folder: &Path,
    ) -> Result<Self, CollectiveError> {
        if rank >= ranks {
            return Err(start_error(format!("there is no rank {rank} of {ranks}")));
        }
        check_libraries()?;
        let context = CudaContext::new(gpu).map_err(|error| Fault::from(error).of(rank))?;
        let mut nccl = Self {
            rank,
            ranks,
            to: BTreeMap::new(),
            from: BTreeMap::new(),
            pending: Mutex::default(),
            failed: AtomicBool::new(false),
        };
        // All ranks go through the pairs in one order: each waits for the one that both are at.
        for sender in 0..ranks {
            for receiver in (0..ranks).filter(|other| *other != sender) {
                if rank == sender {
                    let line = nccl.connect(&context, [sender, receiver], SENDER, folder)?;
                    nccl.to.insert(receiver, Mutex::new(line));
                } else if rank == receiver {
                    let line = nccl.connect(&context, [sender, receiver], RECEIVER, folder)?;
                    nccl.from.insert(sender, Mutex::new(line));
                }
            }
        }
        Ok(nccl)
    }

    fn connect(
        &self,
        context: &Arc<CudaContext>,
        [sender, receiver]: [usize; 2],
        place: i32,
        folder: &Path,
    ) -> Result<Line, CollectiveError> {
        let fault = |fault: Fault| fault.of(self.rank);
        let path = folder.join(format!("{sender}-{receiver}.id"));
        let id = if place == SENDER {
            let id = Id::new().map_err(|error| fault(error.into()))?;
            hand_over(&path, id.internal()).map_err(|error| unusable(&path, &error))?;
            id
        } else {
            Id::uninit(self.take(&path, sender)?)
        };
        let stream = context.new_stream().map_err(|error| fault(error.into()))?;
        let comm = Comm::from_rank(stream.clone(), place as usize, 2, id);
        let comm = comm.map_err(|error| fault(error.into()))?;
        Ok(Line { comm, stream })
    }

    /// The key that another rank hands over.
    fn take(&self, path: &Path, sender: usize) -> Result<[i8; 128], CollectiveError> {
        let start = Instant::now();
        loop {
            match fs::read(path) {
                Ok(bytes) => {
                    let key: Result<[u8; 128], _> = bytes.try_into();
                    let key = key.map_err(|bytes| {
                        let found = bytes.len();
                        let path = path.display();
                        start_error(format!("`{path}` has {found} bytes instead of 128"))
                    })?;
                    return Ok(key.map(u8::cast_signed));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(unusable(path, &error)),
            }
            if start.elapsed() > PATIENCE {
                return Err(self.late(sender, "the start", PATIENCE));
            }
            sleep(PAUSE);
        }
    }

    fn late(&self, rank: usize, operation: &'static str, patience: Duration) -> CollectiveError {
        CollectiveError::Late {
            rank,
            own: self.rank,
            operation,
            seconds: patience.as_secs(),
        }
    }

    /// Waits for what a rank has to do with.
    fn wait(&self, rank: usize, purpose: Purpose, done: &CudaEvent) -> Result<(), CollectiveError> {
        let start = Instant::now();
        while !(done.try_is_complete()).map_err(|error| Fault::from(error).of(self.rank))? {
            match purpose.patience {
                Some(patience) if start.elapsed() > patience => {
                    return Err(self.late(rank, purpose.operation, patience));
                }
                _ => sleep(PAUSE),
            }
        }
        Ok(())
    }

    fn send(&self, message: &Outbound, purpose: Purpose) -> Result<Sent, CollectiveError> {
        let line = self.to[&message.to].lock();
        let line = line.unwrap_or_else(PoisonError::into_inner);
        line.send(message, purpose.tag)
            .map_err(|fault| fault.of(self.rank))
    }

    fn receive(&self, message: &mut Inbound, purpose: Purpose) -> Result<(), CollectiveError> {
        let line = self.from[&message.from].lock();
        let line = line.unwrap_or_else(PoisonError::into_inner);
        let mut header = [0; HEADER];
        self.fill(&line, message.from, purpose, &mut header)?;
        if header != header_of(purpose.tag, message.bytes()) {
            return Err(CollectiveError::OutOfStep {
                rank: message.from,
                own: self.rank,
                operation: purpose.operation,
            });
        }
        let mut whole = vec![0; message.bytes()];
        self.fill(&line, message.from, purpose, &mut whole)?;
        message.fill(&whole);
        Ok(())
    }

    /// Fills bytes with what comes next on a line.
    fn fill(
        &self,
        line: &Line,
        from: usize,
        purpose: Purpose,
        bytes: &mut [u8],
    ) -> Result<(), CollectiveError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let fault = |fault: Fault| fault.of(self.rank);
        let (received, done) = line.receive(bytes.len()).map_err(fault)?;
        self.wait(from, purpose, &done)?;
        let copied = line.stream.memcpy_dtoh(&received, bytes);
        copied
            .and_then(|()| line.stream.synchronize())
            .map_err(|error| fault(error.into()))
    }

    fn forget_sent(&self) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.retain(|sent| !sent.done.is_complete());
    }
}

impl Line {
    fn send(&self, message: &Outbound, tag: u32) -> Result<Sent, Fault> {
        let whole = message.pieces.concat();
        let header = header_of(tag, whole.len());
        let header = self.stream.clone_htod(&header)?;
        self.comm.send(&header, RECEIVER)?;
        let bytes = if whole.is_empty() {
            self.stream.null()?
        } else {
            let bytes = self.stream.clone_htod(&whole)?;
            self.comm.send(&bytes, RECEIVER)?;
            bytes
        };
        Ok(Sent {
            to: message.to,
            _bytes: [header, bytes],
            done: self.stream.record_event(None)?,
        })
    }

    fn receive(&self, len: usize) -> Result<(CudaSlice<u8>, CudaEvent), Fault> {
        let mut bytes = self.stream.alloc_zeros::<u8>(len)?;
        self.comm.recv(&mut bytes, SENDER)?;
        Ok((bytes, self.stream.record_event(None)?))
    }
}

impl Engine for Nccl {
    fn name(&self) -> &'static str {
        "nccl"
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

impl Nccl {
    fn all(
        &self,
        purpose: Purpose,
        outbound: &[Outbound],
        inbound: &mut [Inbound],
    ) -> Result<(), CollectiveError> {
        self.forget_sent();
        let sent = outbound.iter().map(|message| self.send(message, purpose));
        let sent: Vec<Sent> = sent.collect::<Result<_, _>>()?;
        for message in &mut *inbound {
            self.receive(message, purpose)?;
        }
        // Whoever only sends goes on, as on the other engines: the other may be sending too.
        if inbound.is_empty() {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            pending.extend(sent);
            return Ok(());
        }
        for message in &sent {
            self.wait(message.to, purpose, &message.done)?;
        }
        Ok(())
    }
}

impl Drop for Nccl {
    fn drop(&mut self) {
        let start = Instant::now();
        let is_empty = || {
            let pending = self.pending.lock();
            pending.unwrap_or_else(PoisonError::into_inner).is_empty()
        };
        let is_whole = !self.failed.load(Ordering::Relaxed);
        while is_whole && !is_empty() && start.elapsed() < PATIENCE {
            self.forget_sent();
            sleep(PAUSE);
        }
    }
}

/// What goes before a message.
fn header_of(tag: u32, len: usize) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&tag.to_le_bytes());
    header[4..].copy_from_slice(&(len as u64).to_le_bytes());
    header
}

/// Both are loaded when they are used, and whoever uses what is not there panics.
fn check_libraries() -> Result<(), CollectiveError> {
    #[allow(
        unsafe_code,
        reason = "it loads a library, whose constructors could do anything"
    )]
    // SAFETY: those of NVIDIA's libraries touch nothing of this program.
    let found = unsafe {
        [
            ("libcuda.so", cudarc::driver::sys::is_culib_present()),
            ("libnccl.so", cudarc::nccl::sys::is_culib_present()),
        ]
    };
    match found.into_iter().find(|(_, is_there)| !is_there) {
        None => Ok(()),
        Some((library, _)) => Err(start_error(format!(
            "messages between GPUs need NVIDIA's driver and NCCL; `{library}` is not on this machine"
        ))),
    }
}

/// Writes a key so that nobody sees a part of it. One that lies there is of another job.
fn hand_over(path: &Path, key: &[i8; 128]) -> io::Result<()> {
    let bytes = key.map(i8::cast_unsigned);
    let whole = path.with_extension("part");
    fs::write(&whole, bytes)?;
    fs::hard_link(&whole, path)?;
    fs::remove_file(&whole)
}

fn unusable(path: &Path, error: &io::Error) -> CollectiveError {
    start_error(format!(
        "ranks cannot meet at `{}`: {error}; name an empty folder that all of them see",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_nccl_is_told_what_is_missing() {
        let folder = std::env::temp_dir();
        match Nccl::start(0, 1, 0, &folder) {
            Ok(alone) => assert_eq!((alone.rank(), alone.ranks()), (0, 1)),
            Err(error) => {
                let told = error.to_string();
                assert!(
                    told.contains("libcuda") || told.contains("libnccl") || told.contains("GPU"),
                    "{told}"
                );
            }
        }
        assert!(Nccl::start(1, 1, 0, &folder).is_err());
    }

    #[test]
    fn a_key_is_handed_over_once() {
        let folder = std::env::temp_dir().join(format!("nccl-keys-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("0-1.id");
        hand_over(&path, &[-7; 128]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), [249; 128]);
        let again = hand_over(&path, &[1; 128]).unwrap_err();
        assert!(unusable(&path, &again).to_string().contains("empty folder"));
        assert_eq!(fs::read(&path).unwrap(), [249; 128]);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(header_of(3, 258), [3, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0]);
    }
}
