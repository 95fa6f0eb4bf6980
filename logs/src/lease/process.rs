//! What the kernel tells about a process.

use crate::disk::identity;
use std::fs;
use std::path::Path;

/// The name of this machine.
#[must_use]
pub fn hostname() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// Identity of the running boot (Linux), so that a process number from before a reboot is not
/// looked for among today's processes.
pub(super) fn boot_id() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

/// Identity of the namespace that this process's number belongs to (Linux): containers on one machine
/// have a process 1 each.
pub(super) fn pid_namespace() -> Option<u64> {
    #[cfg(unix)]
    let found = fs::metadata("/proc/self/ns/pid")
        .ok()
        .map(|file| std::os::unix::fs::MetadataExt::ino(&file));
    #[cfg(not(unix))]
    let found = None;
    found
}

/// When the process started, in clock ticks after boot (Linux); none if it is gone or unknown.
pub(super) fn start_ticks(pid: u32) -> Option<u64> {
    stat(pid).map(|stat| stat.start_ticks)
}

/// Whether the process exists and has not exited. A killed child that its parent has not collected
/// yet (a zombie) still has its number, but writes no more.
pub(super) fn is_running(pid: u32) -> bool {
    if stat(pid).is_some_and(|stat| matches!(stat.state, 'Z' | 'X')) {
        return false;
    }
    let number = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    let Some(number) = number else {
        return false;
    };
    // "Not permitted" means that it exists and belongs to someone else.
    rustix::process::test_kill_process(number) != Err(rustix::io::Errno::SRCH)
}

/// Whether the process has `directory` or a file in it open (Linux); none where the system does not tell,
/// as of another user's process.
pub(super) fn has_open(pid: u32, directory: &Path) -> Option<bool> {
    let inside = fs::read_dir(directory).ok()?;
    let inside = inside.filter_map(|entry| fs::metadata(entry.ok()?.path()).ok());
    let mut own: Vec<_> = inside.map(|found| identity(&found)).collect();
    own.push(identity(&fs::metadata(directory).ok()?));
    let open = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    // What is closed meanwhile is not open.
    let mut open = open.filter_map(|entry| fs::metadata(entry.ok()?.path()).ok());
    Some(open.any(|found| own.contains(&identity(&found))))
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    start_ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Fields 3 (state) and 22 (start time) of `/proc/PID/stat`, see proc(5). Field 2 is the
/// program's name in parentheses and may itself hold blanks and parentheses.
fn parse_stat(text: &str) -> Option<Stat> {
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let start_ticks = fields.nth(18)?.parse().ok()?;
    Some(Stat { state, start_ticks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let text = "15779 (a) R (b) S 15769 15769 8068 0 -1 4194304 100 0 0 0 0 0 0 0 20 0 1 0 341486 3133440 385";
        let stat = parse_stat(text).unwrap();
        assert_eq!((stat.state, stat.start_ticks), ('S', 341_486));
        assert_eq!(parse_stat("15779 (cat"), None);
    }

    #[test]
    fn this_process_runs_and_no_process_has_number_zero() {
        assert!(is_running(std::process::id()));
        assert!(!is_running(0) && !is_running(u32::MAX));
    }
}
