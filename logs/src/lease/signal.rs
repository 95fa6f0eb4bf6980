//! Signals to the holder of a lease.

use super::{Holder, hostname, process};
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
    /// ones. So a signal goes only to the process that started when the holder did, in this boot.
    fn signal(&self, signal: Signal) -> Sent {
        let ours =
            self.host == hostname() && self.boot.is_some() && self.boot == process::boot_id();
        let number = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let Some(number) = number.filter(|_| ours && self.pid != std::process::id()) else {
            return Sent::OutOfReach;
        };
        send(self, number, signal)
    }

    /// Whether the process of this number is the one that took the lease.
    fn is_the_same(&self) -> bool {
        self.start_ticks.is_some() && self.start_ticks == process::start_ticks(self.pid)
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
    if !holder.is_the_same() {
        return Sent::Gone;
    }
    match pidfd_send_signal(&process, signal) {
        Ok(()) => Sent::Delivered,
        Err(Errno::SRCH) => Sent::Gone,
        Err(_) => Sent::OutOfReach,
    }
}

#[cfg(not(target_os = "linux"))]
fn send(holder: &Holder, _: Pid, _: Signal) -> Sent {
    // Start times are unknown here, and a guess might hit a stranger.
    let _ = holder.is_the_same();
    Sent::OutOfReach
}

#[cfg(all(test, target_os = "linux"))]
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
        for other in [reused, unknown] {
            assert_eq!(other.kill(), Sent::Gone);
        }
        let elsewhere = Holder {
            host: "elsewhere".into(),
            ..holder.clone()
        };
        let before_reboot = Holder {
            boot: Some("another boot".into()),
            ..holder.clone()
        };
        for other in [elsewhere, before_reboot, Holder::me()] {
            assert_eq!(other.kill(), Sent::OutOfReach);
        }
        assert!(child.try_wait().unwrap().is_none(), "still alive");
        assert_eq!(holder.kill(), Sent::Delivered);
        child.wait().unwrap();
    }
}
