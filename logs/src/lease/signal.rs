//! Signals to the holder of a lease.

use super::process;
use super::{Holder, Life};
use rustix::process::{Pid, Signal};
use std::path::Path;

/// What became of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The holder has it.
    Delivered,
    /// The holder has ended.
    Gone,
    /// The holder is another machine's process, another container's or another user's, or this very
    /// process.
    OutOfReach,
    /// Such a process runs, but has nothing of the run open: the lease was copied or made up.
    Stranger,
}

impl Holder {
    /// Asks the holder of the lease in `directory` to save its state and end (SIGTERM).
    #[must_use]
    pub fn ask_to_end(&self, directory: &Path) -> Sent {
        self.signal(directory, Signal::TERM)
    }

    /// Kills the holder of the lease in `directory` (SIGKILL).
    #[must_use]
    pub fn kill(&self, directory: &Path) -> Sent {
        self.signal(directory, Signal::KILL)
    }

    /// A process number says little: it is used again, and other machines and containers have the same
    /// ones. So a signal goes only to a process of this kernel and namespace that started when the holder
    /// did. And a lease says what anybody may have written or copied there, so the process must have the
    /// run open.
    fn signal(&self, directory: &Path, signal: Signal) -> Sent {
        let number = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        match (self.life(), number) {
            (Life::Gone, _) => Sent::Gone,
            (Life::Lives, Some(number)) if self.pid != std::process::id() => {
                match process::has_open(self.pid, directory) {
                    Some(true) => send(self, number, signal),
                    Some(false) => Sent::Stranger,
                    None => Sent::OutOfReach,
                }
            }
            (Life::Lives | Life::Unknown, _) => Sent::OutOfReach,
        }
    }
}

/// By a descriptor of the process, so that its number cannot pass to another one between the look and
/// the signal.
#[cfg(target_os = "linux")]
fn send(holder: &Holder, number: Pid, signal: Signal) -> Sent {
    use rustix::io::Errno;
    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};

    let process = match pidfd_open(number, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(Errno::SRCH) => return Sent::Gone,
        Err(_) => return Sent::OutOfReach,
    };
    // The descriptor is of the holder only if that had not ended before it was opened.
    match (holder.start_ticks, process::start_ticks(holder.pid)) {
        (Some(theirs), Some(found)) if theirs == found => {}
        (Some(_), _) => return Sent::Gone,
        (None, _) => return Sent::OutOfReach,
    }
    match pidfd_send_signal(&process, signal) {
        Ok(()) => Sent::Delivered,
        Err(Errno::SRCH) => Sent::Gone,
        Err(_) => Sent::OutOfReach,
    }
}

#[cfg(not(target_os = "linux"))]
fn send(_: &Holder, _: Pid, _: Signal) -> Sent {
    // Start times are unknown here, and a guess might hit a stranger.
    Sent::OutOfReach
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command};

    /// A process that has `directory` open, as one that writes there has.
    fn sleeper(directory: &Path) -> (Child, Holder) {
        let open = File::open(directory).unwrap();
        let mut command = Command::new("sleep");
        let child = command.arg("60").stdin(open).spawn().unwrap();
        let holder = Holder {
            pid: child.id(),
            start_ticks: process::start_ticks(child.id()),
            ..Holder::me()
        };
        (child, holder)
    }

    #[test]
    fn the_holder_gets_the_signal() {
        let run = tempfile::tempdir().unwrap();
        let (mut child, holder) = sleeper(run.path());
        assert_eq!(holder.ask_to_end(run.path()), Sent::Delivered);
        assert_eq!(child.wait().unwrap().signal(), Some(15));
        assert_eq!(holder.ask_to_end(run.path()), Sent::Gone);
    }

    /// A lease that was made up, or copied with the run it was in: everything in it is true, and yet the
    /// process has nothing to do with this directory.
    #[test]
    fn a_process_that_writes_elsewhere_does_not_get_it() {
        let (run, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (mut child, holder) = sleeper(run.path());
        assert_eq!(holder.ask_to_end(copy.path()), Sent::Stranger);
        assert_eq!(holder.kill(copy.path()), Sent::Stranger);
        assert!(child.try_wait().unwrap().is_none(), "still alive");
        // An earlier version has the files open, not the folder.
        let file = copy.path().join("events.jsonl");
        std::fs::write(&file, "").unwrap();
        let mut other = Command::new("sleep");
        let other = other.arg("60").stdin(File::open(file).unwrap());
        let mut other = other.spawn().unwrap();
        assert_eq!(process::has_open(other.id(), copy.path()), Some(true));
        assert_eq!(process::has_open(other.id(), run.path()), Some(false));
        for child in [&mut child, &mut other] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    #[test]
    fn nobody_else_gets_it() {
        let run = tempfile::tempdir().unwrap();
        let (mut child, holder) = sleeper(run.path());
        let reused = Holder {
            start_ticks: holder.start_ticks.map(|ticks| ticks - 1),
            ..holder.clone()
        };
        let unknown = Holder {
            start_ticks: None,
            ..holder.clone()
        };
        assert_eq!(reused.kill(run.path()), Sent::Gone);
        let other_kernel = Holder {
            boot: Some("another boot".into()),
            ..holder.clone()
        };
        let container = Holder {
            pid_namespace: Some(1),
            ..holder.clone()
        };
        for other in [unknown, other_kernel, container, Holder::me()] {
            assert_eq!(other.kill(run.path()), Sent::OutOfReach);
        }
        assert!(child.try_wait().unwrap().is_none(), "still alive");
        assert_eq!(holder.kill(run.path()), Sent::Delivered);
        child.wait().unwrap();
    }
}
