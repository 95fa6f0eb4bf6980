//! A command of the user's that is called with text, beside training and without any power over it.
//!
//! It is called on a thread of its own, one call at a time, in a process group of its own, and killed when it takes too
//! long, or when training ends at once. What goes wrong with it is said and changes nothing.

use crate::console::say;
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What one call may take, and all that are left at the end of training.
const LIMIT: Duration = Duration::from_secs(30);
/// What killing the last call may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// Calls that wait for their turn; further ones are left out.
const WAITING: usize = 32;
/// Time between two looks at a call.
const SLICE: Duration = Duration::from_millis(20);

/// Calls a command, one call after the other.
pub(super) struct Caller {
    orders: SyncSender<String>,
    worker: Option<JoinHandle<()>>,
    limit: Duration,
    /// Set once nobody waits any more.
    over: Arc<AtomicBool>,
}

impl Caller {
    /// Of a command for `sh -c`.
    pub(super) fn new(command: OsString) -> Self {
        Self::with_limit(command, LIMIT)
    }

    fn with_limit(command: OsString, limit: Duration) -> Self {
        let (orders, calls) = sync_channel(WAITING);
        let over = Arc::<AtomicBool>::default();
        let call = Call {
            command,
            limit,
            over: over.clone(),
        };
        let worker = thread::Builder::new().name("on-alarm".to_owned());
        let worker = worker.spawn(move || call.all(&calls));
        if let Err(error) = &worker {
            complain(&format!("cannot be called: {error}"));
        }
        Self {
            orders,
            worker: worker.ok(),
            limit,
            over,
        }
    }

    /// Calls the command with `text` on its standard input, after the calls that wait. Returns at once.
    pub(super) fn call(&self, text: String) {
        match self.orders.try_send(text) {
            Err(TrySendError::Full(_)) => complain("is behind; it does not get this alarm"),
            // That there is no thread has been said.
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
        }
    }

    /// Waits for the calls that are left, no longer than one may take.
    pub(super) fn end(self) {
        drop(self.orders);
        let Some(worker) = self.worker else { return };
        if !ends_within(&worker, self.limit) {
            self.over.store(true, Ordering::Relaxed);
            // A process that cannot be killed is not waited for either.
            ends_within(&worker, FAREWELL);
        }
    }
}

fn ends_within(worker: &JoinHandle<()>, patience: Duration) -> bool {
    let until = Instant::now() + patience;
    while !worker.is_finished() && Instant::now() < until {
        thread::sleep(SLICE);
    }
    worker.is_finished()
}

/// How to call the command.
struct Call {
    command: OsString,
    limit: Duration,
    over: Arc<AtomicBool>,
}

impl Call {
    fn all(&self, calls: &Receiver<String>) {
        for text in calls {
            if self.is_over() {
                complain("had no time for all alarms at the end");
                return;
            }
            if let Err(problem) = self.one(&text) {
                complain(&problem);
            }
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// One call, from its beginning to its end.
    fn one(&self, text: &str) -> Result<(), String> {
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(&self.command)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot be called: {error}"))?;
        let _guard = Guard::over(&child);
        if let Some(mut input) = child.stdin.take() {
            // Less than a pipe holds, so this waits for nobody; a command need not read it.
            let _ = input.write_all(text.as_bytes());
        }
        let until = Instant::now() + self.limit;
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(failure(status)),
                Ok(None) if Instant::now() > until || self.is_over() => {
                    kill(&mut child);
                    return Err("took too long and was killed".to_owned());
                }
                Ok(None) => thread::sleep(SLICE),
                Err(error) => return Err(format!("cannot be waited for: {error}")),
            }
        }
    }
}

/// A shell that kills a call with all that it has started where this process ends first, however it ends: it waits for a
/// word, and finds the end of the pipe instead.
struct Guard(Option<Child>);

impl Guard {
    fn over(call: &Child) -> Self {
        let guard = Command::new("sh")
            .args(["-c", "read -r word || kill -s KILL -- \"-$0\""])
            .arg(call.id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of reach of a Ctrl-C that is meant for this process.
            .process_group(0)
            .spawn();
        Self(guard.ok())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(guard) = &mut self.0 else { return };
        if let Some(mut input) = guard.stdin.take() {
            let _ = input.write_all(b"ended\n");
        }
        let _ = guard.wait();
    }
}

fn failure(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("failed with exit code {code}"),
        None => "was ended by a signal".to_owned(),
    }
}

/// With all that it has started.
fn kill(child: &mut Child) {
    // It can only fail when the process has ended already.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.wait();
}

fn complain(problem: &str) {
    say(&format!("note: the command for alarms {problem}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const SHORT: Duration = Duration::from_millis(300);

    fn call(command: &str) -> Result<(), String> {
        let call = Call {
            command: command.into(),
            limit: SHORT,
            over: Arc::default(),
        };
        call.one("text")
    }

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn every_call_gets_its_text_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("said");
        let caller = Caller::new(format!("cat >> '{}'", file.display()).into());
        (0..5).for_each(|i| caller.call(format!("{i}\n")));
        caller.end();
        assert_eq!(read(&file), "0\n1\n2\n3\n4\n");
    }

    /// Also one that never reads what it gets.
    #[test]
    fn a_command_that_fails_says_so_and_the_next_call_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("said");
        let script = format!("exec 0<&-; echo x >> '{}'; exit 7", file.display());
        let caller = Caller::new(script.into());
        caller.call("a".repeat(4096));
        caller.call("b".to_owned());
        caller.end();
        assert_eq!(read(&file), "x\nx\n");
        assert_eq!(call("exit 7").unwrap_err(), "failed with exit code 7");
        let missing = call("no-such-command 2> /dev/null");
        assert_eq!(missing.unwrap_err(), "failed with exit code 127");
    }

    /// What it has started goes with it.
    #[test]
    fn a_command_that_hangs_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > '{}'; wait", file.display());
        let error = call(&script).unwrap_err();
        assert!(error.contains("was killed"), "{error}");
        must_end(&read(&file));
    }

    /// A second Ctrl-C, or a kill: nothing is left to this process but that its pipes close.
    #[test]
    fn a_call_ends_with_the_process_that_made_it() {
        let mut call = Command::new("sleep");
        let mut call = call.arg("600").process_group(0).spawn().unwrap();
        let mut guard = Guard::over(&call);
        let process = guard.0.as_mut().unwrap();
        drop(process.stdin.take());
        assert!(process.wait().unwrap().success());
        assert_eq!(failure(call.wait().unwrap()), "was ended by a signal");
    }

    /// What a call that has ended leaves running is its own affair.
    #[test]
    fn a_guard_that_is_dismissed_kills_nobody() {
        let mut call = Command::new("sh");
        let call = call.args(["-c", "read -r word"]).stdin(Stdio::piped());
        let mut call = call.process_group(0).spawn().unwrap();
        drop(Guard::over(&call));
        call.stdin.take().unwrap().write_all(b"go\n").unwrap();
        assert!(call.wait().unwrap().success());
    }

    fn must_end(process: &str) {
        let status = format!("/proc/{}/status", process.trim());
        let lives = || {
            let status = read(Path::new(&status));
            !status.is_empty() && !status.contains("zombie")
        };
        // A signal arrives when the process is next scheduled.
        let until = Instant::now() + Duration::from_mins(1);
        while lives() {
            assert!(Instant::now() < until, "process {process} goes on");
            thread::sleep(SLICE);
        }
    }

    #[test]
    fn calls_of_a_command_that_hangs_keep_nobody() {
        let caller = Caller::with_limit("sleep 600".into(), SHORT);
        let start = Instant::now();
        (0..1000).for_each(|i| caller.call(i.to_string()));
        caller.end();
        assert!(start.elapsed() < Duration::from_mins(1));
    }
}
