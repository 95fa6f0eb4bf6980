//! The executor's contract, with a shell script in the trainer's place. How the script behaves is
//! chosen by the run's seed and arm; the files it leaves are made by the `logs` crate.

use super::*;
use crate::Request;
use crate::reader::{State, SweepReader};
use crate::testing::{begin, finish, manifest_of, sweep};
use logs::{Status, Summary};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tempfile::TempDir;

struct Bench {
    directory: TempDir,
    sweep: Sweep,
}

impl Bench {
    fn new() -> Self {
        let (directory, sweep) = sweep();
        let at = |name: &str| directory.path().join(name);
        finish(&at("finished"), 3.2);
        let writer = begin(&at("stopped"), 10);
        let attempt = writer.attempt();
        let summary = Summary::new(Status::Stopped, 10, attempt, 1.0);
        writer.finish(&summary).unwrap();
        // The templates are copied to many runs; each has its own manifest.
        for name in ["finished", "stopped"] {
            std::fs::remove_file(at(name).join("manifest.json")).unwrap();
        }
        for run in sweep.runs() {
            let place = at("manifests").join(&run.id);
            std::fs::create_dir_all(&place).unwrap();
            manifest_of(&sweep.run_dir(&run.id)).save(&place).unwrap();
        }
        Self { directory, sweep }
    }

    /// An executor whose trainer is `script`; it gets the templates' folder as `$T` and the run
    /// directory as `$RUN`. `leave` brings files whole, as the trainer writes them; the reader may look at
    /// any time.
    fn executor(&self, script: &str) -> LocalExecutor {
        let path = self.directory.path().join("trainer.sh");
        let head = format!(
            "T='{}'\ntest \"$1\" = train || exit 9\nRUN=$2\nset -e\n\
             manifest() {{ cp \"$T\"/manifests/\"${{RUN##*/}}\"/* \"$1\"/; }}\n\
             leave() {{ cp -r \"$T/$1\" \"$RUN.new\"; manifest \"$RUN.new\"; mv \"$RUN.new\"/* \"$RUN\"/; rmdir \"$RUN.new\"; }}\n\
             finish() {{ manifest \"$RUN\"; cp \"$T\"/finished/* \"$RUN\"/; echo \"done $RUN\" >> \"$T\"/order; exit 0; }}\n",
            self.directory.path().display()
        );
        std::fs::write(&path, format!("{head}{script}\n")).unwrap();
        LocalExecutor {
            arguments: vec![path.display().to_string(), "train".to_owned()],
            interval: Duration::from_millis(10),
            ..LocalExecutor::new("/bin/sh")
        }
    }

    fn run(&self, executor: &LocalExecutor) -> (Tally, Vec<Progress>) {
        self.run_with(executor, |_, _| {})
    }

    fn run_with(
        &self,
        executor: &LocalExecutor,
        mut react: impl FnMut(&Progress, &AtomicBool),
    ) -> (Tally, Vec<Progress>) {
        let stop = AtomicBool::new(false);
        let mut news = Vec::new();
        let tally = executor
            .run(&self.sweep, &stop, &mut |progress| {
                react(&progress, &stop);
                news.push(progress);
            })
            .unwrap();
        (tally, news)
    }

    fn state(&self, index: usize) -> State {
        SweepReader::new(self.sweep.clone()).states()[index].state
    }

    fn path(&self, index: usize) -> PathBuf {
        self.sweep.run_dir(&self.sweep.runs()[index].id)
    }

    /// How many trainer processes ended well.
    fn completed(&self) -> usize {
        std::fs::read_to_string(self.directory.path().join("order"))
            .map_or(0, |text| text.lines().count())
    }
}

fn started(news: &[Progress]) -> usize {
    let is_start = |news: &&Progress| matches!(news, Progress::Started { .. });
    news.iter().filter(is_start).count()
}

/// A trainer that saves its state when asked, and says when it is ready to be asked.
const PATIENT: &str = r#"
trap 'cp "$T"/stopped/* "$RUN"/; exit 3' TERM
touch "$RUN"/ready
while :; do sleep 0.01; done
"#;

fn ready(directory: &Path) -> bool {
    directory.join("ready").exists()
}

#[test]
fn all_runs_are_run_once_and_finished_ones_never_again() {
    let bench = Bench::new();
    let executor = LocalExecutor {
        workers: 3,
        threads: 2,
        ..bench.executor("echo \"threads $RAYON_NUM_THREADS\"; echo oops >&2; finish")
    };
    let (tally, news) = bench.run(&executor);
    assert!(tally.is_complete() && tally.finished == 8, "{tally:?}");
    assert_eq!((started(&news), bench.completed()), (8, 8));
    let console = std::fs::read_to_string(bench.path(0).join("console.log")).unwrap();
    assert_eq!(console, "threads 2\noops\n");
    let Some(Progress::Tick {
        finished,
        total,
        steps_done,
        steps,
        running,
        ..
    }) = news.last()
    else {
        panic!("the last news is a tick");
    };
    assert_eq!(
        (*finished, *total, *steps_done, *steps, *running),
        (8, 8, 320, 320, 0)
    );

    let (tally, news) = bench.run(&executor);
    assert_eq!((tally.finished, started(&news)), (8, 0));
}

#[test]
fn a_failed_run_stops_no_other_and_is_retried_only_when_asked() {
    let bench = Bench::new();
    let script = "case $RUN in *-s2) echo 'boom: bad text' >&2; exit 2;; esac; finish";
    let (tally, news) = bench.run(&bench.executor(script));
    assert_eq!((tally.finished, tally.failed), (6, 2));
    let message = news
        .iter()
        .find_map(|news| match news {
            Progress::Failed { message, .. } => Some(message.as_str()),
            _ => None,
        })
        .unwrap();
    assert_eq!(message, "refused its input (exit code 2): boom: bad text");

    let mut executor = bench.executor("finish");
    let (tally, news) = bench.run(&executor);
    assert_eq!((tally.failed, started(&news)), (2, 0));
    executor.retry_failed = true;
    let (tally, news) = bench.run(&executor);
    assert_eq!((tally.finished, started(&news)), (8, 2));
}

#[test]
fn ending_well_without_a_summary_is_a_failure() {
    let bench = Bench::new();
    let (tally, _) = bench.run(&bench.executor("exit 0"));
    assert_eq!(tally.failed, 8);
    let reader = SweepReader::new(bench.sweep.clone());
    let message = reader.states()[0].message.as_ref().unwrap();
    assert_eq!(message, "ended without finishing its steps");
}

#[test]
fn a_killed_run_goes_on_next_time() {
    let bench = Bench::new();
    let script =
        "case $RUN in *-s1) cp \"$T\"/stopped/metrics* \"$RUN\"/; kill -9 $$;; esac; finish";
    let (tally, news) = bench.run(&bench.executor(script));
    assert_eq!((tally.finished, tally.unfinished, tally.failed), (6, 2, 0));
    assert!(
        news.iter()
            .any(|news| matches!(news, Progress::Interrupted { .. }))
    );
    assert_eq!(bench.state(0), State::Interrupted);
    let (tally, news) = bench.run(&bench.executor("finish"));
    assert!(tally.is_complete());
    assert!(
        news.iter()
            .any(|news| matches!(news, Progress::Started { resumed: true, .. }))
    );
}

#[test]
fn told_to_stop_it_stops_its_runs_and_the_same_call_continues() {
    let bench = Bench::new();
    let first = bench.path(0);
    let (tally, news) = bench.run_with(&bench.executor(PATIENT), |_, stop| {
        stop.store(ready(&first), Ordering::Relaxed);
    });
    assert!(tally.told_to_stop);
    assert_eq!((tally.unfinished, tally.pending, started(&news)), (1, 7, 1));
    assert_eq!(bench.state(0), State::Stopped);
    let (tally, _) = bench.run(&bench.executor("finish"));
    assert!(tally.is_complete() && !tally.told_to_stop);
}

#[test]
fn a_request_in_the_directory_stops_the_executor() {
    let bench = Bench::new();
    // A request left over from another time must not count.
    bench.sweep.request_stop().unwrap();
    let first = bench.path(0);
    let (tally, _) = bench.run_with(&bench.executor(PATIENT), |_, _| {
        if ready(&first) {
            bench.sweep.request_stop().unwrap();
        }
    });
    assert!(tally.told_to_stop);
    assert!(
        !bench.sweep.stop_requested(),
        "an honoured request is forgotten"
    );
}

#[test]
fn one_run_can_be_stopped_and_others_skipped() {
    let bench = Bench::new();
    let id = |index: usize| bench.sweep.runs()[index].id.as_str();
    let script = format!("case $RUN in *{}) {PATIENT};; esac; finish", id(0));
    bench.sweep.request(id(1), Request::Skip).unwrap();
    let first = bench.path(0);
    let (mut begun, mut asked) = (false, false);
    let (tally, news) = bench.run_with(&bench.executor(&script), |_, _| {
        if !begun {
            begun = true;
            bench.sweep.request(id(2), Request::Stop).unwrap();
        }
        if !asked && ready(&first) {
            asked = true;
            bench.sweep.request(id(0), Request::Stop).unwrap();
        }
    });
    assert_eq!(
        (
            tally.finished,
            tally.skipped,
            tally.unfinished,
            tally.pending
        ),
        (5, 1, 1, 1)
    );
    assert!(news.contains(&Progress::Stopped {
        id: id(0).to_owned(),
        message: None,
    }));
    assert_eq!(bench.state(0), State::Stopped);
    assert_eq!(bench.state(1), State::Skipped);
    assert!(
        !bench.sweep.requested(id(0), Request::Stop),
        "honoured and forgotten"
    );

    bench.sweep.withdraw(id(1), Request::Skip).unwrap();
    let (tally, _) = bench.run(&bench.executor("finish"));
    assert!(tally.is_complete());
}

#[test]
fn a_running_run_that_is_skipped_ends() {
    let bench = Bench::new();
    let id = bench.sweep.runs()[0].id.clone();
    let script = format!("case $RUN in *{id}) {PATIENT};; esac; finish");
    let first = bench.path(0);
    let (tally, _) = bench.run_with(&bench.executor(&script), |_, _| {
        if ready(&first) {
            bench.sweep.request(&id, Request::Skip).unwrap();
        }
    });
    assert_eq!((tally.finished, tally.skipped), (7, 1));
}

#[test]
fn a_run_that_another_process_trains_is_waited_for() {
    let bench = Bench::new();
    let mut other = Some(begin(&bench.path(0), 10));
    let mut ticks = 0;
    let (tally, news) = bench.run_with(&bench.executor("finish"), |news, _| {
        ticks += usize::from(matches!(news, Progress::Tick { .. }));
        // One worker, and the other process has it.
        if let Some(writer) = other.take_if(|_| ticks > 2) {
            let summary = Summary::new(Status::Finished, 40, writer.attempt(), 1.0);
            writer.finish(&summary).unwrap();
        }
    });
    assert!(tally.is_complete());
    assert_eq!((started(&news), bench.completed()), (7, 7));
    let first_start = news
        .iter()
        .position(|news| matches!(news, Progress::Started { .. }));
    let taken_over = news
        .iter()
        .position(|news| matches!(news, Progress::Finished { .. }));
    assert!(
        taken_over < first_start,
        "no second worker before the first is free"
    );
}

#[test]
fn a_second_executor_is_refused() {
    let bench = Bench::new();
    let executor = bench.executor("finish");
    let mut refused = None;
    bench.run_with(&executor, |_, stop| {
        refused = executor.run(&bench.sweep, stop, &mut |_| {}).err();
    });
    assert!(
        matches!(refused, Some(SweepError::Busy { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_missing_program_is_named() {
    let bench = Bench::new();
    let executor = LocalExecutor::new("/nonexistent/workbench");
    let error = executor
        .run(&bench.sweep, &AtomicBool::new(false), &mut |_| {})
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot start the trainer `/nonexistent/workbench`"
    );
}

mod company;
mod machine;
mod orphans;
mod packs;
mod planned;
mod resuming;
mod stopping;
