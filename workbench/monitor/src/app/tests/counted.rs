//! What is counted along the axes of a card, and what its criteria find.

use super::*;
use crate::colour::Ink;
use crate::fixed::{counted, twenty};
use crate::view::SoFar;
use ratatui::crossterm::event::{MouseEvent, MouseEventKind};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

const THREE: &str = r#"
"model.norm" = ["post", "pre", "deepnorm_glm"]
"model.num_heads" = [2, 1]
"optimizer.lr" = [1e-3, 1e-2, 1e-1]"#;

fn opened(source: Fixed, name: &str) -> App {
    let mut app = shown(source, Depth::Mono);
    app.screen.open(tab(name));
    app
}

fn here(app: &App) -> String {
    let shared = &app.screen.shared;
    shared.label(shared.cursor).text
}

/// Every view at three sizes; the snapshots were read by a person before they were accepted.
#[test]
fn views_along_the_axes() {
    for (view, tab, command) in [
        ("pairs", "outcomes", "pairs num_heads 1"),
        ("metric", "dose", "measure metric"),
    ] {
        for (width, height) in SIZES {
            let mut app = opened(twenty(5), tab);
            app.screen.command(command).unwrap();
            let name = format!("twenty_{view}_{width}x{height}");
            insta::assert_snapshot!(name, app.text(width, height));
        }
    }
    for (width, height) in SIZES {
        let mut app = opened(counted(4, THREE), "outcomes");
        let name = format!("three_axes_{width}x{height}");
        insta::assert_snapshot!(name, app.text(width, height));
    }
}

/// Of eight values to the right and forty rows, a small screen shows some; the arrows bring the others.
#[test]
fn every_cell_is_reached_by_keys_and_what_is_hidden_is_counted() {
    let axes = r#"
"model.norm" = ["post", "pre", "deepnorm_glm", "sandwich", "deepnorm"]
"model.num_heads" = [8, 4, 2, 1]
"optimizer.lr" = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1]"#;
    let mut app = opened(counted(1, axes), "outcomes");
    let screen = app.text(80, 16);
    for part in ["columns 1–6 of 8, ← →", "rows 1–9 of 24"] {
        assert!(screen.contains(part), "`{part}` in\n{screen}");
    }
    let mut visited = vec![here(&app)];
    for _ in 0..20 {
        let column = here(&app);
        for _ in 0..8 {
            press(&mut app, KeyCode::Right);
            app.text(80, 16);
            visited.push(here(&app));
        }
        for _ in 0..8 {
            press(&mut app, KeyCode::Left);
            app.text(80, 16);
        }
        assert_eq!(here(&app), column, "the first column again");
        press(&mut app, KeyCode::Down);
        let screen = app.text(80, 16);
        assert!(screen.contains('▸'), "the cell is on the screen\n{screen}");
        visited.push(here(&app));
    }
    visited.sort();
    visited.dedup();
    assert_eq!(visited.len(), 160);
    press(&mut app, KeyCode::Home);
    app.text(80, 16);
    press(&mut app, KeyCode::Enter);
    assert_eq!(app.screen.tab, tab("runs"), "{}", here(&app));
}

#[test]
fn cells_that_the_filter_leaves_empty_are_passed_over() {
    let mut app = opened(twenty(3), "outcomes");
    app.screen.command("filter lr=0.001|0.1").unwrap();
    let screen = app.text(120, 40);
    assert!(!screen.contains("2/3"), "{screen}");
    press(&mut app, KeyCode::Right);
    assert_eq!(here(&app), "num_heads=8 lr=0.1 s1");
    app.screen.command("filter").unwrap();
    let screen = app.text(120, 40);
    assert!(screen.contains("2/3"), "counted anew\n{screen}");
}

#[test]
fn the_wheel_and_clicks_move_between_cells_and_curves() {
    let mut app = opened(twenty(3), "outcomes");
    app.text(120, 40);
    let event = |kind, column, row| {
        Event::Mouse(MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::NONE,
        })
    };
    let click = MouseEventKind::Down(MouseButton::Left);
    app.handle(&event(click, 20, 5));
    assert_eq!(here(&app), "num_heads=1 lr=0.003 s1");
    app.text(120, 40);
    app.handle(&event(MouseEventKind::ScrollDown, 20, 5));
    assert_eq!(here(&app), "num_heads=8 lr=0.003 s1", "three rows a notch");
    app.screen.open(tab("dose"));
    app.text(80, 24);
    press(&mut app, KeyCode::Down);
    assert_eq!(here(&app), "num_heads=4 lr=0.001 s1", "the next curve");
    app.text(80, 24);
    press(&mut app, KeyCode::End);
    assert_eq!(here(&app), "num_heads=1 lr=0.001 s1");
}

/// Half of a screen is too little for twelve curves.
#[test]
fn curves_without_room_in_the_list_are_counted() {
    let mut app = opened(counted(2, &THREE.replace("[2, 1]", "[8, 4, 2, 1]")), "dose");
    let screen = app.text(80, 24);
    assert!(screen.contains(" 1–8 of 12 "), "{screen}");
    press(&mut app, KeyCode::End);
    let screen = app.text(80, 24);
    assert!(screen.contains(" 5–12 of 12 "), "{screen}");
}

fn judged() -> Fixed {
    Fixed {
        so_far: Some(SoFar {
            brief: "so far inconclusive, 3 runs missing".to_owned(),
            lines: (1..=30).map(|line| format!("finding {line}")).collect(),
        }),
        ..twenty(3)
    }
}

#[test]
fn the_criterion_so_far_stands_on_every_tab_and_its_lines_below_the_counts() {
    let mut app = opened(judged(), "curves");
    let brief = "so far inconclusive, 3 runs missing";
    assert!(app.text(80, 24).lines().next().unwrap().ends_with(brief));
    let mut lone = judged();
    lone.card = None;
    assert!(!opened(lone, "curves").text(80, 24).contains(brief));
    app.screen.open(tab("outcomes"));
    let screen = app.text(80, 24);
    assert!(screen.contains("finding 1 "), "{screen}");
    let said = "+22 more lines; `workbench verdict` says all";
    assert!(screen.contains(said), "{screen}");
    // Without an axis, too.
    let alone = Fixed {
        so_far: judged().so_far,
        ..counted(3, r#""model.norm" = ["post"]"#)
    };
    let screen = opened(alone, "outcomes").text(80, 24);
    assert!(screen.contains("finding 1 "), "{screen}");
}

/// A verdict on many runs takes a second, and a frame must not wait for it.
#[test]
fn frames_are_drawn_while_the_criteria_are_asked() {
    let source = judged();
    let judge = std::sync::Arc::clone(&source.judge);
    let held = judge.lock().unwrap();
    let mut app = opened(source, "outcomes");
    let screen = app.frame(80, 24);
    assert!(!screen.contains("so far"), "{screen}");
    assert!(!app.hear(), "nothing is found yet");
    drop(held);
    assert!(app.text(80, 24).contains("so far inconclusive"));
}

#[test]
fn curves_along_a_dose_have_the_colours_of_their_arms() {
    for colour in ["", "num_heads", "lr"] {
        let mut app = shown(twenty(3), Depth::True);
        app.screen.command(&format!("colour {colour}")).unwrap();
        app.screen.open(tab("dose"));
        let area = Rect::new(0, 0, 80, 24);
        app.text(80, 24);
        let mut buffer = Buffer::empty(area);
        app.draw(area, &mut buffer);
        let text = export::plain(&buffer);
        for (number, name) in ["num_heads=1", "num_heads=2", "num_heads=4", "num_heads=8"]
            .into_iter()
            .enumerate()
        {
            let line = text.lines().position(|line| line.contains(name)).unwrap();
            let ink = Ink {
                colour: number,
                shade: 0,
                shades: 1,
            };
            let colour = Depth::True.arm(ink).fg.unwrap();
            assert_eq!(buffer[(2, line as u16)].fg, colour, "{name}\n{text}");
        }
    }
}

#[test]
fn the_axis_of_the_shades_can_be_chosen() {
    let mut app = shown(counted(1, THREE), Depth::Mono);
    let axes = |app: &App| {
        let axes = app.screen.shared.groups.looks.axes.iter();
        axes.map(|axis| axis.key.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        axes(&app),
        ["model.norm", "model.num_heads", "optimizer.lr"]
    );
    app.screen.command("shade lr").unwrap();
    assert_eq!(
        axes(&app),
        ["model.norm", "optimizer.lr", "model.num_heads"]
    );
    assert!(
        app.screen
            .as_command()
            .contains("--do 'shade optimizer.lr'")
    );
    assert!(app.screen.command("shade depth").is_err());
    app.screen.command("shade").unwrap();
    assert_eq!(axes(&app)[1], "model.num_heads");
}

#[test]
fn pairs_and_measures_are_typed_and_copied() {
    let mut app = opened(twenty(3), "outcomes");
    for (line, wrong) in [
        ("pairs num_head", "did you mean"),
        ("pairs lr 0.2", "`optimizer.lr` has no value `0.2`"),
        ("outcomes lr lr", "both downwards and to the right"),
        ("measure loss", "`loss` is none of share, metric"),
        ("dose norm", "no key `norm`"),
    ] {
        let said = app.screen.command(line).unwrap_err();
        assert!(said.contains(wrong), "{line}: {said}");
    }
    app.screen.command("pairs lr 1e-2").unwrap();
    assert!(
        app.text(120, 40)
            .contains("difference of held_out_loss from lr=0.01")
    );
    press(&mut app, KeyCode::Char('t'));
    assert!(app.text(120, 40).contains("from num_heads=1"));
    let copied = app.screen.as_command();
    assert!(
        copied.contains("--do 'pairs model.num_heads 1'"),
        "{copied}"
    );
    press(&mut app, KeyCode::Char('w'));
    assert!(
        app.text(120, 40)
            .contains("↓ model.num_heads · → optimizer.lr")
    );
    press(&mut app, KeyCode::Char('t'));
    assert!(
        app.text(120, 40)
            .contains("↓ optimizer.lr · → model.num_heads")
    );
    let copied = app.screen.as_command();
    let turned = "--do 'outcomes optimizer.lr model.num_heads'";
    assert!(copied.contains(turned), "{copied}");
    app.screen.command("outcomes lr").unwrap();
    assert!(app.text(120, 40).contains("Outcomes · → optimizer.lr"));
    press(&mut app, KeyCode::Char('t'));
    assert!(app.text(120, 40).contains("Outcomes · ↓ optimizer.lr"));
}
