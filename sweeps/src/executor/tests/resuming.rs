//! Runs that ended early go on while their executor is at work.

use super::*;

const LOOK: Duration = Duration::from_millis(5);

/// A trainer that waits to be stopped the first time, and finishes the second.
fn once(id: &str) -> String {
    format!("case $RUN in *{id}) if [ -e \"$RUN\"/ready ]; then finish; fi; {PATIENT};; esac")
}

/// Keeps the executor at work: another run trains until it is told to end.
fn with_another(id: &str, other: &str) -> String {
    format!(
        "{}\ncase $RUN in *{other}) touch \"$RUN\"/ready; while [ ! -e \"$T\"/go ]; do sleep 0.01; done;; esac; finish",
        once(id)
    )
}

fn wait(holds: impl Fn() -> bool) {
    while !holds() {
        std::thread::sleep(LOOK);
    }
}

/// An executor left what was stopped to the next one.
#[test]
fn a_run_that_was_stopped_goes_on_where_an_executor_is_at_work() {
    let bench = Bench::new();
    let id = |index: usize| bench.sweep.runs()[index].id.clone();
    let executor = LocalExecutor {
        workers: 2,
        ..bench.executor(&with_another(&id(0), &id(1)))
    };
    std::thread::scope(|scope| {
        let work = scope.spawn(|| bench.run(&executor).0);
        wait(|| ready(&bench.path(0)) && ready(&bench.path(1)));
        let left = bench
            .sweep
            .end_run(&id(0), Request::Stop, LOOK, &mut |_| {});
        assert!(left.unwrap().is_empty());
        assert_eq!(bench.state(0), State::Stopped);
        assert!(bench.sweep.resume_run(&id(0), LOOK).unwrap());
        wait(|| bench.state(0) == State::Finished);
        std::fs::write(bench.directory.path().join("go"), "").unwrap();
        let tally = work.join().unwrap();
        assert_eq!((tally.finished, tally.unfinished), (8, 0), "{tally:?}");
    });
}

#[test]
fn a_run_that_failed_is_tried_again_and_one_that_finished_is_not() {
    let bench = Bench::new();
    let id = |index: usize| bench.sweep.runs()[index].id.clone();
    let script = format!(
        "case $RUN in *{}) if [ -e \"$RUN\"/ready ]; then finish; fi; touch \"$RUN\"/ready; exit 1;; esac\n\
         case $RUN in *{}) while [ ! -e \"$T\"/go ]; do sleep 0.01; done;; esac; finish",
        id(0),
        id(7)
    );
    let executor = bench.executor(&script);
    std::thread::scope(|scope| {
        let work = scope.spawn(|| bench.run(&executor));
        wait(|| bench.state(0) == State::Failed && bench.state(1) == State::Finished);
        for run in [0, 1] {
            assert!(bench.sweep.resume_run(&id(run), LOOK).unwrap());
        }
        std::fs::write(bench.directory.path().join("go"), "").unwrap();
        let (tally, news) = work.join().unwrap();
        assert_eq!((tally.finished, tally.failed), (8, 0), "{tally:?}");
        assert_eq!(started(&news), 9, "one of them twice");
    });
}

#[test]
fn without_an_executor_nothing_is_asked_and_nothing_left() {
    let bench = Bench::new();
    let id = bench.sweep.runs()[0].id.clone();
    assert!(!bench.sweep.resume_run(&id, LOOK).unwrap());
    assert!(!bench.sweep.is_to_resume(&id));
}
