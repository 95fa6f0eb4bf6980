//! Executors that are not alone: several on one sweep, and jobs of a scheduler.

use super::*;
use crate::executor::slurm::Submission;
use crate::{ExecutorProcess, SharedExecutor};

/// A trainer that another machine's gets ahead of, once.
const REFUSED: &str = "case $RUN in *-s2) test -e \"$RUN/refused\" || { touch \"$RUN/refused\"; exit 6; };; esac; finish";

fn run_shared(bench: &Bench, script: &str) -> (Tally, Vec<Progress>) {
    let mut news = Vec::new();
    let executor = SharedExecutor(bench.executor(script));
    let stop = AtomicBool::new(false);
    let tally = executor.run(&bench.sweep, &stop, &mut |progress| news.push(progress));
    (tally.unwrap(), news)
}

#[test]
fn a_trainer_that_another_one_is_ahead_of_fails_nothing() {
    let bench = Bench::new();
    let (tally, news) = bench.run(&bench.executor(REFUSED));
    assert!(tally.is_complete(), "{tally:?}");
    let is_elsewhere = |news: &&Progress| matches!(news, Progress::Elsewhere { .. });
    assert_eq!(news.iter().filter(is_elsewhere).count(), 2);
    let (tally, _) = run_shared(&Bench::new(), REFUSED);
    assert!(tally.is_complete(), "{tally:?}");
}

#[test]
fn what_another_executor_has_done_is_done() {
    let bench = Bench::new();
    // Whoever trains the first run finds the last one finished by somebody else afterwards.
    let last = bench.path(7);
    let script = format!(
        "cp \"$T\"/finished/* '{0}'/; cp \"$T\"/manifests/*-deepnorm*-s4/* '{0}'/; finish",
        last.display()
    );
    let (tally, news) = run_shared(&bench, &script);
    assert!(tally.is_complete(), "{tally:?}");
    assert_eq!((started(&news), bench.completed()), (7, 7));
}

#[test]
fn executors_that_share_a_sweep_see_each_other_and_keep_others_out() {
    let bench = Bench::new();
    let sweep = &bench.sweep;
    sweep.request_stop().unwrap();
    let first = sweep.join().unwrap();
    assert!(
        !sweep.stop_requested(),
        "it was meant for executors of before"
    );
    sweep.request_stop().unwrap();
    let second = sweep.join().unwrap();
    assert!(sweep.stop_requested(), "it is meant for those at work");
    assert_eq!(sweep.executors().len(), 2);
    let me = |executor: &ExecutorProcess| executor.pid == Some(std::process::id());
    assert!(sweep.executors().iter().all(me));
    let error = sweep.lock().unwrap_err().to_string();
    assert!(
        error.contains(&format!("(process {} on ", std::process::id())),
        "{error}"
    );
    drop((first, second));
    let alone = sweep.lock().unwrap();
    assert!(sweep.join().is_err(), "it has the sweep to itself");
    drop(alone);
}

#[test]
fn a_run_that_one_of_several_stopped_on_request_is_left_by_the_others() {
    let bench = Bench::new();
    let id = bench.sweep.runs()[0].id.clone();
    let other = bench.sweep.join().unwrap();
    bench.sweep.request(&id, Request::Stop).unwrap();
    bench.sweep.set_down(&id).unwrap();
    let (tally, _) = run_shared(&bench, "finish");
    assert_eq!((tally.finished, tally.pending), (7, 1), "{tally:?}");
    drop(other);
    // The next to have the sweep to himself continues it.
    let (tally, _) = bench.run(&bench.executor("finish"));
    assert!(tally.is_complete(), "{tally:?}");
}

#[test]
fn a_job_trains_its_own_runs_and_leaves_alone_what_somebody_trains() {
    let bench = Bench::new();
    let id = |index: usize| bench.sweep.runs()[index].id.clone();
    let jobs = vec![vec![id(3)], vec![id(0), id(1)]];
    let number = bench.sweep.enter_submission(&Submission { jobs }).unwrap();
    let writer = begin(&bench.path(0), 10);
    let mut news = Vec::new();
    let stop = AtomicBool::new(false);
    // It is for the executor to stop all jobs.
    bench.sweep.request_stop().unwrap();
    let tally = bench
        .executor("finish")
        .run_job(&bench.sweep, number, 1, &stop, &mut |progress| {
            news.push(progress);
        })
        .unwrap();
    assert_eq!((tally.finished, tally.unfinished), (1, 1), "{tally:?}");
    assert_eq!((started(&news), bench.completed()), (1, 1));
    assert!(news.contains(&Progress::Elsewhere { id: id(0) }));
    assert!(bench.sweep.stop_requested() && !tally.told_to_stop);
    assert_eq!(bench.state(3), State::Pending, "another job's");
    drop(writer);
}
