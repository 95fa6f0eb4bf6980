//! Curves by facets, heat maps side by side, the profile over depth, and keys of the user's own.

use super::*;
use crate::fixed::twenty;
use crate::keymap::Keymap;

fn many(name: &str) -> App {
    let mut app = shown(twenty(5), Depth::Mono);
    app.screen.open(tab(name));
    app
}

/// Every tenth arm has another norm: a third axis.
fn three_axes() -> App {
    let mut source = twenty(5);
    for (number, run) in source.sweep.runs.iter_mut().enumerate() {
        let norm = if number % 10 < 5 { "pre" } else { "post" };
        let settings = std::sync::Arc::make_mut(&mut run.settings);
        settings.insert("model.norm".to_owned(), norm.into());
        run.arm = format!("{norm} {}", run.arm);
    }
    let mut app = shown(source, Depth::Mono);
    app.screen.open(tab("curves"));
    app
}

#[test]
fn every_value_of_a_key_has_a_chart_with_the_same_axes() {
    let mut app = many("curves");
    app.screen.command("facets none").unwrap();
    assert!(!app.text(160, 45).contains("loss nats/token · "));
    app.screen.command("facets num_heads").unwrap();
    let screen = app.text(200, 60);
    for value in [1, 2, 4, 8] {
        let heading = format!("loss nats/token · num_heads={value}");
        assert!(screen.contains(&heading), "{heading} in\n{screen}");
    }
    insta::assert_snapshot!(screen);
    assert!(
        app.screen
            .as_command()
            .contains("--do 'facets model.num_heads'")
    );
    press(&mut app, KeyCode::Char('u'));
    assert!(app.text(160, 45).contains("loss nats/token · lr=0.1"));
    press(&mut app, KeyCode::Char('u'));
    assert!(!app.text(160, 45).contains("loss nats/token · "));
    assert!(
        app.screen
            .command("facets norm")
            .unwrap_err()
            .contains("no key `norm`")
    );
}

/// Neither colours nor shades tell its values apart.
#[test]
fn the_third_axis_has_facets_by_itself() {
    let mut app = three_axes();
    let screen = app.text(160, 45);
    let third = app.screen.shared.groups.looks.axes[2].key.clone();
    let heading = format!("{}=", words::last_part(&third));
    let mut headings = screen
        .lines()
        .filter(|line| line.contains("loss nats/token · "));
    assert!(
        headings.any(|line| line.contains(&heading)),
        "{heading} in\n{screen}"
    );
    app.screen.command("facets none").unwrap();
    assert!(!app.text(160, 45).contains("loss nats/token · "));
}

#[test]
fn charts_without_room_are_counted_and_follow_the_cursor() {
    let mut app = many("curves");
    app.screen.command("facets lr").unwrap();
    let screen = app.text(80, 24);
    assert!(
        screen.contains("charts 1–4 of 5") && screen.contains("lr=0.001"),
        "{screen}"
    );
    app.screen.command("run lr=0.1 s1").unwrap();
    let screen = app.text(80, 24);
    assert!(
        screen.contains("charts 2–5 of 5") && screen.contains("lr=0.1"),
        "{screen}"
    );
    app.screen.command("filter nothing").unwrap();
    assert!(app.text(80, 24).contains("nothing selected"));
}

/// The sweep of twenty arms has four charts by itself, as its report has, and none where few arms are drawn.
#[test]
fn two_axes_have_facets_where_one_chart_would_hold_too_many_arms() {
    let mut app = many("curves");
    let screen = app.text(120, 40);
    for signal in ["loss nats/token", "grad_norm log"] {
        for heads in [1, 2, 4, 8] {
            let heading = format!("{signal} · num_heads={heads}");
            assert!(screen.contains(&heading), "{heading} in\n{screen}");
        }
    }
    assert!(!app.screen.as_command().contains("facets"));
    app.screen.command("filter lr=0.01").unwrap();
    let screen = app.text(120, 40);
    assert!(!screen.contains("loss nats/token · "), "{screen}");
}

#[test]
fn two_signals_have_heat_maps_side_by_side_and_a_profile_at_the_step_of_the_mark() {
    let mut app = many("layers");
    app.text(160, 40);
    press(&mut app, KeyCode::Char('w'));
    app.text(160, 40);
    for _ in 0..10 {
        press(&mut app, KeyCode::Left);
    }
    let screen = app.text(160, 40);
    assert!(
        screen.contains("layer_grad_norm and layer_param_norm"),
        "{screen}"
    );
    insta::assert_snapshot!(screen);
    let copied = app.screen.as_command();
    assert!(
        copied.contains("layers layer_grad_norm layer_param_norm"),
        "{copied}"
    );
    app.screen.command("depth 3").unwrap();
    assert!(app.text(160, 40).contains("depth at step 3"));
    app.screen.command("depth").unwrap();
    assert!(app.text(160, 40).contains("depth at step 150"));
    for wrong in [
        "layers",
        "layers a b",
        "layers layer_grad_norm x y",
        "depth x",
    ] {
        assert!(app.screen.command(wrong).is_err(), "{wrong}");
    }
    press(&mut app, KeyCode::Char('w'));
    assert!(!app.text(160, 40).contains(" and layer_param_norm"));
}

#[test]
fn a_key_of_the_users_own_is_what_help_and_key_bar_show() {
    let mut app = many("curves");
    let moved = |(a, b, c): (&str, &str, &str)| (a.to_owned(), b.to_owned(), c.to_owned());
    let moved = [
        ("curves", "z", "Z"),
        ("everywhere", "q", "Q"),
        ("everywhere", "3", "f3"),
    ]
    .map(moved);
    app.screen.keymap = Keymap::new(&app.screen.sections(), &moved).unwrap();
    let screen = app.text(120, 40);
    assert!(
        screen.contains(" Z smooth ") && screen.contains(" Q leave"),
        "{screen}"
    );
    press(&mut app, KeyCode::Char('z'));
    assert!(!app.text(120, 40).contains("smoothed"));
    press(&mut app, KeyCode::Char('Z'));
    assert!(app.text(120, 40).contains("smoothed"));
    press(&mut app, KeyCode::Char('q'));
    assert_eq!(app.screen.leaving, None);
    press(&mut app, KeyCode::Char('1'));
    press(&mut app, KeyCode::F(3));
    assert_eq!(app.screen.tab, tab("curves"));
    press(&mut app, KeyCode::Char('?'));
    assert!(app.text(150, 90).contains("Z          smoothing on or off"));
    press(&mut app, KeyCode::Char('Q'));
    assert!(app.screen.leaving.is_some());
}
