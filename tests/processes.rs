//! Signals, killed executors, closed terminals and full disks with the real program.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use support::{CARD, Scratch, records, stderr, stdout, tiny};

const STEPS: usize = 2000;

/// One arm with two seeds, long enough to be caught at work.
fn card(scratch: &Scratch) {
    let base = format!("{}{}", tiny(STEPS as u32), scratch.texts());
    scratch.write("base.toml", &base);
    scratch.write("card.toml", CARD);
}

const RUN: [&str; 7] = [
    "sweep",
    "run",
    "card.toml",
    "--out",
    "out",
    "--workers",
    "2",
];

fn runs(scratch: &Scratch) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(scratch.join("out/runs"));
    let entries = entries.into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(2);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn wait_for(child: &mut Child) -> ExitStatus {
    wait_until("it ends", || child.try_wait().unwrap().is_some());
    child.wait().unwrap()
}

fn kill(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn trained(run: &Path) -> bool {
    run.join("lease.json").exists() && records(run).len() > 3
}

/// A sweep with two runs at work.
fn begun(scratch: &Scratch) -> Child {
    card(scratch);
    let child = scratch.workbench(&RUN).spawn().unwrap();
    wait_until("two runs are at work", || {
        runs(scratch).iter().filter(|run| trained(run)).count() == 2
    });
    child
}

fn leases(scratch: &Scratch) -> usize {
    let held = |run: &PathBuf| run.join("lease.json").exists();
    runs(scratch).iter().filter(|run| held(run)).count()
}

/// All runs come to their end, none from its beginning.
fn continues(scratch: &Scratch) {
    let output = scratch.run(&RUN);
    assert!(output.status.success(), "{}", stderr(&output));
    let continued = stderr(&output).matches("continued").count();
    assert_eq!(continued, 2, "{}", stderr(&output));
    assert!(runs(scratch).iter().all(|run| records(run).len() == STEPS));
}

#[test]
fn runs_of_a_killed_executor_save_their_state_and_end() {
    let scratch = Scratch::new("killed-executor");
    let mut child = begun(&scratch);
    kill(&child, Signal::KILL);
    child.wait().unwrap();
    wait_until("the runs end by themselves", || leases(&scratch) == 0);
    let status = stdout(&scratch.run(&["sweep", "status", "out"]));
    assert_eq!(status.matches(" stopped ").count(), 2, "{status}");
    assert!(status.contains("executor: none at work"), "{status}");
    let output = scratch.run(&["sweep", "stop", "out"]);
    assert!(
        stderr(&output).contains("nothing to stop"),
        "{}",
        stderr(&output)
    );
    assert!(output.status.success() && !scratch.join("out/control/sweep.stop").exists());
    continues(&scratch);
}

#[test]
fn a_closed_terminal_stops_a_sweep_like_sigterm() {
    let scratch = Scratch::new("hangup");
    let mut child = begun(&scratch);
    kill(&child, Signal::HUP);
    // Schedulers send more than one, and to every process.
    kill(&child, Signal::TERM);
    kill(&child, Signal::TERM);
    assert_eq!(wait_for(&mut child).code(), Some(3));
    assert_eq!(leases(&scratch), 0);
    continues(&scratch);
}

#[test]
fn sweep_stop_returns_when_all_has_stopped() {
    let scratch = Scratch::new("sweep-stop");
    let mut child = begun(&scratch);
    let output = scratch.run(&["sweep", "stop", "out"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(leases(&scratch), 0, "{}", stderr(&output));
    assert_eq!(wait_for(&mut child).code(), Some(3));
    continues(&scratch);
}

/// The lock of the tokenizers stands for merges that take minutes.
#[test]
fn the_first_ctrl_c_ends_a_run_whose_text_is_not_ready_yet() {
    for signal in [Signal::INT, Signal::TERM] {
        let scratch = Scratch::new("early-signal");
        let text = tiny(10).replace("262", "300") + &scratch.texts();
        scratch.write("tiny.toml", &text);
        std::fs::create_dir_all(scratch.join("cache/locks")).unwrap();
        let lock = std::fs::File::create(scratch.join("cache/locks/tokenizers")).unwrap();
        lock.lock().unwrap();
        let train = ["train", "tiny.toml", "--out", "run"];
        let mut child = scratch.workbench(&train);
        let mut child = child.stderr(Stdio::piped()).spawn().unwrap();
        let locks = || std::fs::read_to_string("/proc/locks").unwrap();
        let waits = || {
            let own = format!(" {} ", child.id());
            locks()
                .lines()
                .any(|line| line.contains("->") && line.contains(&own))
        };
        wait_until("it waits for the lock", waits);
        kill(&child, signal);
        assert_eq!(wait_for(&mut child).code(), Some(3));
        let said = stderr(&child.wait_with_output().unwrap());
        assert!(said.contains("nothing was begun"), "{said}");
        assert!(!scratch.join("run").exists(), "nothing is left behind");
        drop(lock);
        assert!(
            scratch.run(&train).status.success(),
            "the same command begins it"
        );
    }
}

fn alone(scratch: &Scratch, before: &str) -> Child {
    scratch.write(
        "tiny.toml",
        &format!("{}{}", tiny(STEPS as u32), scratch.texts()),
    );
    let train = scratch.workbench(&["train", "tiny.toml", "--out", "run"]);
    let mut words = vec![train.get_program()];
    words.extend(train.get_args());
    let child = Command::new("sh")
        .args(["-c", &format!("{before}; exec \"$@\""), "sh"])
        .args(words)
        .current_dir(&scratch.0)
        .env("RAYON_NUM_THREADS", "1")
        .spawn()
        .unwrap();
    wait_until("it trains", || trained(&scratch.join("run")));
    child
}

#[test]
fn sighup_and_repeated_sigterm_lose_no_step_of_a_run() {
    let scratch = Scratch::new("train-hangup");
    let mut child = alone(&scratch, ":");
    for signal in [Signal::HUP, Signal::TERM, Signal::TERM, Signal::HUP] {
        kill(&child, signal);
    }
    assert_eq!(wait_for(&mut child).code(), Some(3));
    let step = records(&scratch.join("run")).len();
    let checkpoint = scratch.join(&format!("run/checkpoints/step-{step:08}"));
    assert!(checkpoint.is_dir(), "{}", checkpoint.display());
}

#[test]
fn under_nohup_a_run_outlives_its_terminal() {
    let scratch = Scratch::new("nohup");
    let mut child = alone(&scratch, "trap '' HUP");
    kill(&child, Signal::HUP);
    assert_eq!(wait_for(&mut child).code(), Some(0));
    assert_eq!(records(&scratch.join("run")).len(), STEPS);
}

/// A limit on the size of files stands for a full disk: metrics and summaries fit, checkpoints do not.
#[test]
fn a_full_disk_stops_a_sweep_once_and_the_same_command_continues() {
    let scratch = Scratch::new("full-disk");
    card(&scratch);
    // Tokens are cached by another sweep, so that the limit meets the runs.
    let other = [
        "sweep",
        "run",
        "card.toml",
        "--out",
        "other",
        "--set",
        "steps=2",
    ];
    assert!(scratch.run(&other).status.success());
    let mut words = vec![RUN[0]; 0];
    words.extend(&RUN[..5]);
    words.extend(["--workers", "1"]);
    let limited = scratch.workbench(&words);
    let output = Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 40; exec \"$@\"", "bash"])
        .arg(limited.get_program())
        .args(limited.get_args())
        .current_dir(&scratch.0)
        .output()
        .unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert_eq!(text.matches("error: ").count(), 1, "{text}");
    assert!(text.contains("the same command continues"), "{text}");
    assert_eq!(text.matches("started ").count(), 1, "{text}");
    assert!(!text.contains("FAILED"), "{text}");

    let output = scratch.run(&RUN);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(runs(&scratch).iter().all(|run| records(run).len() == STEPS));
}

/// The monitor in a terminal of its own (`script`), followed by a look at the terminal's settings.
struct Terminal {
    script: Child,
    monitor: Pid,
}

impl Terminal {
    fn open(scratch: &Scratch) -> Self {
        Self::open_by(scratch, "sh")
    }

    /// The monitor started by the words `shell`, which take `-c` and a command.
    fn open_by(scratch: &Scratch, shell: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_workbench");
        let line = format!(
            "{shell} -c 'echo $$ > pid.new; mv pid.new pid; exec {program} monitor run'; stty -a > stty.new; mv stty.new stty"
        );
        let script = Command::new("script")
            .args(["-qfc", &line, "screen"])
            .current_dir(&scratch.0)
            .env("TERM", "xterm-256color")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("the monitor has the screen", || {
            screen(scratch).contains("\x1b[?1049h")
        });
        let pid = std::fs::read_to_string(scratch.join("pid")).unwrap();
        Self {
            script,
            monitor: Pid::from_raw(pid.trim().parse().unwrap()).unwrap(),
        }
    }
}

fn screen(scratch: &Scratch) -> String {
    let bytes = std::fs::read(scratch.join("screen")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A run that has not begun is enough to look at.
fn watched(scratch: &Scratch) {
    std::fs::create_dir(scratch.join("run")).unwrap();
    scratch.write("run/run.toml", &tiny(10));
}

#[test]
fn a_monitor_ended_by_a_signal_gives_the_terminal_back() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let scratch = Scratch::new("monitor-signal");
        watched(&scratch);
        let mut terminal = Terminal::open(&scratch);
        kill_process(terminal.monitor, signal).unwrap();
        wait_for(&mut terminal.script);
        let screen = screen(&scratch);
        let end = &screen[screen.rfind("\x1b[?1049l").unwrap_or(0)..];
        assert!(end.contains("\x1b[?1049l"), "{signal:?}: the screen before");
        assert!(screen.contains("\x1b[?25h"), "{signal:?}: the cursor");
        assert!(screen.contains("\x1b[?1000l"), "{signal:?}: the mouse");
        let settings = std::fs::read_to_string(scratch.join("stty")).unwrap();
        let settings: Vec<&str> = settings.split_whitespace().collect();
        for setting in ["icanon", "echo", "isig"] {
            assert!(settings.contains(&setting), "{signal:?}: {settings:?}");
        }
    }
}

/// Of a run that asks for a bell, one thing that is seen rings once.
#[test]
fn a_new_alarm_rings_in_the_terminal_of_the_monitor() {
    let scratch = Scratch::new("monitor-bell");
    watched(&scratch);
    let asks = format!("{}\n[alarm]\naction = \"bell\"\n", tiny(10));
    scratch.write("run/run.toml", &asks);
    let mut terminal = Terminal::open(&scratch);
    let mut writer = logs::RunWriter::open(&scratch.join("run")).unwrap();
    for step in 1..=3 {
        let mut record = logs::Record::new(step);
        record.set_named("loss", f64::NAN);
        writer.step(&record).unwrap();
    }
    wait_until("the bell rings", || screen(&scratch).contains('\x07'));
    kill_process(terminal.monitor, Signal::TERM).unwrap();
    wait_for(&mut terminal.script);
    assert_eq!(screen(&scratch).matches('\x07').count(), 1);
}

/// In a session of its own no SIGHUP reaches it, and reading from a terminal that has gone never ends.
#[test]
fn a_monitor_ends_with_its_terminal() {
    for shell in ["sh", "setsid -w sh"] {
        ends_with_its_terminal(shell);
    }
}

fn ends_with_its_terminal(shell: &str) {
    let scratch = Scratch::new("monitor-closed");
    watched(&scratch);
    let mut terminal = Terminal::open_by(&scratch, shell);
    terminal.script.kill().unwrap();
    terminal.script.wait().unwrap();
    wait_until("the monitor ends", || {
        rustix::process::test_kill_process(terminal.monitor).is_err()
    });
}
