//! Runs that ended early go on from the screen, one or all of an arm.

use super::*;
use crate::app::App;
use crate::keys::letter;
use crate::panes::PANES;

/// A run that has begun and ended like this.
fn ended(sweep: &Sweep, run: usize, status: Option<Status>) {
    let path = sweep.run_dir(&sweep.runs()[run].id);
    let mut writer = RunWriter::open(&path).unwrap();
    writer.step(&record(1)).unwrap();
    if let Some(status) = status {
        let attempt = writer.attempt();
        writer
            .finish(&Summary::new(status, 1, attempt, 1.0))
            .unwrap();
    }
}

/// With commands that only tell what they were given.
fn app(dir: &Path) -> App {
    let mut app = App::new(open(&[dir], &[]).unwrap(), &PANES, crate::Depth::Mono);
    app.screen.program = "echo".into();
    app.text(200, 40);
    app
}

fn heard(app: &mut App, begins: &str) -> String {
    for _ in 0..1000 {
        app.screen.hear();
        if app.screen.note.starts_with(begins) {
            return app.screen.note.clone();
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("no `{begins}` but `{}`", app.screen.note);
}

/// `resume` only took a skip back.
#[test]
fn a_run_that_was_stopped_broke_off_or_failed_goes_on_after_a_question_with_the_command() {
    for status in [Some(Status::Stopped), Some(Status::Failed), None] {
        let dir = tempfile::tempdir().unwrap();
        let sweep = sweep(&dir.path().join("s"));
        ended(&sweep, 2, status);
        let mut app = app(sweep.dir());
        let id = &sweep.runs()[2].id;
        app.screen.command(&format!("run {id}")).unwrap();
        app.screen.command("resume").unwrap();
        let path = sweep.run_dir(id);
        let line = format!("workbench train {}", path.display());
        let screen = app.text(200, 40);
        let question = screen.replace(char::is_whitespace, "");
        assert!(question.contains(&line.replace(' ', "")), "{screen}");
        app.screen.press(letter('n'));
        assert!(app.screen.prompt.is_none() && !app.screen.hear());
        app.screen.command("resume run").unwrap();
        app.screen.press(letter('y'));
        let said = heard(&mut app, "resume ");
        assert!(
            said.ends_with(&format!("train {}", path.display())),
            "{said}"
        );
    }
}

#[test]
fn all_runs_of_an_arm_that_ended_early_go_on_at_once_and_skipped_ones_are_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = sweep(&dir.path().join("s"));
    let arm = &sweep.runs()[0].arm;
    let own: Vec<usize> = (0..8)
        .filter(|run| sweep.runs()[*run].arm == *arm)
        .collect();
    let other = (0..8).find(|run| sweep.runs()[*run].arm != *arm).unwrap();
    ended(&sweep, own[0], Some(Status::Stopped));
    ended(&sweep, own[1], Some(Status::Finished));
    ended(&sweep, own[2], Some(Status::Failed));
    ended(&sweep, other, Some(Status::Failed));
    let id = |run: usize| sweep.runs()[run].id.clone();
    sweep.request(&id(own[3]), sweeps::Request::Skip).unwrap();
    let mut app = app(sweep.dir());
    app.screen.command(&format!("run {}", id(own[1]))).unwrap();
    let said = app.screen.command("resume run").unwrap_err();
    assert!(
        said.starts_with("nothing to resume: ") && said.ends_with("is finished"),
        "{said}"
    );
    app.screen.command("resume arm").unwrap();
    app.screen.press(letter('c'));
    let copied = app.screen.clipboard.take().unwrap();
    let path = |run: usize| sweep.run_dir(&id(run)).display().to_string();
    assert_eq!(
        copied,
        format!(
            "workbench sweep skip {} {} --undo && workbench train {} {}",
            sweep.dir().display(),
            id(own[3]),
            path(own[0]),
            path(own[2])
        )
    );
}

#[test]
fn an_arm_is_skipped_and_taken_back_at_once_and_no_other_run() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = sweep(&dir.path().join("s"));
    let mut app = app(sweep.dir());
    let arm = sweep.runs()[0].arm.clone();
    let skipped = || {
        let runs = sweep.runs().iter();
        let mut arms = runs.map(|run| {
            (
                run.arm == arm,
                sweep.requested(&run.id, sweeps::Request::Skip),
            )
        });
        arms.all(|(own, skipped)| own == skipped)
    };
    app.screen.command("skip arm").unwrap();
    assert!(
        app.text(200, 40).contains("skip 4 runs?"),
        "{}",
        app.text(200, 40)
    );
    app.screen.press(letter('y'));
    for _ in 0..1000 {
        if skipped() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(skipped(), "the runs of the arm, and no other");
    heard(&mut app, "skipped");
    app.poll().unwrap();
    app.text(200, 40);
    app.screen.command("resume arm").unwrap();
    app.screen.press(letter('y'));
    let none = || {
        let mut runs = sweep.runs().iter();
        !runs.any(|run| sweep.requested(&run.id, sweeps::Request::Skip))
    };
    for _ in 0..1000 {
        if none() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("some are still skipped");
}

/// There is no sweep that would go on with it.
#[test]
fn a_run_of_its_own_goes_on_too_and_is_not_stopped_from_here() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    run_of(&path, None, 3);
    std::fs::write(path.join("run.toml"), "seed = 7\n").unwrap();
    let mut app = app(&path);
    app.screen.command("resume").unwrap();
    app.screen.press(letter('c'));
    let copied = app.screen.clipboard.take().unwrap();
    assert_eq!(copied, format!("workbench train {}", path.display()));
    assert!(app.screen.command("stop").is_err());
    std::fs::remove_file(path.join("run.toml")).unwrap();
    let said = app.screen.command("resume").unwrap_err();
    assert!(said.contains("was not trained here"), "{said}");
}
