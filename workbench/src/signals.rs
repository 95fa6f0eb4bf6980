//! Signals as a flag: whatever runs saves its state and ends.

use crate::failure::Failure;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};
use std::io;
#[cfg(unix)]
use std::io::IsTerminal;
#[cfg(unix)]
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Exit code of a process that ended at once.
const AT_ONCE: i32 = 130;

/// What signals have asked for.
///
/// The first SIGINT (Ctrl-C), SIGTERM or SIGHUP (a closed terminal) asks to stop. A second Ctrl-C ends
/// the process at once, which costs no more than the steps since the last checkpoint. Further SIGTERM and
/// SIGHUP change nothing: a job scheduler sends them to every process of a job, and the executor
/// passes them on to runs that have had them already.
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
    interrupted: Arc<AtomicBool>,
}

impl Stop {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self, Failure> {
        Self::register().map_err(cannot_listen)
    }

    fn register() -> io::Result<Self> {
        let stop = Self {
            asked: Arc::default(),
            interrupted: Arc::default(),
        };
        // Order matters: the second handler arms what the first one tests next time.
        register_conditional_shutdown(SIGINT, AT_ONCE, stop.interrupted.clone())?;
        register(SIGINT, stop.interrupted.clone())?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // `nohup` means that the end of the terminal is to change nothing.
            if signal != SIGHUP || !is_ignored(SIGHUP) {
                register(signal, stop.asked.clone())?;
            }
        }
        Ok(stop)
    }

    /// Set once somebody has asked to stop.
    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.asked
    }

    /// Whether somebody has asked to stop.
    pub(crate) fn is_set(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// What Ctrl-C does, for a terminal that reports it as a key.
    pub(crate) fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Relaxed);
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Takes the end of the executor `parent`, however it ends, for SIGTERM, so that no run trains on
    /// unseen when its executor is killed. Where the system cannot tell of it (not Linux) nothing happens.
    pub(crate) fn follow(&self, parent: u32) -> Result<(), Failure> {
        #[cfg(target_os = "linux")]
        {
            use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
            let set = set_parent_process_death_signal(Some(Signal::TERM));
            set.map_err(|error| cannot_listen(error.into()))?;
            // It may have ended before.
            if u32::try_from(Pid::as_raw(getppid())) != Ok(parent) {
                self.asked.store(true, Ordering::Relaxed);
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = parent;
        Ok(())
    }
}

/// A flag that signals set for a program that has the whole terminal and must give it back before it ends.
/// The end of the terminal itself sets it too, since whoever ignores SIGHUP (`nohup`), or has another
/// process as the leader of its session, gets no signal. If leaving takes longer than two seconds (a slow
/// disk, a terminal that takes no more text, a reader that never comes back from one that has gone),
/// `restore` is called from another thread and the process ends with exit code `code`.
pub(crate) fn leave_flag(code: u8, restore: fn()) -> Result<Arc<AtomicBool>, Failure> {
    watch(code, restore).map_err(cannot_listen)
}

fn watch(code: u8, restore: fn()) -> io::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT])?;
    leave_after("signals", code, restore, &flag, move || {
        signals.forever().next().is_some()
    })?;
    #[cfg(unix)]
    if let Some(terminal) = own_terminal() {
        leave_after("terminal", code, restore, &flag, move || {
            has_hung_up(&terminal)
        })?;
    }
    Ok(flag)
}

/// Starts a thread that sets `flag` once `asked` returns true, and ends the process if that was not enough.
fn leave_after(
    name: &str,
    code: u8,
    restore: fn(),
    flag: &Arc<AtomicBool>,
    asked: impl FnOnce() -> bool + Send + 'static,
) -> io::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let set = flag.clone();
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(move || {
        if asked() {
            set.store(true, Ordering::Relaxed);
            std::thread::sleep(PATIENCE);
            std::thread::spawn(restore);
            std::thread::sleep(PATIENCE / 10);
            std::process::exit(code.into());
        }
    })?;
    Ok(())
}

/// The terminal that keys are read from: standard input, or the controlling terminal where that is none.
#[cfg(unix)]
fn own_terminal() -> Option<OwnedFd> {
    let input = io::stdin();
    if input.is_terminal() {
        return input.as_fd().try_clone_to_owned().ok();
    }
    std::fs::File::open("/dev/tty").ok().map(OwnedFd::from)
}

/// Waits until `terminal` has gone. False where the system cannot tell, as macOS cannot of a terminal.
#[cfg(unix)]
fn has_hung_up(terminal: &OwnedFd) -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    // A hang-up is reported without being asked for.
    let mut ends = [PollFd::new(terminal, PollFlags::empty())];
    while let Err(rustix::io::Errno::INTR) = poll(&mut ends, None) {}
    ends.iter()
        .any(|end| end.revents().contains(PollFlags::HUP))
}

#[expect(clippy::needless_pass_by_value, reason = "the signature of `map_err`")]
fn cannot_listen(error: io::Error) -> Failure {
    Failure::io("cannot listen for signals", &error)
}

/// Whether this process was started with a signal ignored. Where the system does not tell (not Linux) it
/// was not.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_in(&status, signal)
}

/// Looks at the mask `SigIgn` of `/proc/PID/status`, see proc(5): bit 0 is signal 1.
fn ignored_in(status: &str, signal: i32) -> bool {
    let mut lines = status.lines();
    let mask = lines.find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| (mask >> (signal - 1)) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nohup_is_seen() {
        let status = "Name:\tworkbench\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000001001\n";
        assert!(ignored_in(status, SIGHUP));
        assert!(!ignored_in(status, SIGINT) && !ignored_in(status, SIGTERM));
        assert!(!ignored_in("", SIGHUP) && !ignored_in("SigIgn:\tx\n", SIGHUP));
    }
}
