//! The heartbeat of a lease: a thread that touches the file while its process lives.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::watch::Seen;
use super::{BEAT, Holder, lock_directory, touch};
use crate::disk::{Place, write_json_atomic};
use crate::error::LogError;

/// A running heartbeat.
#[derive(Debug)]
pub(super) struct Heartbeat {
    /// The directory the lease was taken in.
    place: Place,
    /// Who took the lease over. Kept, since a lease that was lost once must not be taken for ours
    /// when the other has ended.
    lost: Arc<Mutex<Option<Holder>>>,
    /// Dropping it ends the thread.
    going: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    pub(super) fn start(path: &Path, me: &Holder) -> Result<Self, LogError> {
        let place = Place::of(path.parent().unwrap_or(Path::new(".")))?;
        let lost = Arc::new(Mutex::new(None));
        let (going, ended) = channel();
        let own = (path.to_owned(), me.clone(), place.clone(), lost.clone());
        let thread = Builder::new().name("heartbeat".to_owned()).spawn(move || {
            let (path, me, place, lost) = own;
            while goes_on(&ended) {
                // What fails once may work the next time; who is about to write asks for himself.
                let _ = beat(&path, &me, &place, &lost, false);
            }
        });
        let thread = thread.map_err(|error| LogError::io("start the heartbeat of", path, error))?;
        Ok(Self {
            place,
            lost,
            going: Some(going),
            thread: Some(thread),
        })
    }

    /// The heartbeat of who needs to know; `locked` where the directory is locked already.
    pub(super) fn confirm(&self, path: &Path, me: &Holder, locked: bool) -> Result<(), LogError> {
        beat(path, me, &self.place, &self.lost, locked)
    }

    pub(super) fn is_lost(&self) -> bool {
        lock(&self.lost).is_some()
    }

    pub(super) fn stop(&mut self) {
        self.going = None;
        if let Some(thread) = self.thread.take() {
            // It does not panic; if it did, the lease would merely look dead.
            let _ = thread.join();
        }
    }
}

/// Waits for the next beat; false when there is none.
fn goes_on(ended: &Receiver<()>) -> bool {
    ended.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout)
}

/// One heartbeat, if the lease is still `me`'s.
fn beat(
    path: &Path,
    me: &Holder,
    place: &Place,
    lost: &Mutex<Option<Holder>>,
    locked: bool,
) -> Result<(), LogError> {
    place.check()?;
    if let Some(other) = &*lock(lost) {
        return Err(taken(path, other));
    }
    let holder = || Ok::<_, LogError>(Seen::look(path)?.and_then(|seen| seen.holder));
    match holder()? {
        Some(found) if found == *me => return touch(path).or_else(absent),
        Some(_) => {}
        // Deleted or damaged: it is ours as long as nobody else takes it.
        None => {
            let _lock = (!locked).then(|| lock_directory(path, BEAT)).transpose()?;
            if holder()?.is_none() {
                return write_json_atomic(path, me);
            }
        }
    }
    match holder()? {
        Some(other) if other != *me => {
            let error = taken(path, &other);
            *lock(lost) = Some(other);
            Err(error)
        }
        _ => Ok(()),
    }
}

fn lock(lost: &Mutex<Option<Holder>>) -> MutexGuard<'_, Option<Holder>> {
    lost.lock().unwrap_or_else(PoisonError::into_inner)
}

fn taken(path: &Path, other: &Holder) -> LogError {
    LogError::Lost {
        path: path.to_owned(),
        pid: other.pid,
        host: other.host.clone(),
        since: other.since.clone(),
    }
}

/// A lease that vanished between two looks is written again at the next.
fn absent(error: LogError) -> Result<(), LogError> {
    match error {
        LogError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Ok(()),
        other => Err(other),
    }
}
