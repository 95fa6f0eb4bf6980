//! Signals to the holder of a lease.

#[cfg(target_os = "linux")]
use super::process;
use super::{Holder, Life};
use rustix::process::{Pid, Signal};

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
}

impl Holder {
    /// Asks the holder to save its state and end (SIGTERM).
    #[must_use]
    pub fn ask_to_end(&self) -> Sent {
        self.signal(Signal::TERM)
    }

    /// Kills the holder (SIGKILL).
    #[must_use]
    pub fn kill(&self) -> Sent {
        self.signal(Signal::KILL)
    }

    /// A process number says little: it is used again, and other machines and containers have the same
    /// ones. So a signal goes only to a process of this kernel and namespace that started when the holder
    /// did.
    fn signal(&self, signal: Signal) -> Sent {
        let number = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        match (self.life(), number) {
            (Life::Gone, _) => Sent::Gone,
            (Life::Lives, Some(number)) if self.pid != std::process::id() => {
                send(self, number, signal)
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
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command};

    fn sleeper() -> (Child, Holder) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let holder = Holder {
            pid: child.id(),
            start_ticks: process::start_ticks(child.id()),
            ..Holder::me()
        };
        (child, holder)
    }

    #[test]
    fn the_holder_gets_the_signal() {
        let (mut child, holder) = sleeper();
        assert_eq!(holder.ask_to_end(), Sent::Delivered);
        assert_eq!(child.wait().unwrap().signal(), Some(15));
        assert_eq!(holder.ask_to_end(), Sent::Gone);
    }

    #[test]
    fn nobody_else_gets_it() {
        let (mut child, holder) = sleeper();
        let reused = Holder {
            start_ticks: holder.start_ticks.map(|ticks| ticks - 1),
            ..holder.clone()
        };
        let unknown = Holder {
            start_ticks: None,
            ..holder.clone()
        };
        assert_eq!(reused.kill(), Sent::Gone);
        let other_kernel = Holder {
            boot: Some("another boot".into()),
            ..holder.clone()
        };
        let container = Holder {
            pid_namespace: Some(1),
            ..holder.clone()
        };
        for other in [unknown, other_kernel, container, Holder::me()] {
            assert_eq!(other.kill(), Sent::OutOfReach);
        }
        assert!(child.try_wait().unwrap().is_none(), "still alive");
        assert_eq!(holder.kill(), Sent::Delivered);
        child.wait().unwrap();
    }
}
