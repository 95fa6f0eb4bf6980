//! What the details of a run say beside its facts.

use super::*;
use crate::fixed::twenty;
use crate::keys::Key;

fn runs() -> App {
    let mut app = shown(twenty(2), Depth::Mono);
    app.screen.open(tab("runs"));
    app
}

#[test]
fn a_run_is_set_against_the_nearest_one_until_another_is_chosen() {
    let mut app = runs();
    app.text(160, 40);
    press(&mut app, KeyCode::Char('e'));
    let screen = app.text(160, 40);
    assert!(
        screen.contains("against num_heads=8 lr=0.003 s1"),
        "{screen}"
    );
    assert!(screen.contains("optimizer.lr  0.001"), "{screen}");
    assert!(
        !screen.contains("model.num_heads"),
        "only what differs: {screen}"
    );

    app.screen.command("run num_heads=1 lr=0.1 s2").unwrap();
    press(&mut app, KeyCode::Char('c'));
    app.screen.command("run num_heads=8 lr=0.001 s1").unwrap();
    let screen = app.text(160, 40);
    for part in [
        "against num_heads=1 lr=0.1 s2",
        "model.num_heads  8",
        "seed             1",
    ] {
        assert!(screen.contains(part), "`{part}` in {screen}");
    }
    let copied = app.screen.as_command();
    assert!(copied.contains("details differences") && copied.contains("compare heads-num_heads-1"));

    app.screen.command("run num_heads=1 lr=0.1 s2").unwrap();
    app.text(160, 40);
    press(&mut app, KeyCode::Char('c'));
    app.screen.command("run num_heads=8 lr=0.001 s1").unwrap();
    assert!(
        app.text(160, 40)
            .contains("against num_heads=8 lr=0.003 s1")
    );
}

/// At 80 × 24 there is no room for facts and differences.
#[test]
fn a_small_screen_shows_what_was_asked_for_instead_of_the_facts() {
    let mut app = runs();
    assert!(app.text(80, 24).contains("state"));
    app.screen.command("details differences").unwrap();
    let screen = app.text(80, 24);
    assert!(screen.contains("optimizer.lr"), "{screen}");
    app.screen.command("details console").unwrap();
    assert!(app.text(80, 24).contains("the run has no directory"));
    assert!(app.screen.command("details log").is_err());
    assert!(app.screen.command("compare nobody").is_err());
}

#[test]
fn a_lone_run_has_nothing_to_be_compared_with() {
    let mut source = fixed(1, STEPS);
    source.sweep.runs.truncate(1);
    source.records.truncate(1);
    let mut app = shown(source, Depth::Mono);
    app.screen.open(tab("runs"));
    press(&mut app, KeyCode::Char('e'));
    assert!(
        app.text(120, 40)
            .contains("there is no other run to compare with")
    );
}

/// A run whose process wrote 300 lines.
fn talkative(dir: &Path) -> App {
    let lines: Vec<String> = (1..=300).map(|line| format!("line {line}\n")).collect();
    std::fs::write(dir.join("console.log"), lines.concat()).unwrap();
    let source = Fixed {
        directory: Some(dir.to_path_buf()),
        ..twenty(2)
    };
    let mut app = shown(source, Depth::Mono);
    app.screen.open(tab("runs"));
    app
}

/// Only its last lines could be seen.
#[test]
fn a_console_is_scrolled_and_searched_and_follows_its_end_until_then() {
    let dir = tempfile::tempdir().unwrap();
    let mut app = talkative(dir.path());
    app.screen.command("details console").unwrap();
    assert!(app.text(80, 24).contains("line 300"));
    let file = dir.path().join("console.log");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.clone() + "line 301\n").unwrap();
    let screen = app.text(80, 24);
    assert!(screen.contains("line 301"), "{screen}");
    for _ in 0..5 {
        app.screen.press(Key {
            ctrl: true,
            ..crate::keys::letter('u')
        });
        app.text(80, 24);
    }
    let screen = app.text(80, 24);
    assert!(
        !screen.contains("line 301") && screen.contains(" of 304 "),
        "{screen}"
    );
    std::fs::write(&file, text + "line 301\nline 302\n").unwrap();
    assert_eq!(
        app.text(80, 24).replace("of 305", "of 304"),
        screen,
        "who reads is left to read"
    );
    app.screen.command("find LINE 77").unwrap();
    let screen = app.text(80, 24);
    assert!(
        screen.contains("line 77\n") || screen.contains("line 77 "),
        "{screen}"
    );
    press(&mut app, KeyCode::Char('N'));
    app.text(80, 24);
    app.screen.command("find line 2").unwrap();
    app.text(80, 24);
    press(&mut app, KeyCode::Char('N'));
    assert!(app.text(80, 24).contains("line 20"));
    let copied = app.screen.as_command();
    assert!(
        copied.contains("'find line 2'") && copied.contains("'details console "),
        "{copied}"
    );
    app.screen.command("run num_heads=1 lr=0.1 s1").unwrap();
    assert!(
        app.text(80, 24).contains("line 302"),
        "another run begins anew"
    );
}

/// Beside differences and console the provenance was left out.
#[test]
fn facts_are_reached_on_a_small_screen_whatever_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let mut app = talkative(dir.path());
    app.screen.command("details differences").unwrap();
    let mut seen = app.text(80, 24);
    for _ in 0..9 {
        press(&mut app, KeyCode::Char('J'));
        seen += &app.text(80, 24);
    }
    assert!(
        seen.contains("optimizer.lr") && seen.contains("state "),
        "{seen}"
    );
    app.screen.command("details console 1").unwrap();
    let screen = app.text(80, 24);
    assert!(
        screen.contains("state ") && screen.contains("line 1 "),
        "{screen}"
    );
    assert!(app.screen.command("details console 0").is_err());
}

#[test]
fn the_wheel_over_the_details_moves_them_and_not_the_cursor() {
    let dir = tempfile::tempdir().unwrap();
    let mut app = talkative(dir.path());
    app.screen.command("details console").unwrap();
    app.text(80, 24);
    let before = app.screen.shared.cursor;
    app.screen.wheel(Position::new(10, 20), -1);
    let screen = app.text(80, 24);
    assert!(!screen.contains("line 300"), "{screen}");
    assert_eq!(app.screen.shared.cursor, before);
    app.screen.wheel(Position::new(10, 6), 1);
    assert_ne!(app.screen.shared.cursor, before);
}
