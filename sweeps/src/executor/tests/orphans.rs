//! Runs that processes of no executor train.

use super::*;
use logs::lease::Holder;
use std::process::{Child, Command};

/// A process that holds the lease of a run until it is asked to end, as a trainer that outlived its
/// executor. It leaves the run stopped, and takes its time between its summary and its end.
fn orphan(bench: &Bench, index: usize) -> Child {
    let run = bench.path(index);
    // Moved, so that no reader meets half a summary.
    let script = "trap 'cp -r \"$T\"/stopped \"$RUN.new\"; mv \"$RUN.new\"/* \"$RUN\"/; \
                  rmdir \"$RUN.new\"; sleep 0.1; rm \"$RUN\"/lease.json; exit 3' TERM\n\
                  cp \"$T\"/stopped/metrics* \"$RUN\"/; touch \"$RUN\"/ready\n\
                  while :; do sleep 0.01; done";
    let child = Command::new("/bin/sh")
        .args(["-c", script])
        .env("T", bench.directory.path())
        .env("RUN", &run)
        // A trainer has its run open.
        .stdin(std::fs::File::open(&run).unwrap())
        .spawn()
        .unwrap();
    lend(&run, child.id());
    while !ready(&run) {
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

/// Writes the lease of a run as process `pid` of this machine would.
fn lend(run: &Path, pid: u32) {
    let lease = run.join("lease.json");
    let own = logs::Lease::take(&lease).unwrap();
    let me = logs::Lease::holder(&lease).unwrap().unwrap();
    drop(own);
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let ticks = stat.rsplit(' ').nth(52 - 22).unwrap().parse().unwrap();
    let holder = Holder {
        pid,
        start_ticks: Some(ticks),
        ..me
    };
    logs::write_json_atomic(&lease, &holder).unwrap();
}

const LOOK: Duration = Duration::from_millis(10);

#[test]
fn ctrl_c_reaches_orphans_and_returns_when_they_have_ended() {
    let bench = Bench::new();
    let mut child = orphan(&bench, 0);
    let (tally, news) = bench.run_with(&bench.executor("finish"), |_, stop| {
        stop.store(true, Ordering::Relaxed);
    });
    assert!(tally.told_to_stop && tally.out_of_reach == 0, "{tally:?}");
    assert!(!bench.path(0).join("lease.json").exists(), "it ended first");
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert_eq!(bench.state(0), State::Stopped);
    assert_eq!(started(&news), 0);
}

#[test]
fn an_orphan_is_waited_for_and_its_run_never_started_beside_it() {
    let bench = Bench::new();
    let mut child = orphan(&bench, 0);
    let mut ended = false;
    let script = "test -e \"$RUN\"/lease.json && exit 9; finish";
    let (tally, news) = bench.run_with(&bench.executor(script), |_, _| {
        if !ended {
            ended = true;
            // Its executor was killed, so that it saves its state and ends by itself.
            Command::new("kill")
                .arg(child.id().to_string())
                .status()
                .unwrap();
        }
    });
    child.wait().unwrap();
    assert!(tally.is_complete(), "{tally:?} {news:?}");
    let elsewhere = news
        .iter()
        .filter(|n| matches!(n, Progress::Elsewhere { .. }));
    assert_eq!((elsewhere.count(), started(&news)), (1, 8));
}

#[test]
fn one_orphan_can_be_stopped_by_request() {
    let bench = Bench::new();
    let mut child = orphan(&bench, 0);
    let id = bench.sweep.runs()[0].id.clone();
    let mut asked = false;
    let (tally, _) = bench.run_with(&bench.executor("finish"), |_, _| {
        if !asked {
            asked = true;
            bench.sweep.request(&id, Request::Stop).unwrap();
        }
    });
    child.wait().unwrap();
    assert_eq!((tally.finished, tally.unfinished), (7, 1), "{tally:?}");
    assert!(!bench.sweep.requested(&id, Request::Stop));
}

/// An executor knows nothing of who trains a run that it has stopped; whoever asked for the end of that waited for ever.
#[test]
fn a_run_that_was_stopped_and_is_trained_by_hand_can_be_stopped_again() {
    let bench = Bench::new();
    let id = |index: usize| bench.sweep.runs()[index].id.clone();
    let waits = "touch \"$RUN\"/ready; while [ ! -e \"$T\"/go ]; do sleep 0.01; done; finish";
    let script = format!(
        "case $RUN in *{}) {waits};; *{}) {PATIENT};; esac; finish",
        id(1),
        id(0)
    );
    let executor = LocalExecutor {
        workers: 2,
        ..bench.executor(&script)
    };
    std::thread::scope(|scope| {
        let work = scope.spawn(|| bench.run(&executor).0);
        while !ready(&bench.path(0)) || !ready(&bench.path(1)) {
            std::thread::sleep(LOOK);
        }
        let end = || {
            let left = bench
                .sweep
                .end_run(&id(0), Request::Stop, LOOK, &mut |_| {});
            assert!(left.unwrap().is_empty());
            assert_eq!(bench.state(0), State::Stopped);
        };
        end();
        // As an attempt of its own does, which has no summary yet.
        for file in ["ready", logs::run::SUMMARY_FILE] {
            std::fs::remove_file(bench.path(0).join(file)).unwrap();
        }
        let mut child = orphan(&bench, 0);
        assert_eq!(bench.state(0), State::Running);
        end();
        assert_eq!(child.wait().unwrap().code(), Some(3));
        std::fs::write(bench.directory.path().join("go"), "").unwrap();
        let tally = work.join().unwrap();
        assert_eq!((tally.finished, tally.unfinished), (7, 1), "{tally:?}");
    });
}

#[test]
fn sweep_stop_ends_orphans_without_an_executor() {
    let bench = Bench::new();
    let mut children = [orphan(&bench, 0), orphan(&bench, 5)];
    let mut news = Vec::new();
    let left = bench.sweep.stop(LOOK, &mut |n| news.push(n)).unwrap();
    assert!(left.is_empty() && news.len() == 4, "{left:?} {news:?}");
    for child in &mut children {
        assert_eq!(child.wait().unwrap().code(), Some(3), "it saved its state");
    }
    assert!(!bench.sweep.stop_requested(), "the next executor may start");
}

#[test]
fn sweep_stop_says_what_it_cannot_reach() {
    let bench = Bench::new();
    // This very process, which is no other one to be asked.
    let writer = begin(&bench.path(2), 3);
    let left = bench.sweep.stop(LOOK, &mut |_| {}).unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].id, bench.sweep.runs()[2].id);
    assert!(
        left[0]
            .process
            .to_string()
            .contains(&std::process::id().to_string())
    );

    let (tally, news) = bench.run_with(&bench.executor("finish"), |_, stop| {
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(tally.out_of_reach, 1, "{tally:?}");
    assert!(
        news.iter()
            .any(|n| matches!(n, Progress::OutOfReach { .. }))
    );
    drop(writer);
}

#[test]
fn a_lease_that_was_copied_ends_nobody() {
    let bench = Bench::new();
    let mut child = orphan(&bench, 0);
    let (here, there) = (bench.path(0), bench.path(1));
    let copy = there.join("lease.json");
    std::fs::copy(here.join("lease.json"), &copy).unwrap();
    let id = bench.sweep.runs()[1].id.clone();
    let left = bench.sweep.end_run(&id, Request::Stop, LOOK, &mut |_| {});
    let left = left.unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
    let said = left[0].process.to_string();
    assert!(said.contains("nothing of the run open"), "{said}");
    assert!(child.try_wait().unwrap().is_none(), "it trains on");
    let all = bench.sweep.stop(LOOK, &mut |_| {}).unwrap();
    assert_eq!(
        child.wait().unwrap().code(),
        Some(3),
        "its own run is stopped"
    );
    assert!(all.len() <= 1, "{all:?}");
}

#[test]
fn one_run_is_ended_without_an_executor() {
    let bench = Bench::new();
    let mut child = orphan(&bench, 0);
    let id = bench.sweep.runs()[0].id.clone();
    let end = |request| {
        let mut news = 0;
        let left = bench.sweep.end_run(&id, request, LOOK, &mut |_| news += 1);
        (left.unwrap().len(), news)
    };
    assert_eq!(end(Request::Stop), (0, 2));
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert_eq!(end(Request::Stop), (0, 0), "nothing to stop");
    assert!(!bench.sweep.requested(&id, Request::Stop), "nothing stays");
    end(Request::Skip);
    assert!(bench.sweep.requested(&id, Request::Skip));
}
