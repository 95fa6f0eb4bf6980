//! Stopping from another process, and requests that nobody is there to honour.

use super::*;
use crate::StopNews;

const LOOK: Duration = Duration::from_millis(5);

#[test]
fn sweep_stop_returns_when_the_executor_has_ended() {
    let bench = Bench::new();
    let executor = bench.executor(PATIENT);
    std::thread::scope(|scope| {
        let work = scope.spawn(|| bench.run(&executor).0);
        while !ready(&bench.path(0)) {
            std::thread::sleep(LOOK);
        }
        let mut news = Vec::new();
        let left = bench.sweep.stop(LOOK, &mut |n| news.push(n)).unwrap();
        assert!(left.is_empty());
        assert!(matches!(news[0], StopNews::Executor(_)), "{news:?}");
        assert_eq!(bench.sweep.executor(), None);
        assert_eq!(bench.state(0), State::Stopped);
        assert!(work.join().unwrap().told_to_stop);
    });
    assert!(!bench.sweep.stop_requested());
}

#[test]
fn nothing_to_stop_leaves_nothing_behind() {
    let bench = Bench::new();
    // One that was left behind before is cleared as well.
    bench.sweep.request_stop().unwrap();
    let mut news = 0;
    bench.sweep.stop(LOOK, &mut |_| news += 1).unwrap();
    assert_eq!(news, 0);
    assert!(!bench.sweep.stop_requested());
}

#[test]
fn requests_of_before_stop_no_run_and_skips_hold() {
    let bench = Bench::new();
    let id = |index: usize| bench.sweep.runs()[index].id.as_str();
    bench.sweep.request(id(0), Request::Stop).unwrap();
    bench.sweep.request(id(1), Request::Skip).unwrap();
    let (tally, _) = bench.run(&bench.executor("finish"));
    assert_eq!((tally.finished, tally.skipped), (7, 1));
}

#[test]
fn one_run_of_an_executor_is_ended_and_the_others_go_on() {
    let bench = Bench::new();
    let id = bench.sweep.runs()[0].id.clone();
    let script = format!("case $RUN in *{id}) {PATIENT};; esac; finish");
    let executor = bench.executor(&script);
    std::thread::scope(|scope| {
        let work = scope.spawn(|| bench.run(&executor).0);
        while !ready(&bench.path(0)) {
            std::thread::sleep(LOOK);
        }
        let left = bench.sweep.end_run(&id, Request::Stop, LOOK, &mut |_| {});
        assert!(left.unwrap().is_empty());
        assert_eq!(bench.state(0), State::Stopped);
        let tally = work.join().unwrap();
        assert_eq!((tally.finished, tally.unfinished), (7, 1));
    });
}

/// Ctrl-C in a terminal goes to every process of its group. Runs are in groups of their own, so that they
/// are asked once, by their executor.
#[test]
fn a_signal_to_the_group_of_the_executor_misses_its_runs() {
    let bench = Bench::new();
    bench.run(&bench.executor("cut -d' ' -f5 /proc/$$/stat > \"$T\"/group; finish"));
    let group = std::fs::read_to_string(bench.directory.path().join("group")).unwrap();
    let own = rustix::process::getpgrp().as_raw_nonzero().to_string();
    assert_ne!(group.trim(), own);
}

#[test]
fn a_stopped_or_failed_run_is_not_done() {
    let bench = Bench::new();
    let script = "case $RUN in *-s1) leave stopped; exit 3;; *-s2) exit 1;; *) finish;; esac";
    let (tally, news) = bench.run(&bench.executor(script));
    assert_eq!((tally.finished, tally.failed, tally.unfinished), (4, 2, 2));
    let Some(Progress::Tick {
        finished,
        total,
        steps_done,
        steps,
        eta_seconds,
        ..
    }) = news.last()
    else {
        panic!("the last news is a tick");
    };
    assert_eq!((*finished, *total), (4, 8));
    assert_eq!((*steps_done, *steps), (4 * 40 + 2 * 10, 320));
    assert_eq!(*eta_seconds, Some(0.0), "nothing is left to do here");
}
