//! Ranks as threads of one process.

use crate::engine::{Engine, Inbound, Outbound, Purpose};
use crate::error::CollectiveError;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// One rank's end of all channels.
pub struct Threads {
    rank: usize,
    /// To every rank.
    to: Vec<Sender<Message>>,
    /// From every rank.
    from: Vec<Mutex<Receiver<Message>>>,
    /// What went wrong first, on whatever rank: those who wait for a rank that waits for another tell the same.
    fault: Arc<OnceLock<CollectiveError>>,
}

struct Message {
    tag: u32,
    bytes: Vec<u8>,
}

/// The engines of a job of so many ranks, in their order.
#[must_use]
pub fn connect(ranks: usize) -> Vec<Threads> {
    let fault = Arc::new(OnceLock::new());
    let mut to: Vec<Vec<Sender<Message>>> = vec![Vec::new(); ranks];
    let mut engines = Vec::with_capacity(ranks);
    for rank in 0..ranks {
        let mut from = Vec::with_capacity(ranks);
        for senders in &mut to {
            let (sender, receiver) = channel();
            senders.push(sender);
            from.push(Mutex::new(receiver));
        }
        engines.push((rank, from));
    }
    let engine = |((rank, from), to)| Threads {
        rank,
        to,
        from,
        fault: fault.clone(),
    };
    engines.into_iter().zip(to).map(engine).collect()
}

impl Threads {
    fn receive(&self, from: usize, purpose: Purpose) -> Result<Vec<u8>, CollectiveError> {
        let receiver = self.from[from].lock();
        let receiver = receiver.unwrap_or_else(PoisonError::into_inner);
        let (rank, own, operation) = (from, self.rank, purpose.operation);
        let lost = CollectiveError::Lost {
            rank,
            own,
            operation,
        };
        let message = match purpose.patience {
            None => receiver.recv().map_err(|_| lost)?,
            Some(patience) => receiver
                .recv_timeout(patience)
                .map_err(|error| match error {
                    RecvTimeoutError::Disconnected => lost,
                    RecvTimeoutError::Timeout => CollectiveError::Late {
                        rank,
                        own,
                        operation,
                        seconds: patience.as_secs(),
                    },
                })?,
        };
        if message.tag == purpose.tag {
            Ok(message.bytes)
        } else {
            Err(CollectiveError::OutOfStep {
                rank,
                own,
                operation,
            })
        }
    }

    fn all(
        &self,
        purpose: Purpose,
        outbound: &[Outbound],
        inbound: &mut [Inbound],
    ) -> Result<(), CollectiveError> {
        let (own, operation) = (self.rank, purpose.operation);
        for Outbound { to, pieces } in outbound {
            let message = Message {
                tag: purpose.tag,
                bytes: pieces.concat(),
            };
            let sent = self.to[*to].send(message);
            sent.map_err(|_| CollectiveError::Lost {
                rank: *to,
                own,
                operation,
            })?;
        }
        for message in inbound {
            let rank = message.from;
            let found = self.receive(rank, purpose)?;
            if found.len() != message.bytes() {
                return Err(CollectiveError::OutOfStep {
                    rank,
                    own,
                    operation,
                });
            }
            message.fill(&found);
        }
        Ok(())
    }
}

impl Engine for Threads {
    fn name(&self) -> &'static str {
        "threads"
    }

    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.to.len()
    }

    fn exchange(
        &self,
        purpose: Purpose,
        outbound: &[Outbound],
        inbound: &mut [Inbound],
    ) -> Result<(), CollectiveError> {
        self.all(purpose, outbound, inbound)
            .map_err(|error| self.fault.get_or_init(|| error).clone())
    }
}
