//! Failures that are the machine's, and directories that are broken: what stops a sweep and what does not.

use super::packs::{pack_script, packing};
use super::*;
use std::os::unix::fs::symlink;

/// Takes three steps, then says that the disk is full, in so far as it can.
const FULL: &str = "case $RUN in *-s2) cp \"$T\"/stopped/metrics* \"$RUN\"/\n\
                    echo 'error: no space left' >&2; exit 4;; esac; finish";

fn error_of(bench: &Bench, executor: &LocalExecutor) -> (SweepError, Vec<Progress>) {
    let mut news = Vec::new();
    let stop = AtomicBool::new(false);
    let error = executor.run(&bench.sweep, &stop, &mut |progress| news.push(progress));
    (error.unwrap_err(), news)
}

#[test]
fn a_full_disk_stops_the_sweep_at_the_first_run_and_the_same_call_goes_on() {
    let bench = Bench::new();
    let (error, news) = error_of(&bench, &bench.executor(FULL));
    let text = error.to_string();
    assert!(text.contains("could: no space left"), "{text}");
    assert!(text.contains("the same command continues"), "{text}");
    // The first of the second seed is the third run.
    assert_eq!(started(&news), 3, "{news:?}");
    let broke_off = |news: &&Progress| matches!(news, Progress::Interrupted { .. });
    assert_eq!(news.iter().filter(broke_off).count(), 1);
    assert_eq!(bench.state(2), State::Interrupted, "not failed");

    let (tally, _) = bench.run(&bench.executor("finish"));
    assert!(tally.is_complete(), "{tally:?}");
}

#[test]
fn a_full_disk_that_takes_no_words_either_is_told_all_the_same() {
    let bench = Bench::new();
    let words = bench.path(0).join("console.log");
    std::fs::write(words, "words of an attempt before\n").unwrap();
    let (error, _) = error_of(&bench, &bench.executor("exit 4"));
    let text = error.to_string();
    assert!(
        text.contains("the machine ran out of something") && !text.contains("attempt before"),
        "{text}"
    );
}

#[test]
fn runs_at_work_save_their_state_when_the_disk_is_full() {
    let bench = Bench::new();
    let script = format!(
        "case $RUN in *{}) {PATIENT};; esac\n\
         while ! test -e \"{}\"/ready; do sleep 0.01; done; exit 4",
        bench.sweep.runs()[0].id,
        bench.path(0).display()
    );
    let executor = LocalExecutor {
        workers: 2,
        ..bench.executor(&script)
    };
    let (_, news) = error_of(&bench, &executor);
    assert_eq!(started(&news), 2);
    assert_eq!(bench.state(0), State::Stopped);
}

#[test]
fn in_a_pack_the_machine_is_blamed_only_for_what_it_did() {
    let bench = Bench::new();
    // One fails by itself and says so, one meets the full disk.
    let id = |index: usize| &bench.sweep.runs()[index].id;
    let case = format!(
        "case $RUN in *{}) leave failed; continue;; *{}) continue;; esac",
        id(0),
        id(1)
    );
    let writer = begin(&bench.directory.path().join("failed"), 3);
    let summary = Summary::new(Status::Failed, 3, writer.attempt(), 1.0);
    writer.finish(&summary).unwrap();
    let script = format!("{}exit 4", pack_script(&case));
    let (error, _) = error_of(&bench, &packing(bench.executor(&script), 4));
    assert!(matches!(error, SweepError::Machine { .. }), "{error}");
    assert_eq!(bench.state(0), State::Failed);
    assert_ne!(bench.state(1), State::Failed);
    assert_eq!(bench.state(2), State::Finished);
}

#[test]
fn how_a_run_was_killed_is_told() {
    let bench = Bench::new();
    let script = "case $RUN in *-s1) kill -9 $$;; *-s2) exit 137;; *-s3) exit 130;; esac; finish";
    let (tally, news) = bench.run(&bench.executor(script));
    let messages = news.iter().filter_map(|news| match news {
        Progress::Interrupted { message, .. } => Some(message.as_str()),
        _ => None,
    });
    // Two arms of each seed.
    let messages: Vec<_> = messages.step_by(2).collect();
    assert!(messages[0].contains("signal 9") && messages[0].contains("memory"));
    assert_eq!(messages[0], messages[1]);
    assert_eq!(messages[2], "killed (signal 2)");
    assert_eq!(tally.failed, 0, "{tally:?}");
}

#[test]
fn a_deleted_run_directory_is_made_again() {
    let bench = Bench::new();
    bench.run(&bench.executor("finish"));
    std::fs::remove_dir_all(bench.path(3)).unwrap();
    std::fs::remove_file(bench.path(4).join("run.toml")).unwrap();
    let config = std::fs::read(bench.path(5).join("run.toml")).unwrap();
    let (tally, news) = bench.run(&bench.executor("test -s \"$RUN\"/run.toml; finish"));
    assert!(tally.is_complete() && started(&news) == 1, "{tally:?}");
    assert!(!config.is_empty() && bench.path(3).join("run.toml").exists());
}

#[test]
fn a_run_whose_directory_vanishes_fails_alone() {
    let bench = Bench::new();
    let script = "case $RUN in *-s1) cp \"$T\"/stopped/metrics* \"$RUN\"/; sleep 0.05\n\
                  rm -r \"$RUN\"; exit 1;; esac; finish";
    let (tally, news) = bench.run(&bench.executor(script));
    assert_eq!((tally.finished, tally.failed), (6, 2), "{tally:?}");
    let told = news.iter().any(|news| {
        matches!(news, Progress::Failed { message, .. } if message.contains("moved or deleted"))
    });
    assert!(told, "{news:?}");
    let (tally, _) = bench.run(&bench.executor("finish"));
    assert!(tally.is_complete(), "{tally:?}");
}

#[test]
fn a_directory_that_cannot_be_used_fails_its_run_only() {
    let bench = Bench::new();
    let replace = |index: usize, with: &dyn Fn(&Path)| {
        std::fs::remove_dir_all(bench.path(index)).unwrap();
        with(&bench.path(index));
    };
    replace(0, &|path| symlink("/nonexistent/run", path).unwrap());
    replace(1, &|path| std::fs::write(path, "a file").unwrap());
    std::fs::create_dir(bench.path(2).join("console.log")).unwrap();
    let (tally, news) = bench.run(&bench.executor("finish"));
    assert_eq!((tally.finished, tally.failed), (5, 3), "{news:?}");
}

/// A text of which this machine loses sight, before a run begins and while its trainer starts: no run is blamed, and none of
/// them is tried in vain.
#[test]
fn a_machine_that_loses_sight_of_a_text_is_named_and_no_run_has_failed() {
    for gone_with in ["finish", "echo 'error: no text' >&2; exit 2"] {
        let bench = Bench::new();
        let text = bench.directory.path().join("it's a text");
        std::fs::write(&text, "words").unwrap();
        let script = format!("case $RUN in *-s2) rm \"$T\"/it*;; *) finish;; esac; {gone_with}");
        let executor = LocalExecutor {
            needs: vec![text.clone()],
            ..bench.executor(&script)
        };
        let (error, news) = error_of(&bench, &executor);
        let expected = format!(
            "machine `{}` has no `{}`: ",
            logs::lease::hostname(),
            text.display()
        );
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert_eq!(started(&news), 3, "{news:?}");
        let failed = |news: &Progress| matches!(news, Progress::Failed { .. });
        assert!(!news.iter().any(failed), "{news:?}");
        assert!(!bench.path(3).join("console.log").exists(), "not begun");

        std::fs::write(&text, "words").unwrap();
        let again = LocalExecutor {
            needs: vec![text],
            ..bench.executor("finish")
        };
        assert!(bench.run(&again).0.is_complete());
    }
}
