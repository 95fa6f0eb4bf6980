//! Several runs in one process.

use super::*;

/// Finishes every run of a pack that `case` does not take out.
pub(super) fn pack_script(case: &str) -> String {
    format!(
        "shift\necho \"$#\" >> \"$T\"/sizes\nfor RUN in \"$@\"; do\n{case}\n\
         leave finished\ndone\n"
    )
}

fn sizes(bench: &Bench) -> String {
    std::fs::read_to_string(bench.directory.path().join("sizes")).unwrap()
}

pub(super) fn packing(executor: LocalExecutor, pack: usize) -> LocalExecutor {
    LocalExecutor { pack, ..executor }
}

#[test]
fn runs_of_one_shape_share_processes_and_fail_by_themselves() {
    let bench = Bench::new();
    let case =
        "case $RUN in *-s2) echo \"boom in $RUN\" >> \"$RUN\"/console.log; bad=1; continue;; esac";
    let script = format!("{}exit ${{bad:-0}}", pack_script(case));
    let (tally, news) = bench.run(&packing(bench.executor(&script), 3));
    assert_eq!(sizes(&bench), "3\n3\n2\n");
    assert_eq!((tally.finished, tally.failed), (6, 2));
    assert_eq!(started(&news), 8);
    for (index, run) in bench.sweep.runs().iter().enumerate() {
        let failed = bench.state(index) == State::Failed;
        assert_eq!(failed, run.seed == 2, "{}", run.id);
        let own = news.iter().find_map(|news| match news {
            Progress::Failed { id, message } if *id == run.id => Some(message),
            _ => None,
        });
        let words = format!("boom in {}", bench.path(index).display());
        assert!(
            own.is_none_or(|message| message.ends_with(&words)),
            "{own:?}"
        );
    }
}

#[test]
fn asking_for_one_run_of_a_pack_ends_that_run_only() {
    let bench = Bench::new();
    let id = bench.sweep.runs()[1].id.clone();
    let all = pack_script("");
    let script = format!(
        "test -e \"$T\"/again && {{ {all} exit 0; }}\nshift\n\
         trap 'touch \"$T\"/again; for RUN in \"$@\"; do leave stopped; done; exit 3' TERM\n\
         touch \"$1\"/ready\nwhile :; do sleep 0.01; done"
    );
    let first = bench.path(0);
    let mut asked = false;
    let (tally, news) = bench.run_with(&packing(bench.executor(&script), 3), |_, _| {
        if !asked && ready(&first) {
            asked = true;
            bench.sweep.request(&id, Request::Stop).unwrap();
        }
    });
    assert_eq!((tally.finished, tally.unfinished, tally.failed), (7, 1, 0));
    assert_eq!(bench.state(1), State::Stopped);
    assert!(!bench.sweep.requested(&id, Request::Stop), "honoured");
    let stopped = |news: &&Progress| matches!(news, Progress::Stopped { .. });
    assert_eq!(news.iter().filter(stopped).count(), 1, "{news:?}");
}

#[test]
fn a_killed_pack_goes_on_next_time() {
    let bench = Bench::new();
    let script =
        "shift; for RUN in \"$@\"; do cp \"$T\"/stopped/metrics* \"$RUN\"/; done; kill -9 $$";
    let (tally, _) = bench.run(&packing(bench.executor(script), 8));
    assert_eq!((tally.unfinished, tally.failed), (8, 0));
    let (tally, news) = bench.run(&packing(bench.executor(&pack_script("")), 8));
    assert!(tally.is_complete(), "{tally:?}");
    assert_eq!((started(&news), sizes(&bench).as_str()), (8, "8\n"));
}

#[test]
fn a_process_that_says_nothing_of_a_run_has_failed_it() {
    let bench = Bench::new();
    // Stopped before, so that its directory has an old word about it.
    let (_, news) = bench.run(&packing(
        bench.executor("shift; for RUN in \"$@\"; do leave stopped; done; exit 3"),
        8,
    ));
    assert_eq!(bench.state(0), State::Stopped, "{news:?}");
    let script = pack_script("case $RUN in *-s1) continue;; esac");
    let (tally, _) = bench.run(&packing(bench.executor(&script), 8));
    assert_eq!((tally.finished, tally.failed, tally.unfinished), (6, 2, 0));
}
