//! Replays and forks that are started from an alarm.

use super::*;

/// A sweep whose runs are all in one directory, with the alarms in front.
fn alarms(dir: &Path) -> App {
    std::fs::write(dir.join("run.toml"), "").unwrap();
    let source = Fixed {
        directory: Some(dir.to_path_buf()),
        ..fixed(3, STEPS)
    };
    let mut app = shown(source, Depth::Mono);
    app.screen.open(tab("alarms"));
    app.screen.program = "echo".into();
    app.text(100, 24);
    app
}

/// What the last command said, once it has ended.
fn answer(app: &mut App, begins: &str) -> String {
    for _ in 0..1000 {
        app.poll().unwrap();
        if app.screen.note.starts_with(begins) {
            return app.screen.note.clone();
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("no `{begins}` but `{}`", app.screen.note);
}

#[test]
fn a_replay_is_asked_about_shown_copied_and_started() {
    let dir = tempfile::tempdir().unwrap();
    let mut app = alarms(dir.path());
    press(&mut app, KeyCode::Char('R'));
    let screen = app.text(60, 24);
    assert!(screen.contains("replay step "), "{screen}");
    assert!(
        screen.contains("c copies the"),
        "the whole question is seen: {screen}"
    );
    let words = format!("workbench replay {}", dir.path().display());
    press(&mut app, KeyCode::Char('c'));
    let copied = app.screen.clipboard.take().unwrap();
    assert!(copied.starts_with(&words), "{copied}");
    assert!(app.screen.prompt.is_none());

    press(&mut app, KeyCode::Char('R'));
    press(&mut app, KeyCode::Char('n'));
    assert!(
        app.screen.prompt.is_none() && !app.poll().unwrap().changed,
        "nothing was started"
    );

    press(&mut app, KeyCode::Char('R'));
    press(&mut app, KeyCode::Char('y'));
    let said = answer(&mut app, "replay step ");
    assert!(
        said.ends_with(copied.strip_prefix("workbench ").unwrap()),
        "{said}"
    );
}

#[test]
fn a_fork_has_its_directory_its_step_and_its_keys_and_is_shown_with_the_runs() {
    let dir = tempfile::tempdir().unwrap();
    let mut app = alarms(dir.path());
    app.screen
        .command("fork out/x 60 optimizer.lr=1e-3")
        .unwrap();
    let run = dir.path().display();
    press(&mut app, KeyCode::Char('c'));
    assert_eq!(
        app.screen.clipboard.take().unwrap(),
        format!(
            "workbench fork {run} --at 52 --set 'optimizer.lr=1e-3' --out out/x && workbench train out/x"
        )
    );
    for wrong in [
        "fork",
        "fork 'x",
        "fork x 60 lr",
        "fork x zero",
        "replay 0",
        "replay x",
    ] {
        assert!(app.screen.command(wrong).is_err(), "{wrong}");
    }
    app.screen.command("fork out/x").unwrap();
    press(&mut app, KeyCode::Char('y'));
    answer(&mut app, "fork ");
    assert!(app.screen.as_command().contains("--fork out/x"));
}

#[test]
fn what_cannot_be_replayed_says_why_without_a_question() {
    let dir = tempfile::tempdir().unwrap();
    let mut app = alarms(dir.path());
    app.screen.open(tab("runs"));
    app.text(100, 24);
    press(&mut app, KeyCode::Char('R'));
    assert!(app.text(100, 24).contains("no alarm is on the screen"));
    std::fs::remove_file(dir.path().join("run.toml")).unwrap();
    assert!(
        app.screen
            .command("replay 3")
            .unwrap_err()
            .contains("was not trained here")
    );
    assert!(app.screen.prompt.is_none());
}
