//! Sweeps on a real Slurm of two virtual nodes, which `tests/slurm/cluster.sh` starts and ends.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use support::hosts::{self, assert_whole, signal, trainers, wait_for, wait_until};
use support::{Scratch, stderr, stdout};

/// A cluster with a sweep, both gone at the end.
struct Cluster {
    scratch: Scratch,
    conf: String,
}

impl Cluster {
    /// None where Slurm is not installed, which only CI takes for a failure.
    fn start(name: &str) -> Option<Self> {
        if !hosts::have(
            &["munged", "slurmctld", "slurmd", "sbatch"],
            "slurm-wlm, munge",
        ) {
            return None;
        }
        let scratch = Scratch::new(name);
        let output = script(&scratch, "start", &[]);
        let conf = stdout(&output).trim().to_owned();
        assert!(
            output.status.success() && !conf.is_empty(),
            "{}",
            stderr(&output)
        );
        Some(Self { scratch, conf })
    }

    fn workbench(&self, arguments: &[&str]) -> Command {
        let mut command = self.scratch.workbench(arguments);
        command.env("SLURM_CONF", &self.conf);
        command
    }

    fn sweep(&self, further: &[&str]) -> Command {
        let mut arguments = vec!["sweep", "run", "card.toml", "--out", "out"];
        arguments.extend(["--executor", "slurm", "--time", "20"]);
        arguments.extend(further);
        self.workbench(&arguments)
    }

    fn finished(&self) -> usize {
        hosts::finished(&self.scratch)
    }

    /// A command of Slurm; what it prints.
    fn slurm(&self, command: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(command);
        command.args(arguments).env("SLURM_CONF", &self.conf);
        stdout(&command.output().unwrap())
    }

    /// Jobs in a state, as `array_place`.
    fn jobs(&self, state: &str) -> Vec<String> {
        let text = self.slurm("squeue", &["-h", "-r", "-t", state, "-o", "%F_%K"]);
        text.lines().map(|line| line.trim().to_owned()).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        script(&self.scratch, "stop", &[]);
    }
}

fn script(scratch: &Scratch, command: &str, further: &[&str]) -> std::process::Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/slurm/cluster.sh");
    let mut process = Command::new(script);
    process
        .arg(command)
        .arg(scratch.join("slurm"))
        .args(further);
    process.output().unwrap()
}

/// Everything that befalls a sweep on a cluster, and at the end the runs are those of a quiet one.
#[test]
fn a_sweep_of_32_runs_survives_cancelled_jobs_a_restarted_controller_and_a_lost_node() {
    // Long enough that jobs are still at work when something happens to them, on an idle machine too.
    const STEPS: usize = 2000;
    let Some(cluster) = Cluster::start("slurm-chaos") else {
        return;
    };
    hosts::card(&cluster.scratch, 16, STEPS);
    let log = cluster.scratch.join("driver.log");
    let driver = || -> Child {
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log);
        cluster.sweep(&[]).stderr(file.unwrap()).spawn().unwrap()
    };
    let mut child = driver();
    wait_until("two runs are done", || cluster.finished() >= 2);
    let mut random = 7;
    cancel_at_random(&cluster, &mut random);
    preempt(&cluster);
    cancel_at_random(&cluster, &mut random);
    lose_a_node(&cluster);
    script(&cluster.scratch, "restart", &[]);
    // A fast machine may be through by then.
    wait_until("it goes on", || {
        !cluster.jobs("R").is_empty() || child.try_wait().unwrap().is_some()
    });
    // The command itself is killed, and finds its jobs again, but for those that nobody saw cancelled.
    child.kill().unwrap();
    child.wait().unwrap();
    cancel_at_random(&cluster, &mut random);
    script(&cluster.scratch, "revive", &["n1"]);
    let mut child = driver();
    let said = || std::fs::read_to_string(&log).unwrap();
    let code = wait_for(&mut child).code();
    if code == Some(3) {
        assert!(said().contains(": its job was cancelled"), "{}", said());
        assert_eq!(wait_for(&mut driver()).code(), Some(0), "{}", said());
    } else {
        assert_eq!(code, Some(0), "{}", said());
    }
    assert_whole(&cluster.scratch, 32, STEPS);
    let rerun = ["sweep", "rerun", "out", "--share", "0.1", "--out", "again"];
    let output = cluster.scratch.run(&rerun);
    let said = stdout(&output);
    assert!(
        said.contains("4 of 4 runs give the same bits"),
        "{said}{}",
        stderr(&output)
    );
}

/// Cancels one job that runs and some of all that there are, drawn by a number and those that follow from it.
fn cancel_at_random(cluster: &Cluster, random: &mut u64) {
    for states in ["R", "PD,R", "PD,R"] {
        *random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let jobs = cluster.jobs(states);
        if let Some(place) = ((*random >> 33) as usize).checked_rem(jobs.len()) {
            cluster.slurm("scancel", &[&jobs[place]]);
        }
    }
}

/// A job of a partition that comes first takes both nodes, and ends at once.
fn preempt(cluster: &Cluster) {
    wait_until("a job runs", || !cluster.jobs("R").is_empty());
    let urgent = [
        "--parsable",
        "--partition=urgent",
        "--nodes=2",
        "--exclusive",
        "--output=/dev/null",
        "--wrap=true",
    ];
    let urgent = cluster.slurm("sbatch", &urgent);
    let urgent = urgent.trim();
    assert!(!urgent.is_empty(), "no urgent job was taken");
    wait_until("the urgent job is through", || {
        let job = cluster.slurm("scontrol", &["--oneliner", "show", "job", urgent]);
        job.contains("JobState=COMPLETED")
    });
}

/// Kills slurmd of a node at work whose trainer is held up: Slurm takes it for lost and starts the run elsewhere. Then the
/// orphan goes on writing.
fn lose_a_node(cluster: &Cluster) {
    let mut orphans = Vec::new();
    wait_until("node n1 trains, and ends no job", || {
        if !cluster.jobs("CG").is_empty() {
            return false;
        }
        orphans = trainers(&cluster.scratch, "SLURMD_NODENAME=n1");
        // Some may have ended since.
        orphans.retain(|orphan| hosts::is_signalled(*orphan, "STOP"));
        !orphans.is_empty()
    });
    script(&cluster.scratch, "lose", &["n1"]);
    wait_until("Slurm gives the node up", || {
        let state = cluster.slurm("sinfo", &["-h", "-N", "-n", "n1", "-p", "main", "-o", "%t"]);
        state.starts_with("down")
    });
    for orphan in orphans {
        hosts::signal_number(orphan, "CONT");
    }
}

#[test]
fn a_sweep_on_slurm_is_looked_at_stopped_and_continued_as_anywhere() {
    // A run trains for some fifteen seconds on an idle machine: longer than between two looks at the queue.
    const STEPS: usize = 15_000;
    let Some(cluster) = Cluster::start("slurm-steer") else {
        return;
    };
    hosts::card(&cluster.scratch, 3, STEPS);
    let quiet = |mut command: Command| {
        command
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut child = quiet(cluster.sweep(&["--workers", "1"]));
    let scratch = &cluster.scratch;
    let mut status = String::new();
    wait_until("a run is trained and others wait", || {
        status = stdout(&scratch.run(&["sweep", "status", "out"]));
        status.contains(" waits: JobArrayTaskLimit") && status.contains(" on n")
    });
    let screen = "monitor out --snapshot --size 120x40 --tab runs";
    let screen = stdout(&scratch.run(&screen.split(' ').collect::<Vec<_>>()));
    assert!(
        screen.contains("queue") && screen.contains("job "),
        "{screen}"
    );

    let skipped = scratch.run(&["sweep", "skip", "out", "post-s3"]);
    assert!(skipped.status.success(), "{}", stderr(&skipped));
    let stopped = cluster
        .workbench(&["sweep", "stop", "out"])
        .output()
        .unwrap();
    assert!(stopped.status.success(), "{}", stderr(&stopped));
    assert_eq!(wait_for(&mut child).code(), Some(3));
    assert!(cluster.jobs("PD,R,CG").is_empty(), "no job is left");
    assert!(!scratch.join("out/control/slurm/queue.json").exists());

    // Jobs whose executor was killed go on, and are stopped without one, singly as well.
    let mut child = quiet(cluster.sweep(&[]));
    let queue = scratch.join("out/control/slurm/queue.json");
    wait_until("jobs run and wait, and the executor has said so", || {
        let queue = std::fs::read_to_string(&queue).unwrap_or_default();
        ["\"R\"", "\"PD\""]
            .iter()
            .all(|state| queue.contains(state))
    });
    signal(&child, "KILL");
    child.wait().unwrap();
    stop_single_runs(&cluster);
    let stopped = cluster
        .workbench(&["sweep", "stop", "out"])
        .output()
        .unwrap();
    assert!(stopped.status.success(), "{}", stderr(&stopped));
    assert!(
        stderr(&stopped).contains("which has no executor"),
        "{}",
        stderr(&stopped)
    );
    assert!(trainers(scratch, "").is_empty(), "no run is trained");

    assert!(
        scratch
            .run(&["sweep", "skip", "out", "post-s3", "--undo"])
            .status
            .success()
    );
    go_on_with_one_device(&cluster);
    assert_whole(scratch, 6, STEPS);
}

/// The rest of a sweep with a resource of which there is one, on one node.
fn go_on_with_one_device(cluster: &Cluster) {
    let mut sweep = cluster.sweep(&["--pack", "2", "--gres", "tile:1"]);
    let mut child = sweep
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut most = 0;
    // One after another: on a busy machine all of them together take longer than anything is waited for.
    for done in 1..=6 {
        wait_until("another run is trained", || {
            most = most.max(cluster.jobs("R").len());
            let nodes = cluster.slurm("squeue", &["-h", "-t", "R", "-o", "%N"]);
            assert!(!nodes.contains("n2"), "on a node without the resource");
            cluster.finished() >= done || child.try_wait().unwrap().is_some()
        });
    }
    assert_eq!(wait_for(&mut child).code(), Some(0));
    assert_eq!(most, 1, "jobs at a time");
}

/// Without an executor: the run of a job that waits, and that of one that trains.
fn stop_single_runs(cluster: &Cluster) {
    let scratch = &cluster.scratch;
    let queue = std::fs::read_to_string(scratch.join("out/control/slurm/queue.json")).unwrap();
    let queue: serde_json::Value = serde_json::from_str(&queue).unwrap();
    for state in ["PD", "R"] {
        let jobs = queue.as_object().unwrap().iter();
        let still = |job: &str| cluster.jobs(state).iter().any(|other| other == job);
        // One that was trained before may be through at any time.
        let is_fresh = |run: &str| {
            !scratch
                .join("out/runs")
                .join(run)
                .join("metrics-0002.jsonl")
                .exists()
        };
        let mut jobs =
            jobs.filter(|(run, job)| is_fresh(run) && still(job["job"].as_str().unwrap()));
        let (run, job) = jobs.next().unwrap();
        let mut stop = cluster.workbench(&["sweep", "stop", "out", run]);
        let stopped = stop.output().unwrap();
        let said = stderr(&stopped);
        assert!(stopped.status.success(), "{said}");
        assert!(said.contains(&format!("stopped {run}")), "{said}");
        let job = job["job"].as_str().unwrap();
        wait_until("its job is gone", || {
            !cluster.jobs("PD,R").iter().any(|other| other == job)
        });
    }
}

#[test]
fn what_slurm_cannot_do_is_one_error_before_anything_is_written() {
    let Some(cluster) = Cluster::start("slurm-refused") else {
        return;
    };
    hosts::card(&cluster.scratch, 2, 40);
    let refused = |command: &mut Command, words: &str, code: i32| {
        let output = command.output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(words), "{said}");
        assert_eq!(said.matches("error: ").count(), 1, "{said}");
    };
    let no_partition = "error: Slurm has no partition `mian`; did you mean `main`?; there are: ";
    refused(
        &mut cluster.sweep(&["--partition", "mian"]),
        no_partition,
        2,
    );
    let no_gpu = "error: Slurm refuses such jobs: ";
    refused(&mut cluster.sweep(&["--gres", "gpu:1"]), no_gpu, 2);
    let mut no_slurm = cluster.sweep(&[]);
    refused(
        no_slurm.env("PATH", "/nonexistent"),
        "cannot execute `sbatch`",
        2,
    );
    let local = ["sweep", "run", "card.toml", "--out", "out", "--time", "5"];
    refused(&mut cluster.workbench(&local), "the executor is `local`", 2);
    assert!(!cluster.scratch.join("out").exists(), "nothing was written");
}

/// To Slurm `%` and `\` mean something in the name of a file, to a shell quotes, spaces and `$`. Without `--time` a job may
/// take what its runs were measured to take here, and ten minutes more, where the partition's own limit is an hour.
#[test]
fn a_sweep_directory_may_have_any_name() {
    let Some(cluster) = Cluster::start("slurm-odd") else {
        return;
    };
    hosts::card(&cluster.scratch, 2, 20);
    let out = "it's %a\\b \"$HOME\" é";
    let place = ["--out", out, "--executor", "slurm", "--account", "proxies"];
    let mut sweep = cluster.workbench(&["sweep", "run", "card.toml"]);
    let output = sweep.args(place).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let files = std::fs::read_dir(cluster.scratch.join(out).join("control/slurm")).unwrap();
    let names = files.map(|file| file.unwrap().file_name());
    let logs = names.filter(|name| name.to_string_lossy().ends_with(".log"));
    assert_eq!(logs.count(), 4, "every job has its log");

    let jobs = cluster.slurm("scontrol", &["--oneliner", "show", "job"]);
    let of_each = |key: &str| -> Vec<String> {
        let words = jobs.split_whitespace();
        let values = words.filter_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        values.map(str::to_owned).collect()
    };
    assert_eq!(of_each("Account"), ["proxies"; 4], "{jobs}");
    let limits = of_each("TimeLimit");
    let measured = ["00:11:00", "00:12:00", "00:13:00"];
    let is_measured = |limit: &String| measured.contains(&limit.as_str());
    assert!(
        limits.len() == 4 && limits.iter().all(is_measured),
        "{limits:?}"
    );
}

/// Told before its time is over, it saves its state, and another job goes on behind its last step.
#[test]
fn a_run_that_needs_longer_than_its_job_goes_on_in_another() {
    // More than any machine trains in a minute.
    const STEPS: usize = 500_000;
    let Some(cluster) = Cluster::start("slurm-limit") else {
        return;
    };
    let scratch = &cluster.scratch;
    hosts::card(scratch, 2, STEPS);
    let place = ["sweep", "run", "card.toml", "--out", "out"];
    let mut sweep = cluster.workbench(&place);
    sweep.args(["--executor", "slurm", "--time", "1"]);
    let mut child = sweep.stderr(Stdio::piped()).spawn().unwrap();
    let first = |run: &Path, kind: logs::EventKind| {
        let events = logs::read::events(run).unwrap_or_default();
        events.into_iter().find(|event| event.kind == kind)
    };
    let resumed = |run: &Path| first(run, logs::EventKind::Resume);
    wait_until("all runs go on", || {
        assert!(child.try_wait().unwrap().is_none(), "ended");
        let runs = hosts::runs(scratch);
        runs.len() == 4 && runs.iter().all(|run| resumed(run).is_some())
    });
    let mut stop = cluster.workbench(&["sweep", "stop", "out"]);
    assert!(stop.output().unwrap().status.success());
    let ended = child.wait_with_output().unwrap();
    let said = stderr(&ended);
    assert_eq!(ended.status.code(), Some(3), "{said}");
    let why = "the time of its job was over; it goes on in another job";
    assert!(said.contains(why), "{said}");
    for run in hosts::runs(scratch) {
        let reader = logs::RunReader::open(&run).unwrap();
        let steps = reader.records().iter().map(|record| record.step);
        assert!(steps.eq(1..=reader.records().len() as u64), "{run:?}");
        let stopped = first(&run, logs::EventKind::Stop).unwrap();
        let resumed = resumed(&run).unwrap();
        assert_eq!(stopped.step, resumed.step, "a step was trained twice");
        assert!(resumed.step > 0 && resumed.attempt == 2, "{resumed:?}");
    }
}

/// A text, or the program: both are files that the others have.
#[test]
fn a_node_that_lacks_what_the_others_have_gets_no_more_jobs() {
    let Some(cluster) = Cluster::start("slurm-node") else {
        return;
    };
    let mut mount = Command::new("unshare");
    mount.args(["--mount", "sh", "-c", "mount -t tmpfs none /mnt"]);
    if !hosts::may(&mut mount) {
        return;
    }
    let scratch = &cluster.scratch;
    hosts::card(scratch, 4, 40);
    // Slurm's own files and the sweep stay in sight.
    let texts = scratch.join("texts");
    std::fs::create_dir(&texts).unwrap();
    for name in ["one.txt", "two.txt"] {
        std::fs::rename(scratch.join(name), texts.join(name)).unwrap();
    }
    let base = std::fs::read_to_string(scratch.join("base.toml")).unwrap();
    let base = base
        .replace("/one.txt", "/texts/one.txt")
        .replace("/two.txt", "/texts/two.txt");
    scratch.write("base.toml", &base);
    let text = texts.join("one.txt").display().to_string();
    script(scratch, "hide", &["n1", &text]);
    let output = cluster.sweep(&[]).output().unwrap();
    let said = stderr(&output);
    let why = format!("note: no more jobs on node n1: node n1 has no `{text}`");
    assert!(output.status.success() && said.contains(&why), "{said}");
    assert_whole(scratch, 8, 40);

    // Started again, it has not forgotten the node.
    let output = cluster.sweep(&[]).output().unwrap();
    let said = stderr(&output);
    assert!(said.contains("still no jobs on node n1: "), "{said}");

    let program = env!("CARGO_BIN_EXE_workbench");
    script(scratch, "hide", &["n2", program]);
    std::fs::rename(scratch.join("out"), scratch.join("before")).unwrap();
    let output = cluster.sweep(&[]).output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(
        said.contains("jobs failed on every node (n1, n2)"),
        "{said}"
    );
    for lack in [("n1", text.as_str()), ("n2", program)] {
        let lacks = format!("node {} has no `{}`", lack.0, lack.1);
        assert!(said.contains(&lacks), "{lacks}: {said}");
    }
    let begun = trained_in(&scratch.join("out/runs"));
    assert_eq!(begun, 0, "no run was begun");
}

/// Runs of a folder that have begun.
fn trained_in(folder: &Path) -> usize {
    let runs = std::fs::read_dir(folder).unwrap();
    let has_begun = |run: &Path| run.join("metrics-0001.jsonl").exists();
    runs.filter(|run| has_begun(&run.as_ref().unwrap().path()))
        .count()
}
