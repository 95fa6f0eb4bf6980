//! Runs are the ones that were planned, and a run that was not let go on is left as it was.

use super::*;

fn failure(news: &[Progress], id: &str) -> Option<String> {
    news.iter().find_map(|news| match news {
        Progress::Failed {
            id: failed,
            message,
        } if failed == id => Some(message.clone()),
        _ => None,
    })
}

fn id(bench: &Bench, index: usize) -> String {
    bench.sweep.runs()[index].id.clone()
}

/// All files of a run but its console log.
fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| !path.ends_with("console.log"))
        .map(|path| (path.clone(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn the_configuration_of_a_run_that_has_not_begun_is_made_again_as_planned() {
    let bench = Bench::new();
    let file = |index: usize| bench.path(index).join("run.toml");
    let planned = std::fs::read_to_string(file(0)).unwrap();
    let other = planned.replacen("steps = 40", "steps = 4", 1);
    assert_ne!(planned, other);
    std::fs::write(file(0), &other).unwrap();
    std::fs::write(file(1), "").unwrap();
    std::fs::write(file(2), "stepps = 30").unwrap();
    std::fs::remove_file(file(3)).unwrap();
    let (tally, news) = bench.run(&bench.executor("finish"));
    assert!(tally.is_complete(), "{tally:?}");
    for index in 0..4 {
        let config = experiments_config::load_file(&file(index), &[]).unwrap();
        assert_eq!(config.hash(), bench.sweep.runs()[index].config_hash);
        let told = |news: &Progress| matches!(news, Progress::Restored { id: of, .. } if *of == id(&bench, index));
        assert_eq!(news.iter().filter(|news| told(news)).count(), 1, "{index}");
    }
    let kept = std::fs::read_to_string(bench.path(0).join("damaged-run.toml")).unwrap();
    assert_eq!(kept, other, "nothing is lost");
}

#[test]
fn a_run_that_has_begun_with_another_configuration_is_left_alone() {
    let bench = Bench::new();
    for index in [0, 1, 2] {
        drop(begin(&bench.path(index), 10));
    }
    let planned = std::fs::read_to_string(bench.path(0).join("run.toml")).unwrap();
    let other = planned.replacen("steps = 40", "steps = 4", 1);
    std::fs::write(bench.path(0).join("run.toml"), other).unwrap();
    std::fs::remove_file(bench.path(1).join("run.toml")).unwrap();
    // The directory of another run under this one's name.
    manifest_of(&bench.path(3)).save(&bench.path(2)).unwrap();
    let before: Vec<_> = (0..3).map(|index| files(&bench.path(index))).collect();
    let mut executor = bench.executor("finish");
    executor.retry_failed = true;
    let (tally, news) = bench.run(&executor);
    assert_eq!((tally.failed, tally.finished), (3, 5), "{news:?}");
    for (index, words) in [(0, "`run.toml`"), (1, "`run.toml`"), (2, "another run")] {
        let message = failure(&news, &id(&bench, index)).unwrap();
        assert!(message.contains(words), "{message}");
        assert_eq!(files(&bench.path(index)), before[index], "{index}");
    }
}

#[test]
fn a_stopped_run_that_is_not_let_go_on_keeps_its_summary() {
    let bench = Bench::new();
    let writer = begin(&bench.path(0), 10);
    let summary = Summary::new(Status::Stopped, 10, writer.attempt(), 1.0);
    writer.finish(&summary).unwrap();
    let before = files(&bench.path(0));
    let script = format!(
        "case $RUN in *{}) echo 'error: other text' >&2; exit 2;; esac; finish",
        id(&bench, 0)
    );
    let (tally, news) = bench.run(&bench.executor(&script));
    assert_eq!((tally.failed, tally.finished), (1, 7), "{tally:?}");
    let message = failure(&news, &id(&bench, 0)).unwrap();
    assert_eq!(message, "refused its input (exit code 2): other text");
    assert_eq!(files(&bench.path(0)), before);
    assert_eq!(bench.state(0), State::Stopped);
    let (tally, _) = bench.run(&bench.executor("finish"));
    assert!(tally.is_complete(), "{tally:?}");
}

#[test]
fn what_failed_earlier_is_told_with_its_reason_once() {
    let bench = Bench::new();
    let first = id(&bench, 0);
    let script =
        format!("case $RUN in *{first}) echo 'error: bad text' >&2; exit 2;; esac; finish");
    let mut executor = bench.executor(&script);
    bench.run(&executor);
    let (tally, news) = bench.run(&executor);
    assert_eq!(tally.failed, 1);
    let message = failure(&news, &first).unwrap();
    assert!(
        message.starts_with("refused its input (exit code 2): bad text (")
            && message.contains("--retry-failed"),
        "{message}"
    );
    executor.retry_failed = true;
    let (_, news) = bench.run(&executor);
    let message = failure(&news, &first).unwrap();
    assert_eq!(message, "refused its input (exit code 2): bad text");
}

/// As `train RUN` does with it.
#[test]
fn a_run_whose_summary_is_damaged_goes_on() {
    let bench = Bench::new();
    bench.run(&bench.executor("finish"));
    std::fs::write(bench.path(0).join("summary.json"), "{").unwrap();
    let (tally, news) = bench.run(&bench.executor("finish"));
    assert!(tally.is_complete() && started(&news) == 1, "{tally:?}");
}

#[test]
fn a_sweep_that_is_moved_or_deleted_ends_the_executor_and_is_not_made_again() {
    for delete in [false, true] {
        let bench = Bench::new();
        let (first, old) = (bench.path(0), bench.sweep.dir().to_owned());
        let executor = bench.executor("touch \"$RUN\"/ready; sleep 0.3; exit 1");
        let stop = AtomicBool::new(false);
        let mut gone = false;
        let ended = executor.run(&bench.sweep, &stop, &mut |_| {
            if !gone && ready(&first) {
                gone = true;
                if delete {
                    std::fs::remove_dir_all(&old).unwrap();
                } else {
                    std::fs::rename(&old, old.with_extension("moved")).unwrap();
                }
            }
        });
        let error = ended.unwrap_err();
        assert!(matches!(error, SweepError::Gone { .. }), "{error}");
        assert!(!old.exists());
        let error = executor.run(&bench.sweep, &stop, &mut |_| {}).unwrap_err();
        assert!(
            matches!(error, SweepError::Gone { .. }) && !old.exists(),
            "{error}"
        );
    }
}
