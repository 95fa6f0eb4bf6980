//! The engine `mpi` between the processes of a real job. CI has an `mpirun`.
#![cfg(feature = "mpi")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]
#![allow(
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "shared with other tests, no library"
)]

#[path = "../../../tests/support/job.rs"]
mod job;

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_collective");

fn stdout(output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// What every rank gets of every operation: sums, parts, groups of groups, messages of any length.
#[test]
fn processes_get_the_bits_that_threads_get() {
    for ranks in ["2", "3", "4"] {
        let on_mpi = stdout(job::mpirun(ranks, PROGRAM).output().unwrap());
        let mut on_threads = Command::new(PROGRAM);
        let on_threads = stdout(on_threads.args(["--threads", ranks]).output().unwrap());
        assert_eq!(on_mpi.lines().count().to_string(), ranks, "{on_mpi}");
        for (ours, theirs) in on_mpi.lines().zip(on_threads.lines()) {
            assert_eq!(ours, theirs, "{ranks} ranks");
        }
    }
}

/// Stopped, it is neither gone nor does it come: the case that the operating system reports to nobody.
#[test]
fn a_rank_that_stands_still_is_named_when_the_patience_is_over() {
    let mut job = job::mpirun("3", PROGRAM);
    let job = job.args(["--barriers", "1"]).stderr(Stdio::piped());
    let mut job = job.spawn().unwrap();
    let start = Instant::now();
    let stopped = loop {
        if let Some(rank) = job::child_with_rank(job.id(), 1) {
            break rank;
        }
        assert!(job.try_wait().unwrap().is_none(), "ended");
        std::thread::sleep(Duration::from_millis(5));
    };
    // MPI starts with more patience than that.
    std::thread::sleep(Duration::from_secs(2));
    assert!(job.try_wait().unwrap().is_none(), "ended");
    job::signal(&[stopped], "-STOP");
    let ended = job.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success());
    assert!(
        said.contains("error: rank 1 did not come to barrier within 1 s"),
        "{said}"
    );
    assert!(start.elapsed() < Duration::from_secs(30), "{said}");
}

/// MPI counts the bytes of a message in 32 bits with a sign.
#[test]
#[ignore = "takes 9 GB of memory and half a minute"]
fn a_message_above_two_gibibytes_arrives() {
    let mut job = job::mpirun("2", PROGRAM);
    let said = stdout(job.args(["--long", "2200000000"]).output().unwrap());
    assert_eq!(said, "0 of 275000000 values are wrong\n");
}
