//! Ranks as processes of a real MPI job, and as threads: the command, the bits, a rank that is killed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use support::{Scratch, stderr, tiny};

fn begin(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    let text = format!("{}{}", tiny(12), scratch.texts());
    scratch.write("tiny.toml", &text);
    scratch
}

/// Arguments of a run of four micro-batches.
fn arguments(out: &str, ranks: Option<&'static str>) -> Vec<String> {
    let fixed = [
        "train",
        "tiny.toml",
        "--out",
        out,
        "--set",
        "batch.gradient_accumulation=4",
    ];
    let mut all: Vec<String> = fixed.map(str::to_owned).to_vec();
    if let Some(ranks) = ranks {
        all.extend(["--data-parallel".to_owned(), ranks.to_owned()]);
    }
    all
}

/// The newest checkpoint of a run.
fn state(scratch: &Scratch, run: &str) -> Vec<(String, Vec<u8>)> {
    support::newest_checkpoint(&scratch.join(run))
}

#[test]
fn ranks_on_threads_leave_the_bits_of_one_process() {
    let scratch = begin("ranks-threads");
    for (out, ranks) in [("one", None), ("four", Some("4"))] {
        let arguments = arguments(out, ranks);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let done = scratch.run(&arguments);
        assert!(done.status.success(), "{}", stderr(&done));
    }
    assert!(state(&scratch, "one") == state(&scratch, "four"));
    let several = scratch.run(&["train", "one", "four", "--data-parallel", "2"]);
    assert_eq!(several.status.code(), Some(2), "{}", stderr(&several));
}

/// Without `mpirun` on this machine there is no job to test, and CI has one.
#[cfg(feature = "mpi")]
mod mpi {
    use super::*;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    /// The program, as so many processes.
    fn mpirun(scratch: &Scratch, processes: &str, arguments: &[String]) -> Command {
        let mut command = Command::new("mpirun");
        command
            .args([
                "--allow-run-as-root",
                "--oversubscribe",
                "--bind-to",
                "none",
                "-n",
                processes,
            ])
            .arg(env!("CARGO_BIN_EXE_workbench"))
            .arg("--cache")
            .arg(scratch.join("cache"))
            .args(arguments);
        command
            .current_dir(&scratch.0)
            .env("RAYON_NUM_THREADS", "1");
        command
    }

    #[test]
    fn processes_leave_the_bits_of_one_process() {
        let scratch = begin("ranks-mpi");
        let one = arguments("one", None);
        let one: Vec<&str> = one.iter().map(String::as_str).collect();
        assert!(scratch.run(&one).status.success());
        for (out, ranks) in [("two", "2"), ("four", "4")] {
            let done = mpirun(&scratch, ranks, &arguments(out, Some(ranks)))
                .output()
                .unwrap();
            assert!(done.status.success(), "{}", stderr(&done));
            assert!(state(&scratch, "one") == state(&scratch, out), "{out}");
        }
        let unequal = mpirun(&scratch, "2", &arguments("three", Some("4")))
            .output()
            .unwrap();
        assert_eq!(unequal.status.code(), Some(2));
        let told = stderr(&unequal);
        assert_eq!(
            told.matches("--data-parallel 4 needs 4 processes").count(),
            1,
            "{told}"
        );
        assert!(!scratch.join("three").exists());
    }

    /// The run can be gone on with, and is then the run that nobody disturbed.
    #[test]
    fn a_killed_process_ends_the_job_and_loses_nothing() {
        let scratch = begin("ranks-killed");
        let one: Vec<String> = arguments("one", None)
            .into_iter()
            .chain(["--set".into(), "steps=400".into()])
            .collect();
        let mut two: Vec<String> = arguments("two", Some("2"));
        two.extend(["--set".into(), "steps=400".into()]);
        let one: Vec<&str> = one.iter().map(String::as_str).collect();
        assert!(scratch.run(&one).status.success());
        let mut job = mpirun(&scratch, "2", &two);
        let mut job = job
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let checkpoints = scratch.join("two/checkpoints");
        while std::fs::read_dir(&checkpoints).map_or(0, Iterator::count) < 2 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let second = child_with_rank(job.id(), 1).unwrap();
        let start = Instant::now();
        Command::new("kill")
            .args(["-9", &second.to_string()])
            .status()
            .unwrap();
        assert!(!job.wait().unwrap().success());
        assert!(start.elapsed() < Duration::from_secs(30));
        let done = scratch.run(&["train", "two"]);
        assert!(done.status.success(), "{}", stderr(&done));
        assert!(state(&scratch, "one") == state(&scratch, "two"));
    }

    /// The process number of a rank among the children of `mpirun`.
    fn child_with_rank(mpirun: u32, rank: u32) -> Option<u32> {
        let tasks = format!("/proc/{mpirun}/task/{mpirun}/children");
        let children = std::fs::read_to_string(tasks).ok()?;
        let wanted = format!("OMPI_COMM_WORLD_RANK={rank}");
        children
            .split_whitespace()
            .filter_map(|id| id.parse().ok())
            .find(|id: &u32| {
                let variables = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
                variables
                    .split(|byte| *byte == 0)
                    .any(|variable| variable == wanted.as_bytes())
            })
    }
}
