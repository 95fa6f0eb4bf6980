//! Request files: how other processes talk to a running executor.

use crate::{PlannedRun, Sweep, SweepError};
use std::fs::File;
use std::path::PathBuf;

/// A request about one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Checkpoint and end; the run can go on later. Forgotten once it is honoured.
    Stop,
    /// Do not run, or end if it runs; stays until [`Sweep::withdraw`].
    Skip,
}

impl Request {
    fn extension(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Skip => "skip",
        }
    }
}

/// `card-arm-sSEED` for a run id `card-arm-HASH-sSEED`.
fn without_hash(id: &str) -> String {
    match id.rsplitn(3, '-').collect::<Vec<_>>().as_slice() {
        [seed, _hash, rest] => format!("{rest}-{seed}"),
        _ => id.to_owned(),
    }
}

impl Sweep {
    /// The run called `name`: a whole id, or any part of one that fits a single run, such as
    /// `post-1f2e3d4c-s3`; the hash may be left out, as in `post-s3`.
    pub fn find(&self, name: &str) -> Result<&PlannedRun, SweepError> {
        if let Some(run) = self.runs().iter().find(|run| run.id == name) {
            return Ok(run);
        }
        let partial: Vec<&PlannedRun> = self
            .runs()
            .iter()
            .filter(|_| !name.is_empty())
            .filter(|run| run.id.contains(name) || without_hash(&run.id).contains(name))
            .collect();
        match partial.as_slice() {
            [run] => Ok(run),
            [] => Err(SweepError::UnknownRun {
                name: name.to_owned(),
                hint: words::hint(name, self.runs().iter().map(|run| &run.id)),
            }),
            several => Err(SweepError::AmbiguousRun {
                name: name.to_owned(),
                matches: several.iter().map(|run| run.id.clone()).collect(),
            }),
        }
    }

    /// Asks the executor at work for something; takes effect within a second. A [`Request::Skip`] also
    /// holds for executors to come.
    pub fn request(&self, id: &str, request: Request) -> Result<(), SweepError> {
        touch(&self.request_path(id, request))
    }

    /// Whether a request is open.
    #[must_use]
    pub fn requested(&self, id: &str, request: Request) -> bool {
        self.request_path(id, request).exists()
    }

    /// Takes a request back; nothing happens when there is none.
    pub fn withdraw(&self, id: &str, request: Request) -> Result<(), SweepError> {
        remove(&self.request_path(id, request))
    }

    /// Asks the executor at work to go on with a run that was stopped, broke off or failed, or that is no longer left out.
    pub(crate) fn request_resume(&self, id: &str) -> Result<(), SweepError> {
        touch(&self.resume_path(id))
    }

    /// Whether an executor is to go on with a run.
    pub(crate) fn is_to_resume(&self, id: &str) -> bool {
        self.resume_path(id).exists()
    }

    /// The run goes on, or there is nobody who could go on with it.
    pub(crate) fn withdraw_resume(&self, id: &str) -> Result<(), SweepError> {
        remove(&self.resume_path(id))
    }

    /// What executors that share the sweep leave alone may be taken by each of them again.
    pub(crate) fn take_up(&self, id: &str) -> Result<(), SweepError> {
        remove(&self.mark_path(id))
    }

    /// A request to stop a run has been honoured by one of several executors: it becomes a mark, by which the others
    /// leave the run alone.
    pub(crate) fn set_down(&self, id: &str) -> Result<(), SweepError> {
        if self.requested(id, Request::Stop) {
            touch(&self.mark_path(id))?;
        }
        self.withdraw(id, Request::Stop)
    }

    /// Whether executors that are at work are to leave a run alone that was stopped.
    pub(crate) fn is_set_down(&self, id: &str) -> bool {
        self.mark_path(id).exists()
    }

    /// Takes back what earlier executors were asked for: they, not the one that begins now, were to stop. What is to be
    /// skipped stays skipped.
    pub(crate) fn forget_requests(&self) -> Result<(), SweepError> {
        self.withdraw_stop()?;
        for run in self.runs() {
            self.withdraw(&run.id, Request::Stop)?;
            self.withdraw_resume(&run.id)?;
            remove(&self.mark_path(&run.id))?;
        }
        Ok(())
    }

    /// Whether a request is open that executors of before may have left.
    pub(super) fn is_asked_anything(&self) -> bool {
        let mut runs = self.runs().iter();
        self.stop_requested()
            || runs.any(|run| {
                self.requested(&run.id, Request::Stop)
                    || self.is_to_resume(&run.id)
                    || self.is_set_down(&run.id)
            })
    }

    fn resume_path(&self, id: &str) -> PathBuf {
        self.dir().join("control").join(format!("{id}.resume"))
    }

    fn mark_path(&self, id: &str) -> PathBuf {
        self.dir().join("control").join(format!("{id}.stopped"))
    }

    /// Asks the executor to stop all runs and end.
    pub fn request_stop(&self) -> Result<(), SweepError> {
        touch(&self.stop_path())
    }

    pub(crate) fn stop_requested(&self) -> bool {
        self.stop_path().exists()
    }

    pub(crate) fn withdraw_stop(&self) -> Result<(), SweepError> {
        remove(&self.stop_path())
    }

    fn request_path(&self, id: &str, request: Request) -> PathBuf {
        let name = format!("{id}.{}", request.extension());
        self.dir().join("control").join(name)
    }

    fn stop_path(&self) -> PathBuf {
        self.dir().join("control").join("sweep.stop")
    }
}

fn touch(path: &std::path::Path) -> Result<(), SweepError> {
    let parent = path.parent().unwrap_or(std::path::Path::new("."));
    super::make_folder(parent)?;
    File::create(path)
        .map(drop)
        .map_err(|source| SweepError::Write {
            path: path.to_owned(),
            source,
        })
}

/// Removes a request. One that is not there is looked for first: a disk that is read-only refuses to
/// remove even that.
fn remove(path: &std::path::Path) -> Result<(), SweepError> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(SweepError::Write {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}
