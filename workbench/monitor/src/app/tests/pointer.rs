//! The mouse over curves and heat maps, and the part of the y axis that is shown.

use super::*;
use crate::fixed::twenty;
use ratatui::crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

const SIZE: (u16, u16) = (200, 50);

fn mouse(app: &mut App, kind: MouseEventKind, (column, row): (u16, u16)) -> String {
    app.handle(&Event::Mouse(MouseEvent {
        kind,
        column,
        row,
        modifiers: KeyModifiers::NONE,
    }));
    app.text(SIZE.0, SIZE.1)
}

fn click(app: &mut App, at: (u16, u16)) -> String {
    mouse(app, MouseEventKind::Down(MouseButton::Left), at);
    mouse(app, MouseEventKind::Up(MouseButton::Left), at)
}

fn drag(app: &mut App, from: (u16, u16), to: (u16, u16)) -> String {
    mouse(app, MouseEventKind::Down(MouseButton::Left), from);
    mouse(app, MouseEventKind::Drag(MouseButton::Left), to);
    mouse(app, MouseEventKind::Up(MouseButton::Left), to)
}

fn opened(name: &str) -> App {
    let mut app = app(6, Depth::Mono);
    app.screen.open(tab(name));
    app.text(SIZE.0, SIZE.1);
    app
}

/// The argument of a command that leads to what is shown.
fn asked(app: &App, name: &str) -> Option<Vec<f64>> {
    let copied = app.screen.as_command();
    let (_, after) = copied.split_once(&format!("--do '{name} "))?;
    let words = after.split('\'').next()?.split([' ', ',']);
    Some(words.filter_map(|word| word.parse().ok()).collect())
}

#[test]
fn a_click_on_a_curve_reads_the_values_there() {
    let mut app = opened("curves");
    let screen = click(&mut app, (100, 12));
    assert!(screen.contains("values at step "), "{screen}");
    let at = asked(&app, "cursor").unwrap()[0];
    assert!((60.0..90.0).contains(&at) && at.fract() == 0.0, "{at}");
    assert!(asked(&app, "zoom").is_none(), "no drag");
}

#[test]
fn a_drag_along_an_axis_shows_that_part_of_it_and_0_shows_all() {
    let mut app = opened("curves");
    drag(&mut app, (60, 12), (100, 13));
    let zoom = asked(&app, "zoom").unwrap();
    assert!(zoom[0] > 20.0 && zoom[1] < 100.0, "{zoom:?}");
    assert!(asked(&app, "y").is_none(), "a hand wavers by a row");
    press(&mut app, KeyCode::Char('0'));
    app.text(SIZE.0, SIZE.1);
    let screen = drag(&mut app, (60, 10), (60, 18));
    let limits = asked(&app, "y").unwrap();
    assert!(limits[0] < limits[1], "{limits:?}");
    assert!(
        screen.contains("  y ") || screen.contains(" y "),
        "{screen}"
    );
    assert!(asked(&app, "zoom").is_none());
    drag(&mut app, (60, 10), (100, 18));
    assert!(asked(&app, "zoom").is_some() && asked(&app, "y").is_some());
    press(&mut app, KeyCode::Char('0'));
    assert!(asked(&app, "zoom").is_none() && asked(&app, "y").is_none());
}

/// What a drag spans is shown while the button is held, in reverse.
#[test]
fn a_drag_is_seen_before_it_is_done() {
    let reversed = |app: &mut App| {
        let area = Rect::new(0, 0, SIZE.0, SIZE.1);
        let mut buffer = Buffer::empty(area);
        app.draw(area, &mut buffer);
        let reversed = |cell: &&ratatui::buffer::Cell| {
            cell.modifier.contains(ratatui::style::Modifier::REVERSED)
        };
        buffer.content().iter().filter(reversed).count()
    };
    for name in ["curves", "layers"] {
        let mut app = opened(name);
        let before = reversed(&mut app);
        mouse(&mut app, MouseEventKind::Down(MouseButton::Left), (60, 12));
        mouse(&mut app, MouseEventKind::Drag(MouseButton::Left), (70, 12));
        assert!(reversed(&mut app) >= before + 11, "{name}");
        mouse(&mut app, MouseEventKind::Up(MouseButton::Left), (70, 12));
        assert_eq!(reversed(&mut app), before, "{name}");
    }
}

#[test]
fn the_wheel_zooms_around_the_pointer_and_over_the_labels_the_y_axis() {
    let mut app = opened("curves");
    mouse(&mut app, MouseEventKind::ScrollUp, (100, 12));
    let zoom = asked(&app, "zoom").unwrap();
    assert!(zoom[0] > 1.0 && zoom[1] < 150.0, "{zoom:?}");
    for _ in 0..3 {
        mouse(&mut app, MouseEventKind::ScrollDown, (100, 12));
    }
    assert!(asked(&app, "zoom").is_none(), "all of it again");
    mouse(&mut app, MouseEventKind::ScrollUp, (5, 12));
    assert!(asked(&app, "y").is_some() && asked(&app, "zoom").is_none());
    for _ in 0..3 {
        mouse(&mut app, MouseEventKind::ScrollDown, (5, 12));
    }
    assert!(asked(&app, "y").is_none());
}

#[test]
fn the_y_axis_has_limits_by_command_and_keys() {
    let mut app = opened("curves");
    app.screen.command("y loss 2 4.5").unwrap();
    let screen = app.text(SIZE.0, SIZE.1);
    assert!(screen.contains("y 2.000–4.500"), "{screen}");
    assert!(app.screen.as_command().contains("--do 'y loss 2 4.5'"));
    app.screen.command("y").unwrap();
    assert!(!app.screen.as_command().contains("--do 'y "));
    // Of the active panel, the second.
    app.screen.command("y 0.1 10").unwrap();
    assert!(app.screen.as_command().contains("'y grad_norm 0.1 10'"));
    app.text(SIZE.0, SIZE.1);
    press(&mut app, KeyCode::Char(')'));
    let closer = asked(&app, "y").unwrap();
    assert!(closer[0] > 0.1 && closer[1] < 10.0, "{closer:?}");
    for _ in 0..9 {
        app.text(SIZE.0, SIZE.1);
        press(&mut app, KeyCode::Char('('));
    }
    assert!(asked(&app, "y").is_none());
    for (wrong, expected) in [
        ("y 1", "two values of the y axis"),
        ("y los 1 2", "did you mean `loss`?"),
        ("y loss 2 2", "2 is not below 2"),
        ("y grad_norm -1 2", "logarithmic axis"),
        ("y loss a 2", "`a` is no number"),
    ] {
        let error = app.screen.command(wrong).unwrap_err();
        assert!(error.contains(expected), "{wrong}: {error}");
    }
}

#[test]
fn a_click_on_a_heat_map_shows_that_step_and_a_drag_or_the_wheel_zooms() {
    let mut app = opened("layers");
    let screen = click(&mut app, (60, 20));
    let step = asked(&app, "depth").unwrap()[0];
    assert!(
        screen.contains(&format!("depth at step {step}")),
        "{screen}"
    );
    let screen = drag(&mut app, (40, 20), (80, 20));
    let steps = asked(&app, "steps").unwrap();
    assert!(steps[0] < step && step < steps[1], "{steps:?} {step}");
    assert!(
        screen.contains(&format!("· steps {}–{}", steps[0], steps[1])),
        "{screen}"
    );
    assert!(screen.contains(&format!("step {}", steps[0])), "{screen}");
    mouse(&mut app, MouseEventKind::ScrollUp, (60, 20));
    let closer = asked(&app, "steps").unwrap();
    assert!(closer[1] - closer[0] < steps[1] - steps[0]);
    press(&mut app, KeyCode::Char('0'));
    assert!(asked(&app, "steps").is_none() && asked(&app, "depth").is_none());
    for wrong in ["steps 1", "steps 9 3", "steps a b"] {
        assert!(app.screen.command(wrong).is_err(), "{wrong}");
    }
    app.screen.command("steps 5000 6000").unwrap();
    assert!(app.text(SIZE.0, SIZE.1).contains("nothing in these steps"));
}

/// Twenty arms in the smallest terminal: four charts of five, each with its names, and at the cursor with their values.
#[test]
fn every_arm_of_twenty_is_named_and_read_at_80x24() {
    let mut app = shown(twenty(5), Depth::Mono);
    app.screen.open(tab("curves"));
    let screen = app.text(80, 24);
    for heads in [1, 2, 4, 8] {
        assert!(
            screen.contains(&format!("loss nats/token · num_heads={heads}")),
            "{screen}"
        );
    }
    let named = |screen: &str, rate: &str| screen.matches(&format!(" {rate} ")).count();
    for rate in ["0.001", "0.003", "0.01", "0.03"] {
        assert!(named(&screen, rate) >= 4, "{rate} in\n{screen}");
    }
    app.screen.command("cursor 100").unwrap();
    let screen = app.text(80, 24);
    for rate in ["0.001", "0.003", "0.01", "0.03", "0.1"] {
        assert!(named(&screen, rate) >= 4, "{rate} in\n{screen}");
    }
    insta::assert_snapshot!(screen);
    // The other signal is one key away.
    press(&mut app, KeyCode::Char('n'));
    let screen = app.text(80, 24);
    assert!(
        screen.contains("signal 2 of 2") && screen.contains("grad_norm log · num_heads=8"),
        "{screen}"
    );
}

/// Arms of long words: names are cut where they stay apart, and make room for themselves before anybody asks for values.
#[test]
fn long_names_stay_apart_at_80x24() {
    let mut source = twenty(5);
    for run in &mut source.sweep.runs {
        let settings = std::sync::Arc::make_mut(&mut run.settings);
        for (key, name) in [
            ("model.num_heads", "positions-learned"),
            ("optimizer.lr", "warm-up-then-cosine-to"),
        ] {
            let value = sweeps::card::label(&settings[key]);
            settings.insert(key.to_owned(), format!("{name}-{value}-of-all").into());
        }
        let values: Vec<String> = settings.values().map(sweeps::card::label).collect();
        run.arm = values.join(" ");
    }
    let mut app = shown(source, Depth::Mono);
    app.screen.open(tab("curves"));
    let screen = app.text(80, 24);
    insta::assert_snapshot!(screen);
    for rate in ["0.001", "0.003", "0.01", "0.03", "0.1"] {
        let named = screen.matches(&format!("{rate}-of-all")).count();
        assert!(named >= 4, "{rate} in\n{screen}");
    }
    app.screen.command("facets none").unwrap();
    insta::assert_snapshot!("long_names_in_one_chart", app.text(80, 24));
}

/// Where twenty names have no room, the arm under the cursor has its name, and moving it brings every other one.
#[test]
fn the_arm_under_the_cursor_is_named_whatever_there_is_room_for() {
    let mut app = shown(twenty(5), Depth::Mono);
    app.screen.open(tab("curves"));
    app.screen.command("facets none").unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let screen = app.text(80, 24);
        let shared = &app.screen.shared;
        let brief = shared.groups.arm_name(shared.cursor, true).to_owned();
        let marked: Vec<&str> = screen.lines().filter(|line| line.contains('▸')).collect();
        assert!(!marked.is_empty(), "{screen}");
        assert!(
            marked
                .iter()
                .all(|line| line.contains(&format!(" {brief} "))),
            "{brief} in\n{screen}"
        );
        assert!(screen.contains(" more│"), "{screen}");
        seen.insert(brief);
        press(&mut app, KeyCode::Down);
    }
    assert_eq!(seen.len(), 20);
}
