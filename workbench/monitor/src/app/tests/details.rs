//! What the details of a run say beside its facts.

use super::*;
use crate::fixed::twenty;

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
