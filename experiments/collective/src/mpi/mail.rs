//! Messages that a process has sent, until they have arrived.

use crate::engine::Outbound;
use ::mpi::ffi;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::Range;

/// Where to cut a message so that no part of it is longer than `most`. One that says nothing is a part, too.
pub(super) fn parts(len: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let count = len.div_ceil(most).max(1);
    (0..count).map(move |part| part * most..len.min((part + 1) * most))
}

/// What the messages of a process lie in.
#[derive(Default)]
pub(super) struct Mail {
    /// Messages on their way.
    pub(super) pending: Vec<Sent>,
    /// Memory of those that have arrived, for the next ones. Fresh memory costs a page fault per 4 KiB.
    spare: Vec<Vec<u8>>,
    /// A message in one piece before it goes to several places.
    pub(super) received: Vec<u8>,
}

impl Mail {
    /// Forgets the messages that have arrived, but for their memory.
    pub(super) fn settle(&mut self) {
        for index in (0..self.pending.len()).rev() {
            if self.pending[index].is_done() {
                self.spare.push(self.pending.swap_remove(index).memory());
            }
        }
    }

    /// Starts a message in memory of its own: the caller's may be gone before it has arrived. It goes in parts of `most`
    /// bytes, which arrive in their order.
    pub(super) fn send(&mut self, message: &Outbound, tag: i32, most: usize) {
        let len = message.bytes();
        let fits = |memory: &&Vec<u8>| (len..=2 * len).contains(&memory.capacity());
        let place = self.spare.iter().position(|memory| fits(&memory));
        let mut memory = place.map_or_else(
            || Vec::with_capacity(len),
            |place| self.spare.swap_remove(place),
        );
        memory.clear();
        for piece in &message.pieces {
            memory.extend_from_slice(piece);
        }
        self.pending
            .push(Sent::start(memory, message.to, tag, most));
    }
}

/// A message on its way.
pub(super) struct Sent {
    pub(super) to: usize,
    /// Read by MPI until it is sent.
    bytes: ManuallyDrop<Vec<u8>>,
    /// Of the parts that are not sent yet.
    requests: Vec<ffi::MPI_Request>,
}

#[allow(unsafe_code, reason = "a handle of MPI's, which is a pointer")]
// SAFETY: MPI was started with `MPI_THREAD_SERIALIZED`, and `Mpi::mail` is held by whoever calls it.
unsafe impl Send for Sent {}

#[allow(
    unsafe_code,
    reason = "the safe binding keeps the caller until a message is sent, which a rank that has ended never lets happen"
)]
impl Sent {
    fn start(bytes: Vec<u8>, to: usize, tag: i32, most: usize) -> Self {
        let start = |part: Range<usize>| {
            let part = &bytes[part];
            let mut request = MaybeUninit::uninit();
            // SAFETY: `bytes` lies on the heap, is not written to, and is freed only when all requests are done. MPI was
            // started by whoever has an engine, and sets the request.
            unsafe {
                ffi::MPI_Isend(
                    part.as_ptr().cast(),
                    part.len() as i32,
                    ffi::RSMPI_UINT8_T,
                    to as i32,
                    tag,
                    ffi::RSMPI_COMM_WORLD,
                    request.as_mut_ptr(),
                );
                request.assume_init()
            }
        };
        Self {
            to,
            requests: parts(bytes.len(), most).map(start).collect(),
            bytes: ManuallyDrop::new(bytes),
        }
    }

    pub(super) fn is_done(&mut self) -> bool {
        self.requests.retain_mut(|request| {
            let mut flag = 0;
            // SAFETY: the request is that of `MPI_Isend`, not done before.
            unsafe { ffi::MPI_Test(request, &raw mut flag, ffi::RSMPI_STATUS_IGNORE) };
            flag == 0
        });
        self.requests.is_empty()
    }

    /// What it lay in, where it is done; what may still be read stays where it is.
    fn memory(self) -> Vec<u8> {
        if self.requests.is_empty() {
            ManuallyDrop::into_inner(self.bytes)
        } else {
            Vec::new()
        }
    }
}
