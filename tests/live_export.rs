//! `workbench export --follow` beside a training that goes on, and pictures in pixels.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};
use support::{CARD, Scratch, stderr, stdout, tiny};

const PATIENCE: Duration = Duration::from_mins(2);

fn start(scratch: &Scratch, command: &str) -> Child {
    let arguments: Vec<&str> = command.split(' ').collect();
    let mut command = scratch.workbench(&arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// A training that nobody hears, and that ends with its test.
struct Training(Child);

impl Training {
    fn start(scratch: &Scratch, arguments: &[&str]) -> Self {
        let mut command = scratch.workbench(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Training {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for something; what the program has said by then if it does not come.
fn until(child: &mut Child, what: &str, is_there: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_there() {
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "{what} did not come before the end");
        assert!(begun.elapsed() < PATIENCE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn end(mut child: Child) -> Output {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > PATIENCE {
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.wait_with_output().unwrap()
}

/// The file with the numbers of a run, whatever its number is.
fn numbers(folder: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(folder)
        .ok()?
        .map(|entry| entry.unwrap().path());
    files.filter(|file| file.is_file()).max()
}

/// What an event file has, by this program's own import, is what the run has.
fn assert_same(scratch: &Scratch, file: &Path, run: &Path) {
    let again = scratch.join("again");
    let _ = fs::remove_dir_all(&again);
    let file = file.to_str().unwrap();
    let done = scratch.run(&["import", file, "--one-run", "--out", "again"]);
    assert!(done.status.success(), "{}", stderr(&done));
    let losses = |dir: &Path| {
        let reader = logs::RunReader::open(dir).unwrap();
        let losses = reader.series("loss").into_iter();
        losses
            .map(|(step, loss)| (step, (loss as f32).to_bits()))
            .collect::<Vec<_>>()
    };
    let told = losses(&again);
    assert!(!told.is_empty());
    assert_eq!(told, losses(run));
}

/// Started before the sweep, it ends with it, by itself.
#[test]
fn a_sweep_is_followed_from_before_its_beginning_to_its_end() {
    let scratch = Scratch::new("live-sweep");
    scratch.write("base.toml", &format!("{}{}", tiny(40), scratch.texts()));
    scratch.write("card.toml", CARD);
    let mut live = start(
        &scratch,
        "export sweep --format tensorboard --out tb --follow",
    );
    until(&mut live, "the folder", || scratch.join("tb").exists());
    let busy = scratch.run(&[
        "export",
        "sweep",
        "--format",
        "tensorboard",
        "--out",
        "tb",
        "--follow",
    ]);
    assert_eq!(busy.status.code(), Some(2), "{}", stderr(&busy));
    let sweep = scratch.run(&["sweep", "run", "card.toml", "--out", "sweep"]);
    assert!(sweep.status.success(), "{}", stderr(&sweep));
    let live = end(live);
    let said = stderr(&live);
    assert!(live.status.success(), "{said}");
    assert!(said.contains("waiting for them"), "{said}");
    assert!(
        said.contains("4 of 4 runs, 4 ended, 160 recorded steps"),
        "{said}"
    );
    assert_eq!(stdout(&live), "tb\n");
    let runs = fs::read_dir(scratch.join("sweep/runs")).unwrap();
    for run in runs.map(|entry| entry.unwrap().path()) {
        let folder = scratch.join("tb").join(run.file_name().unwrap());
        assert_same(&scratch, &numbers(&folder).unwrap(), &run);
        let given = fs::read(folder.join("events.out.tfevents.0000000000.workbench")).unwrap();
        assert!(String::from_utf8_lossy(&given).contains("outcome"));
    }
}

/// Ctrl-C ends the export and leaves whole files; the same command takes them up, and what was trained in between is there once.
#[test]
fn an_export_that_was_stopped_goes_on_with_the_same_command() {
    let scratch = Scratch::new("live-run");
    scratch.write(
        "base.toml",
        &format!("{}{}", tiny(100_000), scratch.texts()),
    );
    let mut training = Training::start(&scratch, &["train", "base.toml", "--out", "run"]);
    let metrics = scratch.join("run/metrics-0001.jsonl");
    until(&mut training.0, "a step", || metrics.exists());
    let follow = "export run --format tensorboard --out tb --follow";
    let folder = scratch.join("tb");
    for round in 1..=2 {
        let mut live = start(&scratch, follow);
        let own = folder.join(format!("events.out.tfevents.{round:010}.workbench"));
        until(&mut live, "the file", || own.exists());
        let before = fs::metadata(&own).unwrap().len();
        until(&mut live, "more steps", || {
            fs::metadata(&own).unwrap().len() > before
        });
        kill_process(Pid::from_child(&live), Signal::INT).unwrap();
        let live = end(live);
        assert!(live.status.success(), "{}", stderr(&live));
        assert_eq!(numbers(&folder), Some(own));
    }
    kill_process(Pid::from_child(&training.0), Signal::INT).unwrap();
    training.0.wait().unwrap();
    let live = end(start(&scratch, follow));
    assert!(live.status.success(), "{}", stderr(&live));
    assert_same(&scratch, &numbers(&folder).unwrap(), &scratch.join("run"));
}

#[test]
fn signals_are_chosen_by_name() {
    let scratch = Scratch::new("signals");
    scratch.write("base.toml", &format!("{}{}", tiny(5), scratch.texts()));
    assert!(
        scratch
            .run(&["train", "base.toml", "--out", "run"])
            .status
            .success()
    );
    let export = |more: &[&str]| scratch.run(&[&["export", "run", "--format"], more].concat());
    let table = stdout(&export(&["csv", "--signals", "grad_norm,loss"]));
    assert_eq!(table.lines().next(), Some("step,loss,grad_norm"));
    assert_eq!(table.lines().count(), 6);
    let layers = stdout(&export(&["csv", "--signals", "layer_grad_norm"]));
    let heading = Some("step,layer_grad_norm_0,layer_grad_norm_1");
    assert_eq!(layers.lines().next(), heading);
    for (arguments, expected) in [
        (&["csv", "--signals", "los"][..], "did you mean `loss`?"),
        (
            &["csv", "--follow"],
            "`--follow` needs `--format tensorboard`",
        ),
        (&["tensorboard", "--follow"], "needs --out FOLDER"),
        (
            &[
                "parquet",
                "--out",
                "x.parquet",
                "--signals",
                "layer_grad_norm",
            ],
            "`layer_grad_norm` has a value for each layer",
        ),
    ] {
        let refused = export(arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        let said = stderr(&refused);
        assert!(said.contains(expected), "{said}");
    }
}

/// The end of the name decides, in the monitor and elsewhere.
#[test]
fn pictures_are_pixels_where_the_name_says_so() {
    let scratch = Scratch::new("pixels");
    scratch.write("base.toml", &format!("{}{}", tiny(5), scratch.texts()));
    assert!(
        scratch
            .run(&["train", "base.toml", "--out", "run"])
            .status
            .success()
    );
    let commands: [&[&str]; 2] = [
        &["plan", "t0", "--timeline", "picture.png"],
        &[
            "monitor",
            "run",
            "--snapshot",
            "--size",
            "80x24",
            "--do",
            "export picture.png",
        ],
    ];
    for command in commands {
        let done = scratch.run(command);
        assert!(done.status.success(), "{}", stderr(&done));
        let bytes = fs::read(scratch.join("picture.png")).unwrap();
        assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"), "{command:?}");
        assert!(bytes.len() > 2000, "{command:?}: {} bytes", bytes.len());
        fs::remove_file(scratch.join("picture.png")).unwrap();
    }
}
