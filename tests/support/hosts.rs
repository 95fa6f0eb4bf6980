//! What tests of several machines share: what a machine needs for them, a sweep to train, and what it must have become.

use super::{CARD, Scratch, records, tiny};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// Whether these programs are here. Where they are not, the test is left out, but for CI, which installs them.
pub fn have(programs: &[&str], packages: &str) -> bool {
    let is_here = |program: &&str| {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "PATH=$PATH:/usr/sbin:/sbin; command -v \"$0\"",
            program,
        ]);
        command.output().unwrap().status.success()
    };
    let all = programs.iter().all(is_here);
    let required = std::env::var_os("WORKBENCH_REQUIRE_HOSTS").is_some();
    assert!(all || !required, "not installed: {packages}");
    if !all {
        eprintln!("skipped: these packages are not installed: {packages}");
    }
    all
}

/// Whether a command that makes namespaces may. It is no package that could be installed but a privilege, which CI may
/// lack as well.
pub fn may(command: &mut Command) -> bool {
    let may = command.status().unwrap().success();
    if !may {
        eprintln!("skipped: no namespaces may be made here");
    }
    may
}

/// A card of two arms with so many seeds.
pub fn card(scratch: &Scratch, seeds: usize, steps: usize) {
    let base = format!("{}{}", tiny(steps as u32), scratch.texts());
    scratch.write("base.toml", &base);
    let card = CARD.replace("seeds = 2", &format!("seeds = {seeds}"));
    scratch.write("card.toml", &card);
}

/// The run directories of the sweep `out`.
pub fn runs(scratch: &Scratch) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(scratch.join("out/runs"));
    let entries = entries.into_iter().flatten();
    let mut runs: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    runs.sort();
    runs
}

/// How many of them are finished.
pub fn finished(scratch: &Scratch) -> usize {
    let is_done = |run: &PathBuf| {
        let summary = logs::Summary::load(run).ok().flatten();
        summary.is_some_and(|summary| summary.status == logs::Status::Finished)
    };
    runs(scratch).iter().filter(|run| is_done(run)).count()
}

/// Every run was trained once from its first step to its last: no record is missing, none is there twice, no line is
/// another process's, and no attempt was made behind a finished one.
pub fn assert_whole(scratch: &Scratch, count: usize, steps: usize) {
    let runs = runs(scratch);
    assert_eq!(runs.len(), count);
    for run in runs {
        let name = run.display();
        assert_eq!(records(&run).len(), steps, "{name}");
        let reader = logs::RunReader::open(&run).unwrap();
        assert!(
            reader.warnings().is_empty(),
            "{name}: {:?}",
            reader.warnings()
        );
        let numbers = reader.records().iter().map(|record| record.step);
        assert!(numbers.eq(1..=steps as u64), "{name}");
        let attempts = *logs::run::attempts(&run).unwrap().last().unwrap();
        let summary = reader.summary().unwrap();
        assert_eq!(
            (summary.status, summary.attempt),
            (logs::Status::Finished, attempts),
            "{name}"
        );
        assert!(!run.join("lease.json").exists(), "{name}");
    }
}

/// Numbers of the processes that train a run of this folder and have a line in their environment that begins so.
pub fn trainers(scratch: &Scratch, environment: &str) -> Vec<i32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let trains = |entry: &std::fs::DirEntry| {
        let text = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let (arguments, own) = (text("cmdline"), text("environ"));
        let arguments = String::from_utf8_lossy(&arguments);
        let own = String::from_utf8_lossy(&own);
        arguments.contains("\0train\0")
            && arguments.contains("out/runs/")
            && std::fs::read_link(entry.path().join("cwd")).is_ok_and(|folder| folder == scratch.0)
            && own.split('\0').any(|line| line.starts_with(environment))
    };
    let trainers = processes.filter(trains);
    trainers
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

pub fn signal_number(process: i32, signal: &str) {
    assert!(is_signalled(process, signal), "{signal} to {process}");
}

/// False where there is no such process any more.
pub fn is_signalled(process: i32, signal: &str) -> bool {
    let arguments = [format!("-{signal}"), process.to_string()];
    let status = Command::new("kill").args(arguments).status();
    status.unwrap().success()
}

pub fn signal(process: &Child, signal: &str) {
    signal_number(process.id().try_into().unwrap(), signal);
}

pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(4);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub fn wait_for(child: &mut Child) -> ExitStatus {
    wait_until("it ends", || child.try_wait().unwrap().is_some());
    child.wait().unwrap()
}

/// A command on a host of its own, as far as a program can tell: other process numbers, another name, no network, and a
/// clock that is off by `shift`, such as `+2d`.
pub fn on_host(name: &str, shift: &str, command: &Command) -> Command {
    let library = Path::new("/usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let library = library.join("faketime/libfaketimeMT.so.1");
    let mut host = Command::new("unshare");
    host.args([
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "--net",
        "--uts",
        "sh",
        "-c",
    ]);
    host.arg(
        "hostname \"$0\" && export LD_PRELOAD=\"$1\" FAKETIME=\"$2\" && shift 2 && exec \"$@\"",
    );
    host.arg(name)
        .arg(library)
        .arg(shift)
        .arg(command.get_program())
        .args(command.get_args());
    for (key, value) in command.get_envs() {
        host.env(key, value.unwrap_or_default());
    }
    // Time stamps of files are those of the file system, and time that passes is no matter of clocks.
    host.env("NO_FAKE_STAT", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    host.env("WORKBENCH_TEST_HOST", name);
    host.current_dir(command.get_current_dir().unwrap());
    host
}
