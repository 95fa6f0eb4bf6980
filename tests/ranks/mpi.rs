//! Ranks as processes of a real MPI job. Without `mpirun` on this machine there is no job to test, and CI has one.

use super::*;
use crate::support::job::{self, child_with_rank, children};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_workbench");

/// The program, as so many processes.
fn mpirun(scratch: &Scratch, processes: &str, arguments: &[String]) -> Command {
    let mut command = job::mpirun(processes, PROGRAM);
    command
        .arg("--cache")
        .arg(scratch.join("cache"))
        .args(arguments)
        .current_dir(&scratch.0);
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

/// All three kinds of degrees at once, with rows shared and not: weights, moments, state and records are those of the
/// same ranks on threads.
#[test]
fn eight_processes_leave_the_bits_of_eight_threads() {
    const DEGREES: &str = "--tensor-parallel 2 --pipeline-parallel 2 --data-parallel 2";
    let scratch = begin("ranks-eight");
    for (name, rows) in [("whole", None), ("rows", Some("--sequence-parallel"))] {
        let all = |out: &str| {
            let mut all = arguments(out, None);
            let more = "--set steps=4 --set eval.interval=2 --set checkpoint.interval=4";
            let more = more.split(' ').chain(DEGREES.split(' ')).chain(rows);
            all.extend(more.map(str::to_owned));
            all
        };
        let [on_threads, on_mpi] = ["threads", "mpi"].map(|engine| format!("{name}-{engine}"));
        let threads = all(&on_threads);
        let threads: Vec<&str> = threads.iter().map(String::as_str).collect();
        let done = [
            scratch.run(&threads),
            mpirun(&scratch, "8", &all(&on_mpi)).output().unwrap(),
        ];
        for done in done {
            assert!(done.status.success(), "{name}: {}", stderr(&done));
        }
        let records = |run: &str| support::records(&scratch.join(run));
        assert_eq!(records(&on_threads), records(&on_mpi), "{name}");
        assert_eq!(records(&on_mpi).len(), 4, "{name}");
        assert!(
            state(&scratch, &on_threads) == state(&scratch, &on_mpi),
            "{name}"
        );
        let events = logs::read::events(&scratch.join(&on_mpi)).unwrap();
        let finish = events
            .iter()
            .find(|event| event.kind == logs::EventKind::Finish);
        assert_eq!(finish.unwrap().data["messages"], "mpi", "{name}");
    }
}

/// The process that differs is named, with what it has, and by one process: whether its command is another one, or the
/// file of that name on its machine, which is a namespace with another text in its place.
#[test]
fn processes_that_disagree_do_not_start() {
    let scratch = begin("ranks-apart");
    let ours = scratch.join("one.txt");
    let other = scratch.write("other.txt", &"another text altogether. ".repeat(1000));
    let refused = |second: &mut dyn FnMut(&mut Command), expected: &str| {
        let mut job = mpirun(&scratch, "1", &arguments("apart", Some("2")));
        job.args([":", "-n", "1"]);
        second(&mut job);
        let ended = job.output().unwrap();
        let told = stderr(&ended);
        assert!(!ended.status.success(), "{told}");
        assert_eq!(told.matches("error: ").count(), 1, "{told}");
        assert!(told.contains(expected), "{told}");
        assert!(!scratch.join("apart").exists(), "something was written");
    };
    let train = |job: &mut Command, more: &[&str]| {
        job.args([PROGRAM, "--cache"])
            .arg(scratch.join("cache-of-rank-1"))
            .args(arguments("apart", Some("2")))
            .args(more);
    };
    refused(
        &mut |job| train(job, &["--set", "seed=2"]),
        "error: rank 1 has the configuration `",
    );
    let script = "mount --bind \"$0\" \"$1\" && shift && exec \"$@\"";
    let in_place = |job: &mut Command| {
        job.args(["unshare", "--mount", "sh", "-c", script])
            .args([&other, &ours]);
    };
    let mut may = Command::new("env");
    in_place(&mut may);
    if support::hosts::may(may.arg("true")) {
        refused(
            &mut |job| {
                in_place(job);
                train(job, &[]);
            },
            "error: rank 1 has the text `",
        );
    }
}

/// A rank on a machine that does not see the run directory leaves its share to rank 0; one whose disk takes no more ends the run
/// with the system's reason, and what was recorded serves.
#[test]
fn a_rank_that_cannot_write_its_share_does_not_cost_the_run() {
    let scratch = begin("ranks-unseen");
    std::fs::create_dir(scratch.join("runs")).unwrap();
    let arguments = |out: &str| {
        let mut all = arguments(out, Some("2"));
        all.extend(strings(&["--set", "checkpoint.interval=4"]));
        all
    };
    let one: Vec<String> = arguments("one").into_iter().take(8).collect();
    let one: Vec<&str> = one.iter().map(String::as_str).collect();
    let done = scratch.run(&[&one[..6], &["--set", "checkpoint.interval=4"]].concat());
    assert!(done.status.success(), "{}", stderr(&done));
    let job = |out: &str, wrapper: &[&str]| {
        let mut job = mpirun(&scratch, "1", &arguments(out));
        job.args([":", "-n", "1"]).args(wrapper);
        job.args([PROGRAM, "--cache"]).arg(scratch.join("cache"));
        job.args(arguments(out)).output().unwrap()
    };
    let files = |run: &str| {
        let newest = support::newest_checkpoint(&scratch.join(run)).into_iter();
        newest
            .map(|(name, _)| name)
            .filter(|name| name.starts_with("optimizer"))
    };
    let script = "mount -t tmpfs none runs && exec \"$@\"";
    let unseen = ["unshare", "--mount", "sh", "-c", script, "sh"];
    let mut may = Command::new("env");
    if support::hosts::may(may.args(unseen).arg("true").current_dir(&scratch.0)) {
        let done = job("runs/unseen", &unseen);
        assert!(done.status.success(), "{}", stderr(&done));
        assert!(files("runs/unseen").eq(["optimizer.safetensors"]));
        assert!(state(&scratch, "one") == state(&scratch, "runs/unseen"));
    }
    // Files of four blocks; what is longer is refused and kills nobody.
    let script = "trap '' XFSZ; ulimit -f 4; exec \"$@\"";
    let full = job("full", &["sh", "-c", script, "sh"]);
    let told = stderr(&full);
    assert_eq!(full.status.code(), Some(4), "{told}");
    assert!(
        told.contains("optimizer-00002-of-00002.safetensors") && told.contains("File too large"),
        "{told}"
    );
    assert_eq!(
        support::records(&scratch.join("full")).len(),
        4,
        "the steps before it"
    );
    let done = scratch.run(&["train", "full", "--data-parallel", "2"]);
    assert!(done.status.success(), "{}", stderr(&done));
    assert_eq!(files("full").count(), 2);
    assert!(state(&scratch, "one") == state(&scratch, "full"));
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A process that stands still is not gone; what the others say of it, they say when they have waited long enough.
#[test]
#[ignore = "a rank waits half a minute for another"]
fn a_process_that_stands_still_ends_the_job_by_name() {
    let scratch = begin("ranks-still");
    let mut arguments = arguments("two", Some("2"));
    arguments.extend(strings(&["--set", "steps=1500"]));
    let mut job = mpirun(&scratch, "2", &arguments);
    let mut job = job.stderr(Stdio::piped()).spawn().unwrap();
    while std::fs::read_dir(scratch.join("two/checkpoints")).map_or(0, Iterator::count) < 2 {
        assert!(job.try_wait().unwrap().is_none(), "ended");
        std::thread::sleep(Duration::from_millis(5));
    }
    job::signal(&[child_with_rank(job.id(), 1).unwrap()], "-STOP");
    let start = Instant::now();
    let ended = job.wait_with_output().unwrap();
    let told = stderr(&ended);
    assert!(!ended.status.success(), "{told}");
    assert!(
        told.contains("error: rank 1 did not come to ") && told.contains(" within 30 s"),
        "{told}"
    );
    eprintln!("the job ended after {:?}", start.elapsed());
    let before = support::records(&scratch.join("two"));
    let done = scratch.run(&["train", "two"]);
    assert!(done.status.success(), "{}", stderr(&done));
    let after = support::records(&scratch.join("two"));
    assert!(after.starts_with(&before), "a record was lost");
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
    job::signal(&[second], "-KILL");
    assert!(!job.wait().unwrap().success());
    assert!(start.elapsed() < Duration::from_secs(30));
    let done = scratch.run(&["train", "two"]);
    assert!(done.status.success(), "{}", stderr(&done));
    assert!(state(&scratch, "one") == state(&scratch, "two"));
}

/// As a scheduler does that wants the nodes: the step is finished, by all, and a checkpoint written.
#[test]
fn a_job_whose_processes_are_all_asked_to_stop_ends_with_a_checkpoint() {
    let scratch = begin("ranks-asked");
    let all = |out: &str, ranks| {
        let mut all = arguments(out, ranks);
        all.extend(["--set", "steps=400", "--set", "checkpoint.interval=400"].map(str::to_owned));
        all
    };
    let mut job = mpirun(&scratch, "2", &all("two", Some("2")));
    let mut job = job.stderr(Stdio::piped()).spawn().unwrap();
    let metrics = scratch.join("two/metrics-0001.jsonl");
    while std::fs::metadata(&metrics).map_or(0, |file| file.len()) < 5000 {
        assert!(job.try_wait().unwrap().is_none(), "ended");
        std::thread::sleep(Duration::from_millis(5));
    }
    job::signal(
        &[1, 0].map(|rank| child_with_rank(job.id(), rank).unwrap()),
        "-TERM",
    );
    let ended = job.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(3), "{}", stderr(&ended));
    let taken = support::records(&scratch.join("two")).len();
    let last = format!("two/checkpoints/step-{taken:08}");
    assert!(taken < 400 && scratch.join(&last).is_dir(), "{last}");
    let one = all("one", None);
    let one: Vec<&str> = one.iter().map(String::as_str).collect();
    for arguments in [&one[..], &["train", "two"]] {
        let done = scratch.run(arguments);
        assert!(done.status.success(), "{}", stderr(&done));
    }
    assert!(state(&scratch, "one") == state(&scratch, "two"));
}

/// A launcher that this MPI does not know is named, by one of its processes, before anything is written.
#[test]
fn a_launcher_of_another_mpi_is_named() {
    let scratch = begin("ranks-launcher");
    let arguments = arguments("two", Some("2"));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let started: Vec<_> = ["0", "1"]
        .map(|rank| {
            let mut command = scratch.workbench(&arguments);
            command.env("PMI_RANK", rank).env("PMI_SIZE", "2");
            command.stderr(Stdio::piped()).spawn().unwrap()
        })
        .into_iter()
        .map(|process| process.wait_with_output().unwrap())
        .collect();
    let told: Vec<String> = started.iter().map(stderr).collect();
    assert!(told[0].contains("started 2 processes"), "{told:?}");
    assert_eq!(told[1], "", "said twice");
    assert!(started.iter().all(|ended| !ended.status.success()));
    assert!(!scratch.join("two").exists());
}

/// Kills of a random rank at a random time; more of them with the variable, two seconds each. Two stages of two replicas.
#[test]
fn no_kill_leaves_a_checkpoint_that_cannot_be_used() {
    let asked = std::env::var("WORKBENCH_KILLS").ok();
    let wanted: u32 = asked.and_then(|text| text.parse().ok()).unwrap_or(5);
    let scratch = begin("ranks-kills");
    let set = ["--set", "steps=400", "--set", "model.layers=4"];
    let layout = ["--pipeline-parallel", "2", "--data-parallel", "2"];
    let all = |out: &str, more: &[&str]| -> Vec<String> {
        let more = set.iter().chain(more).map(|text| (*text).to_owned());
        arguments(out, None).into_iter().chain(more).collect()
    };
    let one = all("one", &[]);
    let one: Vec<&str> = one.iter().map(String::as_str).collect();
    assert!(scratch.run(&one).status.success());
    let (mut kills, mut runs, mut random, mut longest) = (0, 0, 7_u64, Duration::ZERO);
    while kills < wanted {
        let run = format!("run-{runs}");
        let mut arguments = all(&run, &layout);
        while kills < wanted {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let (rank, wait) = ((random >> 33) % 4, (random >> 40) % 3_000);
            let mut job = mpirun(&scratch, "4", &arguments);
            let mut job = job
                .stderr(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let killed = rank_of(&mut job, rank as u32);
            std::thread::sleep(Duration::from_millis(wait));
            let start = Instant::now();
            if let Some(killed) = killed {
                let killed = killed.to_string();
                Command::new("kill").args(["-9", &killed]).status().unwrap();
            }
            while is_trained(job.id()) && job.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(20));
            }
            let took = start.elapsed();
            if has_ended(&mut job).is_some_and(|status| status.success()) {
                break;
            }
            kills += 1;
            longest = longest.max(took);
            if scratch.join(&run).join("run.toml").exists() {
                let again = ["train", run.as_str()].into_iter().chain(layout);
                arguments = again.map(str::to_owned).collect();
            }
        }
        if scratch.join(&run).join("run.toml").exists() {
            let done = scratch.run(&["train", &run]);
            assert!(done.status.success(), "{run}: {}", stderr(&done));
            assert!(state(&scratch, "one") == state(&scratch, &run), "{run}");
        }
        runs += 1;
    }
    assert!(longest < Duration::from_secs(30), "{longest:?}");
    eprintln!("{kills} kills in {runs} runs, the longest end took {longest:?}");
}

/// The process number of a rank as soon as there is one; none where the job has ended.
fn rank_of(job: &mut Child, rank: u32) -> Option<u32> {
    while job.try_wait().unwrap().is_none() {
        if let Some(process) = child_with_rank(job.id(), rank) {
            return Some(process);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

/// How `mpirun` ended. That of Open MPI 4.1 may lock itself up in its end where a rank dies as it starts; it is ended
/// then, when it has no more to end.
fn has_ended(job: &mut Child) -> Option<ExitStatus> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        if let Some(status) = job.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    job.kill().unwrap();
    job.wait().unwrap();
    None
}

/// Whether a rank of `mpirun` lives.
fn is_trained(mpirun: u32) -> bool {
    children(mpirun).iter().any(|id| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    })
}
